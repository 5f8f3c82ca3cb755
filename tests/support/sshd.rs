//! A real sshd on this machine, for tests of servers that are reached over SSH.

#![allow(dead_code, reason = "each group of tests uses some of it")]

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use super::common::{eventually, ports, real_engine, skip};

const SSHD: &str = "/usr/sbin/sshd";

/// Gone when dropped.
pub struct Sshd {
    child: Child,
    pub port: u16,
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
pub async fn sshd() -> Option<Sshd> {
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
         Subsystem sftp internal-sftp\n\
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
    /// The path of programs, with an `ssh` of ours that trusts it first.
    pub fn path(&self) -> String {
        let bin = self.folder.path().join("bin");
        format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
    }

    /// This machine, over SSH.
    pub fn endpoint(&self) -> String {
        format!("ssh://127.0.0.1:{}", self.port)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}
