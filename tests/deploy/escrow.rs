//! Kept secrets on the real swarm: read from running tasks, put back, and never half made
//! for good, wherever potluck is killed.

use crate::support::{
    cli::Lab,
    common::{self, PATIENCE, real_engine},
    operator::{app, docker, domain, folder, good, one_service, refused},
};

use std::{
    fs, io,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::Stdio,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use common::Cleanup;
use potluck::home::StackName;

const SECRETS: &str = "
secrets:
  token: {external: true, name: '${STACK_NAME}_token_${SECRET_TOKEN_VERSION}'}
  plain: {external: true, name: '${STACK_NAME}_plain_${SECRET_PLAIN_VERSION}'}
";
const SAMPLE: &str =
    "SECRET_TOKEN_VERSION=v1 # length=24 charset=hex\nSECRET_PLAIN_VERSION=v1 # generate=false\n";

fn services(secrets: &str) -> String {
    one_service(&format!("    secrets: {secrets}\n{SECRETS}"))
}

fn kept(lab: &Lab, domain: &str) -> PathBuf {
    lab.path(&format!("potluck/servers/here/{domain}.secrets"))
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Removes the secrets of a test, which outlive its stack.
struct Secrets(StackName);

impl Drop for Secrets {
    fn drop(&mut self) {
        let prefix = format!("{}_", self.0);
        let docker = |arguments: &[&str]| {
            let mut command = std::process::Command::new("docker");
            command.args(["-H", &common::endpoint()]).args(arguments).output()
        };
        // A test that fails for another reason says that, and not what is left of it.
        let Ok(list) = docker(&["secret", "ls", "--format", "{{.Name}}"]) else { return };
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        for name in list.lines().filter(|name| name.starts_with(&prefix)) {
            let _ = docker(&["secret", "rm", name]);
        }
    }
}

#[tokio::test]
async fn secrets_of_earlier_are_read_from_a_task_and_go_to_an_empty_server() {
    let Some(_) = real_engine().await else { return };
    let (domain, stack) = domain("escrow-adopt");
    let _secrets = Secrets(stack.clone());
    let _cleanup = Cleanup::new(&stack);
    let lab = folder();
    app(&lab, "kept", &services("[token, {source: plain, target: /etc/plain}]"), SAMPLE, &domain);
    let secret = |verb: &str, more: &[&str]| {
        lab.run(&[&["app", "secret", verb, domain.as_str()], more].concat())
    };
    // Made before there was a key.
    let made = secret("generate", &["token", "--show"]);
    let value = made.stdout.trim().strip_prefix("token ").unwrap().to_owned();
    good(&lab.run_with(&["app", "secret", "insert", &domain, "plain", "--quiet"], b"by hand"));
    refused(&secret("adopt", &["--yes"]), 1, &["there are no recipients", "potluck key new"]);
    good(&lab.run(&["key", "new", "--name", "anna"]));
    // No task shows it yet.
    refused(&secret("adopt", &["--yes"]), 3, &["token_v1 cannot be restored", "no service has it"]);
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    refused(&secret("adopt", &[]), 6, &["needs your consent", "--yes"]);
    assert_eq!(names(&kept(&lab, &domain)), [""; 0]);
    let run = secret("adopt", &["--yes"]);
    good(&run);
    assert!(run.stderr.contains("Kept plain_v1, token_v1."), "{run}");
    let run = secret("adopt", &["--yes"]);
    assert!(run.stderr.contains("All secrets of"), "{run}");
    assert_eq!(secret("show", &["token"]).stdout, value);
    assert_eq!(secret("show", &["plain"]).stdout, "by hand");

    // The server is lost.
    good(&lab.run(&["app", "undeploy", &domain, "-n"]));
    for name in ["token_v1", "plain_v1"] {
        docker(&["secret", "rm", &format!("{stack}_{name}")]);
    }
    let run = secret("restore", &[]);
    good(&run);
    assert!(run.stderr.contains("Restored plain_v1, token_v1 on here."), "{run}");
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    let run =
        lab.run(&["app", "run", &domain, "app", "--", "cat", "/run/secrets/token", "/etc/plain"]);
    assert_eq!(run.stdout, format!("{value}by hand"), "{run}");

    // Rotated, deployed, the old version removed.
    good(&secret("rotate", &["token"]));
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    good(&secret("rm", &["token", "v1", "--yes"]));
    assert_eq!(names(&kept(&lab, &domain)), ["plain_v1.age", "token_v2.age"]);
    let run = lab.run(&["app", "run", &domain, "app", "--", "cat", "/run/secrets/token"]);
    assert_eq!(run.stdout, secret("show", &["token"]).stdout);
    good(&lab.run(&["app", "undeploy", &domain, "-n"]));
    // The copies outlive the app, for its backups.
    let run = lab.run(&["app", "rm", &domain, "--yes"]);
    good(&run);
    assert!(run.stderr.contains("the encrypted copies of its secrets are left"), "{run}");
    assert_eq!(names(&kept(&lab, &domain)), ["plain_v1.age", "token_v2.age"]);
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hold {
    /// The engine never receives the request.
    Request,
    /// The engine makes the secret, and potluck never hears of it.
    Answer,
}

/// A socket to the engine that stops at the making of a secret, and says so.
fn holding(socket: &Path, hold: Hold) -> Receiver<()> {
    let listener = UnixListener::bind(socket).unwrap();
    let engine = common::endpoint().strip_prefix("unix://").unwrap().to_owned();
    let (held, holds) = channel();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = UnixStream::connect(&engine).unwrap();
            let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let (held, swallow) = (held.clone(), channel());
            let (tell, told): (Sender<()>, Receiver<()>) = swallow;
            thread::spawn(move || requests(from, to, hold, (&held, &tell)));
            thread::spawn(move || answers(far, near, &told));
        }
    });
    holds
}

