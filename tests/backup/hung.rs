//! A hook whose program hangs and outlives a potluck that was killed, on the real swarm.

use std::process::{Command, Stdio};

use crate::support::{
    backup::can_mount,
    cli::Lab,
    common::{BUSYBOX, Cleanup, eventually, real_engine},
    operator::{SLEEP, app, docker, domain, folder, good},
};

fn services() -> String {
    format!(
        "services:\n  app:\n    image: {BUSYBOX}\n    command: {SLEEP}\n    stop_grace_period: 0s\n    \
         volumes: ['data:/data']\n    deploy:\n      endpoint_mode: dnsrr\n      labels:\n        \
         backupbot.backup: 'true'\n        backupbot.backup.pre-hook: 'sh /data/hook'\nvolumes:\n  \
         data:\n"
    )
}

/// A backup that hangs in its hook, killed or told to end; what it said.
fn hung(lab: &Lab, domain: &str, signal: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_potluck"))
        .args(["backup", "create", domain])
        .env("POTLUCK_DIR", lab.path("potluck"))
        .env("HOME", lab.path("home"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stack = domain.replace('.', "_");
    let ids = docker(&["ps", "-q", "--filter", &format!("name={stack}_app")]);
    let runs = || docker(&["top", ids.trim()]).contains("sleep 100000");
    while !runs() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let done = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_hangs_ends_with_its_task() {
    if real_engine().await.is_none() || !can_mount() {
        return;
    }
    let (domain, stack) = domain("hung");
    let _cleanup = Cleanup::new(&stack);
    let lab = folder();
    app(&lab, "hangs", &services(), "", &domain);
    good(&lab.run(&["app", "deploy", &domain, "-n", "--grant", "backupbot exec: app"]));
    let shell = |script: &str| {
        good(&lab.run(&["app", "run", &domain, "app", "--", "sh", "-c", script]));
    };
    shell("echo 'sleep 100000' >/data/hook");

    // Told to end, it says what still runs, and what ends that.
    let said = hung(&lab, &domain, "-TERM");
    let restart = format!("`potluck app restart {domain}` ends it");
    assert!(said.contains("still runs there") && said.contains(&restart), "{said}");
    good(&lab.run(&["app", "restart", &domain]));
    let one = || async {
        let running = docker(&["ps", "-q", "--filter", &format!("name={stack}_app")]);
        (running.lines().count() == 1).then_some(())
    };
    eventually("one task", one).await;

    // Killed, it keeps others from the app until its task is restarted.
    hung(&lab, &domain, "-KILL");
    let undone = lab.run(&["app", "abort", &domain, "--yes", "--restart-tasks"]);
    good(&undone);
    assert!(undone.stderr.contains("restart "), "{undone}");
    shell("echo true >/data/hook");
    good(&lab.run(&["backup", "create", &domain]));
}
