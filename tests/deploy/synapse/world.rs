//! An operator with a Synapse of the example recipe in its older release, on this
//! machine's swarm, and what an upgrade of it can be hindered with.

use crate::support::{
    backup::Tmpfs,
    cli::{Lab, Run},
    common::{Cleanup, PATIENCE, ports, real_engine, skip},
    operator::{colleague, docker, domain, folder, good, has_images, has_plugin, two_releases},
};

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use potluck::home::StackName;

pub const OLD: &str = "0.1.0+v1.99.0";
pub const NEW: &str = "0.2.0+v1.163.2";

/// Synapse's own, which upgrades its database.
pub const PROGRAM: &str = "update_synapse_database";
/// In its arguments while it carries out the second half.
pub const SECOND_HALF: &str = "--run-background-updates";

const TALK: &str = include_str!("talk.py");
const GRANTS: [&str; 14] = [
    "--grant",
    "synapse exec: app",
    "--grant",
    "synapse exec: db",
    "--grant",
    "database exec: db",
    "--grant",
    "database secret: db_password",
    "--grant",
    "mail exec: app",
    "--grant",
    "mail secret: smtp_password",
    "--grant",
    "sign-on secret: oidc_client_secret",
];

/// One app, its operator and its user ada.
pub struct World {
    lab: Lab,
    domain: String,
    stack: StackName,
    password: String,
    _cleanup: Cleanup,
    disk: Option<(Tmpfs, PathBuf)>,
}

/// With what a colleague pulled of the app, after a process of somebody else was killed.
pub struct Colleague<'a> {
    lab: Lab,
    domain: &'a str,
}

impl Colleague<'_> {
    /// Finishes or undoes what the killed potluck left.
    pub fn takes_over(&self, verb: &str, meanwhile: impl FnOnce()) -> Run {
        self.lab.run_telling(&["app", verb, self.domain, "--yes", "-n"], |_| meanwhile())
    }

    /// The same, and is killed at these words.
    pub fn killed_at(&self, verb: &str, words: &str) -> Run {
        self.lab.run_killed_at(&["app", verb, self.domain, "--yes", "-n"], &[words])
    }
}

/// Whether the database has a disk of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    Shared,
    /// Which can be filled.
    Own,
}

impl World {
    /// Deployed in its older release, with an account; none, said loudly, where this
    /// machine cannot.
    pub async fn new(room: &str, disk: Disk) -> Option<Self> {
        real_engine().await?;
        let images = ["stores:1", "synapse:1.99.0", "synapse:1.163.2"];
        if !has_images(&images) || !has_plugin("synapse") {
            return None;
        }
        let (domain, stack) = domain(room);
        let cleanup = Cleanup::new(&stack);
        let lab = folder();
        // What differs between the two is Synapse's version, and the recipe's.
        let older = [("0.2.0+", "0.1.0+"), ("1.163.2", "1.99.0")];
        two_releases("synapse", &lab.path("synapse"), [OLD, NEW], &older);
        let port = format!("PORT={}", ports());
        let mut new = vec!["app", "new", "./synapse", "--server", "here", "-n"];
        new.extend(["--domain", &domain, "--set", &port]);
        new.extend(["--set", "COMPOSE_FILE=compose.yml:compose.test.yml"]);
        good(&lab.run(&new));
        good(&lab.run(&["app", "secret", "generate", &domain, "-n"]));
        let disk = match disk {
            Disk::Shared => None,
            Disk::Own => Some(own_disk(&lab, &stack)?),
        };
        let mut world =
            World { lab, domain, stack, password: String::new(), _cleanup: cleanup, disk };
        // The volume of a disk of its own was made by hand.
        let by_hand = world.disk.as_ref().map(|_| "--takeover");
        let agreed: Vec<_> = GRANTS.into_iter().chain(by_hand).collect();
        good(&world.deploy(OLD, &agreed));
        let made = world.run(&["app", "cmd", &world.domain, "create-user", "ada", "-q"]);
        good(&made);
        world.password = made.stdout.trim().to_owned();
        Some(world)
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.lab.run(arguments)
    }

