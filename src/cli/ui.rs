//! The terminal: data on standard output, everything else on standard error.
//!
//! Text that others wrote (a recipe, a plugin, an engine, a container) goes
//! through [`clean`] first, so that it can't move the cursor or change colours.
//! A closed standard output ends a command quietly; a closed standard error is
//! ignored. Colours appear only where [`anstream`] finds a terminal that wants
//! them (`NO_COLOR`, `--color`).

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;

use super::failure::Failure;
use crate::plugin::text::is_hidden;

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// Results, warnings and errors.
    Quiet,
    /// Progress too.
    Normal,
}

/// Where a command speaks and asks.
#[derive(Debug)]
pub struct Ui {
    talk: Talk,
    /// Whether a person is there who may be asked.
    interactive: bool,
    takes_input: bool,
    stderr_is_terminal: bool,
    /// Bars and spinners, on standard error. Everything that is written while
    /// they are up is written through it, so that it doesn't tear them.
    bars: MultiProgress,
}

impl Ui {
    /// `may_ask` is false under `--no-input`: then nothing is read from standard
    /// input.
    pub fn new(talk: Talk, may_ask: bool) -> Self {
        let stderr_is_terminal = io::stderr().is_terminal();
        let target = if stderr_is_terminal && talk == Talk::Normal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Ui {
            talk,
            takes_input: may_ask,
            interactive: may_ask && stderr_is_terminal && io::stdin().is_terminal(),
            stderr_is_terminal,
            bars: MultiProgress::with_draw_target(target),
        }
    }

    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Whether standard input may be read, by a person or a pipe.
    pub fn takes_input(&self) -> bool {
        self.takes_input
    }

    pub fn is_quiet(&self) -> bool {
        self.talk == Talk::Quiet
    }

    pub fn stderr_is_terminal(&self) -> bool {
        self.stderr_is_terminal
    }

    pub(super) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// One or more lines of data.
    ///
    /// # Errors
    /// When standard output can't be written; quietly when its reader is gone.
    pub fn out(&self, text: impl Display) -> Result<(), Failure> {
        self.bars
            .suspend(|| {
                let mut stdout = anstream::stdout().lock();
                writeln!(stdout, "{text}")?;
                stdout.flush()
            })
            .map_err(|error| write_failure(&error))
    }

    /// Bytes of data as they are.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn out_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| write_failure(&error))
    }

    /// Data for programs.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::new(format!("writing JSON: {error}")))?;
        self.out(text)
    }

    /// Bytes that a program wrote to its standard error.
    pub fn err_bytes(&self, bytes: &[u8]) {
        let mut stderr = io::stderr().lock();
        // A closed standard error is nobody's loss.
        let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
    }

    /// A line for the person, unless `--quiet`.
    pub fn say(&self, text: impl Display) {
        if self.talk == Talk::Normal {
            self.line(text);
        }
    }

    /// A line about something odd that doesn't stop us.
    pub fn warn(&self, text: impl Display) {
        self.line(format_args!("{WARNING}warning:{WARNING:#} {}", clean(&text.to_string())));
    }

    /// What to try next, unless `--quiet`.
    pub fn hint(&self, text: impl Display) {
        self.say(format_args!("{HINT}hint:{HINT:#} {}", clean(&text.to_string())));
    }

    /// A command that failed.
    pub fn fail(&self, failure: &Failure) {
        let Some(message) = &failure.message else { return };
        self.line(format_args!("{ERROR}error:{ERROR:#} {}", clean(message)));
        for cause in &failure.causes {
            self.line(format_args!("  caused by: {}", clean(cause)));
        }
        for hint in &failure.hints {
            self.line(format_args!("{HINT}hint:{HINT:#} {}", clean(hint)));
        }
    }

    /// A line on standard error, whatever `--quiet` says.
    pub(super) fn line(&self, text: impl Display) {
        self.bars.suspend(|| {
            // A closed standard error is nobody's loss.
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        });
    }
}

fn write_failure(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::reader_gone()
    } else {
        Failure::io("writing to standard output failed", error)
    }
}

/// Foreign text without control characters, line breaks and tabs excepted, and
/// without what turns the direction of writing or is not seen.
pub fn clean(text: &str) -> Cow<'_, str> {
    let foul = |c: char| (c.is_control() && c != '\n' && c != '\t') || is_hidden(c);
    if text.contains(foul) {
        Cow::Owned(text.replace(foul, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// `1 item`, `2 items`.
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(clean("plain\n\ttext"), "plain\n\ttext");
        assert_eq!(clean("a\x1b[2Jb\rc"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(clean("x\u{202e}msaw.ylf"), "x\u{fffd}msaw.ylf");
    }
}
