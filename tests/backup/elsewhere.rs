//! Volumes that potluck cannot reach by itself: of a user without root's rights, of a server
//! over SSH, of another node. A helper container reads and writes them.

mod spread;

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::support::{
    cli::Lab,
    common::ports,
    common::{BUSYBOX, Cleanup, endpoint, eventually, real_engine, skip},
    nodes::{Node, Three},
    operator::{SLEEP, docker, docker_at, domain},
    sshd,
    stores::{Rights, Store},
};
use potluck::home::StackName;

const HELPER: &str = "potluck-test/helper:1";
const NOBODY: u32 = 65534;
/// The repository's password, which is looked for from outside.
const PLANTED: &str = "planted-5f0c1e";

/// What is tested; POTLUCK names another program for a measurement.
fn program() -> PathBuf {
    std::env::var_os("POTLUCK").map_or_else(|| env!("CARGO_BIN_EXE_potluck").into(), Into::into)
}

/// Somebody with a folder of their own.
struct Somebody {
    lab: Lab,
    program: PathBuf,
    path: String,
    /// User and group; root's own where there are none.
    ids: Option<(u32, u32)>,
    domain: String,
    stack: StackName,
}

impl Somebody {
    fn root(path: String) -> Self {
        let (domain, stack) = domain("elsewhere");
        let program = program();
        Somebody { lab: Lab::new(), program, path, ids: None, domain, stack }
    }

