//! `state/deployed/<server>/<app>.json`: what the last good deploy was made
//! of, so that one that would change nothing can skip the hooks. Losing it
//! costs one run of the hooks.

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    app::{App, Component, Context, Error},
    home::AppEntry,
};

/// The record of one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// See [`fingerprint`].
    pub fingerprint: String,
}

/// A digest of what hooks can see beyond the stack itself, which is compared
/// with the live one anyway: settings, recipe and plugins.
pub(crate) fn fingerprint(app: &App, components: &[Component]) -> String {
    let plugins: Vec<_> = components
        .iter()
        .map(|c| {
            let grants: Vec<String> = c.entry.grants.iter().map(ToString::to_string).collect();
            (&c.entry.name, &c.sha256, &c.entry.options, grants)
        })
        .collect();
    let seen = serde_json::json!({
        "settings": app.variables,
        "recipe": app.checkout.recipe.as_str(),
        "version": app.checkout.version,
        "commit": app.checkout.commit,
        "plugins": plugins,
    });
    hex::encode(Sha256::digest(seen.to_string().as_bytes()))
}

impl Record {
    /// None when there is none, or when it cannot be understood.
    pub fn read(context: &Context, app: &AppEntry) -> Result<Option<Self>, Error> {
        let path = path(context, app);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(state_error("reading", &path, &error)),
        }
    }

    pub fn write(&self, context: &Context, app: &AppEntry) -> Result<(), Error> {
        let path = path(context, app);
        let folder = path.parent().map(PathBuf::from).unwrap_or_default();
        let write = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            // Named files of this kind are readable by their owner only.
            let file = tempfile::NamedTempFile::new_in(&folder)?;
            serde_json::to_writer(&file, self)?;
            file.persist(&path).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(|error| state_error("writing", &path, &error))
    }

    /// Forgets the last good deploy.
    pub fn remove(context: &Context, app: &AppEntry) -> Result<(), Error> {
        let path = path(context, app);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(state_error("removing", &path, &error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn path(context: &Context, app: &AppEntry) -> PathBuf {
    let folder = context.home.state().join("deployed").join(app.server.as_str());
    folder.join(format!("{}.json", app.name))
}

fn state_error(action: &'static str, path: &std::path::Path, error: &io::Error) -> Error {
    Error::State { action, path: path.display().to_string(), reason: error.to_string() }
}
