//! What restic's exit codes and messages mean.
//!
//! Up to 0.16 every failure is exit code 1 and only the text differs; since
//! 0.17 there are codes 10 (no repository), 11 (locked) and, since 0.17.1, 12
//! (wrong password). A code that is not known is a failure, as restic's
//! documentation (`075_scripting.rst`) asks.

use std::process::ExitStatus;

use serde::Deserialize;

use crate::backup::error::Error;

/// How errors speak of a repository.
#[derive(Debug)]
pub(super) struct Named {
    /// Without credentials.
    pub repository: String,
    /// What to type to remove dead locks.
    pub unlock: String,
}

/// What was being done, for messages.
pub(super) struct Doing<'a> {
    /// Completes "restic failed to …".
    pub action: &'a str,
    pub repository: &'a Named,
}

/// The outcome of a run: `Ok` only for exit code 0.
pub(super) fn judge(doing: &Doing<'_>, status: ExitStatus, stderr: &str) -> Result<(), Error> {
    if status.success() {
        return Ok(());
    }
    // A run that a signal ended has no code.
    let code = status.code().unwrap_or(-1);
    let text = readable(stderr);
    let repository = doing.repository.repository.clone();
    let unlock = || doing.repository.unlock.clone();
    Err(match code {
        3 => Error::Partial { what: doing.action.to_owned(), message: text },
        10 => Error::NoRepository { repository },
        11 => Error::Locked { repository, by: locked_by(&text), unlock: unlock() },
        12 => Error::WrongPassword { repository },
        130 => Error::Interrupted,
        _ if text.contains("wrong password or no key found") => Error::WrongPassword { repository },
        _ if text.contains("repository is already locked") => {
            Error::Locked { repository, by: locked_by(&text), unlock: unlock() }
        }
        _ if text.contains("signal interrupt received") => Error::Interrupted,
        _ if text.contains("no space left on device") || text.contains("quota exceeded") => {
            Error::NoSpace { repository }
        }
        _ if is_absent(&text) => Error::NoRepository { repository },
        _ => Error::Restic {
            action: doing.action.to_owned(),
            code,
            message: if text.is_empty() { status.to_string() } else { text },
        },
    })
}

/// Whether the text says that nothing is at the location, as opposed to a
/// location that did not answer: "Is there a repository at" follows both.
fn is_absent(text: &str) -> bool {
    text.contains("Is there a repository at")
        && [
            "no such file or directory",
            "file does not exist",
            "key does not exist",
            "bucket does not exist",
            "404",
            "not found",
            "NotFound",
        ]
        .iter()
        .any(|absent| text.contains(absent))
}

/// Who holds the lock, from "repository is already locked by PID …".
fn locked_by(text: &str) -> String {
    let by = text
        .lines()
        .find_map(|line| line.split_once("already locked"))
        .map(|(_, by)| by.trim_start_matches(" exclusively").trim())
        .filter(|by| !by.is_empty())
        .unwrap_or("by another restic");
    match text.lines().find_map(|line| line.split_once("lock was created at ")) {
        // "2026-11-21 20:30:13 (1.3s ago)"
        Some((_, since)) => {
            let since = since.split(" (").next().unwrap_or(since);
            format!("{by}, since {}", since.trim())
        }
        None => by.to_owned(),
    }
}

