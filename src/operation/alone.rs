//! One process of this folder at a time makes a server's repositories.

use std::fs::{self, File, OpenOptions};

use crate::{app::Context, backup::Error, home::AppEntry};

/// Waits until no other process of this folder makes a server's repository.
pub(super) async fn alone(context: &Context, entry: &AppEntry) -> Result<File, Error> {
    let folder = context.home.state().join("locks");
    let path = folder.join(format!("{}.repository", entry.server));
    let failed = |source| Error::Io { action: "locking", path: path.clone(), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    let locking = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    locking.await.map_err(std::io::Error::other).flatten().map_err(failed)
}
