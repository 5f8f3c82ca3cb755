//! The terminal: data on standard output, everything else on standard error.
//!
//! Everything that is printed goes through here, and text that others wrote (a
//! recipe, a plugin, an engine, a container) is part of nearly all of it. So each
//! line is cleaned as a whole ([`crate::text`]) and stays one line: nothing in it
//! moves the cursor, changes colours or begins a line of its own. A text of
//! several lines is printed with [`Ui::out_lines`], and its author has cleaned its parts.
//!
//! If standard output is closed, a command ends without an error; a closed standard error is
//! ignored. Colours appear only where [`anstream`] finds a terminal that wants
//! them (`NO_COLOR`, `--color`).

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;

use serde_json::Value;

pub use super::style::{BOLD, DIM};
use super::{
    failure::Failure,
    style::{ERROR, HINT, WARNING, painted},
};
use crate::text;

/// Bytes of a line of ours: a hint may list many flags.
const LINE: usize = 20_000;
/// Bytes of an error's message, and of a cause.
const MESSAGE: usize = 4000;
/// Bytes of a text in JSON: as long as a setting's value may be.
const JSON_TEXT: usize = 64 << 10;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// Results, warnings and errors.
    Quiet,
    /// Progress too.
    Normal,
}

/// Where a command prints and asks.
#[derive(Debug)]
pub struct Ui {
    talk: Talk,
    /// Whether a person is there who may be asked.
    interactive: bool,
    takes_input: bool,
    stderr_is_terminal: bool,
    /// Bars and spinners, on standard error. Everything that is printed while
    /// they are shown is printed through it, so that the output stays intact.
    bars: MultiProgress,
    /// Whether the command has printed anything on standard output.
    wrote: AtomicBool,
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
            wrote: AtomicBool::new(false),
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

    /// Where spinners are drawn; hidden unless people watch.
    pub(in crate::cli) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// One line of data.
    ///
    /// # Errors
    /// When standard output can't be written; quietly when its reader is gone.
    pub fn out(&self, text: impl Display) -> Result<(), Failure> {
        self.write(&painted(&text.to_string(), LINE))
    }

    /// Empties the screen before what is shown again and again; nothing where there is none.
    pub fn clear_screen(&self) {
        if io::stdout().is_terminal() {
            let mut stdout = io::stdout().lock();
            // A terminal that is gone is found by what is written next.
            let _ = stdout.write_all(b"\x1b[H\x1b[2J").and_then(|()| stdout.flush());
        }
    }

