//! How what was seen of a connection or a server is shown.

use super::{
    failure::Failure,
    session::Session,
    ui::{BOLD, clean},
};
use crate::wiring::{Finding, Level};

/// One finding for people, on standard output.
///
/// # Errors
/// When standard output can't be written.
pub fn show(session: &Session, finding: &Finding) -> Result<(), Failure> {
    let Finding { check, level, message, fix, .. } = finding;
    let level = match level {
        Level::Good => "ok",
        Level::Note => "note",
        Level::Bad => "bad",
    };
    session.ui.out(format_args!("  {BOLD}{level}{BOLD:#}[{check}]: {}", clean(message)))?;
    match fix.as_ref().filter(|_| finding.level != Level::Good) {
        Some(fix) => session.ui.out(format_args!("    fix: {}", clean(fix))),
        None => Ok(()),
    }
}
