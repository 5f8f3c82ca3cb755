//! The app's secrets and a plugin's memory, as plugins reach them.

use std::{io, sync::Arc};

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::{
    app::{App, Context, Error},
    engine::Engine,
    home::{AppName, MemoryFile},
    plugin::{FileError, Memory, RecipeFiles, SecretAccess, SecretError},
    recipe::{self, Checkout},
    secrets::{self, SecretPlan},
};

/// The secrets of one app, as its recipe defines them.
pub(crate) struct AppSecrets {
    engine: Arc<dyn Engine>,
    app: AppName,
    plans: Vec<SecretPlan>,
}

impl AppSecrets {
    pub fn of(app: &App) -> Result<Self, Error> {
        Ok(AppSecrets {
            engine: Arc::clone(&app.engine) as Arc<dyn Engine>,
            app: app.entry.name.clone(),
            plans: secrets::wanted(&app.stack, &app.env, &app.sources)?,
        })
    }

    fn find(&self, name: &str) -> Result<&SecretPlan, SecretError> {
        secrets::find(&self.plans, name).map_err(secret_error)
    }
}

#[async_trait]
impl SecretAccess for AppSecrets {
    /// Swarm never gives a value back, and potluck keeps none yet.
    async fn reveal(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        let full = &self.find(name)?.full_name;
        Err(SecretError::Unavailable(format!(
            "the value of `{full}` is known to the swarm only, which gives it to services; run a command in one that has it"
        )))
    }

    /// Stores a new secret. An existing one cannot change: its version in the
    /// settings has to be raised first.
    async fn put(&self, name: &str, value: Zeroizing<String>) -> Result<(), SecretError> {
        let plan = self.find(name)?;
        let stored = secrets::insert(&*self.engine, &self.app, plan, value.as_bytes()).await;
        stored.map_err(secret_error)
    }
}

fn secret_error(error: secrets::Error) -> SecretError {
    match error {
        secrets::Error::Unknown { name, .. } => SecretError::Unknown(name),
        secrets::Error::Exists { name, .. } => SecretError::Exists(name),
        other => SecretError::Engine(other.to_string()),
    }
}

/// The memory of one plugin of one app.
pub(crate) struct AppMemory(MemoryFile);

impl AppMemory {
    pub fn of(context: &Context, app: &App, plugin: &str) -> Result<Self, Error> {
        Ok(AppMemory(context.home.memory(&app.entry, plugin)?))
    }
}

impl Memory for AppMemory {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        self.0.get(key).map_err(|e| e.to_string())
    }

    fn set(&self, key: &str, value: &str) -> Result<(), String> {
        self.0.set(key, value).map_err(|e| e.to_string())
    }
}

/// The recipe's files at the loaded version.
pub(crate) struct AppFiles(pub Arc<Checkout>);

impl RecipeFiles for AppFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.0.read(path).map_err(file_error)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, FileError> {
        self.0.list(folder).map_err(file_error)
    }
}

fn file_error(error: recipe::Error) -> FileError {
    match error {
        recipe::Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            FileError::NotFound
        }
        other => FileError::Invalid(other.to_string()),
    }
}
