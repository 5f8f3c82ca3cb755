//! A swarm behind a real sshd, started for the test with keys of its own.

use crate::support::common;

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use common::*;
use futures_util::StreamExt;
use potluck::{
    engine::{Engine, Error, Exec, Scope, swarm::SwarmEngine},
    hint::Hint,
};
use tokio::io::AsyncWriteExt;

/// Tells the inner tests where the sshd is.
const ENDPOINT: &str = "POTLUCK_TEST_SSH_ENDPOINT";

const SSHD: &str = "/usr/sbin/sshd";

struct Sshd {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keygen(path: &Path) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(status.success());
}

/// An sshd on a free port, and a folder with an `ssh` that trusts it.
async fn sshd() -> Option<Sshd> {
    real_engine().await?;
    if !Path::new(SSHD).exists() {
        skip(&format!("there is no {SSHD} (package openssh-server)"));
        return None;
    }
    let folder = tempfile::Builder::new().prefix("potluck-sshd-").tempdir_in("/tmp").unwrap();
    let at = |name: &str| folder.path().join(name);
    keygen(&at("host"));
    keygen(&at("user"));
    std::fs::copy(at("user.pub"), at("authorized")).unwrap();
    std::fs::set_permissions(at("authorized"), PermissionsExt::from_mode(0o600)).unwrap();
    let port = ports();
    let config = format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\n\
         StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nLogLevel INFO\n",
        at("host").display(),
        at("authorized").display(),
    );
    std::fs::write(at("sshd_config"), config).unwrap();
    // Privilege separation wants this folder.
    let _ = std::fs::create_dir_all("/run/sshd");
    let mut child = Command::new(SSHD)
        .args(["-D", "-f"])
        .arg(at("sshd_config"))
        .arg("-E")
        .arg(at("log"))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let listens = || async { std::net::TcpStream::connect(("127.0.0.1", port)).ok() };
    eventually("sshd to listen", listens).await;
    if child.try_wait().unwrap().is_some() {
        skip("sshd does not run here");
        return None;
    }

    let config = format!(
        "IdentityFile {}\nIdentitiesOnly yes\nStrictHostKeyChecking no\nUserKnownHostsFile {}\n",
        at("user").display(),
        at("known").display(),
    );
    std::fs::write(at("ssh_config"), config).unwrap();
    std::fs::create_dir(at("bin")).unwrap();
    let real = String::from_utf8(
        Command::new("sh").args(["-c", "command -v ssh"]).output().unwrap().stdout,
    )
    .unwrap();
    let script =
        format!("#!/bin/sh\nexec {} -F {} \"$@\"\n", real.trim(), at("ssh_config").display());
    std::fs::write(at("bin/ssh"), script).unwrap();
    std::fs::set_permissions(at("bin/ssh"), PermissionsExt::from_mode(0o755)).unwrap();
    Some(Sshd { child, port, folder })
}

impl Sshd {
    /// Runs an ignored test of this file, for which `ssh` is ours.
    fn run(&self, test: &str) {
        let path = format!(
            "{}:{}",
            self.folder.path().join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", &format!("ssh::{test}")])
            .env("PATH", path)
            .env(ENDPOINT, format!("ssh://127.0.0.1:{}", self.port))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_all_calls_and_streams() {
    let Some(sshd) = sshd().await else { return };
    sshd.run("calls_and_streams_over_ssh");
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
