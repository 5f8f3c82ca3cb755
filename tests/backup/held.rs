//! Services that a backup pauses or stops, and hooks that it has to end, on the real swarm
//! with the real restic: after a signal, a kill and a service that swarm replaces meanwhile.

use std::{
    fs,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use potluck::{home::BackupSettings, plugin::BackupItem};

use crate::support::{
    backup::can_mount,
    common::{app::TestApp, endpoint, eventually},
    hostile::guests,
};

/// Three tasks that write all the time: the same number into two files, one after the other.
const COMPOSE: &str = r#"
services:
  web:
    image: BUSYBOX
    command: ["sh", "-c", "i=0; while :; do i=$$((i+1)); echo $$i >/content/$$HOSTNAME.a; echo $$i >/content/$$HOSTNAME.b; sleep 0.01; done"]
    stop_grace_period: 0s
    healthcheck: {test: ["CMD", "true"], interval: 1s, retries: 2, timeout: 5s}
    volumes: ["content:/content"]
    deploy: {replicas: 3, endpoint_mode: dnsrr, update_config: {monitor: 1ms}}
volumes:
  content:
"#;

/// So much that restic is busy for a while.
const FILL: &str = "head -c 150000000 /dev/urandom >/content/noise";

struct Held(TestApp);

impl Held {
    async fn new(room: &str, writers: &str) -> Option<Self> {
        if !can_mount() {
            return None;
        }
        let held = Held(TestApp::real(room).await?);
        held.0.compose(COMPOSE);
        let plan =
            [BackupItem::Volume { name: "content".into(), paths: Vec::new(), exclude: Vec::new() }];
        held.0.file("plugins/guest.wasm", guests::talking_backup(&plan));
        let manifest = "plugins:\n  - {name: guest, component: plugins/guest.wasm}\n";
        held.0.file("recipe.yml", manifest);
        let server = &held.0.entry.server;
        let mut settings = held.0.context.home.server(server).unwrap();
        settings.backup = Some(BackupSettings {
            writers: Some(writers.parse().unwrap()),
            ..BackupSettings::default()
        });
        held.0.context.home.write_server(server, &settings).unwrap();
        held.0.deploy().await;
        held.0.run("web", FILL).await;
        Some(held)
    }

    fn potluck(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_potluck"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.0.folder.path())
            .env("POTLUCK_DIR", self.0.folder.path().join("home"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn name(&self) -> &str {
        self.0.entry.name.as_str()
    }

    fn create(&self) -> Child {
        self.potluck(&["backup", "create", self.name()]).spawn().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let done = self.potluck(arguments).output().unwrap();
        let said = said(&done);
        assert!(done.status.success(), "{arguments:?}: {said}");
        said
    }

    /// Ids of the stack's containers in a state.
    fn containers(&self, status: &str) -> Vec<String> {
        let label = format!("label=com.docker.stack.namespace={}", self.0.stack);
        let status = format!("status={status}");
        let arguments = ["ps", "-q", "--no-trunc", "--filter", &label, "--filter", &status];
        let done = Command::new("docker").args(["-H", &endpoint()]).args(arguments).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{done:?}");
        let mut ids: Vec<String> =
            String::from_utf8(done.stdout).unwrap().lines().map(Into::into).collect();
        ids.sort();
        ids
    }

    async fn until(&self, what: &str, is: impl Fn() -> bool) {
        eventually(what, || async { is().then_some(()) }).await;
    }

    /// A backup, once this is so; one that ends before is a mistake of the test.
    async fn create_until(&self, what: &str, is: impl Fn() -> bool) -> Child {
        let mut child = self.create();
        while !is() {
            if child.try_wait().unwrap().is_some() {
                panic!("not {what}: {}", said(&child.wait_with_output().unwrap()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        child
    }

    async fn replicas(&self) -> Option<i64> {
        let web = self.0.engine.service(&format!("{}_web", self.0.stack)).await.unwrap();
        web.spec.unwrap().mode.unwrap().replicated.unwrap().replicas
    }

    /// Whether in the newest backup each task has the same number in both of its files, but
    /// for one that was between the two.
    fn assert_one_moment(&self) {
        let into = self.0.folder.path().join("downloaded");
        fs::create_dir(&into).unwrap();
        let listed = self.run(&["backup", "snapshots", self.name(), "--json"]);
        let sets: serde_json::Value =
            serde_json::from_str(listed.split("\n[stderr]").next().unwrap()).unwrap();
        let set = sets.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
        let download = ["backup", "download", self.name(), &set, "content"];
        let mut download = self.potluck(&download).spawn().unwrap();
        let mut tar = Command::new("tar");
        tar.arg("-xC").arg(&into).stdin(download.stdout.take().unwrap());
        assert!(tar.status().unwrap().success());
        assert!(download.wait().unwrap().success());
        let mut pairs = 0;
        let all = fs::read_dir(&into).unwrap().map(|entry| entry.unwrap().path());
        for a in all.filter(|path| path.extension().is_some_and(|end| end == "a")) {
            let number = |path: &std::path::Path| -> i64 {
                // Empty is one that was just opened.
                fs::read_to_string(path).unwrap().trim().parse().unwrap_or(-1)
            };
            let (a, b) = (number(&a), number(&a.with_extension("b")));
            assert!(a == -1 || b == -1 || a == b || a == b + 1, "{a} and {b}");
            pairs += 1;
        }
        assert!(pairs >= 3, "{pairs}");
        fs::remove_dir_all(&into).unwrap();
    }
}

fn said(done: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n[stderr]\n{}", text(&done.stdout), text(&done.stderr))
}

fn send(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_paused_while_their_volume_is_read_and_run_on_whatever_happens() {
    let Some(held) = Held::new("held-pause", "pause").await else { return };
    let before = held.containers("running");
    assert_eq!(before.len(), 3);
    let is_paused = || held.containers("paused").len() == 3;
    let as_before = |about: &str| {
        assert_eq!(held.containers("paused"), [""; 0], "{about}");
        assert_eq!(held.containers("running"), before, "swarm replaced a task: {about}");
    };

    let child = held.create_until("three paused containers", is_paused).await;
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(!said(&done).contains("one moment"), "{}", said(&done));
    as_before("done");
    held.assert_one_moment();

    // Told to end, all of it is undone before it ends.
    held.0.run("web", FILL).await;
    let child = held.create_until("three paused containers", is_paused).await;
    send(&child, rustix::process::Signal::TERM);
    let done = child.wait_with_output().unwrap();
    let told = said(&done);
    assert_eq!(done.status.code(), Some(130), "{told}");
    assert!(told.contains("after-backup false"), "{told}");
    as_before(&told);

    // Killed, the next operation does it, without the recipe as well.
    for next in [&["app", "abort", held.name(), "-y"][..], &["backup", "create", held.name()]] {
        held.0.run("web", FILL).await;
        let mut child = held.create_until("three paused containers", is_paused).await;
        child.kill().unwrap();
        let killed = child.wait_with_output().unwrap();
        assert!(said(&killed).contains("before-backup"), "{}", said(&killed));
        // Swarm leaves them alone, though nobody asks for their health.
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(is_paused());
        let told = held.run(next);
        assert!(told.contains("was still paused for that backup: it runs on now"), "{told}");
        assert!(told.contains("after-backup false"), "{told}");
        as_before(&told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_stopped_while_volumes_are_read_and_come_back_whatever_happens() {
    let Some(held) = Held::new("held-stop", "stop").await else { return };
    let stopped = || held.containers("running").is_empty();
    let child = held.create_until("no container", stopped).await;
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(held.replicas().await, Some(3));
    assert_eq!(held.containers("running").len(), 3);
    held.assert_one_moment();

    held.0.run("web", FILL).await;
    let child = held.create_until("no container", stopped).await;
    send(&child, rustix::process::Signal::TERM);
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130), "{}", said(&done));
    assert!(said(&done).contains("after-backup false"), "{}", said(&done));
    assert_eq!(held.replicas().await, Some(3));

    held.0.run("web", FILL).await;
    let mut child = held.create_until("no container", stopped).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(held.replicas().await, Some(0));
    let told = held.run(&["backup", "run"]);
    assert!(told.contains("was still stopped for that backup: it starts now"), "{told}");
    assert!(told.contains("`after-backup` of the plugin `guest` is called"), "{told}");
    assert_eq!(held.replicas().await, Some(3));
}

/// A container that goes while it is paused is not of one moment, and no failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_container_that_is_killed_is_a_warning() {
    let Some(held) = Held::new("held-killed", "pause").await else { return };
    let three = || held.containers("paused").len() == 3;
    let child = held.create_until("three paused containers", three).await;
    let one = held.containers("paused").remove(0);
    let mut docker = Command::new("docker");
    let killed = docker.args(["-H", &endpoint(), "kill", &one]).output().unwrap();
    assert!(killed.status.success(), "{killed:?}");
    let done = child.wait_with_output().unwrap();
    let told = said(&done);
    assert!(done.status.success(), "{told}");
    assert!(told.contains("is not saved as of one moment"), "{told}");
    held.until("three containers", || held.containers("running").len() == 3).await;
    assert_eq!(held.containers("paused"), [""; 0]);
}
