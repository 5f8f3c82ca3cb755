//! Errors of plugins.
//!
//! Every error of a hook names the plugin, its role and the hook. Text from
//! a plugin has been cleaned before it gets here.

use std::{collections::BTreeSet, path::PathBuf};

use super::{
    Role,
    runtime::limits::{Exceeded, InvalidLimit},
};
use crate::{hint::Hint, home::Grant};

/// Errors of plugins.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the engine for plugins does not start: {0}")]
    Engine(String),
    #[error("{action} {path}: {source}", path = .path.display())]
    Cache {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Bytes that are something else.
    #[error("the plugin `{plugin}` is not a WebAssembly component: it is {what}")]
    NotComponent { plugin: String, what: &'static str, hint: &'static str },
    #[error("the plugin `{plugin}` has {size} bytes, more than the {limit} allowed")]
    TooLarge { plugin: String, size: usize, limit: usize },
    /// It looks like a component but is damaged.
    #[error("the plugin `{plugin}` is damaged: {message}")]
    Damaged { plugin: String, message: String },
    /// Compiling it exceeded a limit.
    #[error("the plugin `{plugin}` was not compiled: compiling reached its limit of {exceeded}")]
    Compile { plugin: String, exceeded: Exceeded },
    #[error("the plugin `{plugin}` wants `{interface}`, which potluck does not offer")]
    ForeignImport { plugin: String, interface: String },
    #[error(
        "the plugin `{plugin}` was built for `{interface}`; of that, this potluck knows {known}"
    )]
    OtherVersion { plugin: String, interface: String, known: String },
    #[error("the plugin `{plugin}` plays no role: {exports}")]
    NoRole { plugin: String, exports: String },
    /// Names fit, types do not.
    #[error("the plugin `{plugin}` does not fit the interface: {message}")]
    Mismatch { plugin: String, message: String },
    /// Instantiation failed.
    #[error("the plugin `{plugin}` does not start: {message}")]
    Start { plugin: String, message: String },
    /// A failure that the plugin reports itself.
    #[error("the hook `{hook}` of the plugin `{plugin}` ({role}) failed: {message}")]
    Failed {
        plugin: String,
        role: Role,
        hook: &'static str,
        message: String,
        hint: Option<String>,
        retryable: bool,
        /// What it was denied before it failed.
        denied: BTreeSet<Grant>,
    },
    #[error(
        "the hook `{hook}` of the plugin `{plugin}` ({role}) crashed: {message}{}",
        trace(.backtrace)
    )]
    Crashed {
        plugin: String,
        role: Role,
        hook: &'static str,
        /// The trap, and the last error it logged.
        message: String,
        /// Empty when there is none.
        backtrace: String,
    },
    #[error(
        "the hook `{hook}` of the plugin `{plugin}` ({role}) was stopped at its limit of {exceeded}"
    )]
    Limit { plugin: String, role: Role, hook: &'static str, exceeded: Exceeded },
    /// A result that asks for what was not granted.
    #[error(
        "the hook `{hook}` of the plugin `{plugin}` ({role}) asks for `{grant}`, which is not granted"
    )]
    Denied { plugin: String, role: Role, hook: &'static str, grant: Grant },
    /// An invalid result.
    #[error("the hook `{hook}` of the plugin `{plugin}` ({role}) answered wrongly: {message}")]
    Answer { plugin: String, role: Role, hook: &'static str, message: String },
    /// The other end of `produce` or `consume` broke.
    #[error("the stream of the hook `{hook}` of the plugin `{plugin}` broke: {source}")]
    Stream {
        plugin: String,
        hook: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("the plugin `{plugin}` cannot continue with `{hook}`: an earlier hook failed")]
    Broken { plugin: String, hook: &'static str },
    #[error("the plugin `{plugin}` does not play the role `{role}` that `{hook}` belongs to")]
    NotPlayed { plugin: String, role: Role, hook: &'static str },
    #[error(transparent)]
    InvalidLimit(#[from] InvalidLimit),
}

fn trace(backtrace: &str) -> String {
    if backtrace.is_empty() { String::new() } else { format!("\n{backtrace}") }
}

impl Error {
    /// Whether the same hook may succeed later.
    pub fn retryable(&self) -> bool {
        matches!(self, Error::Failed { retryable: true, .. })
    }
}

impl Hint for Error {
    /// Frames of a backtrace are cleaned when they are read.
    fn is_laid_out(&self) -> bool {
        matches!(self, Error::Crashed { .. })
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NotComponent { hint, .. } => Some((*hint).into()),
            Error::Damaged { .. } => {
                Some("fetch or build the component again, and compare its sha256".into())
            }
            Error::ForeignImport { .. } => Some(
                "build it against a version in `wit/` only; of WASI, version 0.2 is offered".into(),
            ),
            Error::OtherVersion { .. } => {
                Some("use a newer potluck, or a build of the plugin for this one".into())
            }
            Error::NoRole { .. } | Error::Mismatch { .. } => {
                Some("build it for a world that exports a role, as `wit/` has them".into())
            }
            Error::Failed { denied, plugin, hint, .. } if !denied.is_empty() => {
                let lines: Vec<_> = denied.iter().map(|grant| format!("`{grant}`")).collect();
                let missing = missing(plugin, &lines.join(", "));
                Some(match hint {
                    // As an SDK's own hint does.
                    Some(hint) if lines.iter().all(|line| hint.contains(line)) => hint.clone(),
                    Some(hint) => format!("{missing}; the plugin says: {hint}"),
                    None => missing,
                })
            }
            Error::Failed { hint: Some(hint), .. } => Some(hint.clone()),
            Error::Failed { retryable: true, .. } => Some(
                "it may pass: see with `potluck app ps` whether the services run, then try again"
                    .into(),
            ),
            Error::Denied { plugin, grant, .. } => Some(missing(plugin, &format!("`{grant}`"))),
            Error::Limit { exceeded, .. } => match exceeded {
                Exceeded::Memory { .. } => Some(
                    "if it needs more, raise the memory under its `limits:` in `recipe.yml`".into(),
                ),
                Exceeded::Wall { .. } | Exceeded::Compute { .. } => Some(
                    "if it needs longer, raise the time under its `limits:` in `recipe.yml`".into(),
                ),
                _ => Some("this is a fault of the plugin: tell its author".into()),
            },
            Error::Compile { .. } | Error::Crashed { .. } | Error::Answer { .. } => {
                Some("this is a fault of the plugin: tell its author".into())
            }
            Error::InvalidLimit(error) => error.hint(),
            _ => None,
        }
    }
}

fn missing(plugin: &str, lines: &str) -> String {
    format!(
        "it was not granted {lines}; to allow that, list it under `grants:` of `{plugin}` in \
         `recipe.yml` and deploy again"
    )
}

/// The message of an error inside wasmtime: the innermost cause, on one line.
pub fn cause(error: &wasmtime::Error) -> String {
    let cause = match error.downcast_ref::<Exceeded>() {
        Some(exceeded) => format!("it reached its limit of {exceeded}"),
        None => error.root_cause().to_string(),
    };
    super::text::clean_line(cause.trim_start_matches("wasm trap: "), 1000)
}
