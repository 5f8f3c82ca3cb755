//! Remembers which repository holds an app's sets, so that a missing repository (its
//! disk is not mounted, for example) is not mistaken for one that was never created.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    app::Context,
    home::{
        AppEntry, CopyName, ServerName,
        write::{read_state, write_state},
    },
};

use super::error::Error;

/// Records that a set of the app is in this repository.
///
/// # Errors
/// [`Error::Home`].
pub(crate) fn remember(context: &Context, app: &AppEntry, repository: &str) -> Result<(), Error> {
    Ok(write_state(&path(context, app), repository.as_bytes())?)
}

/// The file that records that a set of the app is in this repository, or the folder of a
/// server with such files of other apps; none if there is none.
///
/// # Errors
/// [`Error::Home`].
pub(crate) fn known(
    context: &Context,
    app: &AppEntry,
    repository: &str,
) -> Result<Option<PathBuf>, Error> {
    let holds = |path: &Path| {
        let held = read_state(path)?;
        Ok::<_, Error>(held.is_some_and(|held| held == repository.as_bytes()))
    };
    let own = path(context, app);
    if holds(&own)? {
        return Ok(Some(own));
    }
    // An app that has no backups yet must not make an empty repository where that of all
    // others is missing.
    for server in below(&context.home.state().join("backed-up"))? {
        for other in below(&server)? {
            if holds(&other)? {
                return Ok(Some(server));
            }
        }
    }
    Ok(None)
}

/// What is in a folder, if there is one.
fn below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let reading = |error| Error::io("reading", folder)(error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Vec::new()),
        Err(error) => return Err(reading(error)),
    };
    let paths: Result<Vec<_>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(reading)?;
    paths.sort();
    Ok(paths)
}

/// Whether a set of the app was ever stored from this folder, in whichever repository.
///
/// # Errors
/// [`Error::Home`].
pub(crate) fn was_backed_up(context: &Context, app: &AppEntry) -> Result<bool, Error> {
    Ok(read_state(&path(context, app))?.is_some())
}

/// Records that a copy exists in this repository.
///
/// # Errors
/// [`Error::Home`].
pub(crate) fn remember_copy(
    context: &Context,
    server: &ServerName,
    copy: &CopyName,
    repository: &str,
) -> Result<(), Error> {
    Ok(write_state(&copy_path(context, server, copy), repository.as_bytes())?)
}

/// The file that records that a copy exists in this repository; none if there is none.
///
/// # Errors
/// [`Error::Home`].
pub(crate) fn known_copy(
    context: &Context,
    server: &ServerName,
    copy: &CopyName,
    repository: &str,
) -> Result<Option<PathBuf>, Error> {
    let path = copy_path(context, server, copy);
    let held = read_state(&path)?;
    Ok(held.filter(|held| held == repository.as_bytes()).map(|_| path))
}

fn copy_path(context: &Context, server: &ServerName, copy: &CopyName) -> PathBuf {
    context.home.state().join("copied").join(server.as_str()).join(copy.as_str())
}

fn path(context: &Context, app: &AppEntry) -> PathBuf {
    let folder = context.home.state().join("backed-up").join(app.server.as_str());
    folder.join(app.name.as_str())
}
