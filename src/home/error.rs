//! Errors in the operator's folder.

use std::path::PathBuf;

use super::{
    AppName, Holder, ProviderName, ServerName, StackName,
    env_file::{ParseError, correct},
    names::InvalidName,
};
use crate::{hint::Hint, lint::Position};

/// Errors in the operator's folder. Every variant names the file, the
/// app or the server that it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{action} {path}: {source}", path = .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("no app is called `{app}`")]
    UnknownApp { app: AppName, nearest: Option<AppName> },
    #[error("no server is called `{server}`")]
    UnknownServer { server: ServerName, nearest: Option<ServerName> },
    #[error("no provider is called `{provider}`")]
    UnknownProvider { provider: String, nearest: Option<ProviderName> },
    #[error("the app `{app}` exists on two servers, `{first}` and `{second}`")]
    AmbiguousApp { app: AppName, first: ServerName, second: ServerName },
    /// The app goes to another server, by a move that another folder began.
    #[error("this folder does not have the files of {app} on the server {server}")]
    MovedElsewhere { app: String, server: String },
    #[error("the app `{0}` exists already")]
    AppExists(AppName),
    #[error("the app `{app}` would have the stack `{stack}`, which is {other}'s")]
    StackTaken { app: AppName, stack: StackName, other: AppName },
    #[error("the server `{server}` still has apps: {}", list(.apps))]
    ServerInUse { server: ServerName, apps: Vec<AppName> },
    /// A server without apps, in whose folder copies of their secrets are left.
    #[error("{} holds encrypted copies of secrets", .path.display())]
    SecretsLeft { path: PathBuf },
    /// Of a file of the operator, with its line where that is known.
    #[error("{path}: {message}", path = .path.display())]
    Invalid { path: PathBuf, message: String },
    #[error("{path}: it is not UTF-8 text (byte {byte})", path = .path.display())]
    NotText { path: PathBuf, byte: usize },
    /// A YAML file of the operator that cannot be read; its line, counted from 1,
    /// where that is known.
    #[error("{path}: {message}", path = .path.display())]
    Yaml { path: PathBuf, line: Option<usize>, message: String },
    /// Exit code 5.
    #[error("{app}: {}", .holder.as_ref().map_or_else(
        || "another potluck command is changing it".to_owned(), ToString::to_string))]
    Locked { app: AppName, holder: Option<Holder> },
    /// `backup run` runs already. Exit code 5.
    #[error("{}", .holder.as_ref().map_or_else(
        || "another backup run has not ended".to_owned(), ToString::to_string))]
    Running { holder: Option<Holder> },
    #[error("{path} is in use by another potluck", path = .path.display())]
    Busy { path: PathBuf },
    #[error("{0}")]
    Memory(String),
    #[error(transparent)]
    Env(#[from] ParseError),
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// At most as many names as a person reads.
fn list(apps: &[AppName]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<_> = apps.iter().take(SHOWN).map(AppName::as_str).collect();
    match apps.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Error {
    /// The message without the place, where [`Error::position`] tells it.
    pub fn without_position(&self) -> String {
        match self {
            Error::Yaml { message, .. } | Error::Invalid { message, .. } => message.clone(),
            Error::NotText { byte, .. } => format!("it is not UTF-8 text (byte {byte})"),
            Error::Env(error) => error.message.clone(),
            other => other.to_string(),
        }
    }

    /// The place in a file of the operator that it is about.
    pub fn position(&self) -> Option<Position> {
        match self {
            Error::Yaml { path, line, .. } => {
                Some(Position::line(path.display().to_string(), line.unwrap_or(0)))
            }
            Error::Invalid { path, .. } | Error::NotText { path, .. } => {
                Some(Position::file(path.display().to_string()))
            }
            Error::Env(error) => Some(Position::line(&error.file, error.line)),
            _ => None,
        }
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some("make room on that disk, then run the command again".into())
            }
            Error::MovedElsewhere { .. } => Some(
                "pull them from the folder in which its move was begun, or finish it there".into(),
            ),
            Error::UnknownApp { nearest: Some(name), .. } => {
                Some(format!("did you mean `{name}`?"))
            }
            Error::UnknownProvider { nearest: Some(name), .. } => {
                Some(format!("did you mean `{name}`?"))
            }
            Error::UnknownProvider { nearest: None, .. } => Some(
                "name an app that others sign in with or send mail through, or a provider of \
                 `potluck provider ls`"
                    .into(),
            ),
            Error::Locked { .. } => Some("wait until it has ended, then try again".into()),
            Error::Running { .. } => Some(
                "wait until it has ended; `potluck backup status` shows how old the backups are"
                    .into(),
            ),
            Error::UnknownApp { nearest: None, .. } => {
                Some("`potluck app ls` lists the apps".into())
            }
            Error::UnknownServer { nearest: Some(name), .. } => {
                Some(format!("did you mean `{name}`?"))
            }
            Error::UnknownServer { nearest: None, .. } => {
                Some("`potluck server ls` lists the servers, `potluck server add` adds one".into())
            }
            Error::AmbiguousApp { second, .. } => Some(format!(
                "say `--server {second}`, or the other one; where `potluck app move` did not end, \
                 the one that the app leaves"
            )),
            Error::ServerInUse { .. } => {
                Some("remove its apps first, with `potluck app rm`".into())
            }
            Error::SecretsLeft { path } => {
                Some(format!("if no backup needs them, remove {}", path.display()))
            }
            Error::StackTaken { .. } => {
                Some("choose another domain, or a stack of its own: `--set STACK_NAME=NAME`".into())
            }
            Error::NotText { path, .. } => {
                Some(format!("save {} as UTF-8 text, or bring it back from a copy", path.display()))
            }
            // potluck alone writes it: what it does not know comes from a later one, most often.
            Error::Yaml { path, line, message }
                if path.to_string_lossy().ends_with(".lock.yml")
                    && message.contains("unknown key") =>
            {
                let correct = correct(&path.display().to_string(), *line);
                Some(format!(
                    "if a newer potluck wrote it, install that version here, too; else {correct}"
                ))
            }
            Error::Yaml { path, line, .. } => Some(correct(&path.display().to_string(), *line)),
            Error::Env(e) => e.hint(),
            Error::Name(e) => e.hint(),
            _ => None,
        }
    }
}