    /// Who may use this socket, and has no other right.
    fn member(socket: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skip::skip("only root can start a program as somebody else");
            return None;
        }
        let socket = socket.strip_prefix("unix://").unwrap();
        let meta = fs::metadata(socket).unwrap();
        if meta.mode() & 0o060 != 0o060 || meta.gid() == 0 {
            skip::skip("the engine's socket has no group of its own");
            return None;
        }
        let mut member = Somebody::root(std::env::var("PATH").unwrap());
        let lab = member.lab.path("");
        member.program = lab.join("program");
        // The folder of the build may be closed to others.
        fs::copy(program(), &member.program).unwrap();
        fs::set_permissions(&lab, fs::Permissions::from_mode(0o755)).unwrap();
        let ids = (NOBODY, meta.gid());
        let owner = format!("{}:{}", ids.0, ids.1);
        let done = Command::new("chown").args(["-R", &owner]).arg(&lab).status().unwrap();
        assert!(done.success());
        member.ids = Some(ids);
        Some(member)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.lab.path("home"))
            .env("POTLUCK_DIR", self.lab.path("potluck"))
            .env("NO_COLOR", "1")
            .current_dir(self.lab.path(""))
            .stdin(Stdio::null());
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Has to succeed.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &said
    }

    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?} succeeded: {said}");
        said
    }

    fn write(&self, below: &str, text: &str) {
        let path = self.lab.path(below);
        self.lab.write(below, text);
        self.give(self.lab.path(below.split('/').next().unwrap()));
        assert!(path.exists());
    }

    fn give(&self, path: PathBuf) {
        if let Some((user, group)) = self.ids {
            let owner = format!("{user}:{group}");
            let done = Command::new("chown").args(["-R", &owner]).arg(path).status().unwrap();
            assert!(done.success());
        }
    }

    /// The server `here`, with the test's image for helpers.
    fn server(&self, endpoint: &str) {
        let settings = format!("endpoint: {endpoint}\nbackup:\n  helper-image: {HELPER}\n");
        self.write("potluck/servers/here/server.yml", &settings);
        // Before the first backup, which would make one.
        let password = "potluck/state/backups/here/password";
        self.write(password, &format!("{PLANTED}\n"));
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(self.lab.path(password), mode).unwrap();
    }

    /// Deploys an app with a volume; `placed` is more of its `deploy`.
    fn deploy(&self, placed: &str) {
        self.write(
            "tiny/compose.yml",
            &format!(
                "services:\n  app:\n    image: {BUSYBOX}\n    command: {SLEEP}\n    volumes: \
                 [\"content:/content\"]\n    stop_grace_period: 0s\n    deploy:\n      \
                 endpoint_mode: dnsrr\n{placed}volumes:\n  content:\n"
            ),
        );
        self.write("tiny/.env.sample", "DOMAIN=\n");
        let domain = self.domain.as_str();
        self.run(&["app", "new", "./tiny", "--domain", domain, "--server", "here"]);
        self.run(&["app", "deploy", domain, "--no-input"]);
    }

    fn shell(&self, script: &str) -> String {
        self.run(&["app", "run", &self.domain, "app", "--no-input", "--", "sh", "-c", script])
    }

    fn backup(&self) -> serde_json::Value {
        let output = self.output(&["backup", "create", &self.domain, "--json"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn restore(&self) {
        self.run(&["backup", "restore", &self.domain, "--yes"]);
    }

    /// Restores the newest backup on trial.
    fn drill(&self) {
        let drilled = self.output(&["backup", "drill", &self.domain, "--json"]);
        let drilled: serde_json::Value = serde_json::from_slice(&drilled.stdout).unwrap();
        assert_eq!(drilled[0]["ok"], true, "{drilled}");
    }

    fn repository(&self) -> PathBuf {
        self.lab.path("potluck/state/backups/here/repository")
    }
}

async fn ready() -> Option<()> {
    real_engine().await?;
    let image = Command::new("docker").args(["image", "inspect", HELPER]).output().unwrap();
    if !image.status.success() {
        skip::skip("no image of the helper: tests/images/build.sh helper");
        return None;
    }
    Some(())
}

/// Files that only root can read, a link, an owner, a mode; and some that compress badly.
const FILL: &str = "cd /content && mkdir -p sub/deep && echo soup >page && chmod 600 page && chown \
                    33:34 sub && chmod 2750 sub && ln -s /etc/passwd sub/link && echo x >sub/deep/x \
                    && head -c 20000000 /dev/urandom >large";
const SEEN: &str = "cd /content && cat page && stat -c '%u:%g %a' . page sub && readlink sub/link && \
                    sha256sum large sub/deep/x && ls -A";

fn size_of(folder: &Path) -> u64 {
    let output = Command::new("du").arg("-sb").arg(folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn helpers(engine: &str, stack: &StackName) -> Vec<String> {
    let filter = format!("label=potluck.helper={stack}");
    let found = docker_at(engine, &["ps", "-aq", "--no-trunc", "--filter", &filter]);
    found.split_whitespace().map(Into::into).collect()
}

/// What a server tells of the helpers, and what every process of this machine was started
/// with, until it is stopped.
fn watch(
    engine: String,
    stack: StackName,
    word: String,
    stop: Arc<AtomicBool>,
) -> (usize, Vec<String>) {
    let (mut seen, mut found) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        for id in helpers(&engine, &stack) {
            let output = Command::new("docker").args(["-H", &engine, "inspect", &id]).output();
            let text = String::from_utf8(output.unwrap().stdout).unwrap();
            seen += 1;
            if text.contains(&word) {
                found.push(text);
            }
        }
        for process in fs::read_dir("/proc").unwrap().flatten() {
            for part in ["cmdline", "environ"] {
                let text = fs::read(process.path().join(part)).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).into_owned();
                if text.contains(&word) {
                    found.push(text);
                }
            }
        }
    }
    (seen, found)
}

/// A backup and a restore; nothing of the password is seen from outside meanwhile.
fn back_up_and_restore(somebody: &Somebody, engine: &str) {
    somebody.shell(FILL);
    let before = somebody.shell(SEEN);

    let stop = Arc::new(AtomicBool::new(false));
    let watching = {
        let (engine, stack, stop) = (engine.to_owned(), somebody.stack.clone(), stop.clone());
        std::thread::spawn(move || watch(engine, stack, PLANTED.to_owned(), stop))
    };
    let report = somebody.backup();
    assert_eq!(report["warnings"], serde_json::json!([]), "{report}");
    let first = size_of(&somebody.repository());
    assert!(first > 20_000_000, "{first}");
    // File by file: what did not change is not stored again, and not sent.
    somebody.backup();
    let second = size_of(&somebody.repository());
    assert!(second - first < 200_000, "{first} {second}");

    somebody.shell("cd /content && rm -r sub large && echo spoiled >page && echo later >later");
    somebody.restore();
    stop.store(true, Ordering::Relaxed);
    let (seen, found) = watching.join().unwrap();
    assert!(seen > 0, "no helper was seen");
    assert!(found.is_empty(), "the password was seen: {found:?}");
    assert_eq!(somebody.shell(SEEN), before);
    assert!(helpers(engine, &somebody.stack).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_the_docker_group_needs_no_right_of_root() {
    let Some(()) = ready().await else { return };
    let Some(member) = Somebody::member(&endpoint()) else { return };
    let _cleanup = Cleanup::new(&member.stack);
    member.server(&endpoint());
    member.deploy("");
    back_up_and_restore(&member, &endpoint());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_over_ssh_is_backed_up_into_a_folder_of_the_workstation() {
    let Some(()) = ready().await else { return };
    let Some(sshd) = sshd::sshd().await else { return };
    let anna = Somebody::root(sshd.path());
    let _cleanup = Cleanup::new(&anna.stack);
    anna.server(&sshd.endpoint());
    anna.deploy("");
    back_up_and_restore(&anna, &endpoint());
    anna.drill();
    assert!(helpers(&endpoint(), &anna.stack).is_empty());
}

/// What a helper leaves when potluck is killed in the middle: nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_helper_ends_with_the_potluck_that_started_it() {
    let Some(()) = ready().await else { return };
    let Some(sshd) = sshd::sshd().await else { return };
    let anna = Somebody::root(sshd.path());
    let _cleanup = Cleanup::new(&anna.stack);
    anna.server(&sshd.endpoint());
    anna.deploy("");
    anna.shell("head -c 200000000 /dev/urandom >/content/large");
    let mut child = anna.command(&["backup", "create", &anna.domain]).spawn().unwrap();
    let there = || async { (!helpers(&endpoint(), &anna.stack).is_empty()).then_some(()) };
    eventually("a helper", there).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let gone = || async { helpers(&endpoint(), &anna.stack).is_empty().then_some(()) };
    eventually("the helper to end", gone).await;
    // One that is left nevertheless is removed by the next operation on the app.
    let label = format!("potluck.helper={}", anna.stack);
    docker(&["run", "-d", "--label", &label, BUSYBOX, "sleep", "100000"]);
    anna.run(&["app", "unlock", &anna.domain, "--yes", "--reason", "it was killed"]);
    anna.backup();
    assert!(helpers(&endpoint(), &anna.stack).is_empty());
}

/// A node's engine with the helper's image, and a socket that others can reach.
fn open(node: &Node) {
    let images = tempfile::tempdir().unwrap();
    node.load_image(images.path(), HELPER);
    // The folder of a test's engine is its owner's only.
    let socket = node.endpoint();
    let above = Path::new(socket.strip_prefix("unix://").unwrap()).ancestors().skip(1);
    for folder in above.take_while(|folder| *folder != std::env::temp_dir()) {
        if folder.starts_with(std::env::temp_dir()) {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

fn on(node: &Node) -> String {
    format!("      placement:\n        constraints: [\"node.hostname == {}\"]\n", node.name)
}

/// A swarm of three nodes, and who may use its manager's engine, which is the server `here`.
async fn three_nodes() -> Option<(Three, Somebody)> {
    ready().await?;
    let three = Three::start().await?;
    three.nodes.iter().for_each(open);
    let manager = three.nodes[0].endpoint();
    let member = Somebody::member(&manager)?;
    member.server(&manager);
    Some((three, member))
}

/// The services of an app are on other nodes than the one that the server's endpoint speaks
/// for; they move, and nodes go away.
#[tokio::test(flavor = "multi_thread")]
async fn data_of_another_node_is_reached_through_its_endpoint() {
    let Some((mut three, member)) = three_nodes().await else { return };
    let [manager, one, two] = &three.nodes;
    member.deploy(&on(one));

    // Without an endpoint, each command says which node, and what to type.
    let domain = member.domain.as_str();
    for refused in [
        member.fails(&["app", "run", domain, "app", "--no-input", "--", "true"]),
        member.fails(&["backup", "create", domain]),
    ] {
        let words = format!("no endpoint is known for the node `{}`", one.name);
        assert!(refused.contains(&words), "{refused}");
        assert!(refused.contains("`potluck server nodes here`"), "{refused}");
    }
    let wrong = format!("{}={}", one.name, manager.endpoint());
    let said = member.fails(&["server", "nodes", "here", "--add", &wrong]);
    assert!(said.contains("that of another node"), "{said}");
    for node in [one, two] {
        let right = format!("{}={}", node.name, node.endpoint());
        let said = member.run(&["server", "nodes", "here", "--add", &right]);
        assert!(said.contains(&format!("Added the node {}", node.name)), "{said}");
    }
    let listed = member.run(&["server", "nodes", "here", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let answers: Vec<_> = listed.as_array().unwrap().iter().map(|row| &row["answers"]).collect();
    assert_eq!(answers, [true, true, true], "{listed}");

    back_up_and_restore(&member, &one.endpoint());
    // Files go there and come back.
    member.write("kitchen/soup", "hot\n");
    let into = format!("app:{}", "/content/sub");
    member.run(&["app", "cp", domain, "kitchen", &into]);
    assert_eq!(
        member.shell("stat -c %u /content/sub/kitchen/soup; cat /content/sub/kitchen/soup"),
        "0\nhot\n"
    );
    member.run(&["app", "cp", domain, "app:/content/sub/kitchen/soup", "cold"]);
    assert_eq!(fs::read_to_string(member.lab.path("cold")).unwrap(), "hot\n");
    // Under a name that is not there yet.
    member.run(&["app", "cp", domain, "kitchen/soup", "app:/content/stew"]);
    assert_eq!(member.shell("cat /content/stew"), "hot\n");

    // The service moves: the next backup has the data of the node where it runs.
    let compose = fs::read_to_string(member.lab.path("tiny/compose.yml")).unwrap();
    member.write("tiny/compose.yml", &compose.replace(&one.name, &two.name));
    member.run(&["app", "deploy", domain, "--no-input", "--leave-data"]);
    member.shell("echo moved >/content/page && head -c 100000000 /dev/urandom >/content/large");
    member.backup();
    member.shell("echo spoiled >/content/page");
    member.restore();
    assert!(member.shell("cat /content/page").contains("moved"));

    // Its engine goes away in the middle: no set, and the next one is complete.
    let sets = || {
        let listed = member.run(&["backup", "snapshots", domain, "--json"]);
        serde_json::from_str::<serde_json::Value>(&listed).unwrap().as_array().unwrap().len()
    };
    let before = sets();
    member.shell("head -c 300000000 /dev/urandom >/content/larger");
    let backup = member.command(&["backup", "create", domain]).stderr(Stdio::piped()).spawn();
    let backup = backup.unwrap();
    let there = || async { (!helpers(&two.endpoint(), &member.stack).is_empty()).then_some(()) };
    eventually("a helper", there).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    three.nodes[2].lose();
    let ended = backup.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success(), "{said}");
    assert!(said.contains("cannot reach the Docker engine"), "{said}");
    assert_eq!(sets(), before, "an incomplete set is listed");
    three.nodes[2].revive();
    let two = &three.nodes[2];
    let runs = || async {
        let run = member.output(&["app", "run", domain, "app", "--no-input", "--", "true"]);
        run.status.success().then_some(())
    };
    eventually("the service to run again", runs).await;
    member.backup();
    assert_eq!(sets(), before + 1);
    assert!(helpers(&two.endpoint(), &member.stack).is_empty());
}

/// Services, with their specifications, and secrets that jobs have on a swarm.
fn jobs(manager: &Node) -> String {
    let of = |what: &str| manager.docker(&[what, "ls", "-q", "--filter", "label=potluck.helper"]);
    let services = of("service");
    let ids: Vec<&str> = services.split_whitespace().collect();
    let specs = match ids.is_empty() {
        true => String::new(),
        // One that has just gone is none any more.
        false => {
            let mut docker = Command::new("docker");
            let docker = docker.args(["-H", &manager.endpoint(), "service", "inspect"]).args(ids);
            String::from_utf8_lossy(&docker.output().unwrap().stdout).into_owned()
        }
    };
    format!("{specs}{}", of("secret"))
}

/// The server `here`, whose backups go to a store that its nodes reach.
fn keeps_at(member: &Somebody, manager: &Node, store: &Store) {
    member.server(&manager.endpoint());
    let settings = fs::read_to_string(member.lab.path("potluck/servers/here/server.yml")).unwrap();
    let (at, password) = (store.rest_location("here"), "../../state/backups/here/password");
    let settings = format!("{settings}  repository: {at}\n  password-file: {password}\n");
    member.write("potluck/servers/here/server.yml", &settings);
}

/// Three nodes that reach a store, which is the server's repository, and the store's folder.
async fn three_with_a_store() -> Option<(Three, Somebody, Store, tempfile::TempDir)> {
    let (mut three, member) = three_nodes().await?;
    let folder = tempfile::tempdir().unwrap();
    let address = three.join_host();
    let store = Store::rest_on(folder.path(), Rights::All, &address, ports())?;
    keeps_at(&member, &three.nodes[0], &store);
    Some((three, member, store, folder))
}

/// Runs a script in the app's container of a node that potluck does not reach.
fn shell_on(node: &Node, member: &Somebody, script: &str) -> String {
    let task = node.docker(&["ps", "-q", "--filter", &format!("name={}", member.stack)]);
    node.docker(&["exec", task.trim(), "sh", "-c", script])
}

/// A node that no endpoint reaches: its volumes are saved and restored by jobs of the swarm,
/// into a repository that the node reaches by itself.
#[tokio::test(flavor = "multi_thread")]
async fn volumes_of_a_node_without_an_endpoint_are_saved_and_restored_by_jobs() {
    let Some((mut three, member, _store, folder)) = three_with_a_store().await else { return };
    let [manager, one, _] = &three.nodes;
    member.deploy(&on(one));
    let (domain, stack) = (member.domain.as_str(), member.stack.to_string());
    let shell = |node: &Node, script: &str| shell_on(node, &member, script);
    shell(one, FILL);
    let before = shell(one, SEEN);

    let stop = Arc::new(AtomicBool::new(false));
    let watching = {
        let (engine, stop) = (manager.endpoint(), stop.clone());
        let docker = move |arguments: &[&str]| {
            let output = Command::new("docker").args(["-H", &engine]).args(arguments).output();
            let output = output.unwrap();
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
        };
        let found = move |what: &str| {
            let ids = docker(&[what, "ls", "-q", "--filter", "label=potluck.helper"]);
            let ids: Vec<&str> = ids.split_whitespace().collect();
            // What it wrote, too.
            let logs = ids.iter().filter(|_| what == "service");
            let logs: String = logs.map(|id| docker(&["service", "logs", id])).collect();
            let specs = if ids.is_empty() {
                String::new()
            } else {
                docker(&[&[what, "inspect"], &ids[..]].concat())
            };
            (ids.len(), specs + &logs)
        };
        std::thread::spawn(move || {
            let (mut told, mut seen) = (String::new(), 0);
            while !stop.load(Ordering::Relaxed) {
                for (count, text) in [found("service"), found("secret")] {
                    seen += count;
                    told += &text;
                }
            }
            (told, seen)
        })
    };
    let report = member.backup();
    assert_eq!(report["warnings"], serde_json::json!([]), "{report}");
    let first = size_of(folder.path());
    assert!(first > 20_000_000, "{first}");
    member.backup();
    let second = size_of(folder.path());
    assert!(second - first < 200_000, "{first} {second}");
    shell(one, "cd /content && rm -r sub large && echo spoiled >page && echo later >later");
    member.restore();
    stop.store(true, Ordering::Relaxed);
    let (told, seen) = watching.join().unwrap();
    assert!(seen > 0, "no job was seen");
    for word in [PLANTED, crate::support::stores::PASSWORD] {
        assert!(!told.contains(word), "a password is in a specification or a log");
    }
    let restored = || async {
        let task = one.docker(&["ps", "-q", "--filter", &format!("name={stack}")]);
        (task.lines().count() == 1).then_some(())
    };
    eventually("the restored service", restored).await;
    assert_eq!(shell(one, SEEN), before);
    member.drill();
    assert_eq!(jobs(manager), "");

    // What needs a program's streams names what to type.
    let refused = member.fails(&["app", "run", domain, "app", "--no-input", "--", "true"]);
    assert!(refused.contains("`potluck server nodes here`"), "{refused}");

    // Killed in the middle: what is left goes with the next operation.
    let sets = || {
        let listed = member.run(&["backup", "snapshots", domain, "--json"]);
        serde_json::from_str::<serde_json::Value>(&listed).unwrap().as_array().unwrap().len()
    };
    let before = sets();
    shell(one, "head -c 200000000 /dev/urandom >/content/larger");
    let mut backup = member.command(&["backup", "create", domain]);
    let mut backup = backup.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let works = || async { jobs(manager).contains("-environment").then_some(()) };
    eventually("a job with secrets", works).await;
    backup.kill().unwrap();
    backup.wait().unwrap();
    assert_ne!(jobs(manager), "");
    member.run(&["app", "unlock", domain, "--yes", "--reason", "it was killed"]);
    member.backup();
    assert_eq!(jobs(manager), "");

    // The manager goes away in the middle: that is said, and no half of it is a set.
    shell(one, "head -c 200000000 /dev/urandom >/content/largest");
    let backup = member.command(&["backup", "create", domain]).stderr(Stdio::piped()).spawn();
    let backup = backup.unwrap();
    eventually("a job with secrets", works).await;
    three.nodes[0].lose();
    let ended = backup.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success(), "{said}");
    assert!(said.contains("cannot reach the Docker engine"), "{said}");
    three.nodes[0].restart();
    assert_eq!(sets(), before + 1, "an incomplete set is listed");
    let saved =
        || async { member.output(&["backup", "create", domain]).status.success().then_some(()) };
    eventually("a backup after the manager's return", saved).await;
    assert_eq!(sets(), before + 2);
    assert_eq!(jobs(&three.nodes[0]), "");
}

/// Seconds of a first backup of a volume with SIZE_MIB of files that do not compress, and of a
/// second one of the same.
fn measured(way: &str, somebody: &Somebody, shell: impl Fn(&str)) {
    let size = std::env::var("SIZE_MIB").map_or(512, |size| size.parse().unwrap());
    shell(&format!(
        "cd /content && for n in $(seq {}); do head -c 4194304 /dev/urandom >$n; done",
        size / 4
    ));
    for run in ["first", "second"] {
        let began = std::time::Instant::now();
        somebody.backup();
        println!("{size} MiB {way}, {run} backup: {:.1} s", began.elapsed().as_secs_f64());
    }
}

/// `benches/elsewhere.sh` runs it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: benches/elsewhere.sh"]
async fn how_long_a_volume_takes_from_each_place() {
    let Some(()) = ready().await else { return };
    {
        let anna = Somebody::root(std::env::var("PATH").unwrap());
        let _cleanup = Cleanup::new(&anna.stack);
        anna.server(&endpoint());
        anna.deploy("");
        measured("of this machine, directly", &anna, |script| drop(anna.shell(script)));
    }
    {
        let Some(sshd) = sshd::sshd().await else { return };
        let anna = Somebody::root(sshd.path());
        let _cleanup = Cleanup::new(&anna.stack);
        anna.server(&sshd.endpoint());
        anna.deploy("");
        measured("over SSH, through a helper", &anna, |script| drop(anna.shell(script)));
    }
    let Some((three, member, _store, _folder)) = three_with_a_store().await else { return };
    let [_, one, _] = &three.nodes;
    member.deploy(&on(one));
    measured("of another node, by jobs", &member, |script| drop(shell_on(one, &member, script)));
}
