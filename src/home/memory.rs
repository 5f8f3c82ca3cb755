//! `state/memory/<server>/<app>/<plugin>.json`: small facts a plugin keeps
//! between runs. The amount is limited, because the recipe's code decides
//! what to keep; nothing here is secret, and losing it does no harm.

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    Error,
    write::{Existing, MAX_READ, Readers, create_folder, read_text, write_whole},
};

/// How many facts.
pub const MAX_KEYS: usize = 64;
/// Longest key, in bytes.
pub const MAX_KEY: usize = 128;
/// Longest value, in bytes.
pub const MAX_VALUE: usize = 4096;

/// How long to wait for another process that writes the same memory.
const PATIENCE: Duration = Duration::from_secs(60);

/// The memory of one plugin of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryFile {
    path: PathBuf,
}

impl MemoryFile {
    /// The file need not exist yet.
    pub(super) fn new(path: PathBuf) -> Self {
        MemoryFile { path }
    }

    /// What was last set, if anything.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the file was damaged; [`Error::Io`].
    pub fn get(&self, key: &str) -> Result<Option<String>, Error> {
        Ok(self.read()?.remove(key))
    }

    /// Keeps a fact; an empty value forgets it.
    ///
    /// # Errors
    /// [`Error::Memory`] naming the limit that was reached; [`Error::Busy`] when
    /// another process holds the memory for long; [`Error::Io`].
    pub fn set(&self, key: &str, value: &str) -> Result<(), Error> {
        if key.is_empty() || key.len() > MAX_KEY {
            let message = format!("a key of the memory has 1 to {MAX_KEY} bytes");
            return Err(Error::Memory(message));
        }
        if value.len() > MAX_VALUE {
            let message = format!("`{key}`: a value of the memory has at most {MAX_VALUE} bytes");
            return Err(Error::Memory(message));
        }
        // Held until the end: two writers must not forget each other's facts.
        let _lock = self.lock()?;
        let mut facts = self.read()?;
        if value.is_empty() {
            facts.remove(key);
        } else {
            facts.insert(key.to_owned(), value.to_owned());
        }
        if facts.len() > MAX_KEYS {
            let message = format!("`{key}`: the memory holds at most {MAX_KEYS} keys");
            return Err(Error::Memory(message));
        }
        let text = serde_json::to_vec_pretty(&facts)
            .map_err(|e| Error::Invalid { path: self.path.clone(), message: e.to_string() })?;
        if text.len() as u64 > MAX_READ {
            // Control characters take six bytes each in JSON.
            let message = format!("`{key}`: the memory is full");
            return Err(Error::Memory(message));
        }
        write_whole(&self.path, &text, Existing::Replace, Readers::Owner)
    }

    fn read(&self) -> Result<BTreeMap<String, String>, Error> {
        match read_text(&self.path) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(BTreeMap::new())
            }
            text => serde_json::from_str(&text?)
                .map_err(|e| Error::Invalid { path: self.path.clone(), message: e.to_string() }),
        }
    }

    /// Locks the folder, since the file itself is replaced by each write.
    fn lock(&self) -> Result<File, Error> {
        let folder = self.path.parent().unwrap_or(&self.path);
        create_folder(folder, Readers::Owner)?;
        let locking = |source| Error::Io { action: "locking", path: folder.into(), source };
        let file = File::open(folder).map_err(locking)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(e)) => return Err(locking(e)),
                Err(TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => {
                    return Err(Error::Busy { path: self.path.clone() });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}
