//! When backups run: a cron expression ([`expression`]), what systemd makes of it
//! ([`calendar`]), and the files that have it carried out: a timer and a service
//! ([`systemd`]) or an entry for cron ([`cron`]). All of it is text from text; the command
//! line writes the files, and removes only those that carry our mark ([`mark`]).

pub mod calendar;
pub mod cron;
mod error;
pub mod expression;
pub mod mark;
pub mod systemd;

use std::path::PathBuf;

pub use error::Error;
pub use expression::{Expression, Gaps};
pub use mark::Mark;

/// What is to be run, and when.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Of its files, `potluck-backup`.
    pub name: String,
    pub expression: Expression,
    /// The time zone that the expression is read in, `Europe/Brussels`.
    pub zone: String,
    /// Up to how many seconds later a run begins, chosen at random each time.
    pub jitter: u64,
    /// What is run: `backup run`, with its arguments.
    pub arguments: Vec<String>,
    /// What it does, before "of the apps in …".
    pub about: &'static str,
    /// potluck itself.
    pub program: PathBuf,
    /// The operator's folder.
    pub folder: PathBuf,
    /// Where programs are looked for, such as restic: as in the shell in which the schedule
    /// is made, because cron and systemd look in fewer places.
    pub path: String,
    /// The home directory, for ssh and the private key.
    pub home: Option<PathBuf>,
}

/// The text of a path that is written into a file.
fn text(path: &std::path::Path) -> Result<String, Error> {
    let text = path.to_str().filter(|text| !text.contains(|c: char| c.is_control()));
    text.map(str::to_owned).ok_or_else(|| Error::Path { path: path.to_owned() })
}
