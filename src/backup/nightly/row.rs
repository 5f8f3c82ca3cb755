//! One app of a run: what came of it, in one line.

use indicatif::HumanBytes;
use serde::{Deserialize, Serialize};

use crate::{
    backup::recent::shown,
    hint::Hint,
    text::{line_of, one_line},
};
use std::time::Duration;

/// Bytes of a line: a hint may hold a long command.
const LONGEST: usize = 4000;

/// What came of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There is a new complete backup.
    BackedUp,
    /// There is one, but its last hook failed.
    Partly,
    /// There is none.
    Failed,
    /// The app was never deployed, so there is nothing to back up.
    NeverDeployed,
    /// The run was ended before, or while, the app was backed up.
    Interrupted,
}

impl Outcome {
    /// Whether somebody has to do something.
    pub fn is_bad(self) -> bool {
        !matches!(self, Outcome::BackedUp | Outcome::NeverDeployed)
    }
}

/// What came of one app.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub app: String,
    /// None for a name that no app has.
    pub server: Option<String>,
    pub outcome: Outcome,
    /// The new backup.
    pub set: Option<String>,
    /// Bytes of data before compression.
    pub bytes: Option<u64>,
    pub seconds: f64,
    /// How often it was tried.
    pub tries: u32,
    /// Warnings of the backup.
    pub warnings: Vec<String>,
    /// Why it failed, as one line.
    pub error: Option<String>,
    /// What to type.
    pub next: Option<String>,
}

impl Row {
    /// The app, the result, how large and long it was; or why it failed, and what to type.
    pub fn line(&self) -> String {
        let app = &self.app;
        let time = shown(Duration::try_from_secs_f64(self.seconds).unwrap_or_default());
        let error = self.error.as_deref().unwrap_or("the reason is unknown");
        let said = match self.outcome {
            Outcome::BackedUp => {
                let set = self.set.as_deref().unwrap_or_default();
                let bytes = HumanBytes(self.bytes.unwrap_or_default());
                format!("{app}: backed up, {bytes} in {time}{}, as {set}", self.warned())
            }
            Outcome::Partly => format!("{app}: PARTLY: {error}, after {time}{}", self.next()),
            Outcome::Failed => {
                let tries = match self.tries {
                    0 | 1 => String::new(),
                    tries => format!(" and {tries} tries"),
                };
                format!("{app}: FAILED: {error}, after {time}{tries}{}", self.next())
            }
            Outcome::NeverDeployed => format!("{app}: never deployed, so nothing to back up yet"),
            Outcome::Interrupted => format!("{app}: INTERRUPTED: {error}"),
        };
        line_of(&said, LONGEST).into_owned()
    }

    fn warned(&self) -> String {
        match self.warnings.len() {
            0 => String::new(),
            1 => ", with 1 warning".into(),
            count => format!(", with {count} warnings"),
        }
    }

    fn next(&self) -> String {
        self.next.as_ref().map(|next| format!("; next: {next}")).unwrap_or_default()
    }
}

/// What to type after an error of an app's backup.
pub fn next_of(error: &impl Hint, app: &str) -> String {
    let again = || format!("`potluck backup create {app}` tries again");
    error.hint().map_or_else(again, |hint| one_line(&hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_whatever_others_wrote() {
        let row = |outcome, error: Option<&str>, tries| Row {
            app: "w.example".into(),
            server: Some("here".into()),
            outcome,
            set: Some("20261121T203015Z-3fa9c1".into()),
            bytes: Some(2048),
            seconds: 75.4,
            tries,
            warnings: vec!["x".into(); tries as usize - 1],
            error: error.map(one_line),
            next: error.map(|_| "`potluck app ps w.example`".into()),
        };
        let dump = "the dump `a` failed:\n    | no such table\n    | \u{1b}[2J";
        for (row, line) in [
            (
                row(Outcome::BackedUp, None, 1),
                "w.example: backed up, 2.00 KiB in 1 min 15 s, as 20261121T203015Z-3fa9c1",
            ),
            (
                row(Outcome::BackedUp, None, 3),
                "w.example: backed up, 2.00 KiB in 1 min 15 s, with 2 warnings, as \
                 20261121T203015Z-3fa9c1",
            ),
            (
                row(Outcome::Failed, Some(dump), 2),
                "w.example: FAILED: the dump `a` failed: | no such table | �, after 1 min 15 s and 2 \
                 tries; next: `potluck app ps w.example`",
            ),
            (
                row(Outcome::Partly, Some("hook"), 1),
                "w.example: PARTLY: hook, after 1 min 15 s; next: `potluck app ps w.example`",
            ),
            (
                row(Outcome::NeverDeployed, None, 1),
                "w.example: never deployed, so nothing to back up yet",
            ),
            (row(Outcome::Interrupted, Some("not begun"), 1), "w.example: INTERRUPTED: not begun"),
        ] {
            assert_eq!(row.line(), line);
        }
    }
}