    /// Data of several lines. Foreign text in it is cleaned, but keeps its line
    /// breaks: it is a separate text, or was reduced to one line before.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn out_lines(&self, text: impl Display) -> Result<(), Failure> {
        self.write(&all_painted(&text.to_string()))
    }

    /// The error of a failed command for programs: one line of JSON, in place of
    /// the value that it could not print.
    pub fn fail_json(&self, failure: &Failure) {
        if self.wrote.load(Ordering::Relaxed) {
            return;
        }
        if let Some(report) = failure.report() {
            // Standard error has it all; nobody is left to be told otherwise.
            let _ = self.json_line(&report);
        }
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        self.wrote.store(true, Ordering::Relaxed);
        self.bars
            .suspend(|| {
                let mut stdout = anstream::stdout().lock();
                writeln!(stdout, "{text}")?;
                stdout.flush()
            })
            .map_err(|error| write_failure(&error))
    }

    /// A line of data that is long, such as a value.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn out_value(&self, text: &str) -> Result<(), Failure> {
        self.write(&text::line_of(text, JSON_TEXT))
    }

    /// Bytes of data, unchanged.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn out_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.wrote.store(true, Ordering::Relaxed);
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| write_failure(&error))
    }

    /// Data for programs. Texts are cleaned and stay one line, names included.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.print_json(value, &|text| text::line_of(text, JSON_TEXT).into_owned())
    }

    /// The same, of a report with texts of several lines, such as a program's
    /// output.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn json_of_texts(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.print_json(value, &|text| text::lines(text, usize::MAX))
    }

    /// The same, of one line.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        let value = cleaned(value, &|text| text::line_of(text, JSON_TEXT).into_owned())?;
        self.write(&value.to_string())
    }

    /// The same, for data of the user's own that must not change: invisible
    /// characters are written as `\u…`.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn json_exact(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(unwritable)?;
        self.write(&escaped(&text))
    }

    fn print_json(
        &self,
        value: &impl Serialize,
        clean: &dyn Fn(&str) -> String,
    ) -> Result<(), Failure> {
        let value = cleaned(value, clean)?;
        self.write(&serde_json::to_string_pretty(&value).map_err(unwritable)?)
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

    /// A part of a plan, if there is any of it.
    pub fn say_list(&self, title: &str, items: &[String]) {
        if !items.is_empty() {
            self.say(format_args!("  {title} {}", clean(&items.join(", "))));
        }
    }

    /// A warning: a problem that does not stop the command.
    pub fn warn(&self, text: impl Display) {
        self.line(format_args!("{WARNING}warning:{WARNING:#} {text}"));
    }

    /// What to try next, unless `--quiet`.
    pub fn hint(&self, text: impl Display) {
        self.say(format_args!("{HINT}hint:{HINT:#} {text}"));
    }

    /// A command that failed.
    pub fn fail(&self, failure: &Failure) {
        let Some(message) = &failure.message else { return };
        if failure.is_laid_out {
            self.lines(&format!("{ERROR}error:{ERROR:#} {message}"));
        } else {
            let message = text::line_of(message, MESSAGE);
            self.line(format_args!("{ERROR}error:{ERROR:#} {message}"));
        }
        for cause in &failure.causes {
            self.line(format_args!("  caused by: {}", text::line_of(cause, MESSAGE)));
        }
        for hint in &failure.hints {
            self.line(format_args!("{HINT}hint:{HINT:#} {hint}"));
        }
    }

    /// Lines on standard error; see [`Ui::out_lines`].
    pub(super) fn lines(&self, text: &str) {
        self.write_err(&all_painted(text));
    }

    /// A line on standard error, whatever `--quiet` says.
    pub(super) fn line(&self, text: impl Display) {
        self.write_err(&painted(&text.to_string(), LINE));
    }

    fn write_err(&self, text: &str) {
        self.bars.suspend(|| {
            // A closed standard error is nobody's loss.
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        });
    }
}

/// Each line of a text as it is printed; tabs stay.
fn all_painted(text: &str) -> Cow<'_, str> {
    // What we print of files is long, and nearly always plain.
    if text
        .as_bytes()
        .split(|byte| *byte == b'\n')
        .all(|line| line.len() <= LINE && text::is_plain(line))
    {
        return Cow::Borrowed(text);
    }
    let line = |line: &str| {
        let parts: Vec<_> = line.split('\t').map(|part| painted(part, LINE)).collect();
        parts.join("\t")
    };
    let lines: Vec<_> = text.split('\n').map(|it| line(it.trim_end_matches('\r'))).collect();
    Cow::Owned(lines.join("\n"))
}

/// A value with all its texts, names included, as `clean` makes them.
fn cleaned(value: &impl Serialize, clean: &dyn Fn(&str) -> String) -> Result<Value, Failure> {
    fn walk(value: Value, clean: &dyn Fn(&str) -> String) -> Value {
        match value {
            Value::String(text) => Value::String(clean(&text)),
            Value::Array(all) => all.into_iter().map(|one| walk(one, clean)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, member)| (clean(&name), walk(member, clean)))
                .collect(),
            other => other,
        }
    }
    Ok(walk(serde_json::to_value(value).map_err(unwritable)?, clean))
}

/// JSON with invisible characters as escapes; there are none between texts.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && (c.is_control() || text::is_hidden(c)) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::new(format!("writing JSON: {error}"))
}

fn write_failure(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::reader_gone()
    } else {
        Failure::io("writing to standard output failed", error)
    }
}

/// Foreign text as one line.
pub fn clean(text: &str) -> Cow<'_, str> {
    text::line(text)
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
        let value = serde_json::json!({"a\u{1b}[2J": ["x\u{202e}y\nerror: z", 1, null]});
        let line = |text: &str| text::line(text).into_owned();
        let shown = cleaned(&value, &line).unwrap().to_string();
        assert_eq!(shown, r#"{"a�":["x�y error: z",1,null]}"#);
        assert_eq!(escaped("{\n\"a\u{9b}\u{e0041}\"}"), "{\n\"a\\u009b\\udb40\\udc41\"}");
        assert_eq!(all_painted("a\r\n\tb\u{1b}[2Jc"), "a\n\tb�c");
    }
}
