//! `evidence/<server>/<app>/<time>-<signer>.json` in the shared folder: what drills of an
//! app's backups came to. Only bytes here; [`crate::backup::evidence`] knows what is signed.

use std::path::PathBuf;

use super::{
    AppEntry, Error, Home,
    folder::names_in,
    write::{Existing, Readers, read_state, write_whole},
};

/// The ending of a piece of evidence.
const ENDING: &str = ".json";

impl Home {
    fn evidence_path(&self, app: &AppEntry) -> PathBuf {
        self.root().join("evidence").join(app.server.as_str()).join(app.name.as_str())
    }

    /// The pieces of evidence of an app: their names in the folder and what they hold, oldest
    /// first.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Invalid`] for one that is too long.
    pub fn evidence(&self, app: &AppEntry) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let folder = self.evidence_path(app);
        let mut names = names_in(&folder)?;
        names.retain(|name| name.ends_with(ENDING) && !name.starts_with('.'));
        names.sort();
        let mut all = Vec::new();
        for name in names {
            if let Some(bytes) = read_state(&folder.join(&name))? {
                all.push((name, bytes));
            }
        }
        Ok(all)
    }

    /// Whether there is any evidence of any app.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn has_evidence(&self) -> Result<bool, Error> {
        Ok(!names_in(&self.root().join("evidence"))?.is_empty())
    }

    /// Adds a piece of evidence; returns where it is. What exists is never replaced.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_evidence(
        &self,
        app: &AppEntry,
        stem: &str,
        bytes: &[u8],
    ) -> Result<PathBuf, Error> {
        let path = self.evidence_path(app).join(format!("{stem}{ENDING}"));
        write_whole(&path, bytes, Existing::Keep, Readers::Shared)?;
        Ok(path)
    }
}