    fn deploy(&self, version: &str, more: &[&str]) -> Run {
        self.run(&[&["app", "deploy", &self.domain, version, "-n"][..], more].concat())
    }

    /// To the newer release. `meanwhile` happens beside it, and is told potluck's process.
    pub fn upgrade(&self, meanwhile: impl FnOnce(u32)) -> Run {
        self.lab.run_telling(&["app", "upgrade", &self.domain, NEW, "-n"], meanwhile)
    }

    /// As [`World::upgrade`], killed as soon as it said all of these words, in this order.
    pub fn upgrade_killed_at(&self, words: &[&str], meanwhile: impl FnOnce() + Send) -> Run {
        std::thread::scope(|scope| {
            scope.spawn(meanwhile);
            self.lab.run_killed_at(&["app", "upgrade", &self.domain, NEW, "-n"], words)
        })
    }

    /// To the release before.
    pub fn roll_back(&self, more: &[&str]) -> Run {
        self.run(&[&["app", "rollback", &self.domain, "-n"][..], more].concat())
    }

    /// Someone else who shares the settings and the backups, with a folder of their own.
    pub fn colleague(&self) -> Colleague<'_> {
        Colleague { lab: colleague(&self.lab, &self.domain), domain: &self.domain }
    }

    /// The data of a backup, the newest one unless it is named.
    pub fn restore(&self, set: Option<&str>) -> Run {
        let set: Vec<&str> = set.into_iter().collect();
        self.run(&[&["backup", "restore", &self.domain, "--yes"][..], &set].concat())
    }

    /// What happened last, as `app history` has it.
    pub fn last(&self) -> serde_json::Value {
        self.lab.json(&["app", "history", &self.domain, "--json"])["operations"][0].clone()
    }

    /// Makes a room with messages and a file, and says what ada sees then.
    pub fn write(&self, messages: &[&str]) -> serde_json::Value {
        self.talk(&serde_json::json!({ "do": "write", "messages": messages }))
    }

    /// What ada sees.
    pub fn read(&self) -> serde_json::Value {
        self.talk(&serde_json::json!({ "do": "read" }))
    }

    fn talk(&self, what: &serde_json::Value) -> serde_json::Value {
        let mut what = what.clone();
        what["password"] = self.password.clone().into();
        let arguments = ["app", "run", &self.domain, "app", "--", "python3", "-c", TALK];
        let run = self.lab.run_with(&arguments, what.to_string().as_bytes());
        good(&run);
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
    }

    /// The schema of the database, the oldest that works on it, that of the Synapse
    /// which runs, and how many background updates are open.
    pub fn schema(&self) -> Vec<String> {
        let run = self.run(&["app", "cmd", &self.domain, "schema"]);
        good(&run);
        run.stdout.lines().map(|line| line.rsplit('\t').next().unwrap().to_owned()).collect()
    }

    /// What containers of the app wrote that have ended.
    pub fn said_by_ended(&self) -> String {
        let name = format!("name={}_app.", self.stack);
        let ended = docker(&["ps", "-aq", "--filter", &name, "--filter", "status=exited"]);
        let said = |id: &str| {
            let output = Command::new("docker").args(["logs", id]).output().unwrap();
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        };
        ended.lines().map(said).collect()
    }

    pub fn errors(&self) -> String {
        self.run(&["app", "errors", &self.domain]).stdout
    }

    /// The container of a service; none while none runs.
    fn container(&self, service: &str) -> Option<String> {
        let name = format!("name={}_{service}.", self.stack);
        let found = docker(&["ps", "-q", "--filter", &name]);
        found.lines().next().map(Into::into)
    }

    /// The processes of the app's container that have this in their arguments.
    pub fn processes(&self, has: &str) -> Vec<i32> {
        let Some(app) = self.container("app") else { return Vec::new() };
        let top = Command::new("docker").args(["top", &app, "-eo", "pid,args"]).output().unwrap();
        let text = String::from_utf8_lossy(&top.stdout).into_owned();
        let found = text.lines().filter(|line| line.contains(has));
        found.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
    }

    fn process(&self, has: &str) -> Option<i32> {
        self.processes(has).first().copied()
    }

    /// Waits until the new Synapse holds still for the upgrade of its database.
    pub fn held(&self) {
        wait_for("the new Synapse that waits", || self.process("/entrypoint.py"));
    }

    /// Locks a table that the upgrade comes to; it waits there.
    pub fn in_the_way(&self, table: &str) -> InTheWay<'_> {
        let database = self.container("db").unwrap();
        let mut child = Command::new("docker")
            .args(["exec", "-i", &database, "psql", "-qX", "-U", "synapse", "-d", "synapse"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let script = format!(
            "SET application_name = 'in the way'; BEGIN; LOCK TABLE {table}; SELECT pg_sleep(600);\n"
        );
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        InTheWay { world: self, child }
    }

    /// Waits until Synapse's own program, with this in its arguments, came to the lock.
    pub fn stuck(&self, argument: &str) {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        wait_for("the upgrade that waits for the lock", || {
            self.process(argument)?;
            (self.sql(waits)?.trim() == "1").then_some(())
        });
    }

    pub fn kill_program(&self) {
        kill(self.process(PROGRAM).unwrap());
    }

    pub fn kill_database(&self) {
        docker(&["kill", &self.container("db").unwrap()]);
    }

    /// Leaves almost nothing of the database's own disk.
    pub fn fill_disk(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        let mut written: u64 = 0;
        for size in [1 << 20, 1 << 12] {
            while let Ok(more) = file.write(&vec![7; size]) {
                written += more as u64;
            }
        }
        file.set_len(written.saturating_sub(256 << 10)).unwrap();
    }

    pub fn free_disk(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.disk.as_ref().unwrap().1.join("filler")
    }

    fn sql(&self, query: &str) -> Option<String> {
        let database = self.container("db")?;
        let output = Command::new("docker")
            .args(["exec", &database, "psql", "-qXAt", "-U", "synapse", "-d", "synapse"])
            .args(["-c", query])
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Every row of the database, and every sequence.
    pub fn rows(&self) -> BTreeSet<String> {
        let database = self.container("db").unwrap();
        let dump = docker(&[
            "exec",
            &database,
            "pg_dump",
            "-U",
            "synapse",
            "-d",
            "synapse",
            "--data-only",
            "--inserts",
        ]);
        dump.lines().filter(|line| line.contains('(')).map(Into::into).collect()
    }
}

/// Holds a lock until it is dropped.
pub struct InTheWay<'a> {
    world: &'a World,
    child: Child,
}

impl Drop for InTheWay<'_> {
    fn drop(&mut self) {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE application_name = 'in the way'";
        // Where the database was killed, the lock is gone with it.
        let _ = self.world.sql(end);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A disk for the database's volume alone.
fn own_disk(lab: &Lab, stack: &StackName) -> Option<(Tmpfs, PathBuf)> {
    let at = lab.path("disk");
    fs::create_dir(&at).unwrap();
    let Some(disk) = Tmpfs::mount(&at, "400m") else {
        skip("a full disk is not tried: cannot mount a tmpfs (not root?)");
        return None;
    };
    let data = at.join("data");
    fs::create_dir(&data).unwrap();
    let label = format!("com.docker.stack.namespace={stack}");
    let device = format!("device={}", data.display());
    let mut create = vec!["volume", "create", "--label", &label, "--opt", "type=none"];
    let name = format!("{stack}_database");
    create.extend(["--opt", "o=bind", "--opt", &device, &name]);
    docker(&create);
    Some((disk, at))
}

pub fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Asks again and again until there is an answer.
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
