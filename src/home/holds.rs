//! Backups that the team holds: `servers/<server>/<domain>.holds.yml`. A file of the
//! folder and not a tag in the repository, because a repository that takes additions only
//! refuses to change tags, and because a tag can be forged by anyone who can write there.

use std::{
    fs::{self, File, OpenOptions},
    path::PathBuf,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppEntry, Error, Home,
    folder::{read_yaml, write_yaml},
    write::remove_file,
};

/// What a team holds of one app.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holds {
    #[serde(default)]
    pub holds: Vec<Hold>,
}

/// One held set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    pub set: String,
    /// Until then; without it, until it is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The account and the machine that held it, and when.
    pub by: String,
    pub at: Timestamp,
}

impl Hold {
    /// Whether it still holds at that time.
    pub fn is_on(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Nobody else of this machine changes the holds of an app until it is dropped.
#[derive(Debug)]
pub struct HoldsGuard(File);

impl Drop for HoldsGuard {
    fn drop(&mut self) {
        // Where this fails, closing the file lets go.
        let _ = self.0.unlock();
    }
}

impl Home {
    pub fn holds_path(&self, app: &AppEntry) -> PathBuf {
        self.server_folder(&app.server).join(format!("{}.holds.yml", app.name))
    }

    /// What is held of an app.
    ///
    /// # Errors
    /// [`Error::Yaml`] with the line: what cannot be read could hold any set.
    pub fn holds(&self, app: &AppEntry) -> Result<Holds, Error> {
        match read_yaml(&self.holds_path(app)) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(Holds::default())
            }
            holds => holds,
        }
    }

    /// Waits until no other process of this machine changes the holds, or removes sets by
    /// them: a hold that was made is seen by every removal that begins afterwards.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn guard_holds(&self, app: &AppEntry) -> Result<HoldsGuard, Error> {
        let folder = self.state().join("locks").join(app.server.as_str());
        let path = folder.join(format!("{}.holds", app.name));
        let failed = |source| Error::Io { action: "locking", path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(HoldsGuard(file))
    }

    /// Replaces what is held of an app; without any hold, there is no file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_holds(
        &self,
        _guard: &HoldsGuard,
        app: &AppEntry,
        holds: &Holds,
    ) -> Result<(), Error> {
        match holds.holds.is_empty() {
            true => remove_file(self.holds_path(app)),
            false => write_yaml(&self.holds_path(app), holds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::{AppName, ServerName};

    #[test]
    fn holds_are_kept_in_the_shared_folder_and_a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let app = AppEntry {
            name: AppName::new("a.example").unwrap(),
            server: ServerName::new("s").unwrap(),
        };
        assert!(home.holds(&app).unwrap().holds.is_empty());
        let hold = Hold {
            set: "20261121T203015Z-3fa9c1".into(),
            until: Some("2026-12-31T00:00:00Z".parse().unwrap()),
            reason: Some("audit".into()),
            by: "anna@laptop".into(),
            at: "2026-11-21T20:31:00Z".parse().unwrap(),
        };
        assert!(hold.is_on("2026-12-30T23:59:59Z".parse().unwrap()));
        assert!(!hold.is_on("2026-12-31T00:00:00Z".parse().unwrap()));
        let guard = home.guard_holds(&app).unwrap();
        let holds = Holds { holds: vec![hold] };
        home.write_holds(&guard, &app, &holds).unwrap();
        assert_eq!(home.holds(&app).unwrap(), holds);
        let path = folder.path().join("servers/s/a.example.holds.yml");
        fs::write(&path, "holds: [x]\n").unwrap();
        assert!(home.holds(&app).is_err());
        home.write_holds(&guard, &app, &Holds::default()).unwrap();
        assert!(!path.exists());
    }
}
