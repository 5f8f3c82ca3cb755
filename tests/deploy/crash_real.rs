//! A process that is killed in the middle of an operation on the real swarm: a socket
//! between it and the engine kills it at one of its requests, before the engine hears of
//! that, or when the engine has answered. Then a colleague, in another folder, finishes or
//! undoes it.
//!
//! The same requests are those at which the manager is killed and started again, while the
//! process waits for its answer.
//!
//! `make campaign crash` tries a dozen moments of each operation; the tests two.

use crate::support::{
    backup,
    cli::{Lab, Run, when_stopped},
    common::{BUSYBOX, Cleanup, Killed, PATIENCE, endpoint, killing, real_engine, skip},
    nodes::Alone,
    operator::{SLEEP, docker_at, domain, folder_of, good},
};

use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use potluck::home::StackName;

const V1: &str = "1.0.0+1";
const V2: &str = "2.0.0+1";
const GRANT: &[&str] = &["--grant", "every exec: web"];

/// Two folders that know one app on the real swarm; the first reaches it through a socket
/// that kills.
struct World {
    first: Lab,
    second: Lab,
    domain: String,
    stack: StackName,
    /// Of the swarm.
    endpoint: String,
    _cleanup: Option<Cleanup>,
}

/// What is on the server.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    command: String,
    page: String,
    steps: Vec<String>,
}

fn compose(version: &str) -> String {
    format!(
        "services:
  web:
    image: {BUSYBOX}
    command: {SLEEP}
    environment: {{VERSION: '{version}', VALUE: \"${{VALUE}}\"}}
    volumes: ['data:/data']
    deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: 1s}}}}
volumes:
  data:
"
    )
}

fn recipe_yml(steps: &str) -> String {
    format!(
        "plugins:\n  - {{name: every, component: plugins/every.wasm, grants: [{{exec: web}}], \
         options: {{journal: web, slow: true, steps: [{steps}]}}}}\n  - {{name: files, component: \"std:files\", options: {{volumes: {{data: }}}}}}\n"
    )
}

impl World {
    async fn new(room: &str) -> Option<Self> {
        real_engine().await?;
        let mut world = World::of(room, endpoint())?;
        world._cleanup = Some(Cleanup::new(&world.stack));
        Some(world)
    }

    /// On the swarm that is reached so.
    fn of(room: &str, endpoint: String) -> Option<Self> {
        let every = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/every-role.wasm");
        let Ok(every) = fs::read(every) else {
            skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
            return None;
        };
        let (domain, stack) = domain(room);
        let (first, second) = (folder_of(&endpoint), folder_of(&endpoint));
        first.write("tiny/.env.sample", "TYPE=tiny\nVALUE=1\n");
        fs::create_dir_all(first.path("tiny/plugins")).unwrap();
        fs::write(first.path("tiny/plugins/every.wasm"), every).unwrap();
        for (version, steps) in [(V1, ""), (V2, "split, once-join")] {
            first.write("tiny/compose.yml", &compose(version));
            first.write("tiny/recipe.yml", &recipe_yml(steps));
            first.release(version);
        }
        let new = ["app", "new", "./tiny", "--domain", &domain, "--server", "here", "-n"];
        good(&first.run(&new));
        first.write(&format!("potluck/servers/here/{domain}.env"), "TYPE=tiny:1.0.0+1\nVALUE=1\n");
        Some(World { first, second, domain, stack, endpoint, _cleanup: None })
    }

    fn deploy(&self) {
        let deploy = ["app", "deploy", &self.domain, "-n"];
        good(&self.first.run(&[&deploy[..], GRANT].concat()));
        self.put("soup");
    }

    fn put(&self, page: &str) {
        let write = format!("echo {page} >/data/page");
        good(&self.first.run(&["app", "run", &self.domain, "web", "--", "sh", "-c", &write]));
    }

    /// What a colleague has who pulled.
    fn pull(&self) {
        self.second.pull(&self.first);
        let link = self.second.path("potluck/state/backups");
        fs::create_dir_all(self.first.path("potluck/state/backups")).unwrap();
        fs::create_dir_all(self.second.path("potluck/state")).unwrap();
        std::os::unix::fs::symlink(self.first.path("potluck/state/backups"), link).unwrap();
    }

    /// Runs a command of the first folder through a socket that kills it at a request;
    /// returns how many requests it came to.
    fn killed(&self, command: &[&str], at: usize, how: Killed) -> (Run, usize) {
        self.through_socket(at, how, |pid| {
            self.first.run_telling(command, |id| pid.store(id, Ordering::SeqCst))
        })
    }

