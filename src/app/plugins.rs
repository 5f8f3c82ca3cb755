//! The plugins of an app, each read once: from its recipe, and from potluck itself.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::{
    plugin::{self, Plugin, Role, Runtime},
    recipe::{self, PluginEntry},
};

use super::{App, Error, backupbot};

/// A plugin's component, checked against its pin.
pub struct Component {
    pub entry: PluginEntry,
    pub bytes: Cow<'static, [u8]>,
    /// 64 hex digits.
    pub sha256: String,
    loaded: OnceCell<Plugin>,
}

impl Component {
    /// The compiled plugin; compiled, or taken from the cache, at the first call.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub async fn load(&self, runtime: &Runtime) -> Result<&Plugin, plugin::Error> {
        self.loaded.get_or_try_init(|| runtime.load(&self.entry.name, &self.bytes)).await
    }

    /// The roles that its type says. Nothing is compiled.
    ///
    /// # Errors
    /// Bytes that are not a component.
    pub fn roles(&self) -> Result<BTreeSet<Role>, plugin::Error> {
        plugin::exported_roles(&self.entry.name, &self.bytes)
    }
}

/// What an app keeps of its plugins once they were read.
#[derive(Default)]
pub struct Plugins(OnceLock<Arc<[Component]>>);

impl App {
    /// The app's plugins, in the order of `recipe.yml`; after them the one for
    /// `backupbot.*` labels, if nothing else makes backups. Read once, at the first call,
    /// so that the component that runs is the one that was agreed to.
    ///
    /// # Errors
    /// Components that are missing, or not those that `recipe.yml` pins.
    pub fn components(&self) -> Result<Arc<[Component]>, Error> {
        if let Some(components) = self.plugins.0.get() {
            return Ok(Arc::clone(components));
        }
        let read = components(self)?;
        Ok(Arc::clone(self.plugins.0.get_or_init(|| read.into())))
    }
}

fn components(app: &App) -> Result<Vec<Component>, Error> {
    let listed = app.checkout.manifest.plugins.iter();
    let mut components = listed.map(|entry| read(app, entry)).collect::<Result<Vec<_>, _>>()?;
    if let Some(entry) = missing(app, &components) {
        match read(app, &entry) {
            // A deploy does not need it; a backup says so: see `hooks::start`.
            Err(Error::Recipe(recipe::Error::NotBuilt { .. })) => {}
            component => components.push(component?),
        }
    }
    Ok(components)
}

fn read(app: &App, entry: &PluginEntry) -> Result<Component, Error> {
    let mut entry = entry.clone();
    backupbot::add_labels(&mut entry, &app.stack);
    let bytes = app.checkout.component(&entry.component)?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    if let Some(pinned) = &entry.sha256
        && !pinned.eq_ignore_ascii_case(&sha256)
    {
        return Err(Error::PluginPin { plugin: entry.name, pinned: pinned.clone(), found: sha256 });
    }
    Ok(Component { entry, bytes, sha256, loaded: OnceCell::new() })
}

/// The plugin for `backupbot.*` labels, if the recipe has such labels and no
/// plugin with the backup role.
pub(crate) fn missing(app: &App, listed: &[Component]) -> Option<PluginEntry> {
    let plays = |c: &Component| c.roles().is_ok_and(|roles| roles.contains(&Role::Backup));
    let speaks = |c: &Component| backupbot::is_named(&c.entry) || plays(c);
    backupbot::implied(&app.stack).filter(|_| !listed.iter().any(speaks))
}
