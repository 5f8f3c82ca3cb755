//! Programs and files inside the app's own running services. Each service must
//! be granted in `recipe.yml`: `- exec: db`.

use std::{borrow::Cow, fmt, time::Duration};

use crate::{bindings::recipe::services as wit, host};

/// A program to run inside a service, and how.
pub use crate::bindings::recipe::process_types::Command;
/// What a program left.
pub use wit::Output;

impl Command {
    /// A program and its arguments; no shell unless it is named.
    ///
    /// Anyone on the server can read a process's arguments: secrets go through
    /// standard input ([`feed`]) or are read inside the service from
    /// `/run/secrets`.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Command {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            user: None,
            workdir: None,
            timeout_ms: None,
        }
    }

    /// A script for `sh`.
    pub fn shell(script: &str) -> Self {
        Command::new(["sh", "-c", script])
    }

    /// Adds a variable to the program's environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Runs as this user instead of the image's.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Runs in this folder.
    #[must_use]
    pub fn workdir(mut self, folder: &str) -> Self {
        self.workdir = Some(folder.into());
        self
    }

    /// Ends the program after this time.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout_ms = Some(millis(time));
        self
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Command {
    fn from(argv: [S; N]) -> Self {
        Command::new(argv)
    }
}

impl<S: Into<String>> From<Vec<S>> for Command {
    fn from(argv: Vec<S>) -> Self {
        Command::new(argv)
    }
}

impl From<&Command> for Command {
    fn from(command: &Command) -> Self {
        command.clone()
    }
}

impl Output {
    /// Standard output as text, without the line end at its end.
    pub fn text(&self) -> Cow<'_, str> {
        trimmed(&self.stdout)
    }

    /// Standard error as text, without the line end at its end.
    pub fn error_text(&self) -> Cow<'_, str> {
        trimmed(&self.stderr)
    }
}

/// Why a service could not be used, or its program failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The grant that is missing, as `recipe.yml` would have it.
    Denied(String),
    /// The app has no service of that name.
    UnknownService(String),
    /// No task of the service runs.
    NotRunning(String),
    /// It took longer than was allowed.
    TimedOut,
    /// The call made no sense; says why.
    Invalid(String),
    /// The limit in bytes.
    TooLarge(u32),
    /// The engine's own words.
    Engine(String),
    /// The program ended with another code than 0.
    Failed {
        /// Its name.
        program: String,
        /// What it ended with.
        exit_code: i32,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied(grant) => write!(f, "the plugin was not granted `{grant}`"),
            Error::UnknownService(service) => write!(f, "the app has no service `{service}`"),
            Error::NotRunning(service) => write!(f, "the service `{service}` is not running"),
            Error::TimedOut => f.write_str("it took longer than was allowed"),
            Error::TooLarge(limit) => write!(f, "it is larger than {limit} bytes"),
            Error::Invalid(message) | Error::Engine(message) => f.write_str(message),
            Error::Failed { program, exit_code, stderr } if stderr.is_empty() => {
                write!(f, "`{program}` ended with code {exit_code}")
            }
            Error::Failed { program, exit_code, stderr } => {
                write!(f, "`{program}` ended with code {exit_code}: {stderr}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::Denied(grant) => Error::Denied(grant),
            wit::Error::UnknownService(service) => Error::UnknownService(service),
            wit::Error::NotRunning(service) => Error::NotRunning(service),
            wit::Error::TimedOut => Error::TimedOut,
            wit::Error::Invalid(message) => Error::Invalid(message),
            wit::Error::TooLarge(limit) => Error::TooLarge(limit),
            wit::Error::Engine(message) => Error::Engine(message),
        }
    }
}

/// Runs a program in a task of the service; any code but 0 is an error.
///
/// # Errors
/// [`Error`]: not granted, not running, too slow, or failed.
pub fn run(service: &str, command: impl Into<Command>) -> Result<Output, Error> {
    feed(service, command, "")
}

/// Like [`run`], with this on the program's standard input.
///
/// # Errors
/// As [`run`].
pub fn feed(
    service: &str,
    command: impl Into<Command>,
    input: impl AsRef<[u8]>,
) -> Result<Output, Error> {
    let command = command.into();
    let output = attempt(service, &command, input)?;
    if output.exit_code == 0 {
        return Ok(output);
    }
    Err(Error::Failed {
        program: command.argv.into_iter().next().unwrap_or_default(),
        exit_code: output.exit_code,
        stderr: tail(&trimmed(&output.stderr), 1000).to_owned(),
    })
}

/// Like [`feed`], for programs whose code is an answer.
///
/// # Errors
/// As [`run`], but never [`Error::Failed`].
pub fn attempt(
    service: &str,
    command: impl Into<Command>,
    input: impl AsRef<[u8]>,
) -> Result<Output, Error> {
    Ok(host!(services::run(service, &command.into(), input.as_ref()))?)
}

/// Waits until every task of the service runs and is healthy.
///
/// # Errors
/// [`Error::TimedOut`], or as [`run`].
pub fn wait_ready(service: &str, at_most: Duration) -> Result<(), Error> {
    Ok(host!(services::wait_ready(service, millis(at_most)))?)
}

/// Restarts the service's tasks and waits until they are ready.
///
/// # Errors
/// As [`wait_ready`].
pub fn restart(service: &str, at_most: Duration) -> Result<(), Error> {
    Ok(host!(services::restart(service, millis(at_most)))?)
}

/// Writes a file in a task of the service. `mode` is as in `chmod`, `0o600`.
///
/// # Errors
/// As [`run`].
pub fn put_file(
    service: &str,
    path: &str,
    content: impl AsRef<[u8]>,
    mode: u32,
) -> Result<(), Error> {
    Ok(host!(services::put_file(service, path, content.as_ref(), mode))?)
}

/// Reads a file from a task of the service.
///
/// # Errors
/// As [`run`].
pub fn get_file(service: &str, path: &str) -> Result<Vec<u8>, Error> {
    Ok(host!(services::get_file(service, path))?)
}

/// The last lines, at most 1000, that the service's tasks wrote to standard output
/// and standard error, oldest first: for apps that print what they made, such as
/// a first password.
///
/// # Errors
/// As [`run`].
pub fn logs(service: &str, lines: u32) -> Result<Vec<String>, Error> {
    Ok(host!(services::logs(service, lines))?)
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn trimmed(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end()),
        Cow::Owned(text) => Cow::Owned(text.trim_end().to_owned()),
    }
}

/// The last `at_most` bytes, cut between characters.
fn tail(text: &str, at_most: usize) -> &str {
    let from = (text.len().saturating_sub(at_most)..=text.len())
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(text.len());
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_message_is_kept() {
        assert_eq!(tail("abc", 10), "abc");
        assert_eq!(tail("abcdef", 2), "ef");
        assert_eq!(tail("aéb", 2), "b");
        assert_eq!(tail("", 2), "");
    }

    #[test]
    fn a_command_is_built_in_one_expression() {
        let command = Command::new(["php"]).user("www-data").timeout(Duration::from_secs(2));
        assert_eq!(command.argv, ["php"]);
        assert_eq!(command.user.as_deref(), Some("www-data"));
        assert_eq!(command.timeout_ms, Some(2000));
    }
}
