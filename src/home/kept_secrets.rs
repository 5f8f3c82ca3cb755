//! Where a team's encrypted copies of secrets are: `recipients`, and a folder
//! `servers/<server>/<domain>.secrets` for each app.

use std::path::PathBuf;

use super::{AppEntry, AppName, Error, Home, folder::names_in};

/// What an app's folder of secrets is called after the app's name.
const SECRETS: &str = ".secrets";

impl Home {
    /// For whom secrets are encrypted.
    pub fn recipients_path(&self) -> PathBuf {
        self.root().join("recipients")
    }

    /// Where an app's secrets are kept; it need not exist.
    pub fn secrets_folder(&self, app: &AppEntry) -> PathBuf {
        self.server_folder(&app.server).join(format!("{}{SECRETS}", app.name))
    }

    /// The apps with a folder of secrets, also those that have nothing else any more.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn apps_with_secrets(&self) -> Result<Vec<AppEntry>, Error> {
        let mut apps = Vec::new();
        for server in self.servers()? {
            let names = names_in(&self.server_folder(&server))?;
            let names =
                names.iter().filter_map(|name| AppName::new(name.strip_suffix(SECRETS)?).ok());
            apps.extend(names.map(|name| AppEntry { name, server: server.clone() }));
        }
        apps.sort_by(|a, b| (&a.server, &a.name).cmp(&(&b.server, &b.name)));
        Ok(apps)
    }
}