    fn through_socket(
        &self,
        at: usize,
        how: Killed,
        run: impl FnOnce(&AtomicU32) -> Run,
    ) -> (Run, usize) {
        let socket = self.first.path("kill.sock");
        let target = Path::new(self.endpoint.strip_prefix("unix://").unwrap());
        let (pid, passed) = killing(&socket, target, at, how);
        let settings = self.first.path("potluck/servers/here/server.yml");
        let before = fs::read_to_string(&settings).unwrap();
        let through = before.replace(&self.endpoint, &format!("unix://{}", socket.display()));
        assert_ne!(through, before);
        fs::write(&settings, through).unwrap();
        let run = run(&pid);
        fs::write(&settings, before).unwrap();
        (run, passed.load(Ordering::SeqCst))
    }

    /// Runs a command of the first folder, which is stopped at a request; meanwhile this
    /// happens, then it continues to its end. None where it does not come to that request.
    fn stopped(&self, command: &[&str], at: usize, meanwhile: impl FnOnce()) -> Option<Run> {
        let mut was_stopped = false;
        let (run, _) = self.through_socket(at, Killed::Stopped, |pid| {
            self.first.run_telling(command, |id| {
                pid.store(id, Ordering::SeqCst);
                was_stopped = when_stopped(id, meanwhile);
            })
        });
        was_stopped.then_some(run)
    }

