//! What restic's exit codes and messages mean.
//!
//! Up to 0.16 every failure is exit code 1 and only the text differs; since
//! 0.17 there are codes 10 (no repository), 11 (locked) and, since 0.17.1, 12
//! (wrong password). An unknown code is a failure, as restic's
//! documentation (`075_scripting.rst`) demands.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{process::Ended, retries};
use crate::backup::error::Error;

/// How errors speak of a repository.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Without credentials.
    pub repository: String,
    /// The command that removes stale locks.
    pub unlock: String,
    /// The command that shows all damage.
    pub check: String,
    /// The same, but for what is in the packs.
    pub look: String,
    /// The command that makes the index anew.
    pub rebuild: String,
    /// What to type, with ids behind it, to make space.
    pub prune: String,
    /// The command that lists the backups of the app; none without an app.
    pub list: Option<String>,
    pub password_file: PathBuf,
    /// It is the default one, because server.yml names none.
    pub own: bool,
    /// What is known to be in it.
    pub holds: Option<Holds>,
}

/// Backups are known to be in a repository.
#[derive(Debug, Clone)]
pub(in crate::backup) struct Holds {
    /// The files that say so.
    pub records: Vec<PathBuf>,
    /// The repositories that may have the same.
    pub copies: Vec<String>,
}

impl Holds {
    /// The error about a repository with backups that is missing.
    pub(in crate::backup) fn gone(&self, repository: String) -> Error {
        /// More are told by their folders.
        const SHOWN: usize = 3;
        let mut records: Vec<&Path> = self.records.iter().map(PathBuf::as_path).collect();
        if records.len() > SHOWN {
            records = records.into_iter().filter_map(Path::parent).collect();
            records.dedup();
        }
        let records = records.iter().map(|path| path.display().to_string()).collect();
        Error::RepositoryGone { repository, records, copies: self.copies.clone() }
    }
}

impl Named {
    fn absent(&self) -> Error {
        let repository = self.repository.clone();
        match &self.holds {
            Some(holds) => holds.gone(repository),
            None => Error::NoRepository { repository, own: self.own },
        }
    }

    /// The command that lists backups.
    fn list(&self) -> String {
        self.list.clone().unwrap_or_else(|| "potluck backup snapshots".into())
    }

    /// What to do about a damaged file.
    pub fn remedy(&self, kind: Kind) -> String {
        let Named { check, look, rebuild, .. } = self;
        match kind {
            Kind::Pack => format!(
                "`{check}` shows all that is damaged; an older backup may be whole: `{}` lists \
                 them",
                self.list()
            ),
            Kind::Index => format!(
                "`{rebuild}` makes the index anew from the pack files, which may be whole; then \
                 try again"
            ),
            Kind::Snapshot => format!(
                "`{look}` shows all that is damaged; put the file back from a copy of the \
                 repository, or restore another backup: `{}` lists them",
                self.list()
            ),
            Kind::Key => format!(
                "without it nobody can read the backups: put the file `config` and the folder \
                 `keys` of {} back from a copy of the repository",
                self.repository
            ),
        }
    }

    fn wrong_password(&self) -> Error {
        Error::WrongPassword {
            repository: self.repository.clone(),
            password_file: self.password_file.clone(),
            own: self.own,
        }
    }
}

/// What was being done, for messages.
pub(super) struct Doing<'a> {
    /// Completes "restic failed to …".
    pub action: &'a str,
    pub repository: &'a Named,
}

