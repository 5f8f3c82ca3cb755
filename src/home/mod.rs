//! The operator's files: servers, apps, environment files, lock files,
//! recipes, caches; and the plain types that name things everywhere else.
//!
//! The folder is made to be shared by a team in git and can be an existing
//! `~/.abra`. Nothing here talks to a server. Files are written whole: to a
//! temporary name beside, synced, then renamed.

pub mod connection;
mod copy;
pub mod encryption;
pub mod env_file;
pub mod error;
mod evidence;
mod folder;
pub mod grant;
mod held;
mod holder;
mod holds;
mod keep;
pub mod lock_file;
pub mod memory;
pub mod names;
pub mod nightly;
pub mod notify;
pub mod provider;
pub mod reach;
pub mod server;
pub mod upgrades;
pub mod write;

mod app_guard;
mod apps;
mod kept_secrets;
mod recipe_address;
mod recipe_signers;
mod run_guard;
mod servers;
mod signers;
#[cfg(test)]
mod tests;
mod writers;

use std::path::{Path, PathBuf};

pub use app_guard::AppGuard;
pub use apps::Salvaged;
pub use connection::{Connection, ConnectionKind};
pub use copy::{CopyName, CopySettings};
pub use env_file::{EnvFile, ParseError};
pub use error::Error;
pub use grant::{GivenGrant, Grant};
pub use holder::Holder;
pub use holds::{Hold, Holds, HoldsGuard};
pub use keep::{Count, Keep, Within};
pub use lock_file::LockFile;
pub use memory::MemoryFile;
pub use names::{AppName, ProviderName, RecipeName, ServerName, StackName};
pub use nightly::NightlySettings;
pub use provider::ProviderSettings;
pub use reach::{GivenReach, Reach, Way};
pub use recipe_address::RecipeAddress;
pub use recipe_signers::RecipeSigners;
pub use run_guard::RunGuard;
pub use server::{BackupSettings, ReachedFrom, SMALLEST_DUMP, ServerSettings, check_node_endpoint};
pub use servers::LOCAL_ENDPOINT;
pub use signers::{Fingerprint, InvalidFingerprint, Signer};
pub use writers::{AppBackupSettings, VolumeWriters};

/// The operator's folder, `$POTLUCK_DIR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    offline: bool,
}

/// An app's place in the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppEntry {
    pub name: AppName,
    pub server: ServerName,
}

impl Home {
    /// The folder need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Home { root: root.into(), offline: false }
    }

    /// Whether no recipe is to be fetched.
    #[must_use]
    pub fn offline(self, offline: bool) -> Self {
        Home { offline, ..self }
    }

    pub fn is_offline(&self) -> bool {
        self.offline
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes the catalogue of recipes, as abra has it, whole.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_catalogue(&self, text: &str) -> Result<(), Error> {
        let path = self.root.join("catalogue").join("recipes.json");
        write::write_whole(&path, text.as_bytes(), write::Existing::Replace, write::Readers::Shared)
    }

    /// Writes a file beside it, whole: `index.html`, `recipes/wiki.html`. A symbolic link of
    /// this name is replaced.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_catalogue_page(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.root.join("catalogue").join(name);
        let (existing, readers) = (write::Existing::ReplaceLink, write::Readers::Shared);
        write::write_whole(&path, text.as_bytes(), existing, readers)
    }

    /// Where recipes are kept.
    pub fn recipes(&self) -> PathBuf {
        self.root.join("recipes")
    }

    /// Compiled plugins; private.
    pub fn plugin_cache(&self) -> PathBuf {
        self.root.join("cache").join("plugins")
    }

    /// The cache of compiled plugins; may be removed at any time.
    pub fn plugin_builds(&self) -> PathBuf {
        self.root.join("cache").join("builds")
    }

    /// Copies of recipes' repositories; private.
    pub fn recipe_cache(&self) -> PathBuf {
        self.root.join("cache").join("recipes")
    }

    /// Journals, local locks, plugins' memory, simulated servers.
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The memory of one plugin of one app. The plugin's name comes from a
    /// recipe and becomes a file name, so it is checked as one.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn memory(&self, app: &AppEntry, plugin: &str) -> Result<MemoryFile, Error> {
        let plugin = names::PluginName::new(plugin)?;
        Ok(MemoryFile::new(
            self.state()
                .join("memory")
                .join(app.server.as_str())
                .join(app.name.as_str())
                .join(format!("{plugin}.json")),
        ))
    }
}
