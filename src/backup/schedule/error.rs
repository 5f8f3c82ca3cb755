//! What keeps a schedule from being made.

use std::path::PathBuf;

use crate::hint::Hint;

/// Why a schedule cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("`{expression}` is not a schedule: {reason}")]
    Expression { expression: String, reason: String },
    /// It is one, but cron and systemd cannot carry it out.
    #[error("`{expression}` cannot be scheduled: {reason}")]
    Untranslatable { expression: String, reason: String },
    #[error("`{expression}` names no time in the next years")]
    Never { expression: String },
    #[error("`{zone}` is not a time zone that this machine knows")]
    Zone { zone: String },
    #[error("cron reads times in the time zone of this machine, {here}, not in {wanted}")]
    CronZone { here: String, wanted: String },
    #[error("{}: a schedule needs paths of plain text", .path.display())]
    Path { path: PathBuf },
    #[error("the command has {length} bytes, and cron takes {most} at most")]
    TooLong { length: usize, most: usize },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::Expression { .. } | Error::Never { .. } => {
                "write minute, hour, day of the month, month and day of the week: `30 3 * * *` is \
                 every night at half past three"
                    .into()
            }
            Error::Untranslatable { .. } => {
                "write two schedules, each with `--name NAME`, or a simpler one".into()
            }
            Error::Zone { .. } => "`timedatectl list-timezones` lists them".into(),
            Error::CronZone { .. } => {
                "write the times of this machine's zone, or use `--systemd`".into()
            }
            Error::Path { .. } => "move it to a path without control characters".into(),
            Error::TooLong { .. } => "use a shorter PATH, or `--systemd`".into(),
        })
    }
}
