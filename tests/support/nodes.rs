//! Real swarms whose engines a test may lose: one node, or two that are joined by a virtual
//! cable; each is an engine on this machine with a network, a name and a `/run` of its own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::common::{BUSYBOX, PATIENCE, real_engine, skip, subnet};

/// One engine.
pub struct Node {
    /// Its host name, which is that of its network on this machine, too.
    pub name: String,
    folder: PathBuf,
    engine: Option<Child>,
}

/// A manager, which is asked, and a worker; gone with all that they had at the end.
pub struct Nodes {
    pub manager: Node,
    pub worker: Node,
    _folder: tempfile::TempDir,
}

/// A swarm of one node; gone with all that it had at the end.
pub struct Alone {
    pub manager: Node,
    _folder: tempfile::TempDir,
}

impl Alone {
    /// None, said loudly, where this machine cannot have it.
    pub async fn start() -> Option<Self> {
        can_have_nodes().await?;
        let folder = tempfile::tempdir().unwrap();
        let mut node = Node::new(device("m", &subnet()), folder.path());
        node.start();
        node.wait();
        node.load(folder.path());
        node.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
        Some(Alone { manager: node, _folder: folder })
    }
}

impl Nodes {
    /// None, said loudly, where this machine cannot have them.
    pub async fn start() -> Option<Self> {
        can_have_nodes().await?;
        let folder = tempfile::tempdir().unwrap();
        let subnet = subnet();
        let node = |role: &str| Node::new(device(role, &subnet), folder.path());
        let mut nodes = Nodes { manager: node("m"), worker: node("w"), _folder: folder };
        let (manager, worker) = (&mut nodes.manager, &mut nodes.worker);
        let (one, two) = (manager.name.clone(), worker.name.clone());
        ip(&["link", "add", &one, "type", "veth", "peer", "name", &two]);
        manager.begin(&format!("{subnet}.1/24"));
        worker.begin(&format!("{subnet}.2/24"));
        manager.wait();
        worker.wait();
        nodes.manager.load(nodes._folder.path());
        nodes.worker.load(nodes._folder.path());
        let address = format!("{subnet}.1");
        nodes.manager.docker(&["swarm", "init", "--advertise-addr", &address]);
        let token = nodes.manager.docker(&["swarm", "join-token", "-q", "worker"]);
        let manager = format!("{address}:2377");
        nodes.worker.docker(&["swarm", "join", "--token", token.trim(), &manager]);
        Some(nodes)
    }
}

/// A manager, which is first, and two workers, on one switch; gone with all that they had at
/// the end.
pub struct Three {
    pub nodes: [Node; 3],
    subnet: String,
    host: Option<Host>,
    switch: Switch,
    _folder: tempfile::TempDir,
}

/// A bridge in a network of its own, where no other engine's rules reach.
struct Switch(String);

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// This machine's end of its cable to the switch.
struct Host(String);

impl Drop for Host {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "del", &self.0]).status();
    }
}

impl Three {
    /// None, said loudly, where this machine cannot have them.
    pub async fn start() -> Option<Self> {
        can_have_nodes().await?;
        let folder = tempfile::tempdir().unwrap();
        let subnet = subnet();
        let switch = Switch(device("s", &subnet));
        ip(&["netns", "add", &switch.0]);
        ip(&["-n", &switch.0, "link", "add", "bridge", "type", "bridge"]);
        ip(&["-n", &switch.0, "link", "set", "bridge", "up"]);
        let mut nodes = ["m", "w", "x"].map(|role| Node::new(device(role, &subnet), folder.path()));
        for (number, node) in (1..).zip(&mut nodes) {
            let plug = format!("{}s", node.name);
            ip(&["link", "add", &node.name, "type", "veth", "peer", "name", &plug]);
            ip(&["link", "set", &plug, "netns", &switch.0]);
            ip(&["-n", &switch.0, "link", "set", &plug, "master", "bridge", "up"]);
            node.begin(&format!("{subnet}.{number}/24"));
        }
        for node in &nodes {
            node.wait();
            node.load(folder.path());
        }
        let [manager, workers @ ..] = &nodes;
        let address = format!("{subnet}.1");
        manager.docker(&["swarm", "init", "--advertise-addr", &address]);
        let token = manager.docker(&["swarm", "join-token", "-q", "worker"]);
        for worker in workers {
            worker.docker(&["swarm", "join", "--token", token.trim(), &format!("{address}:2377")]);
        }
        Some(Three { nodes, subnet, host: None, switch, _folder: folder })
    }

    /// Joins this machine to the switch; the address at which the nodes reach it.
    pub fn join_host(&mut self) -> String {
        let host = Host(device("h", &self.subnet));
        let (plug, switch) = (format!("{}s", host.0), &self.switch.0);
        ip(&["link", "add", &host.0, "type", "veth", "peer", "name", &plug]);
        ip(&["link", "set", &plug, "netns", switch]);
        ip(&["-n", switch, "link", "set", &plug, "master", "bridge", "up"]);
        let address = format!("{}.9", self.subnet);
        ip(&["addr", "add", &format!("{address}/24"), "dev", &host.0]);
        ip(&["link", "set", &host.0, "up"]);
        self.host = Some(host);
        address
    }
}

