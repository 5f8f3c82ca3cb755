//! docker's own configuration on this machine: contexts, which name engines, and
//! credentials for registries. It is only read, so that users of docker need not configure
//! anything twice.
//!
//! The folder is `~/.docker` or `$DOCKER_CONFIG`; a missing file counts as
//! empty. Formats: docker/cli, `cli/config/configfile/file.go`,
//! `cli/context/store`.

mod context;
mod credentials;

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::{bounded, hint::Hint};

pub use context::{DEFAULT_CONTEXT, Tls, endpoint_of};
pub use credentials::Login;

/// Largest configuration; larger than any that people or programs write.
const LARGEST_FILE: u64 = 4 << 20;

/// Why docker's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("reading docker's configuration {}: {source}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Without the text itself, which may hold credentials.
    #[error("docker's configuration {} is not understood: {reason}", .path.display())]
    Syntax { path: PathBuf, reason: String },
    #[error("docker has no context `{name}`; it has {known}", known = .known.join(", "))]
    NoContext { name: String, known: Vec<String> },
    #[error("the docker endpoint `{endpoint}` {reason}")]
    Endpoint { endpoint: String, reason: &'static str },
    #[error("`{helper}`, asked for the credentials of {registry}, {reason}")]
    Helper { helper: String, registry: String, reason: String },
    #[error("`{helper}`, asked for the credentials of {registry}, did not answer within {} s", .limit.as_secs())]
    HelperTimedOut { helper: String, registry: String, limit: Duration },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::NoContext { .. } => Some("`docker context ls` shows them".into()),
            Error::Endpoint { .. } => {
                Some("use `ssh://[user@]host[:port]`, which needs no certificates".into())
            }
            Error::Helper { .. } | Error::HelperTimedOut { .. } => {
                Some("docker's config.json names it under credsStore or credHelpers".into())
            }
            Error::Syntax { .. } => Some("`docker login` and `docker context` write it".into()),
            Error::Read { .. } => None,
        }
    }
}

/// Docker's configuration folder.
#[derive(Clone, Default)]
pub struct DockerConfig {
    folder: PathBuf,
    file: File,
}

/// `config.json`, as far as it matters here.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    /// By registry. Holds secrets.
    auths: Option<BTreeMap<String, credentials::Entry>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
    current_context: Option<String>,
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DockerConfig({})", self.folder.display())
    }
}

impl DockerConfig {
    /// Where it is, and docker's certificates where `DOCKER_TLS_VERIFY` names no other place.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads the folder; a missing one counts as empty.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Syntax`].
    pub fn read(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let folder = folder.into();
        let path = folder.join("config.json");
        let file = read_json(&path)?.unwrap_or_default();
        Ok(DockerConfig { folder, file })
    }

    /// The context that `docker context use` chose.
    pub fn current_context(&self) -> Option<&str> {
        self.file.current_context.as_deref().filter(|name| !name.is_empty())
    }
}

/// A JSON file; none if it is missing.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let failed = |source| Error::Read { path: path.into(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let bytes = zeroize::Zeroizing::new(bounded::read(file, LARGEST_FILE).map_err(failed)?);
    // Docker takes an empty file for none.
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Syntax {
        path: path.into(),
        reason: format!("line {}, column {}", error.line(), error.column()),
    })
}
