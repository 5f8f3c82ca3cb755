//! What the last tries to back an app up came to, in the folder's state, so that a monitor
//! knows it later: `state/attempts/<server>/<app>`. Losing it does no harm: the repository
//! says which backups there are.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::row::{Outcome, next_of};
use crate::{
    app::Error as AppError,
    backup::error::Error,
    home::{
        AppEntry, Home,
        write::{read_state, write_state},
    },
    text::one_line,
};

/// What is known of an app.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The last attempt, whatever came of it.
    pub last: Option<Attempt>,
    /// The last complete backup.
    pub good: Option<Good>,
}

/// A try to back the app up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub ended: Timestamp,
    pub outcome: Outcome,
    pub error: Option<String>,
    pub next: Option<String>,
}

/// A complete backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Good {
    pub set: String,
    pub ended: Timestamp,
    /// None where a failed hook kept it from being told.
    pub bytes: Option<u64>,
    pub seconds: f64,
    pub warnings: usize,
}

impl Record {
    /// What is known of the app; nothing if that was never written.
    ///
    /// # Errors
    /// [`Error::Home`]; also for a record that cannot be read.
    pub fn read(home: &Home, app: &AppEntry) -> Result<Self, Error> {
        let path = path(home, app);
        let Some(text) = read_state(&path)? else { return Ok(Record::default()) };
        Ok(serde_json::from_slice(&text)
            .map_err(|error| crate::home::Error::Invalid { path, message: error.to_string() })?)
    }

    /// # Errors
    /// [`Error::Home`].
    pub fn write(&self, home: &Home, app: &AppEntry) -> Result<(), Error> {
        let path = path(home, app);
        let text = serde_json::to_vec(self).map_err(|e| Error::io("writing", &path)(e.into()))?;
        Ok(write_state(&path, &text)?)
    }
}

impl Attempt {
    /// An attempt that ended with an error.
    pub fn of(error: &Error, app: &AppEntry, ended: Timestamp) -> Self {
        let outcome = match error {
            Error::AfterBackup { .. } | Error::NotCopied { .. } => Outcome::Partly,
            Error::NothingYet { .. } => Outcome::NeverDeployed,
            Error::Cancelled { .. } | Error::Interrupted => Outcome::Interrupted,
            _ => Outcome::Failed,
        };
        let said = matches!(outcome, Outcome::Partly | Outcome::Failed | Outcome::Interrupted);
        Attempt {
            ended,
            outcome,
            error: said.then(|| one_line(&error.to_string())),
            next: said.then(|| match error {
                // Whether it is so still is asked of its server.
                Error::Operation(AppError::Unfinished(_)) => format!(
                    "`potluck app errors {0}` tells whether it is unfinished still, and what to \
                     type; then `potluck backup create {0}`",
                    app.name
                ),
                _ => next_of(error, app.name.as_str()),
            }),
        }
    }
}

fn path(home: &Home, app: &AppEntry) -> PathBuf {
    home.state().join("attempts").join(app.server.as_str()).join(app.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written_and_says_where_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let app = AppEntry { name: "a.example".parse().unwrap(), server: "here".parse().unwrap() };
        assert_eq!(Record::read(&home, &app).unwrap(), Record::default());
        let ended = Timestamp::UNIX_EPOCH;
        let error = Error::NoRepository { repository: "/r".into(), own: true };
        let record = Record { last: Some(Attempt::of(&error, &app, ended)), good: None };
        assert_eq!(record.last.as_ref().unwrap().outcome, Outcome::Failed);
        record.write(&home, &app).unwrap();
        assert_eq!(Record::read(&home, &app).unwrap(), record);
        // One that a later potluck wrote, with more in it.
        std::fs::write(path(&home, &app), r#"{"check": 1}"#).unwrap();
        assert_eq!(Record::read(&home, &app).unwrap(), Record::default());
        std::fs::write(path(&home, &app), "{").unwrap();
        let said = Record::read(&home, &app).unwrap_err().to_string();
        assert!(said.contains("state/attempts/here/a.example"), "{said}");
    }
}
