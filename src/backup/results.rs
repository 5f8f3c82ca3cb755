//! How the care for backups went last: retention, prune and check, each a result of its
//! own with its own age, below `state/results/`. Sets that are taken every night say
//! nothing about them, and a retention that fails silently fills the disk.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::home::{
    AppEntry, CopyName, Home, ServerName,
    write::{read_state, write_state},
};

/// What a result is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// `backup forget` of an app.
    Retention(&'a AppEntry),
    /// `backup prune` of a server's repository.
    Prune(&'a ServerName),
    /// `backup check` of a server's repository.
    Check(&'a ServerName),
    /// The proof that a repository takes additions only.
    AppendOnly(&'a ServerName),
}

/// The last result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it was tried last.
    pub at: Timestamp,
    pub ok: bool,
    /// What went wrong; none where nothing did.
    pub error: Option<String>,
    /// When it succeeded last; none if it never did.
    pub last_ok: Option<Timestamp>,
    /// The part of the data that a check was to read, `3/7`; none if only the structure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

impl Recorded {
    /// Whether a check that found nothing, and read this part, leaves its failure in place:
    /// what was damaged was not looked at.
    fn outlasts(&self, part: Option<&str>) -> bool {
        const ALL: &str = "1/1";
        let same = self.part.as_deref() == part || part == Some(ALL);
        !self.ok && self.part.is_some() && !same
    }
}

impl Subject<'_> {
    fn path(&self, home: &Home, copy: Option<&CopyName>) -> PathBuf {
        let folder = home.state().join("results");
        let of = |server: &ServerName| {
            let folder = folder.join(server.as_str());
            match copy {
                Some(copy) => folder.join("copies").join(copy.as_str()),
                None => folder,
            }
        };
        match self {
            Subject::Retention(app) => {
                of(&app.server).join("retention").join(format!("{}.json", app.name))
            }
            Subject::Prune(server) => of(server).join("prune.json"),
            Subject::Check(server) => of(server).join("check.json"),
            Subject::AppendOnly(server) => of(server).join("append-only.json"),
        }
    }
}

/// The last result, of the server's own repository or of a copy; none if there is none, or its file cannot be understood.
///
/// # Errors
/// [`Error::Home`].
pub fn read(
    home: &Home,
    subject: Subject<'_>,
    copy: Option<&CopyName>,
) -> Result<Option<Recorded>, Error> {
    let bytes = read_state(&subject.path(home, copy))?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Records how it went now.
///
/// # Errors
/// [`Error::Home`].
pub(crate) fn record(
    home: &Home,
    subject: Subject<'_>,
    copy: Option<&CopyName>,
    now: Timestamp,
    error: Option<String>,
) -> Result<(), Error> {
    write(home, subject, copy, now, error, None)
}

/// Records how a check went that read this part of the data. One that found nothing where it
/// looked does not take back what another found elsewhere.
///
/// # Errors
/// [`Error::Home`].
pub(crate) fn record_check(
    home: &Home,
    server: &ServerName,
    copy: Option<&CopyName>,
    now: Timestamp,
    error: Option<String>,
    part: Option<String>,
) -> Result<(), Error> {
    let subject = Subject::Check(server);
    let last = read(home, subject, copy)?;
    if error.is_none() && last.is_some_and(|last| last.outlasts(part.as_deref())) {
        return Ok(());
    }
    write(home, subject, copy, now, error, part)
}

fn write(
    home: &Home,
    subject: Subject<'_>,
    copy: Option<&CopyName>,
    now: Timestamp,
    error: Option<String>,
    part: Option<String>,
) -> Result<(), Error> {
    let ok = error.is_none();
    let before = read(home, subject, copy)?.and_then(|before| before.last_ok);
    let last_ok = if ok { Some(now) } else { before };
    let recorded = Recorded { at: now, ok, error, last_ok, part };
    let bytes = serde_json::to_vec(&recorded).expect("plain data");
    Ok(write_state(&subject.path(home, copy), &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_did_not_look_there_takes_no_damage_back() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let server: ServerName = "s".parse().unwrap();
        let now = Timestamp::now();
        for (failed, passed, ok) in [
            (None, None, true),
            (None, Some("3/7"), true),
            (Some("3/7"), None, false),
            (Some("3/7"), Some("4/7"), false),
            (Some("3/7"), Some("3/7"), true),
            (Some("3/7"), Some("1/1"), true),
        ] {
            let check = |error: Option<&str>, part: Option<&str>| {
                let (error, part) = (error.map(Into::into), part.map(Into::into));
                record_check(&home, &server, None, now, error, part).unwrap();
            };
            check(Some("damaged"), failed);
            check(None, passed);
            let told = read(&home, Subject::Check(&server), None).unwrap().unwrap();
            assert_eq!(told.ok, ok, "{failed:?} {passed:?}");
        }
    }

    #[test]
    fn a_failure_keeps_the_time_of_the_last_success() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let server: ServerName = "s".parse().unwrap();
        let subject = Subject::Check(&server);
        assert_eq!(read(&home, subject, None).unwrap(), None);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (first, second) = (at("2026-11-01T00:00:00Z"), at("2026-11-02T00:00:00Z"));
        record(&home, subject, None, first, None).unwrap();
        record(&home, subject, None, second, Some("damaged".into())).unwrap();
        let told = read(&home, subject, None).unwrap().unwrap();
        assert_eq!((told.at, told.ok, told.last_ok), (second, false, Some(first)));
        assert_eq!(read(&home, Subject::Prune(&server), None).unwrap(), None);
        // A copy has results of its own.
        let copy: CopyName = "vault".parse().unwrap();
        assert_eq!(read(&home, subject, Some(&copy)).unwrap(), None);
    }
}