/// The outcome of a run: `Ok` only for exit code 0.
pub(super) fn judge(doing: &Doing<'_>, ended: &Ended) -> Result<(), Error> {
    let Ended { status, stderr, gave_up, .. } = ended;
    if status.success() {
        return Ok(());
    }
    // A run that a signal ended has no code.
    let code = status.code().unwrap_or(-1);
    let text = readable(stderr);
    let named = doing.repository;
    let repository = named.repository.clone();
    let unlock = || doing.repository.unlock.clone();
    Err(match code {
        3 => Error::Partial { what: doing.action.to_owned(), message: text },
        10 => named.absent(),
        11 => Error::Locked { repository, by: locked_by(&text), unlock: unlock() },
        12 => named.wrong_password(),
        130 if !gave_up => Error::Interrupted,
        _ if text.contains("wrong password or no key found") => named.wrong_password(),
        _ if text.contains("repository is already locked") => {
            Error::Locked { repository, by: locked_by(&text), unlock: unlock() }
        }
        _ if text.contains("signal interrupt received") && !gave_up => Error::Interrupted,
        _ if let Some(full) = full_disk(stderr) => match full {
            // restic writes what it restores, its cache and what it is about to store elsewhere.
            FullDisk::At(at) if !Path::new(&at).starts_with(&repository) => {
                Error::NoSpace { at, prune: None, list: named.list() }
            }
            _ => Error::NoSpace {
                at: repository,
                prune: Some(named.prune.clone()),
                list: named.list(),
            },
        },
        _ if is_absent(&text) => named.absent(),
        _ if let Some(reason) = refused_removal(stderr) => {
            Error::Refused { repository, reason: reason.to_owned() }
        }
        _ if let Some(reason) = is_read_only(stderr) => Error::ReadOnly { repository, reason },
        _ if let Some((kind, reason)) = is_damaged(stderr) => Error::Damaged {
            what: doing.action.to_owned(),
            repository,
            reason,
            remedy: named.remedy(kind),
        },
        _ => Error::Restic {
            action: doing.action.to_owned(),
            code,
            message: if text.is_empty() { status.to_string() } else { text },
        },
    })
}

/// Why the store does not remove a file, if that is what a run said.
pub(super) fn refused_removal(stderr: &str) -> Option<&'static str> {
    said(stderr).find_map(|said| retries::refused_removal(&said))
}

/// Where a disk is full.
#[derive(Debug, PartialEq, Eq)]
enum FullDisk {
    At(String),
    Unsaid,
}

/// Whether a disk is full.
fn full_disk(stderr: &str) -> Option<FullDisk> {
    let full = ["no space left on device", "quota exceeded"];
    let said = said(stderr).find(|said| full.iter().any(|full| said.contains(full)))?;
    let before = said.split(": no space").next().unwrap_or_default();
    // "write PATH", behind what was being done.
    Some(match before.rfind(" /") {
        Some(at) => FullDisk::At(before[at + 1..].trim_end_matches(':').to_owned()),
        None => FullDisk::Unsaid,
    })
}

/// Why nothing can be written to the repository, not even a lock.
fn is_read_only(stderr: &str) -> Option<String> {
    let refused = ["read-only file system", "permission denied"];
    let of_a_lock = |said: &String| said.contains("/locks/") || said.contains("<lock/");
    let mut said = said(stderr).filter(of_a_lock);
    said.find_map(|said| {
        let reason = refused.iter().find(|reason| said.contains(**reason))?;
        Some((*reason).to_owned())
    })
}

/// A kind of file in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pack,
    Index,
    Snapshot,
    /// A file that has to be read before any other: a key, or the configuration.
    Key,
}

impl Kind {
    /// Its name in restic's messages, its folder, and what people call it.
    const ALL: [(Kind, &str, &str, &str); 5] = [
        (Kind::Pack, "<data/", "/data/", "pack file"),
        (Kind::Index, "<index/", "/index/", "index file"),
        (Kind::Snapshot, "<snapshot/", "/snapshots/", "snapshot file"),
        (Kind::Key, "<key/", "/keys/", "key file"),
        (Kind::Key, "<config/", "/config:", "configuration file"),
    ];
}