/// Standard error for people: JSON messages unpacked, terminal codes and
/// "Fatal:" taken off, at most ten lines.
fn readable(stderr: &str) -> String {
    let lines: Vec<String> = stderr
        .lines()
        .filter_map(|line| {
            let line = line.trim_start_matches("\u{1b}[2K").trim();
            let text = match serde_json::from_str::<Message>(line) {
                Ok(message) => message.text()?,
                Err(_) => line.to_owned(),
            };
            let text = text.trim_start_matches("Fatal: ").trim();
            (!text.is_empty()).then(|| text.to_owned())
        })
        .collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// A line of standard error under `--json`.
#[derive(Deserialize)]
struct Message {
    /// Of `exit_error`, since 0.18.
    message: Option<String>,
    /// Of `error`: an object whose shape differs between versions.
    error: Option<serde_json::Value>,
    item: Option<String>,
}

impl Message {
    fn text(self) -> Option<String> {
        if let Some(message) = self.message {
            return Some(message);
        }
        let error = self.error?;
        let said = ["message", "Err", "Op"]
            .iter()
            .find_map(|key| error.get(key)?.as_str())
            .unwrap_or("could not be read");
        Some(match self.item {
            Some(item) => format!("{item}: {said}"),
            None => said.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn kind(code: i32, stderr: &str) -> String {
        let named = Named { repository: "/srv/restic".into(), unlock: "restic unlock".into() };
        let doing = Doing { action: "read the snapshots", repository: &named };
        match judge(&doing, ExitStatus::from_raw(code << 8), stderr) {
            Ok(()) => "ok".into(),
            Err(Error::NoRepository { .. }) => "no repository".into(),
            Err(Error::WrongPassword { .. }) => "wrong password".into(),
            Err(Error::Locked { by, .. }) => format!("locked {by}"),
            Err(Error::Partial { message, .. }) => format!("partial {message}"),
            Err(Error::NoSpace { .. }) => "no space".into(),
            Err(Error::Interrupted) => "interrupted".into(),
            Err(Error::Restic { code, message, .. }) => format!("{code} {message}"),
            Err(other) => panic!("{other}"),
        }
    }

    /// Recorded from restic 0.14.0, 0.17.3 and 0.18.0.
    #[test]
    fn recorded_ends_are_told_apart() {
        for (code, stderr, expected) in [
            (0, "", "ok"),
            (
                1,
                "Fatal: unable to open config file: stat /srv/restic/config: no such file or directory\nIs there a repository at the following location?\n/srv/restic\n",
                "no repository",
            ),
            (
                1,
                "Fatal: unable to open config file: stat /srv/restic/config: permission denied\nIs there a repository at the following location?\n/srv/restic\n",
                "1 unable to open config file: stat /srv/restic/config: permission denied\nIs there a repository at the following location?\n/srv/restic",
            ),
            (1, "Fatal: wrong password or no key found\n", "wrong password"),
            (
                1,
                "unable to create lock in backend: repository is already locked by PID 20414 on vm by root (UID 0, GID 0)\nlock was created at 2026-11-21 20:30:13 (1.3s ago)\nstorage ID cd16398c\n",
                "locked by PID 20414 on vm by root (UID 0, GID 0), since 2026-11-21 20:30:13",
            ),
            (1, "\u{1b}[2Ksignal interrupt received, cleaning up\n", "interrupted"),
            (130, "", "interrupted"),
            (10, "Fatal: repository does not exist", "no repository"),
            (11, "", "locked by another restic"),
            (
                12,
                "{\"message_type\":\"exit_error\",\"code\":12,\"message\":\"Fatal: wrong password or no key found\"}",
                "wrong password",
            ),
            (
                3,
                "{\"message_type\":\"error\",\"error\":{\"Op\":\"open\",\"Path\":\"/v/a\",\"Err\":13},\"during\":\"archival\",\"item\":\"/v/a\"}\nWarning: at least one source file could not be read\n",
                "partial /v/a: open\nWarning: at least one source file could not be read",
            ),
            (1, "Save(<data/1>) failed: write /srv/x: no space left on device", "no space"),
            (99, "{\"message_type\":\"exit_error\",\"code\":99,\"message\":\"new\"}", "99 new"),
            (2, "", "2 exit status: 2"),
        ] {
            assert_eq!(kind(code, stderr), expected, "code {code}, {stderr:?}");
        }
    }

    #[test]
    fn a_run_ended_by_a_signal_is_a_failure() {
        let named = Named { repository: "y".into(), unlock: "z".into() };
        let doing = Doing { action: "x", repository: &named };
        let error = judge(&doing, ExitStatus::from_raw(9), "").unwrap_err();
        assert!(matches!(error, Error::Restic { code: -1, .. }), "{error}");
    }
}
