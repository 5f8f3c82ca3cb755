//! The interface's types as the rest of potluck sees them, free of WASM.

use std::{fmt, time::Duration};

use zeroize::Zeroizing;

use crate::{engine::Exec, home::encryption::Encryption};

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

    /// What it can do without any grant, for the person who decides.
    pub fn sentence(self) -> &'static str {
        match self {
            Role::Lifecycle => "is called around each deploy, and before a removal",
            Role::Migration => "lists the steps of an upgrade's data migration, and runs them",
            Role::Backup => "says what a backup holds, volumes included, and checks restores",
            Role::SsoProvider => "gives other apps clients to sign in with",
            Role::SsoClient => "changes settings and overlays, for signing in elsewhere",
            Role::MailProvider => "gives other apps accounts to send mail through",
            Role::MailClient => "changes settings and overlays, for sending mail",
            Role::Commands => "offers commands to `app cmd`",
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

impl Command {
    /// In the engine's form, without a terminal; the caller applies the time limit.
    pub fn exec(&self, stdin: bool) -> Exec {
        Exec {
            argv: self.argv.clone(),
            env: self.env.clone(),
            user: self.user.clone(),
            workdir: self.workdir.clone(),
            terminal: None,
            stdin,
        }
    }
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
    /// The limit in bytes.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    #[error("{0}")]
    Engine(String),
}

/// An HTTP request that a plugin sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The missing grant, or why the address is closed.
    #[error("{0}")]
    Denied(String),
    #[error("there was no answer in time")]
    TimedOut,
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Failed(String),
}

/// Why a secret could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("the app has no secret `{0}`")]
    Unknown(String),
    /// Potluck cannot read it: no copy is kept, or the operator has no key; says which.
    #[error("{0}")]
    Unavailable(String),
    #[error("the secret `{0}` exists already")]
    Exists(String),
    #[error("{0}")]
    Engine(String),
}

/// Why a file of the recipe could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("there is no such file")]
    NotFound,
    #[error("{0}")]
    Invalid(String),
    /// The limit in bytes.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
}

/// A text that debug output does not show, and whose memory is cleared.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub Zeroizing<String>);

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Hidden(Zeroizing::new(text))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One step of a data migration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// Unique and stable.
    pub id: String,
    pub description: String,
    /// Whether the old version can still run on the data afterwards.
    pub reversible: bool,
}

/// What an app needs from a provider so that people can sign in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRequest {
    /// The stack of the app that asks.
    pub client: String,
    pub display_name: String,
    pub home_url: Option<String>,
    pub redirect_uris: Vec<String>,
    pub post_logout_uris: Vec<String>,
    pub scopes: Vec<String>,
    /// Keeps no secret, and uses PKCE.
    pub public: bool,
}

/// What a provider gives an app so that people can sign in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub issuer: String,
    pub client_id: String,
    /// None for a public client.
    pub client_secret: Option<Hidden>,
    pub groups_claim: Option<String>,
}

/// A way to send mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    pub username: Option<String>,
    pub password: Option<Hidden>,
    pub sender: String,
}

/// Changes of an app that a hook asks for. Names have been checked, and what
/// needs a grant has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Keys of the environment file; none removes one.
    pub settings: Vec<(String, Option<String>)>,
    /// By key in the compose file.
    pub secrets: Vec<(String, Hidden)>,
    /// File names, `compose.oidc.yml`.
    pub overlays_on: Vec<String>,
    pub overlays_off: Vec<String>,
}

/// One thing to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a plan has few items, and most are dumps")]
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
        belief: Belief,
    },
    /// The plugin writes it in `produce` and restores it in `consume`.
    Custom { name: String },
}

/// How a dump can be believed, as far as its plugin knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Belief {
    pub ending: Ending,
    /// Whether the data may become much smaller from one backup to the next.
    pub may_shrink: bool,
    pub names: Option<Names>,
}

/// How a complete dump ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ending {
    /// As its kind ends, which potluck may know.
    #[default]
    Any,
    /// As its kind ends, which potluck has to know.
    Known,
    /// A line near its end begins with this.
    Line(String),
    /// Its last bytes.
    Bytes(Vec<u8>),
    /// Nothing marks it.
    Unmarked,
}

/// What an engine holds, to be compared with what its dumps hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Prints the names, one a line.
    pub listing: Command,
    /// What is before and after a name in a line of the dump; without it, what is usual for
    /// its kind.
    pub between: Option<(String, String)>,
    /// Whether the dump is to hold all that is listed.
    pub all: bool,
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
    /// Asked for without an echo, never taken from the command line.
    pub secret: bool,
}