/// What the text says about missing or changed data, and in what kind of file.
fn is_damaged(stderr: &str) -> Option<(Kind, String)> {
    let cut = [
        "unexpected EOF",
        "invalid data returned",
        "hash does not match",
        "wrong data",
        "file is too short",
    ];
    let broken =
        ["ciphertext verification failed", "not found in repository", "not found in index"];
    said(stderr).find_map(|said| {
        // Of a key file, which is JSON in the clear; all else is verified before it is read.
        if said.contains("Fatal: Unmarshal: ") {
            return Some((Kind::Key, "a key file of it is cut off or changed".into()));
        }
        let of_config = ["Fatal: config or key ", "config file has zero size"];
        if of_config.iter().any(|so| said.contains(so)) {
            let reason = "its configuration, or a key file of it, is cut off or changed";
            return Some((Kind::Key, reason.into()));
        }
        let file = Kind::ALL
            .iter()
            .find(|(_, angled, folder, _)| said.contains(angled) || said.contains(folder));
        if let Some((kind, angled, _, called)) = file {
            let gone = ["no such file or directory", "does not exist"];
            let gone = gone.iter().any(|so| said.contains(so));
            let unread = *kind != Kind::Pack && said.contains(broken[0]);
            let folder = said.contains(angled) && said.contains("is a directory");
            let cut = cut.iter().any(|so| said.contains(so)) || retries::is_of_empty_file(&said);
            if gone || unread || folder || cut {
                let name =
                    said.split_once(angled).and_then(|(_, name)| Some(name.split_once('>')?.0));
                let what = if gone { "missing" } else { "cut off or changed" };
                return Some((
                    *kind,
                    match (name, kind) {
                        (Some(name), _) => format!("its {called} {name} is {what}"),
                        (None, Kind::Index) => format!("an {called} of it is {what}"),
                        (None, _) => format!("a {called} of it is {what}"),
                    },
                ));
            }
        }
        let is = broken.iter().any(|so| said.contains(so));
        is.then(|| (Kind::Pack, retries::shortened(said.trim_start_matches("Fatal: "))))
    })
}

/// restic's own words, without names of files that an app chose.
fn said(stderr: &str) -> impl Iterator<Item = String> {
    lines(stderr).filter(|(item, _)| item.is_none()).map(|(_, said)| said)
}

/// The lines of standard error, those in messages as well, with the file that a message names.
fn lines(stderr: &str) -> impl Iterator<Item = (Option<String>, String)> {
    stderr.lines().flat_map(|line| {
        let line = line.trim_start_matches("\u{1b}[2K");
        let (item, text) = match serde_json::from_str::<Message>(line) {
            Ok(mut message) => (message.item.take(), message.text().unwrap_or_default()),
            Err(_) => (None, line.to_owned()),
        };
        let lines: Vec<_> = text.lines().map(|line| (item.clone(), line.to_owned())).collect();
        lines
    })
}