fn requests(
    mut from: UnixStream,
    mut to: UnixStream,
    hold: Hold,
    tell: (&Sender<()>, &Sender<()>),
) {
    let mut buffer = [0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..length]);
        let is_it = text.starts_with("POST ") && text.contains("/secrets/create");
        if is_it && hold == Hold::Answer {
            let _ = tell.1.send(());
        }
        if !(is_it && hold == Hold::Request) && to.write_all(&buffer[..length]).is_err() {
            break;
        }
        if is_it {
            let _ = tell.0.send(());
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn answers(mut from: UnixStream, mut to: UnixStream, swallow: &Receiver<()>) {
    let mut buffer = [0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if swallow.try_recv().is_ok() {
            // Nothing of it, nor of what follows.
            let _ = io::copy(&mut from, &mut io::sink());
            return;
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[tokio::test]
async fn a_kill_between_the_copy_and_the_server_is_mended_by_the_next_generate() {
    let Some(_) = real_engine().await else { return };
    for hold in [Hold::Request, Hold::Answer] {
        let (domain, stack) = domain("escrow-kill");
        let _secrets = Secrets(stack.clone());
        let _cleanup = Cleanup::new(&stack);
        let lab = folder();
        app(&lab, "kept", &services("[token]"), SAMPLE, &domain);
        good(&lab.run(&["key", "new", "--name", "anna"]));
        let socket = lab.path("holding.sock");
        let holds = holding(&socket, hold);
        let settings = lab.path("potluck/servers/here/server.yml");
        let direct = fs::read_to_string(&settings).unwrap();
        fs::write(&settings, format!("endpoint: unix://{}\n", socket.display())).unwrap();
        let mut killed = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"))
            .args(["app", "secret", "generate", &domain])
            .env("HOME", lab.path("home"))
            .env("POTLUCK_DIR", lab.path("potluck"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        holds.recv_timeout(PATIENCE).unwrap();
        if hold == Hold::Answer {
            let deadline = Instant::now() + PATIENCE;
            while !docker(&["secret", "ls"]).contains(&format!("{stack}_token_v1")) {
                assert!(Instant::now() < deadline, "the engine made no secret");
                thread::sleep(Duration::from_millis(50));
            }
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        let folder = kept(&lab, &domain);
        let left = names(&folder);
        assert!(left.len() == 1 && left[0].ends_with(".unfinished"), "{hold:?}: {left:?}");
        fs::write(&settings, direct).unwrap();
        // What is not finished is not called kept.
        let rows = lab.json(&["app", "secret", "ls", &domain, "--json"]);
        assert_eq!(rows[0]["kept"], false, "{rows}");

        let run = lab.run(&["app", "secret", "generate", &domain]);
        good(&run);
        let expected = if hold == Hold::Request { "Made token" } else { "Kept token" };
        assert!(run.stderr.contains(expected), "{run}");
        assert_eq!(names(&folder), ["token_v1.age"], "{hold:?}");
        // It holds what the swarm has.
        good(&lab.run(&["app", "deploy", &domain, "-n"]));
        let has = lab.run(&["app", "run", &domain, "app", "--", "cat", "/run/secrets/token"]);
        let shown = lab.run(&["app", "secret", "show", &domain, "token"]);
        assert_eq!(has.stdout, shown.stdout, "{hold:?}");
        good(&lab.run(&["app", "undeploy", &domain, "-n"]));
    }
}

#[tokio::test]
async fn two_who_generate_at_once_keep_what_the_server_has() {
    let Some(_) = real_engine().await else { return };
    let (domain, stack) = domain("escrow-race");
    let _secrets = Secrets(stack.clone());
    let _cleanup = Cleanup::new(&stack);
    let lab = folder();
    app(&lab, "kept", &services("[token]"), SAMPLE, &domain);
    good(&lab.run(&["key", "new", "--name", "anna"]));
    let generate = ["app", "secret", "generate", &domain, "--lock-wait", "1m"];
    thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| lab.run(&generate))).collect();
        for run in runs {
            good(&run.join().unwrap());
        }
    });
    assert_eq!(names(&kept(&lab, &domain)), ["token_v1.age"]);
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    let has = lab.run(&["app", "run", &domain, "app", "--", "cat", "/run/secrets/token"]);
    let shown = lab.run(&["app", "secret", "show", &domain, "token"]);
    assert_eq!(has.stdout, shown.stdout);
    assert_eq!(has.stdout.len(), 24, "{has}");
    good(&lab.run(&["app", "undeploy", &domain, "-n"]));
}
