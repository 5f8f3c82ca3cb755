//! A repository's password from a program, as a password manager has it.
//!
//! What the program prints goes into a file in memory, which restic reads as it reads any
//! other: it is on no disk, in no argument and in no environment, and is gone with its owner.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use rustix::fs::{MemfdFlags, memfd_create};
use tokio::process::Command;
use zeroize::Zeroizing;

use super::error::Error;
use crate::{bounded, text::line_of};

/// A password manager may ask somebody to touch a key.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest password.
const LONGEST: u64 = 64 * 1024;
/// Bytes of what a failed program says.
const SAID: usize = 500;

/// A password in memory.
#[derive(Debug)]
pub(crate) struct Held(OwnedFd);

impl Held {
    /// Where programs of this user read it, as long as it exists.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()))
    }

    fn new(password: &str) -> io::Result<Self> {
        let held = Held(memfd_create("potluck-password", MemfdFlags::CLOEXEC)?);
        let mut file = File::from(held.0.try_clone()?);
        file.write_all(password.as_bytes())?;
        file.write_all(b"\n")?;
        Ok(held)
    }
}

/// Runs the program, and holds what it prints without the blanks around it.
///
/// # Errors
/// [`Error::PasswordCommand`], without anything that was printed to standard output.
pub(crate) async fn ask(
    command: &[String],
    environment: &[(OsString, OsString)],
) -> Result<Held, Error> {
    ask_within(command, environment, TIMEOUT).await
}

async fn ask_within(
    command: &[String],
    environment: &[(OsString, OsString)],
    timeout: Duration,
) -> Result<Held, Error> {
    let program = command.first().cloned().unwrap_or_default();
    let bad = |reason: String| Error::PasswordCommand { program: program.clone(), reason };
    let mut child = Command::new(&program)
        .args(&command[1..])
        .env_clear()
        .envs(environment.iter().map(|(key, value)| (key, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| bad(format!("it cannot be run: {error}")))?;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let printed = async {
            match stdout.as_mut() {
                Some(stdout) => bounded::read_async(stdout, LONGEST).await.map(Zeroizing::new),
                None => Ok(Zeroizing::default()),
            }
        };
        let said = async {
            match stderr.as_mut() {
                Some(stderr) => bounded::read_async(stderr, LONGEST).await.unwrap_or_default(),
                None => Vec::new(),
            }
        };
        let (printed, said) = tokio::join!(printed, said);
        // One that prints without end is stopped, as both pipes go with this.
        drop((stdout, stderr));
        Ok::<_, io::Error>((printed?, said, child.wait().await?))
    };
    let (printed, said, status) = match tokio::time::timeout(timeout, work).await {
        Err(_) => return Err(bad(format!("it did not end within {} s", timeout.as_secs()))),
        Ok(done) => done.map_err(|error| bad(error.to_string()))?,
    };
    if !status.success() {
        let said = String::from_utf8_lossy(&said);
        let said = line_of(said.trim(), SAID);
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        return Err(bad(format!("it failed ({status}){said}")));
    }
    let password = std::str::from_utf8(&printed)
        .map_err(|_| bad("what it printed is not text".into()))?
        .trim();
    if password.is_empty() {
        return Err(bad("it printed nothing".into()));
    }
    Held::new(password).map_err(|error| bad(format!("its password cannot be held: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(script: &str) -> Result<String, String> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        let environment = [("PATH".into(), "/bin:/usr/bin".into())];
        let held = ask_within(&command, &environment, Duration::from_millis(2000)).await;
        let held = held.map_err(|error| error.to_string())?;
        std::fs::read_to_string(held.path()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_password_is_what_a_program_prints() {
        assert_eq!(of("echo '  se same '").await.unwrap(), "se same\n");
        for (script, said) in [
            ("echo s3cret; echo locked >&2; exit 3", "it failed (exit status: 3): locked"),
            ("echo", "it printed nothing"),
            ("echo s3cret; exec sleep 60", "it did not end within 2 s"),
            ("printf 's3cret\\377'", "is not text"),
        ] {
            let error = of(script).await.unwrap_err();
            assert!(error.contains(said) && !error.contains("s3cret"), "{error}");
        }
        let error = ask(&["/no/such".to_owned()], &[]).await.unwrap_err().to_string();
        assert!(error.contains("`/no/such`") && error.contains("cannot be run"), "{error}");
    }
}