/// None, said loudly, where this machine can have no engine of a test's own.
async fn can_have_nodes() -> Option<()> {
    // It has the image.
    real_engine().await?;
    for program in ["dockerd", "ip", "nsenter", "unshare"] {
        if !Command::new("which").arg(program).output().unwrap().status.success() {
            skip(&format!("no program `{program}`, so no node of its own"));
            return None;
        }
    }
    if !Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n") {
        skip("a node of its own needs root");
        return None;
    }
    Some(())
}

/// Names of network devices have 15 characters at most.
fn device(role: &str, subnet: &str) -> String {
    format!("pl{role}{}", subnet.replace('.', "-").split_off("10-".len()))
}

impl Node {
    /// In a network of its own.
    fn new(name: String, folder: &Path) -> Self {
        let folder = folder.join(&name);
        fs::create_dir(&folder).unwrap();
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        Node { name, folder, engine: None }
    }

    pub fn endpoint(&self) -> String {
        format!("unix://{}/sock", self.folder.display())
    }

    /// Its end of the cable, and its engine.
    fn begin(&mut self, address: &str) {
        let name = &self.name;
        ip(&["link", "set", name, "netns", name]);
        ip(&["-n", name, "addr", "add", address, "dev", name]);
        ip(&["-n", name, "link", "set", name, "up"]);
        self.start();
    }

    /// Starts its engine.
    fn start(&mut self) {
        let name = &self.name;
        let script = "mount --make-rprivate / && hostname \"$1\" && mount -t tmpfs tmpfs /run && exec \
                      dockerd --data-root \"$2/data\" --exec-root \"$2/exec\" -p \"$2/pid\" -H \
                      \"unix://$2/sock\"";
        let log = File::create(self.folder.join("log")).unwrap();
        let engine = Command::new("nsenter")
            .arg(format!("--net=/var/run/netns/{name}"))
            .args(["unshare", "-u", "-m", "sh", "-c", script, "sh", name])
            .arg(&self.folder)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.engine = Some(engine.unwrap());
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = Command::new("docker").args(["-H", &self.endpoint(), "version"]).output();
            if answer.unwrap().status.success() {
                return;
            }
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "no engine {}: {}", self.name, log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The image that tests run.
    fn load(&self, folder: &Path) {
        self.load_image(folder, BUSYBOX);
    }

    /// An image that this machine's engine has.
    pub fn load_image(&self, folder: &Path, name: &str) {
        let image = folder.join("image.tar");
        let image = image.to_str().unwrap();
        let saved = Command::new("docker")
            .args(["-H", &super::common::endpoint(), "save", "-o", image, name])
            .status();
        assert!(saved.unwrap().success());
        self.docker(&["load", "-i", image]);
    }

    /// As when its power is cut: its engine and its containers are killed, and the engine is
    /// started again, until it is a manager again.
    pub fn restart(&mut self) {
        self.lose();
        self.revive();
        let deadline = Instant::now() + PATIENCE;
        let nodes = || Command::new("docker").args(["-H", &self.endpoint(), "node", "ls"]).output();
        while !nodes().unwrap().status.success() {
            assert!(Instant::now() < deadline, "{} is no manager any more", self.name);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts an engine that was lost, without the containers that it had.
    pub fn revive(&mut self) {
        self.end_strays();
        // A killed process that nobody has waited for yet counts as running.
        for pid in ["pid", "exec/containerd/containerd.pid"] {
            let _ = fs::remove_file(self.folder.join(pid));
        }
        self.start();
        self.wait();
    }

    /// What docker says there.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let mut docker = Command::new("docker");
        let output = docker.args(["-H", &self.endpoint()]).args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?} on {}: {stderr}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Loses it: its engine ends without a word.
    pub fn lose(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            let _ = engine.kill();
            let _ = engine.wait();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.lose();
        self.end_strays();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

impl Node {
    /// What an engine leaves running that was lost: programs whose command names its
    /// folder, and the containers that are their children.
    fn end_strays(&self) {
        let folder = self.folder.display().to_string();
        let names_it = |pid: &u32| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(&folder)
        };
        let all = processes();
        let strays: Vec<u32> =
            all.iter().map(|(pid, _)| *pid).filter(names_it).filter(|pid| *pid > 1).collect();
        let children =
            all.iter().filter(|(_, parent)| strays.contains(parent)).map(|(pid, _)| *pid);
        for pid in children.chain(strays.iter().copied()) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}

/// All processes, each with its parent.
fn processes() -> Vec<(u32, u32)> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name, in brackets, may hold anything.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let folders = fs::read_dir("/proc").unwrap().flatten();
    let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments:?}: {stderr}");
}
