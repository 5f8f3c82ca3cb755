//! The operator's files: servers, apps, environment files, lock files,
//! recipes, caches; and the plain types that name things everywhere else.
//!
//! The folder is made to be shared by a team in git and can be an existing
//! `~/.abra`. Nothing here talks to a server. Files are written whole: to a
//! temporary name beside, synced, then renamed.

pub mod env_file;
pub mod grant;
pub mod lock_file;
pub mod names;
pub mod server;

use std::path::{Path, PathBuf};

pub use env_file::EnvFile;
pub use grant::Grant;
pub use lock_file::LockFile;
pub use names::{AppName, RecipeName, ServerName, StackName};
pub use server::{BackupSettings, ServerSettings};

use crate::hint::Hint;

/// The operator's folder, `$POTLUCK_DIR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// An app's place in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppEntry {
    pub name: AppName,
    pub server: ServerName,
}

/// What goes wrong in the operator's folder.
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
    #[error("no app is called `{0}`")]
    UnknownApp(AppName),
    #[error("no server is called `{0}`")]
    UnknownServer(ServerName),
    #[error("the app `{app}` exists on two servers, `{first}` and `{second}`")]
    AmbiguousApp { app: AppName, first: ServerName, second: ServerName },
    #[error("the app `{0}` exists already")]
    AppExists(AppName),
    #[error("{path} is not valid: {message}", path = .path.display())]
    Invalid { path: PathBuf, message: String },
    #[error(transparent)]
    Env(#[from] env_file::ParseError),
    #[error(transparent)]
    Name(#[from] names::InvalidName),
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::UnknownApp(_) => Some("`potluck app ls` lists the apps".into()),
            Error::UnknownServer(_) => Some("`potluck server ls` lists the servers".into()),
            Error::Env(e) => e.hint(),
            Error::Name(e) => e.hint(),
            _ => None,
        }
    }
}

impl Home {
    /// The folder need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Home { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where recipes are kept.
    pub fn recipes(&self) -> PathBuf {
        self.root.join("recipes")
    }

    /// Compiled plugins; private.
    pub fn plugin_cache(&self) -> PathBuf {
        self.root.join("cache").join("plugins")
    }

    /// Journals, local locks, plugins' memory, simulated servers.
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    // The following are to be written with their bodies.
    pub fn servers(&self) -> Result<Vec<ServerName>, Error> {
        todo!()
    }
    pub fn server(&self, name: &ServerName) -> Result<ServerSettings, Error> {
        let _ = name;
        todo!()
    }
    pub fn write_server(&self, name: &ServerName, settings: &ServerSettings) -> Result<(), Error> {
        let _ = (name, settings);
        todo!()
    }
    pub fn remove_server(&self, name: &ServerName) -> Result<(), Error> {
        let _ = name;
        todo!()
    }
    pub fn apps(&self) -> Result<Vec<AppEntry>, Error> {
        todo!()
    }
    pub fn app(&self, name: &AppName) -> Result<AppEntry, Error> {
        let _ = name;
        todo!()
    }
    pub fn env(&self, app: &AppEntry) -> Result<EnvFile, Error> {
        let _ = app;
        todo!()
    }
    pub fn env_path(&self, app: &AppEntry) -> PathBuf {
        let _ = app;
        todo!()
    }
    /// Writes a new app's file; [`Error::AppExists`] when it is there.
    pub fn create_app(&self, app: &AppEntry, env: &EnvFile) -> Result<(), Error> {
        let _ = (app, env);
        todo!()
    }
    pub fn write_env(&self, app: &AppEntry, env: &EnvFile) -> Result<(), Error> {
        let _ = (app, env);
        todo!()
    }
    /// An empty lock file when there is none yet.
    pub fn lock_file(&self, app: &AppEntry) -> Result<LockFile, Error> {
        let _ = app;
        todo!()
    }
    pub fn write_lock_file(&self, app: &AppEntry, lock: &LockFile) -> Result<(), Error> {
        let _ = (app, lock);
        todo!()
    }
    /// Removes the app's files here; nothing on the server.
    pub fn remove_app(&self, app: &AppEntry) -> Result<(), Error> {
        let _ = app;
        todo!()
    }
}
