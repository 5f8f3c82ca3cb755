//! Lines and progress for the person at the terminal and for the journal.

use std::fmt::Display;

pub use crate::bindings::recipe::report::Level;
use crate::host;

/// Writes one line.
pub fn log(level: Level, message: impl Display) {
    host!(report::log(level, &message.to_string()));
}

/// A line for those who look for a fault.
pub fn debug(message: impl Display) {
    log(Level::Debug, message);
}

/// A line that everyone sees.
pub fn info(message: impl Display) {
    log(Level::Info, message);
}

/// A line about something that should be looked after.
pub fn warn(message: impl Display) {
    log(Level::Warn, message);
}

/// A line about something that went wrong.
pub fn error(message: impl Display) {
    log(Level::Error, message);
}

/// `done` of `total` units of the step called `step`.
pub fn progress(step: &str, done: u64, total: Option<u64>) {
    host!(report::progress(step, done, total));
}
