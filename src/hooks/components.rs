//! The components of an app's plugins: from its recipe, and from potluck itself.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::{
    app::{App, Error},
    recipe::{self, PluginEntry},
};

use super::backupbot;

/// A plugin's component, checked against its pin.
#[derive(Debug)]
pub(crate) struct Component {
    pub entry: PluginEntry,
    pub bytes: Cow<'static, [u8]>,
    /// 64 hex digits.
    pub sha256: String,
}

/// Reads the recipe's components, in the order of `recipe.yml`; after them the
/// one that speaks for `backupbot.*` labels, where they are all there is.
pub(crate) fn components(app: &App) -> Result<Vec<Component>, Error> {
    let listed = app.checkout.manifest.plugins.iter();
    let mut components = listed.map(|entry| read(app, entry)).collect::<Result<Vec<_>, _>>()?;
    if let Some(entry) = missing(app, &components) {
        match read(app, &entry) {
            // A deploy does not need it: see `start`.
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
    Ok(Component { entry, bytes, sha256 })
}

/// The plugin for `backupbot.*` labels, where the recipe has them and nothing that
/// speaks for its backups.
pub(crate) fn missing(app: &App, listed: &[Component]) -> Option<PluginEntry> {
    let speaks = |c: &Component| backupbot::speaks(&c.entry.name, &c.bytes);
    backupbot::implied(&app.stack).filter(|_| !listed.iter().any(speaks))
}
