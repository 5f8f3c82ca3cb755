//! Ensures that only one command at a time changes an app, among those that share this
//! folder on this machine. Between two machines, only the swarm's version numbers protect.

use std::{fs, os::unix::fs::MetadataExt};

use super::{
    AppEntry, Error, Home,
    held::{Held, NotHeld},
};

/// Proof that this process may change an app. Released when dropped, and when the
/// process ends, however it ends.
#[derive(Debug)]
pub struct AppGuard {
    app: AppEntry,
    /// Lets go when dropped.
    _held: Held,
    place: Option<String>,
}

impl AppGuard {
    /// Names the lock among those of all machines: who has it knows that each earlier
    /// holder of this very lock has ended. None where the system does not say which boot
    /// it is.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// The app that it guards.
    pub fn app(&self) -> &AppEntry {
        &self.app
    }
}

impl Home {
    /// Claims the app for this process without waiting; `doing` is shown to others that find
    /// it taken: `a deploy`, `a backup`.
    ///
    /// # Errors
    /// [`Error::Locked`] while another command holds it.
    pub fn guard_app(&self, app: &AppEntry, doing: &str) -> Result<AppGuard, Error> {
        let path = self.state().join("locks").join(app.server.as_str()).join(app.name.as_str());
        match Held::claim(&path, doing) {
            Ok(held) => {
                let place = place(&held);
                Ok(AppGuard { app: app.clone(), _held: held, place })
            }
            Err(NotHeld::Taken(holder)) => Err(Error::Locked { app: app.name.clone(), holder }),
            Err(NotHeld::Failed(action, source)) => Err(Error::Io { action, path, source }),
        }
    }
}

/// The lock file by its inode, and this boot of this machine by Linux's random id.
fn place(held: &Held) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let about = held.file().metadata().ok()?;
    Some(format!("{}:{:x}:{:x}", boot.trim(), about.dev(), about.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::held::{FILLED, holder};

    #[test]
    fn what_the_holder_before_wrote_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let entry =
            AppEntry { name: "a.example".parse().unwrap(), server: "here".parse().unwrap() };
        let path = home.state().join("locks/here/a.example");
        for before in ["", "{}", &"x".repeat(3 * FILLED)] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, before).unwrap();
            let held = home.guard_app(&entry, "a backup").unwrap();
            assert_eq!(holder(&path).unwrap().doing, "a backup", "{before}");
            drop(held);
        }
    }

    #[test]
    fn it_is_let_go_although_a_program_that_is_being_started_has_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let entry =
            AppEntry { name: "a.example".parse().unwrap(), server: "here".parse().unwrap() };
        let held = home.guard_app(&entry, "a backup").unwrap();
        let childs = held._held.file().try_clone().unwrap();
        drop(held);
        home.guard_app(&entry, "a deploy").unwrap();
        drop(childs);
    }

    #[test]
    fn an_app_is_changed_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let entry =
            |name: &str| AppEntry { name: name.parse().unwrap(), server: "here".parse().unwrap() };
        let held = home.guard_app(&entry("a.example"), "a backup").unwrap();
        // Also the third is told who holds it.
        for _ in 0..2 {
            let told = home.guard_app(&entry("a.example"), "a deploy").unwrap_err().to_string();
            let pid = format!("(pid {})", std::process::id());
            assert!(told.starts_with("a.example: a backup has been running since 20"), "{told}");
            assert!(told.ends_with(&pid), "{told}");
        }
        assert!(home.guard_app(&entry("b.example"), "a deploy").is_ok());
        drop(held);
        assert!(home.guard_app(&entry("a.example"), "a deploy").is_ok());
    }
}
