//! One command at a time changes an app, among those that share this folder on
//! this machine. Two operators on two machines are kept apart by the swarm, not
//! here.

use std::fs::{self, File, TryLockError};

use super::{AppEntry, Error, Home};

/// Held while an app is changed. Let go when dropped and when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct AppLock {
    _file: File,
}

impl Home {
    /// Takes the app's lock without waiting.
    ///
    /// # Errors
    /// [`Error::Locked`] while another command holds it.
    pub fn lock_app(&self, app: &AppEntry) -> Result<AppLock, Error> {
        let folder = self.state().join("locks").join(app.server.as_str());
        let path = folder.join(app.name.as_str());
        let failed = |action, source| Error::Io { action, path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(|e| failed("creating the folder of", e))?;
        let file = File::create(&path).map_err(|e| failed("opening", e))?;
        match file.try_lock() {
            Ok(()) => Ok(AppLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(app.name.clone())),
            Err(TryLockError::Error(source)) => Err(failed("locking", source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_changed_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let entry =
            |name: &str| AppEntry { name: name.parse().unwrap(), server: "here".parse().unwrap() };
        let held = home.lock_app(&entry("a.example")).unwrap();
        assert!(matches!(home.lock_app(&entry("a.example")), Err(Error::Locked(_))));
        assert!(home.lock_app(&entry("b.example")).is_ok());
        drop(held);
        assert!(home.lock_app(&entry("a.example")).is_ok());
    }
}
