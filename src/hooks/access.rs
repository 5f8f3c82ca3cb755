//! The app's secrets and a plugin's memory, as plugins reach them.

use std::{io, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::{
    app::{App, Context, Error},
    engine::Engine,
    home::{AppEntry, Home, MemoryFile, StackName},
    plugin::{FileError, Memory, RecipeFiles, SecretAccess, SecretError},
    progress::Sink,
    recipe::{self, Checkout},
    secrets::{
        self, Keeper, SecretPlan,
        escrow::{self, Identity, Stem},
    },
};

/// The secrets of one app, as its recipe defines them.
pub(crate) struct AppSecrets {
    engine: Arc<dyn Engine>,
    stack: StackName,
    plans: Vec<SecretPlan>,
    entry: AppEntry,
    home: Home,
    identity: Option<PathBuf>,
    progress: Arc<dyn Sink>,
}

impl AppSecrets {
    pub fn of(context: &Context, app: &App) -> Result<Self, Error> {
        Ok(AppSecrets {
            engine: Arc::clone(&app.engine) as Arc<dyn Engine>,
            stack: app.name.clone(),
            plans: secrets::wanted(&app.stack, &app.env, &app.sources)?,
            entry: app.entry.clone(),
            home: context.home.clone(),
            identity: context.identity.clone(),
            progress: Arc::clone(&context.progress),
        })
    }

    fn find(&self, name: &str) -> Result<&SecretPlan, SecretError> {
        secrets::find(&self.plans, name).map_err(secret_error)
    }

    /// The encrypted copy, opened.
    fn open(&self, full_name: &str) -> Result<Zeroizing<String>, String> {
        let told = |error: escrow::Error| error.to_string();
        let folder = escrow::Folder::of(&self.home, &self.entry);
        let stem = Stem::of(full_name, &self.stack).map_err(told)?;
        if !folder.has(&stem).map_err(told)? {
            return Err(format!(
                "no copy of `{full_name}` is kept: the swarm alone has it and gives it to \
                 services, so run a command in one that has it"
            ));
        }
        let path = self.identity.as_deref().ok_or("no key is named that opens kept secrets")?;
        let identity = Identity::read(path, &escrow::nobody).map_err(told)?;
        let value = escrow::open(&folder, &stem, &identity).map_err(told)?;
        let text = std::str::from_utf8(&value);
        let text = text.map_err(|_| format!("the value of `{full_name}` is not text"))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

#[async_trait]
impl SecretAccess for AppSecrets {
    /// Swarm never gives a value back; the encrypted copy does, to who has a key.
    async fn reveal(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        self.open(&self.find(name)?.full_name).map_err(SecretError::Unavailable)
    }

    /// Stores a new secret. An existing one cannot change: its version in the
    /// settings has to be raised first.
    async fn put(&self, name: &str, value: Zeroizing<String>) -> Result<(), SecretError> {
        let plan = self.find(name)?;
        // Only here: a list of recipients that cannot be read keeps no hook from running.
        let keeper = Keeper::of(&self.home, &self.entry, &self.stack);
        let keeper = keeper.map_err(|error| secret_error(error.into()))?;
        let (engine, value) = (&*self.engine, value.as_bytes());
        let stored = secrets::insert(engine, &self.entry.name, plan, value, &keeper).await;
        stored.map_err(secret_error)?;
        if !keeper.keeps() {
            self.progress.warn(format!("{}: {}", plan.name, escrow::NOT_KEPT));
        }
        Ok(())
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
