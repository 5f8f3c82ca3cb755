//! Two operators on two machines with two folders, at once, in every pairing of what changes
//! an app: while one is in the middle of it, the other is refused and told who has the app;
//! or waits, and then does its part or says why there is nothing to do. On the real swarm.
//!
//! The first reaches the engine through a gate that lets nothing through from its journal's
//! first step on, so that it is in the middle for as long as a test wants. Backups and
//! restores insist on the engine's own socket; their process is stopped once it has a journal.

use crate::support::{
    cli::{Lab, Run},
    common::*,
    operator::*,
};

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use potluck::{engine::Engine, home::StackName};

const V1: &str = "1.0.0+1";
const V2: &str = "2.0.0+1";

/// What an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Deploy,
    Upgrade,
    Backup,
    Restore,
    Remove,
}

const ALL: [Doing; 5] =
    [Doing::Deploy, Doing::Upgrade, Doing::Backup, Doing::Restore, Doing::Remove];

impl Doing {
    fn command(self, app: &str) -> Vec<&str> {
        match self {
            Doing::Deploy => vec!["app", "deploy", app, "-n", "--overwrite"],
            Doing::Upgrade => vec!["app", "deploy", app, V2, "-n", "--overwrite"],
            Doing::Backup => vec!["backup", "create", app],
            Doing::Restore => vec!["backup", "restore", app, "--yes"],
            Doing::Remove => vec!["app", "rm", app, "--yes", "--no-backup"],
        }
    }

    /// Whether it reaches the engine through the gate.
    fn is_gated(self) -> bool {
        matches!(self, Doing::Deploy | Doing::Upgrade | Doing::Remove)
    }

    /// As others are told.
    fn told(self) -> &'static str {
        match self {
            Doing::Deploy | Doing::Upgrade => "a deploy by ",
            Doing::Backup => "a backup by ",
            Doing::Restore => "a restore by ",
            Doing::Remove => "a removal by ",
        }
    }
}

/// Lets requests through, until it holds them.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether the next step of a journal is held.
    armed: bool,
    /// Configs that were made since.
    made: usize,
    held: bool,
}

impl Gate {
    /// A request passes; where it is the one, when the gate opens.
    fn pass(&self, request: &str) {
        let mut state = self.state.lock().unwrap();
        if !state.armed || !request.starts_with("POST ") {
            return;
        }
        let line = request.lines().next().unwrap_or_default();
        if line.contains("/configs/create") {
            state.made += 1;
        } else if state.made >= 2 && line.contains("/configs/") {
            // The lease and the journal are there; this is its first step.
            state.held = true;
        }
        self.changed.notify_all();
        while state.held {
            state = self.changed.wait(state).unwrap();
        }
    }

    fn arm(&self) {
        *self.state.lock().unwrap() = State { armed: true, ..State::default() };
    }

    fn wait_until_held(&self) {
        let state = self.state.lock().unwrap();
        let held = |state: &mut State| !state.held;
        let (state, timeout) = self.changed.wait_timeout_while(state, PATIENCE, held).unwrap();
        assert!(state.held && !timeout.timed_out(), "it came to no step");
    }

    fn open(&self) {
        *self.state.lock().unwrap() = State::default();
        self.changed.notify_all();
    }

    /// A socket to the engine with this gate.
    fn at(self: &Arc<Self>, socket: &Path) {
        let listener = UnixListener::bind(socket).unwrap();
        let engine = endpoint().strip_prefix("unix://").unwrap().to_owned();
        let gate = Arc::clone(self);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = UnixStream::connect(&engine).unwrap();
                let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let gate = Arc::clone(&gate);
                thread::spawn(move || carry(from, to, |text| gate.pass(text)));
                thread::spawn(move || carry(far, near, |_| ()));
            }
        });
    }
}

