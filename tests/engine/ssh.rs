//! A swarm behind a real sshd, started for the test with keys of its own.

use crate::support::{
    common,
    sshd::{Sshd, sshd},
};

use std::process::Command;

use common::*;
use futures_util::StreamExt;
use potluck::{
    engine::{Engine, Error, Exec, Scope, swarm::SwarmEngine},
    hint::Hint,
};
use tokio::io::AsyncWriteExt;

/// Tells the inner tests where the sshd is.
const ENDPOINT: &str = "POTLUCK_TEST_SSH_ENDPOINT";

/// Runs an ignored test of this file, for which `ssh` is ours.
fn run(sshd: &Sshd, test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", &format!("ssh::{test}")])
        .env("PATH", sshd.path())
        .env(ENDPOINT, sshd.endpoint())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_all_calls_and_streams() {
    let Some(sshd) = sshd().await else { return };
    run(&sshd, "calls_and_streams_over_ssh");
    let log = sshd.log();
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the sshd of the test above"]
async fn calls_and_streams_over_ssh() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let engine = SwarmEngine::connect(&endpoint).unwrap();
    let stack = unique_stack("engine-ssh");
    let _cleanup = Cleanup::new(&stack);
    // Several at once, before there is a connection.
    let (manager, services) = tokio::join!(engine.manager(), engine.services(Scope::Stack(&stack)));
    assert!(!manager.unwrap().version.is_empty());
    assert!(services.unwrap().is_empty());
    engine.create_service(service_spec(&stack, "web", &["sleep", "3600"]), None).await.unwrap();
    let container = running_container(&engine, &format!("{stack}_web")).await;

    const SIZE: usize = 64 << 20;
    let exec = Exec { argv: vec!["cat".into()], stdin: true, ..Default::default() };
    let mut session = engine.exec(&container, &exec).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let writer = tokio::spawn(async move {
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..SIZE >> 20 {
            stdin.write_all(&piece).await.unwrap();
        }
        stdin.shutdown().await.unwrap();
    });
    let mut read = 0;
    while let Some(chunk) = session.output.next().await {
        read += chunk.unwrap().bytes.len();
    }
    writer.await.unwrap();
    assert_eq!((read, session.exit_code.await.unwrap()), (SIZE, 0));
}

#[tokio::test]
async fn a_failed_login_says_what_ssh_said() {
    // Nothing listens on port 1.
    let engine = SwarmEngine::connect("ssh://127.0.0.1:1").unwrap();
    let error = engine.manager().await.unwrap_err();
    let Error::Unreachable { reason, .. } = &error else { panic!("{error:?}") };
    assert!(
        reason.contains("Connection refused") || reason.contains("cannot run `ssh`"),
        "{reason}"
    );
    assert!(
        error.hint().unwrap().contains("`ssh -p 1 127.0.0.1 docker version`"),
        "{:?}",
        error.hint()
    );
}

#[tokio::test]
async fn what_is_no_endpoint_is_refused_at_once() {
    for endpoint in ["tcp://127.0.0.1:2375", "ssh://-oProxyCommand=x", "unix://relative", ""] {
        let error = SwarmEngine::connect(endpoint).unwrap_err();
        assert!(matches!(error, Error::BadEndpoint { .. }), "{endpoint}: {error:?}");
    }
    let missing = SwarmEngine::connect("unix:///no/such/socket").unwrap_err();
    assert!(matches!(missing, Error::Unreachable { .. }), "{missing:?}");
}
