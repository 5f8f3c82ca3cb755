//! A file that one process holds at a time, and that says who holds it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::Path,
};

use jiff::Timestamp;

use super::Holder;
use crate::bounded;

/// Bytes of what a holder writes of itself.
const LONGEST: u64 = 4096;
/// Bytes that it fills at least, with blanks: written over those of the holder before,
/// because shortening a file first makes the command wait for the file system.
pub(super) const FILLED: usize = 256;

/// Let go when dropped, and when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Held(File);

/// Why it is not ours.
#[derive(Debug)]
pub(super) enum NotHeld {
    /// Another process has it; who, if it has written that.
    Taken(Option<Holder>),
    Failed(&'static str, io::Error),
}

impl Held {
    /// Claims the file for this process without waiting; `doing` is shown to others that find
    /// it taken.
    ///
    /// # Errors
    /// [`NotHeld::Taken`] while another process holds it.
    pub fn claim(path: &Path, doing: &str) -> Result<Self, NotHeld> {
        let failed = NotHeld::Failed;
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(|e| failed("creating the folder of", e))?;
        // What the holder wrote stays until it is ours.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| failed("opening", e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NotHeld::Taken(holder(path))),
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
        Ok(Held(file))
    }

    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for Held {
    /// A program that is being started at this moment has a copy of the file until it runs:
    /// to close ours would not let go.
    fn drop(&mut self) {
        // Where this fails, closing the file lets go.
        let _ = self.0.unlock();
    }
}

/// None if it has not written that yet, or is an older potluck.
pub(super) fn holder(path: &Path) -> Option<Holder> {
    let text = bounded::read(File::open(path).ok()?, LONGEST).ok()?;
    serde_json::from_slice(&text).ok()
}
