//! Servers that keep restic repositories: `rclone serve restic` for its REST protocol, and moto
//! for S3, which checks signatures and rights. `scripts/setup.sh test` installs both.

use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::common::{PATIENCE, ports, skip};

/// The user of the REST server, and a password that must not be seen anywhere.
pub const USER: &str = "backup";
pub const PASSWORD: &str = "rest-s3same";

/// A server; gone when dropped.
pub struct Store {
    child: Child,
    /// Where it listens.
    address: String,
    pub port: u16,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a REST server lets its users do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    All,
    /// New files, and locks.
    AppendOnly,
}

impl Store {
    fn start(mut command: Command, address: &str, port: u16) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut store = Store { child: child.spawn().unwrap(), address: address.into(), port };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((address, port)).is_err() {
            assert!(store.child.try_wait().unwrap().is_none(), "the server ended: {command:?}");
            assert!(Instant::now() < deadline, "the server does not listen: {command:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        store
    }

    /// A REST server of a folder; none, said aloud, without rclone.
    pub fn rest(folder: &Path, rights: Rights) -> Option<Self> {
        Self::rest_at(folder, rights, ports())
    }

    /// The same at a port that is known.
    pub fn rest_at(folder: &Path, rights: Rights, port: u16) -> Option<Self> {
        Self::rest_on(folder, rights, "127.0.0.1", port)
    }

    /// The same at an address of this machine.
    pub fn rest_on(folder: &Path, rights: Rights, address: &str, port: u16) -> Option<Self> {
        if Command::new("rclone").arg("version").output().is_err() {
            skip("there is no rclone, which serves restic's REST protocol");
            return None;
        }
        std::fs::create_dir_all(folder).unwrap();
        let mut command = Command::new("rclone");
        command.args(["serve", "restic", "--addr", &format!("{address}:{port}")]);
        command.args(["--user", USER, "--pass", PASSWORD, "--config", "/dev/null"]);
        if rights == Rights::AppendOnly {
            command.arg("--append-only");
        }
        command.arg(folder);
        Some(Self::start(command, address, port))
    }

    /// Its repository of this name, with the credentials that it wants.
    pub fn rest_location(&self, name: &str) -> String {
        format!("rest:http://{USER}:{PASSWORD}@{}:{}/{name}", self.address, self.port)
    }

    /// An S3 server, and the variables with its key; `denied` is an action and a resource. None,
    /// said aloud, without moto.
    pub fn s3(denied: &[&str]) -> Option<(Self, String)> {
        let python = moto().join("bin/python");
        if !python.exists() {
            skip(&format!("there is no {}: `scripts/setup.sh test` makes it", python.display()));
            return None;
        }
        let port = ports();
        let mut command = Command::new(moto().join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let store = Self::start(command, "127.0.0.1", port);
        let made = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/moto.py"))
            .arg(format!("http://127.0.0.1:{port}"))
            .args(denied)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some((store, String::from_utf8(made.stdout).unwrap()))
    }

    /// Its repository of this name.
    pub fn s3_location(&self, name: &str) -> String {
        format!("s3:http://127.0.0.1:{}/bucket/{name}", self.port)
    }
}

/// Where `scripts/setup.sh test` puts moto.
fn moto() -> PathBuf {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"),
    };
    cache.join("potluck/moto-5.2.5")
}