    /// Runs a command of the first folder, and kills it once its journal is at a step.
    fn killed_in_step(&self, command: &[&str], step: usize) -> Run {
        let name = format!("potluck.{}.journal", self.stack);
        let format = "{{index .Spec.Labels \"org.potluck.reached\"}}";
        self.first.run_telling(command, |pid| {
            let reached = || {
                let asked = Command::new("docker")
                    .args(["-H", &self.endpoint, "config", "inspect", "--format", format, &name])
                    .output()
                    .unwrap();
                let label: Option<serde_json::Value> = serde_json::from_slice(&asked.stdout).ok();
                label.and_then(|label| label["step"].as_u64()).unwrap_or_default()
            };
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            let runs = || Path::new(&format!("/proc/{}/fd/0", pid.as_raw_nonzero())).exists();
            while runs() && reached() < step as u64 {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        })
    }

    fn seen(&self) -> Seen {
        let service = format!("{}_web", self.stack);
        let format = "{{range .Spec.TaskTemplate.ContainerSpec.Env}}{{.}} {{end}}\
                      {{.Spec.Mode.Replicated.Replicas}}";
        let read = |file: &str| {
            let run = self.second.run(&[
                "app",
                "run",
                &self.domain,
                "web",
                "--",
                "sh",
                "-c",
                &format!("cat {file} 2>/dev/null || true"),
            ]);
            good(&run);
            run.stdout.trim().to_owned()
        };
        Seen {
            command: self.docker(&["service", "inspect", "--format", format, &service]),
            page: read("/data/page"),
            steps: read("/data/steps").lines().map(Into::into).collect(),
        }
    }

    fn is_deployed(&self) -> bool {
        let filter = format!("name={}_web", self.stack);
        !self.docker(&["service", "ls", "-q", "--filter", &filter]).is_empty()
    }

    fn docker(&self, arguments: &[&str]) -> String {
        docker_at(&self.endpoint, arguments).trim().to_owned()
    }
}

/// Of steps that say when they begin and end: that none ran beside itself or another, and
/// that each ended.
fn one_at_a_time(steps: &[String]) {
    let mut open: Option<&str> = None;
    for line in steps {
        match (line.split_once(' ').unwrap(), open) {
            (("begin", id), None) => open = Some(id),
            (("end", id), Some(begun)) if id == begun => open = None,
            _ => panic!("two at once: {steps:?}"),
        }
    }
    assert_eq!(open, None, "{steps:?}");
}

/// Moments of an operation, spread over all of its requests.
fn moments(of: usize) -> Vec<usize> {
    let wanted: usize = match std::env::var_os("POTLUCK_CRASH_EVERY") {
        Some(_) => 12,
        None => 2,
    };
    (0..wanted).map(|index| (2 * index + 1) * of / (2 * wanted)).collect()
}

/// When an operation is killed.
#[derive(Debug, Clone, Copy)]
enum By {
    Request,
    /// Where the socket must be the engine's own.
    Step {
        of: usize,
    },
}

/// Kills an operation at some moments, then resumes and aborts it from the other folder.
async fn crash(
    room: &str,
    by: By,
    ready: impl Fn(&World),
    command: impl Fn(&World) -> Vec<String>,
    check: impl Fn(&World, &str, bool),
) {
    let Some(whole) = World::new(room).await else { return };
    ready(&whole);
    let words = command(&whole);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let requests = match by {
        By::Request => {
            let (run, requests) = whole.killed(&words, usize::MAX, Killed::Before);
            good(&run);
            requests
        }
        By::Step { of } => of,
    };
    drop(whole);
    let mut outcomes = Vec::new();
    for (index, at) in moments(requests).into_iter().enumerate() {
        let how = if index % 2 == 0 { Killed::After } else { Killed::Before };
        let then = if index % 4 < 2 { "resume" } else { "abort" };
        let Some(world) = World::new(room).await else { return };
        ready(&world);
        world.pull();
        let words = command(&world);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let killed = match by {
            By::Request => world.killed(&words, at, how).0,
            By::Step { .. } => world.killed_in_step(&words, at),
        };
        if killed.code == 0 {
            outcomes.push(format!("{at} {how:?}: it came to its end"));
            continue;
        }
        let app = world.domain.as_str();
        let unlock = ["app", "unlock", app, "--yes", "--reason", "it was killed"];
        good(&world.second.run(&unlock));
        let found = world.second.json(&["app", "history", app, "--json"]);
        if found["unfinished"].is_null() {
            outcomes.push(format!("{at} {how:?}: nothing unfinished"));
            continue;
        }
        let step = found["unfinished"]["step"].clone();
        let grant = if then == "resume" { GRANT } else { &[] };
        let mut run = world.second.run(&[&["app", then, app, "--yes"][..], grant].concat());
        let mut is_done = then == "resume";
        if run.code == 1 && run.stderr.contains("cannot be undone any more") {
            is_done = true;
            run = world.second.run(&[&["app", "resume", app, "--yes"][..], GRANT].concat());
        }
        assert_eq!(run.code, 0, "{at} {how:?} {then}, step {step}: {killed}\n{run}");
        check(&world, &format!("{at} {how:?} {then}, step {step}: {killed}\n{run}"), is_done);
        outcomes.push(format!("{at} {how:?} {then}, step {step}: as wanted, done {is_done}"));
    }
    println!("crash: {room}: {requests} requests\n  {}", outcomes.join("\n  "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_deploy_is_finished_or_undone() {
    let command = |world: &World| {
        [&["app", "deploy", &world.domain, "-n"][..], GRANT]
            .concat()
            .into_iter()
            .map(Into::into)
            .collect()
    };
    let check = |world: &World, told: &str, is_done: bool| {
        assert_eq!(world.is_deployed(), is_done, "{told}");
    };
    crash("crash-first", By::Request, |_| {}, command, check).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_is_finished_or_undone_and_no_step_of_it_runs_twice_at_once() {
    let command = |world: &World| {
        let deploy = ["app", "deploy", &world.domain, V2, "-n"];
        deploy.into_iter().chain(GRANT.iter().copied()).map(Into::into).collect()
    };
    let check = |world: &World, told: &str, is_done: bool| {
        let seen = world.seen();
        let version = if is_done { V2 } else { V1 };
        assert_eq!(seen.command, format!("VALUE=1 VERSION={version} 1"), "{told}");
        assert_eq!(seen.page, "soup", "{told}");
        one_at_a_time(&seen.steps);
        if is_done {
            for id in ["end split", "end once-join"] {
                assert!(seen.steps.iter().any(|line| line == id), "{seen:?} {told}");
            }
        }
    };
    crash("crash-upgrade", By::Request, World::deploy, command, check).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_finished_or_undone() {
    if !backup::can_mount() {
        skip("restoring needs the right to mount");
        return;
    }
    let ready = |world: &World| {
        world.deploy();
        good(&world.first.run(&["backup", "create", &world.domain]));
        world.put("spoiled");
    };
    let command =
        |world: &World| ["backup", "restore", &world.domain, "--yes"].map(str::to_owned).to_vec();
    let check = |world: &World, told: &str, is_done: bool| {
        let seen = world.seen();
        assert_eq!(seen.page, if is_done { "soup" } else { "spoiled" }, "{told}");
        assert_eq!(seen.command, format!("VALUE=1 VERSION={V1} 1"), "{told}");
    };
    crash("crash-restore", By::Step { of: 9 }, ready, command, check).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_stopped_anywhere_overtaken_and_continued_does_nothing_more() {
    let Some(world) = World::new("crash-stop").await else { return };
    world.deploy();
    let app = world.domain.clone();
    let upgrade = ["app", "deploy", &app, V2, "-n"];
    let mut outcomes = Vec::new();
    // The lease is the first request; before it, nothing is overtaken.
    for at in moments(16).into_iter().filter(|at| *at > 0) {
        let _ = fs::remove_file(world.first.path("kill.sock"));
        let _ = fs::remove_file(world.second.path("potluck/state/backups"));
        world.pull();
        let mut seen = None;
        let run = world.stopped(&upgrade, at, || {
            let unlock = ["app", "unlock", &app, "--yes", "--reason", "it is stopped"];
            good(&world.second.run(&unlock));
            let aborted = world.second.run(&["app", "abort", &app, "--yes"]);
            let is_past = aborted.stderr.contains("cannot be undone any more");
            let is_none = aborted.stderr.contains("no unfinished operation");
            assert!(aborted.code == 0 || is_past || is_none, "{aborted}");
            if is_past {
                good(&world.second.run(&[&["app", "resume", &app, "--yes"][..], GRANT].concat()));
            }
            let history = world.second.json(&["app", "history", &app, "--json"]);
            seen = Some((world.seen(), history));
        });
        let Some(run) = run else { break };
        assert_ne!(run.code, 0, "{at}: {run}");
        assert!(run.stderr.contains("lease"), "{at}: {run}");
        let (before, history) = seen.unwrap();
        assert_eq!(world.seen(), before, "{at}: {run}");
        let now = world.second.json(&["app", "history", &app, "--json"]);
        assert_eq!(now["operations"], history["operations"], "{at}: {run}");
        assert_eq!(now["unfinished"], serde_json::Value::Null, "{at}: {run}");
        outcomes.push(format!("{at}: {}", before.command));
        // For the next: the first folder knows what the second did.
        let back = ["app", "deploy", &app, V1, "-n", "--downgrade", "--force", "--overwrite"];
        good(&world.first.run(&[&back[..], GRANT].concat()));
    }
    println!("crash: crash-stop:\n  {}", outcomes.join("\n  "));
    assert!(!outcomes.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign crash"]
async fn an_upgrade_whose_manager_restarts_is_done_or_can_be_finished_or_undone() {
    let Some(mut swarm) = Alone::start().await else { return };
    let endpoint = swarm.manager.endpoint();
    let mut outcomes = Vec::new();
    for (index, at) in moments(16).into_iter().enumerate() {
        let Some(world) = World::of(&format!("crash-manager{index}"), endpoint.clone()) else {
            return;
        };
        world.deploy();
        world.pull();
        let app = world.domain.as_str();
        let upgrade = ["app", "deploy", app, V2, "-n", "--grant", "every exec: web"];
        let Some(run) = world.stopped(&upgrade, at, || swarm.manager.restart()) else { continue };
        let found = world.second.json(&["app", "history", app, "--json"]);
        let mut is_done = run.code == 0;
        let mut told = format!("{at}: exit code {}, {}", run.code, run.stderr);
        if !found["unfinished"].is_null() {
            assert_ne!(run.code, 0, "{told}");
            assert!(run.stderr.contains("hint: "), "{told}");
            let then = if index % 2 == 0 { "resume" } else { "abort" };
            let grant = if then == "resume" { GRANT } else { &[] };
            let next = world.second.run(&[&["app", then, app, "--yes"][..], grant].concat());
            good(&next);
            is_done = then == "resume";
            told = format!("{told}{then}: {next}");
        } else if run.stderr.contains("` resumes at this step") {
            // Its migration was cut off, and the old version cannot use the data.
            let next = world.first.run(&upgrade);
            good(&next);
            is_done = true;
            told = format!("{told}{next}");
        }
        // The engine starts again what it lost.
        let deadline = Instant::now() + PATIENCE;
        while world.second.run(&["app", "run", app, "web", "--", "true"]).code != 0 {
            assert!(Instant::now() < deadline, "{told}");
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        let seen = world.seen();
        let version = if is_done { V2 } else { V1 };
        assert_eq!(seen.command, format!("VALUE=1 VERSION={version} 1"), "{told}");
        assert_eq!(seen.page, "soup", "{told}");
        one_at_a_time(&seen.steps);
        let said = run.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        outcomes.push(format!("{at}: exit code {} {said:?}, then done {is_done}", run.code));
    }
    println!("crash: crash-manager:\n  {}", outcomes.join("\n  "));
    assert!(!outcomes.is_empty());
}