/// Whether the text says that nothing is at the location, as opposed to a
/// location that did not answer: "Is there a repository at" follows both.
fn is_absent(text: &str) -> bool {
    text.contains("Is there a repository at")
        && [
            "no such file or directory",
            "file does not exist",
            "<config/> does not exist",
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
    let lines: Vec<String> = lines(stderr)
        .filter(|(_, line)| !is_of_a_stack(line) && retries::reason(line).is_none())
        .filter_map(|(item, line)| {
            let text = line.trim().trim_start_matches("Fatal: ").trim();
            let text = (!text.is_empty()).then(|| retries::shortened(text))?;
            Some(item.map_or(text.clone(), |item| format!("{item}: {text}")))
        })
        .collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// Whether a line belongs to the stack trace that old versions print below an error: a
/// function's name, or its position.
fn is_of_a_stack(line: &str) -> bool {
    let function = ["github.com/", "main.", "runtime.", "golang.org/"];
    line.starts_with('\t') || !line.contains(' ') && function.iter().any(|of| line.starts_with(of))
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
        let said = ["message", "Err", "Op"].iter().find_map(|key| error.get(key)?.as_str());
        Some(said.unwrap_or("could not be read").to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

    use super::*;
    use crate::backup::restic::unread::Unread;

    fn named() -> Named {
        Named {
            repository: "/srv/restic".into(),
            unlock: "restic unlock".into(),
            check: "restic check --read-data".into(),
            look: "restic check".into(),
            rebuild: "restic rebuild-index".into(),
            list: Some("potluck backup snapshots t.example".into()),
            prune: "restic forget --prune".into(),
            password_file: "/srv/password".into(),
            holds: None,
            own: false,
        }
    }

    fn ended(status: i32, stderr: &str, gave_up: bool) -> Ended {
        let status = ExitStatus::from_raw(status);
        Ended { status, stderr: stderr.into(), unread: Unread::default(), gave_up }
    }

    fn kind(code: i32, stderr: &str) -> String {
        told(code, stderr, false)
    }

    fn told(code: i32, stderr: &str, gave_up: bool) -> String {
        let named = named();
        let doing = Doing { action: "read the snapshots", repository: &named };
        match judge(&doing, &ended(code << 8, stderr, gave_up)) {
            Ok(()) => "ok".into(),
            Err(Error::NoRepository { .. }) => "no repository".into(),
            Err(Error::WrongPassword { .. }) => "wrong password".into(),
            Err(Error::Locked { by, .. }) => format!("locked {by}"),
            Err(Error::Partial { message, .. }) => format!("partial {message}"),
            Err(Error::NoSpace { at, prune: Some(_), .. }) if at == "/srv/restic" => {
                "no space".into()
            }
            Err(Error::NoSpace { at, prune: None, .. }) => format!("no space at {at}"),
            Err(Error::ReadOnly { reason, .. }) => format!("read only {reason}"),
            Err(Error::Damaged { reason, .. }) => format!("damaged {reason}"),
            Err(Error::Refused { reason, .. }) => format!("refused {reason}"),
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
            (1, "Save(<data/1>) failed: no space left on device", "no space"),
            (
                1,
                "write /tmp/restic-temp-pack-1: no space left on device",
                "no space at /tmp/restic-temp-pack-1",
            ),
            (
                1,
                "ignoring error for /big: write /v/big: no space left on device\nFatal: There were 1 errors",
                "no space at /v/big",
            ),
            (
                2,
                "cannot dump file: decrypting blob d05af9500d268cbdf2269c70bdbd1d48a4a4dbf1433df0af8c81778f12cbb5ff failed: ciphertext verification failed",
                "damaged cannot dump file: decrypting blob d05af9500d… failed: ciphertext verification failed",
            ),
            (
                2,
                "loading tree for snapshot \"latest\" failed: id 2b4a1f09417a88277933aefcf7f4aa9b7d1d3acc08bbb56632ed1726784963e4 not found in repository",
                "damaged loading tree for snapshot \"latest\" failed: id 2b4a1f0941… not found in repository",
            ),
            (
                1,
                "unable to remove <snapshot/152d5b8a53> from the repository\nremove /srv/restic/snapshots/152d: operation not permitted\n",
                "refused operation not permitted",
            ),
            (
                1,
                "Fatal: rest: unexpected HTTP response (403): 403 Forbidden",
                "1 rest: unexpected HTTP response (403): 403 Forbidden",
            ),
            (99, "{\"message_type\":\"exit_error\",\"code\":99,\"message\":\"new\"}", "99 new"),
            (2, "", "2 exit status: 2"),
        ] {
            assert_eq!(kind(code, stderr), expected, "code {code}, {stderr:?}");
        }
    }

    /// Recorded from restic 0.14.0 and 0.18.0, and 0.17's words.
    #[test]
    fn each_kind_of_damaged_file_has_its_remedy() {
        let named = named();
        let doing = Doing { action: "x", repository: &named };
        for (stderr, expected, remedy) in [
            (
                "Fatal: Unmarshal: invalid character ';' after object key\n",
                "a key file of it is cut off or changed",
                "without it nobody can read the backups: put the file `config` and the folder `keys` of /srv/restic back",
            ),
            (
                "Fatal: config or key 4b10e2ba is damaged: ciphertext verification failed\n",
                "its configuration, or a key file of it, is cut off or changed",
                "without it nobody can read the backups: put the file `config` and the folder `keys` of /srv/restic back",
            ),
            (
                "config file has zero size, invalid repository?\nmain.open\n\tglobal.go:760\n",
                "its configuration, or a key file of it, is cut off or changed",
                "without it nobody can read the backups: put the file `config` and the folder `keys` of /srv/restic back",
            ),
            (
                "Load(<key/4b10e2ba1d>, 0, 0) returned error, retrying after 552ms: read \
                 repo/keys/4b10: is a directory\n",
                "its key file 4b10e2ba1d is cut off or changed",
                "without it nobody can read the backups: put the file `config` and the folder `keys` of /srv/restic back",
            ),
            (
                "Load(<snapshot/69ebf230e5>, 0, 0) returned error, retrying after 552ms: Copy: \
                 read repo/snapshots/69eb: is a directory\n",
                "its snapshot file 69ebf230e5 is cut off or changed",
                "`restic check` shows all that is damaged; put the file back",
            ),
            (
                "Fatal: load <index/33c6615008>: invalid data returned\n",
                "its index file 33c6615008 is cut off or changed",
                "`restic rebuild-index` makes the index anew",
            ),
            (
                "Fatal: LoadRaw(<index/33c6615008>): invalid data returned\n",
                "its index file 33c6615008 is cut off or changed",
                "`restic rebuild-index` makes the index anew",
            ),
            (
                "Fatal: open /srv/restic/index/33c6: no such file or directory\n",
                "an index file of it is missing",
                "`restic rebuild-index` makes the index anew",
            ),
            (
                "Fatal: failed to find snapshot: load <snapshot/152d5b8a53>: invalid data returned\n",
                "its snapshot file 152d5b8a53 is cut off or changed",
                "`restic check` shows all that is damaged; put the file back",
            ),
            // From 0.18 on, in a message: JSON writes `<` as an escape.
            (
                "{\"message_type\":\"exit_error\",\"code\":1,\"message\":\"Fatal: LoadRaw(\\u003cindex/bbf56feba1\\u003e): invalid data returned\"}\n",
                "its index file bbf56feba1 is cut off or changed",
                "`restic rebuild-index` makes the index anew",
            ),
            (
                "{\"message_type\":\"exit_error\",\"code\":1,\"message\":\"Error loading snapshot 6a8d4cf7: LoadRaw(\\u003csnapshot/6a8d4cf70a\\u003e): invalid data returned\\ngithub.com/restic/restic/internal/restic.ForAllSnapshots\\n\\tsnapshot.go:114\"}\n",
                "its snapshot file 6a8d4cf70a is cut off or changed",
                "`restic check` shows all that is damaged; put the file back",
            ),
            (
                "Load(<data/92e1cc71c8>, 300050, 0) failed: file is too short\n",
                "its pack file 92e1cc71c8 is cut off or changed",
                "`restic check --read-data` shows all that is damaged; an older backup may be whole: `potluck backup snapshots t.example` lists them",
            ),
            (
                "load <data/6e6d37d9ba>: wrong data returned\n",
                "its pack file 6e6d37d9ba is cut off or changed",
                "`restic check --read-data` shows all that is damaged; an older backup may be whole: `potluck backup snapshots t.example` lists them",
            ),
        ] {
            match judge(&doing, &ended(1 << 8, stderr, false)) {
                Err(Error::Damaged { reason, remedy: told, .. }) => {
                    assert_eq!(reason, expected, "{stderr:?}");
                    assert!(told.starts_with(remedy), "{stderr:?}: {told}");
                }
                other => panic!("{stderr:?}: {other:?}"),
            }
        }
    }

    /// Recorded from restic 0.14.0: the cause is printed before the stack trace.
    #[test]
    fn a_trace_hides_nothing() {
        let trace = "github.com/restic/restic/internal/backend/local.(*Local).Save\n\tgithub.com/restic/restic/internal/backend/local/local.go:170\n".repeat(8)
            + "main.main\n\tgithub.com/restic/restic/cmd/restic/main.go:98\nruntime.goexit\n\truntime/asm_amd64.s:1594\nunable to create lock in backend\n";
        let lock = "/srv/restic/locks/dbce51e538be249cfad3227a896564d14b1c625961c9a81b4cb8c36bd3b280ab-tmp-1595101047";
        for (first, expected) in [
            (format!("write {lock}: no space left on device\n"), "no space"),
            (format!("open {lock}: read-only file system\n"), "read only read-only file system"),
            (format!("open {lock}: permission denied\n"), "read only permission denied"),
            (
                format!("open {lock}: input/output error\n"),
                "1 open /srv/restic/locks/dbce51e538…-tmp-1595101047: input/output error\nunable to create lock in backend",
            ),
        ] {
            assert_eq!(kind(1, &format!("{first}{trace}")), expected);
        }
    }

    #[test]
    fn a_run_that_was_given_up_is_judged_by_what_it_tried_again() {
        let of = |what: &str| format!("{what}\n{what}\nsignal interrupt received, cleaning up\n");
        let missing = of(
            "Load(<data/b9ccf50d85>, 47, 0) returned error, retrying after 552.330144ms: open /srv/restic/data/b9/b9ccf50d85b5aa7d826bfd9ca200179acb9688c5e8cba93fe88dd6752d01b261: no such file or directory",
        );
        let refused = of(
            "Save(<lock/b47c6a3898>) returned error, retrying after 552.330144ms: open /srv/restic/locks/b47c-tmp-3230475089: read-only file system",
        );
        let cut = of(
            "Load(<data/6e6d37d9ba>, 300050, 0) returned error, retrying after 1.080381816s: ReadFull: unexpected EOF",
        );
        let empty = cut.replace("unexpected EOF", "EOF");
        let begun = cut.replace("ReadFull: unexpected EOF", "EOF");
        for code in [1, 130] {
            assert_eq!(told(code, &empty, true), told(code, &cut, true));
            assert_eq!(told(code, &begun, true), told(code, &cut, true));
            assert_eq!(told(code, &missing, true), "damaged its pack file b9ccf50d85 is missing");
            assert_eq!(told(code, &refused, true), "read only read-only file system");
            let cut_off = "its pack file 6e6d37d9ba is cut off or changed";
            assert_eq!(told(code, &cut, true), format!("damaged {cut_off}"));
            assert_eq!(told(code, &missing, false), "interrupted");
        }
        // Without it, the same after ten tries.
        let end =
            "cannot dump file: ReadFull(<data/b9ccf50d85>): open /r: no such file or directory";
        assert_eq!(
            kind(1, &format!("{missing}{end}").replace("signal", "")),
            "damaged its pack file b9ccf50d85 is missing"
        );
        let end =
            "loading tree for snapshot \"0947c366f4\" failed: ReadFull(<data/c744af3036>): EOF";
        assert_eq!(kind(2, end), "damaged its pack file c744af3036 is cut off or changed");
        // A connection ends so as well.
        let lost = "Load(<data/6e6d37d9ba>, 1, 0) returned error, retrying after 1s: Get \"https://r/\": EOF";
        assert!(!kind(1, lost).starts_with("damaged"), "{}", kind(1, lost));
    }

    #[test]
    fn a_run_ended_by_a_signal_is_a_failure() {
        let named = named();
        let doing = Doing { action: "x", repository: &named };
        let error = judge(&doing, &ended(9, "", false)).unwrap_err();
        assert!(matches!(error, Error::Restic { code: -1, .. }), "{error}");
    }
}
