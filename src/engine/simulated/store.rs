//! Where the state of a simulated swarm is kept between calls.

use std::{
    fs::{File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::Mutex;

use super::state::State;
use crate::engine::Error;

/// How long another process may hold the file.
const LOCK_LIMIT: Duration = Duration::from_secs(60);

/// In memory, or in a file that several processes share.
#[derive(Debug)]
pub(super) enum Store {
    Memory(Box<Mutex<State>>),
    File(PathBuf),
}

impl Store {
    /// The server that it is of: the file is in the folder of that name.
    pub fn server(&self) -> Option<&str> {
        match self {
            Store::Memory(_) => None,
            Store::File(path) => path.parent()?.file_name()?.to_str(),
        }
    }

    /// Runs a change. In a file, it is kept only when it succeeded; a lock
    /// beside the file keeps other processes (and other tasks) out meanwhile.
    pub async fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self {
            Store::Memory(state) => change(&mut *state.lock().await),
            Store::File(path) => {
                let _lock = lock(path).await?;
                let action = |verb: &str| format!("{verb} the simulated swarm {}", path.display());
                let before = match std::fs::read(path) {
                    Ok(bytes) => bytes,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                    Err(source) => return Err(Error::Io { action: action("read"), source }),
                };
                let mut state = if before.is_empty() {
                    State::default()
                } else {
                    serde_json::from_slice(&before).map_err(|error| Error::Io {
                        action: action("read"),
                        source: io::Error::new(io::ErrorKind::InvalidData, error),
                    })?
                };
                let answer = change(&mut state)?;
                let write = || {
                    let after = serde_json::to_vec(&state)?;
                    if after != before { replace(path, &after) } else { Ok(()) }
                };
                write().map_err(|source| Error::Io { action: action("write"), source })?;
                Ok(answer)
            }
        }
    }
}

async fn lock(path: &Path) -> Result<File, Error> {
    let beside = path.with_extension("lock");
    let failed = |source| Error::Io { action: format!("lock {}", beside.display()), source };
    let file =
        File::options().create(true).truncate(false).write(true).open(&beside).map_err(failed)?;
    let locked = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    };
    match tokio::time::timeout(LOCK_LIMIT, locked).await {
        Ok(result) => result.map_err(failed)?,
        Err(_) => return Err(failed(io::Error::other("another process holds it"))),
    }
    Ok(file)
}

/// Writes beside the file and moves it there, so that no reader sees half. Unlike what
/// potluck keeps of real servers it is not synced: each step of a simulation writes it,
/// and what a power cut takes from a swarm that is none can be played again.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