fn carry(mut from: UnixStream, mut to: UnixStream, pass: impl Fn(&str)) {
    let mut buffer = [0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        pass(&String::from_utf8_lossy(&buffer[..length]));
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Two folders that know the same app; the first goes through the gate.
struct Pair {
    first: Lab,
    second: Lab,
    gate: Arc<Gate>,
    engine: Arc<dyn Engine>,
    domain: String,
    stack: StackName,
    _cleanup: Cleanup,
}

fn compose(version: &str) -> String {
    let more = format!(
        "    environment: {{VALUE: \"${{VALUE}}\", VERSION: \"{version}\"}}\n    volumes: \
         ['data:/data']\nvolumes: {{data: }}\n"
    );
    one_service(&more)
}

impl Pair {
    async fn new(room: &str) -> Option<Self> {
        let engine = real_engine().await?;
        let (domain, stack) = domain(room);
        let cleanup = Cleanup::new(&stack);
        let (first, second) = (folder(), Lab::new());
        for version in [V1, V2] {
            first.write("tiny/compose.yml", &compose(version));
            first.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=\nVALUE=1\n");
            first.release(version);
        }
        let made = new(&first, "tiny", &domain, &[]);
        assert_eq!(made.code, 0, "{made}");
        let gate = Arc::new(Gate::default());
        let pair = Pair { first, second, gate, engine, domain, stack, _cleanup: cleanup };
        pair.settings("1");
        fs::create_dir_all(pair.second.path("potluck/state")).unwrap();
        fs::create_dir_all(pair.first.path("potluck/state/backups")).unwrap();
        // One repository of backups.
        std::os::unix::fs::symlink(
            pair.first.path("potluck/state/backups"),
            pair.second.path("potluck/state/backups"),
        )
        .unwrap();
        let socket = pair.first.path("gate.sock");
        pair.gate.at(&socket);
        Some(pair)
    }

    /// Where the first folder reaches the engine.
    fn through(&self, gate: bool) {
        let endpoint = match gate {
            true => format!("unix://{}", self.first.path("gate.sock").display()),
            false => endpoint(),
        };
        let server = format!("endpoint: {endpoint}\n");
        self.first.write("potluck/servers/here/server.yml", &server);
    }

    /// Starts it in the first folder, and stops it in the middle.
    async fn begin(&self, doing: Doing) -> Child {
        if doing.is_gated() {
            self.through(true);
            self.gate.arm();
            let child = self.start(&self.first, doing, &[]);
            self.gate.wait_until_held();
            return child;
        }
        let child = self.start(&self.first, doing, &[]);
        let journal = format!("potluck.{}.journal", self.stack);
        let deadline = Instant::now() + PATIENCE;
        while self.engine.config(&journal).await.is_err() {
            assert!(Instant::now() < deadline, "{doing:?} has no journal");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        signal(&child, "-STOP");
        child
    }

    /// Lets it go on.
    fn release(&self, child: &Child, doing: Doing) {
        match doing.is_gated() {
            true => self.gate.open(),
            false => signal(child, "-CONT"),
        }
    }

    fn settings(&self, value: &str) {
        let path = format!("potluck/servers/here/{}.env", self.domain);
        let text = format!("TYPE=tiny:{V1}\nDOMAIN={}\nVALUE={value}\n", self.domain);
        self.first.write(&path, &text);
    }

    /// A colleague pulls what the first folder has.
    fn pull(&self) {
        // Each restores what the other backs up meanwhile.
        let (signers, theirs) =
            (self.first.path("potluck/signers"), self.second.path("potluck/signers"));
        fs::create_dir_all(&signers).unwrap();
        let _ = fs::remove_file(&theirs);
        self.second.pull(&self.first);
        fs::remove_dir_all(&theirs).unwrap();
        std::os::unix::fs::symlink(&signers, &theirs).unwrap();
        let server = format!("endpoint: {}\n", endpoint());
        self.second.write("potluck/servers/here/server.yml", &server);
    }

    fn run(&self, lab: &Lab, doing: Doing, more: &[&str]) -> Run {
        let command = doing.command(&self.domain);
        lab.run(&[&command[..], more].concat())
    }

    fn start(&self, lab: &Lab, doing: Doing, more: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_potluck"))
            .args([&doing.command(&self.domain)[..], more].concat())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", lab.path("home"))
            .env("POTLUCK_DIR", lab.path("potluck"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(lab.path("."))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// What has to be there before the first does something.
    fn ready(&self, doing: Doing) {
        let app = self.domain.as_str();
        self.through(false);
        self.settings("1");
        good(&self.first.run(&["app", "deploy", app, "-n", "--downgrade", "--yes", "--overwrite"]));
        if !fs::read_dir(self.first.path("potluck/state/backups")).unwrap().any(|_| true) {
            good(&self.first.run(&["backup", "create", app]));
        }
        match doing {
            Doing::Deploy => self.settings("2"),
            Doing::Remove => good(&self.first.run(&["app", "undeploy", app, "-y"])),
            Doing::Upgrade | Doing::Backup | Doing::Restore => {}
        }
        self.pull();
    }

    /// The first does something, and in the middle of it the second does.
    async fn meet(&self, one: Doing, other: Doing) -> Run {
        self.ready(one);
        let first = self.begin(one).await;

        let refused = self.run(&self.second, other, &[]);
        assert_eq!(refused.code, 5, "{other:?} during {one:?}: {refused}");
        let holder = format!("error: {}: {}", self.domain, one.told());
        for words in [&holder, &format!("(pid {})", first.id()), " has been running since 20"] {
            assert!(refused.stderr.contains(words), "{other:?} during {one:?}: {refused}");
        }
        let told = self.second.json(&["app", "history", &self.domain, "--json"]);
        assert_eq!(told["unfinished"]["running"], true, "{told}");

        let mut second = self.start(&self.second, other, &["--lock-wait", "2m"]);
        let mut lines = BufReader::new(second.stderr.take().unwrap()).lines();
        let mut stderr = String::new();
        for line in lines.by_ref().map(Result::unwrap) {
            stderr += &format!("{line}\n");
            if line.contains("waiting, because ") {
                assert!(line.contains(one.told()), "{other:?} during {one:?}: {line}");
                break;
            }
        }
        assert!(stderr.contains("waiting, because "), "{other:?} during {one:?}: {stderr}");
        self.release(&first, one);
        stderr.extend(lines.map(|line| format!("{}\n", line.unwrap())));
        let second = second.wait_with_output().unwrap();
        let first = first.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&first.stderr).into_owned();
        assert!(first.status.success(), "{one:?} with {other:?} waiting: {said}");
        let stdout = String::from_utf8_lossy(&second.stdout).into_owned();
        let code = second.status.code().unwrap_or(-1);
        Run { code, stdout, stderr }
    }
}

/// What became of the one who waited: its exit code, and words.
type Ending = (i32, &'static str);

async fn meet_all(room: &str, one: Doing, endings: [Ending; 5]) {
    let Some(pair) = Pair::new(room).await else { return };
    for (other, (code, words)) in ALL.into_iter().zip(endings) {
        let waited = pair.meet(one, other).await;
        assert_eq!(waited.code, code, "{other:?} after {one:?}: {waited}");
        assert!(waited.stderr.contains(words), "{other:?} after {one:?}, {words:?}: {waited}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_deploy() {
    let endings = [
        (0, "is deployed"),
        (0, "is deployed"),
        (0, "Backed up"),
        (0, "Restored"),
        (1, "is still deployed"),
    ];
    meet_all("pair-deploy", Doing::Deploy, endings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_an_upgrade() {
    let endings = [
        // What it would undo was not known when it was begun.
        (6, "was deployed last, and 1.0.0+1 is older"),
        (0, "is deployed"),
        (0, "Backed up"),
        (0, "Restored"),
        (1, "is still deployed"),
    ];
    meet_all("pair-upgrade", Doing::Upgrade, endings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_backup() {
    let endings = [
        (0, "is deployed"),
        (0, "is deployed"),
        (0, "Backed up"),
        (0, "Restored"),
        (1, "is still deployed"),
    ];
    meet_all("pair-backup", Doing::Backup, endings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_restore() {
    let endings = [
        (0, "is deployed"),
        (0, "is deployed"),
        (0, "Backed up"),
        (0, "Restored"),
        (1, "is still deployed"),
    ];
    meet_all("pair-restore", Doing::Restore, endings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_removal() {
    let endings = [
        (0, "is deployed"),
        (0, "is deployed"),
        (1, "has nothing to back up yet"),
        (0, "Restored"),
        (0, "Removed"),
    ];
    meet_all("pair-remove", Doing::Remove, endings).await;
}
