//! Questions. Each is asked only when a person is there; a caller that can't
//! ask says which flag would have answered.

use std::{fmt::Display, io};

use inquire::{
    Confirm, InquireError, Password, PasswordDisplayMode, Select, Text,
    validator::ValueRequiredValidator,
};

use zeroize::Zeroizing;

use super::{failure::Failure, ui::Ui};
use crate::text::line;

/// What Enter alone answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    Yes,
    No,
}

/// Whether the answer is yes.
///
/// # Errors
/// When the question was left with Escape or Ctrl-C.
pub fn confirm(ui: &Ui, question: &str, enter: Enter) -> Result<bool, Failure> {
    let default = enter == Enter::Yes;
    ui.bars().suspend(|| Confirm::new(&line(question)).with_default(default).prompt()).map_err(left)
}

/// Asks before something is changed or lost, unless `yes` says it already; `needs` says what for.
///
/// # Errors
/// Without a terminal, and with a no: then nothing was changed.
pub fn agree(ui: &Ui, yes: bool, needs: &str, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !ui.is_interactive() {
        return Err(Failure::consent(needs).hint("pass `--yes`"));
    }
    match confirm(ui, question, Enter::No)? {
        true => Ok(()),
        false => Err(Failure::interrupted("nothing was changed")),
    }
}

/// A line of text that isn't empty.
///
/// # Errors
/// As [`confirm`].
pub fn text(ui: &Ui, question: &str, help: &str) -> Result<String, Failure> {
    ui.bars()
        .suspend(|| {
            Text::new(&line(question))
                .with_help_message(&line(help))
                .with_validator(ValueRequiredValidator::new("type something, or press Escape"))
                .prompt()
        })
        .map_err(left)
}

/// A line of text; Enter alone leaves it empty.
///
/// # Errors
/// As [`confirm`].
pub fn optional_text(ui: &Ui, question: &str, help: &str) -> Result<String, Failure> {
    ui.bars()
        .suspend(|| Text::new(&line(question)).with_help_message(&line(help)).prompt())
        .map_err(left)
}

/// One of several.
///
/// # Errors
/// As [`confirm`].
pub fn select<T: Display>(ui: &Ui, question: &str, options: Vec<T>) -> Result<T, Failure> {
    ui.bars().suspend(|| Select::new(&line(question), options).prompt()).map_err(left)
}

/// A value that isn't shown while it is typed, typed twice.
///
/// # Errors
/// As [`confirm`].
pub fn hidden(ui: &Ui, question: &str) -> Result<Zeroizing<String>, Failure> {
    ui.bars()
        .suspend(|| {
            Password::new(&line(question))
                .with_display_mode(PasswordDisplayMode::Hidden)
                .with_custom_confirmation_message("once more:")
                .with_custom_confirmation_error_message("the two values differ")
                .prompt()
        })
        .map(Zeroizing::new)
        .map_err(left)
}

/// A passphrase that exists, typed once.
///
/// # Errors
/// As [`confirm`].
pub fn passphrase(ui: &Ui, question: &str) -> Result<Zeroizing<String>, Failure> {
    ui.bars()
        .suspend(|| {
            Password::new(&line(question))
                .with_display_mode(PasswordDisplayMode::Hidden)
                .without_confirmation()
                .prompt()
        })
        .map(Zeroizing::new)
        .map_err(left)
}

fn left(error: InquireError) -> Failure {
    match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Failure::interrupted("nothing was done")
        }
        InquireError::IO(error) => Failure::io("asking at the terminal failed", &error),
        InquireError::NotTTY => Failure::io(
            "asking at the terminal failed",
            &io::Error::from(io::ErrorKind::Unsupported),
        ),
        other => Failure::new(format!("asking at the terminal failed: {other}")),
    }
}
