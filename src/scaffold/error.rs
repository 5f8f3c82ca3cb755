//! Why a scaffold was not written.

use std::path::PathBuf;

use super::Name;
use crate::hint::Hint;

/// Why a scaffold was not written. Nothing is partly written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Existing files are never overwritten.
    #[error("{} exists already", path.display())]
    Exists { path: PathBuf },
    /// The file of a CI, of a recipe that exists.
    #[error("{} exists already", path.display())]
    HasCi { path: PathBuf },
    #[error("{action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("a plugin cannot be called `{name}`: {reason}")]
    Name { name: Name, reason: &'static str },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::Exists { .. } => Some("choose another name, or another folder".into()),
            Error::HasCi { .. } => {
                Some("remove it first, if potluck's is to take its place".into())
            }
            Error::Name { name, .. } => Some(format!("choose another name, `{name}-plugin`")),
            Error::Io { .. } => None,
        }
    }
}
