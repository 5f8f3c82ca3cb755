//! Ensures that only one command at a time changes an app, among those that share this
//! folder on this machine. Between two machines, only the swarm's version numbers protect.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::MetadataExt,
    path::Path,
};

use jiff::Timestamp;

use super::{AppEntry, Error, Holder, Home};
use crate::bounded;

/// Bytes of what a holder writes of itself.
const LONGEST: u64 = 4096;
/// Bytes that it fills at least, with blanks: written over those of the holder before,
/// because shortening a file first makes the command wait for the file system.
const FILLED: usize = 256;

/// Proof that this process may change an app. Released when dropped, and when the
/// process ends, however it ends.
#[derive(Debug)]
pub struct AppGuard {
    app: AppEntry,
    file: File,
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

impl Drop for AppGuard {
    /// A program that is being started at this moment has a copy of the file until it runs:
    /// to close ours would not let go.
    fn drop(&mut self) {
        // Where this fails, closing the file lets go.
        let _ = self.file.unlock();
    }
}

impl Home {
    /// Claims the app for this process without waiting; `doing` is shown to others that find
    /// it taken: `a deploy`, `a backup`.
    ///
    /// # Errors
    /// [`Error::Locked`] while another command holds it.
    pub fn guard_app(&self, app: &AppEntry, doing: &str) -> Result<AppGuard, Error> {
        let folder = self.state().join("locks").join(app.server.as_str());
        let path = folder.join(app.name.as_str());
        let failed = |action, source| Error::Io { action, path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(|e| failed("creating the folder of", e))?;
        // What the holder wrote stays until it is ours.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| failed("opening", e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { app: app.name.clone(), holder: holder(&path) });
            }
            Err(TryLockError::Error(source)) => return Err(failed("locking", source)),
        }
        let holder =
            Holder { doing: doing.to_owned(), pid: std::process::id(), since: Timestamp::now() };
        let text = serde_json::to_string(&holder).map_err(|e| failed("writing", e.into()))?;
        let text = format!("{text:<FILLED$}");
        let mut write = || {
            file.write_all(text.as_bytes())?;
            match file.metadata()?.len() > text.len() as u64 {
                true => file.set_len(text.len() as u64),
                false => Ok(()),
            }
        };
        write().map_err(|e| failed("writing", e))?;
        let place = place(&file);
        Ok(AppGuard { app: app.clone(), file, place })
    }
}

/// The lock file by its inode, and this boot of this machine by Linux's random id.
fn place(file: &File) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let about = file.metadata().ok()?;
    Some(format!("{}:{:x}:{:x}", boot.trim(), about.dev(), about.ino()))
}

/// None if it has not written that yet, or is an older potluck.
fn holder(path: &Path) -> Option<Holder> {
    let text = bounded::read(File::open(path).ok()?, LONGEST).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let childs = held.file.try_clone().unwrap();
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
