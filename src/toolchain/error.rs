//! Why a plugin was not built.

use std::path::PathBuf;

use crate::hint::Hint;

/// Why a plugin was not built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} holds no plugin: neither a Cargo.toml nor .potluck/potluck", folder.display())]
    NoPlugin { folder: PathBuf },
    /// Nothing here can build it; the hint says what to install.
    #[error("{what} is missing")]
    NoToolchain { what: String, install: String },
    #[error("{program} could not be run: {source}")]
    Run {
        program: String,
        #[source]
        source: std::io::Error,
    },
    /// It failed without saying why.
    #[error("{program} failed: {status}")]
    Failed { program: String, status: std::process::ExitStatus },
    /// It said why on standard error: there is nothing to add.
    #[error("{program} failed for the reason that it printed")]
    Said { program: String },
    #[error("{program} built no component")]
    NoComponent { program: String, hint: String },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::NoPlugin { .. } => Some(
                "`potluck plugin new NAME` begins one in Rust or Python; of other languages \
                 docs/plugins.md shows the tools"
                    .into(),
            ),
            Error::NoToolchain { install: hint, .. } | Error::NoComponent { hint, .. } => {
                Some(hint.clone())
            }
            Error::Run { .. } | Error::Failed { .. } | Error::Said { .. } => None,
        }
    }
}
