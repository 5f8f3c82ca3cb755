//! The interface's types as the rest of potluck sees them, free of WASM.

use std::{fmt, time::Duration};

/// A set of hooks that a component exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Lifecycle,
    Migration,
    Backup,
    SsoProvider,
    SsoClient,
    MailProvider,
    MailClient,
    Commands,
}

impl Role {
    /// Every role of the interface.
    pub const ALL: [Role; 8] = [
        Role::Lifecycle,
        Role::Migration,
        Role::Backup,
        Role::SsoProvider,
        Role::SsoClient,
        Role::MailProvider,
        Role::MailClient,
        Role::Commands,
    ];

    /// As the interface calls it, `sso-provider`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Lifecycle => "lifecycle",
            Role::Migration => "migration",
            Role::Backup => "backup",
            Role::SsoProvider => "sso-provider",
            Role::SsoClient => "sso-client",
            Role::MailProvider => "mail-provider",
            Role::MailClient => "mail-client",
            Role::Commands => "commands",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Facts about the app that the hook runs for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub app: String,
    pub stack: String,
    pub recipe: String,
    pub version: Option<String>,
    pub server: String,
}

/// From which version to which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// None on a first deploy.
    pub before: Option<String>,
    /// None on removal.
    pub after: Option<String>,
}

/// A program to run inside a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    pub user: Option<String>,
    pub workdir: Option<String>,
    pub timeout: Option<Duration>,
}

/// What a program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub exit_code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub truncated: bool,
}

/// Why a service could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    #[error("the app has no service `{0}`")]
    Unknown(String),
    #[error("no task of the service `{0}` is running on this node")]
    NotRunning(String),
    #[error("it took longer than was allowed")]
    TimedOut,
    #[error("{0}")]
    Engine(String),
}

/// Why a secret could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("the app has no secret `{0}`")]
    Unknown(String),
    #[error("the secret `{0}` exists already")]
    Exists(String),
    #[error("{0}")]
    Engine(String),
}

/// One thing to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupItem {
    Volume {
        /// Key in the compose file.
        name: String,
        /// Paths inside the volume; all of it when empty.
        paths: Vec<String>,
        exclude: Vec<String>,
    },
    Dump {
        /// File name in the backup, `wordpress.sql`.
        name: String,
        service: String,
        /// Its standard output is the dump.
        take: Command,
        /// Reads the dump from standard input.
        put_back: Command,
    },
    /// The plugin writes it in `produce` and takes it back in `consume`.
    Custom { name: String },
}

/// One check of the app's data and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    pub name: String,
    pub passed: bool,
    /// What was seen, `1204 posts`.
    pub detail: Option<String>,
}

/// A command of the recipe's own.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CommandSpec {
    pub name: String,
    pub help: String,
    pub parameters: Vec<Parameter>,
}

/// A positional parameter of a command.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Parameter {
    pub name: String,
    pub help: String,
    pub required: bool,
}
