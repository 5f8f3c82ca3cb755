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

use super::{error::Error, restic::Holds};

/// Records that a set of the app is in this repository.
///
/// # Errors
/// [`Error::Home`].
pub(crate) fn remember(context: &Context, app: &AppEntry, repository: &str) -> Result<(), Error> {
    Ok(write_state(&path(context, app), repository.as_bytes())?)
}

/// The files that record that sets of the app, or of other apps, are in this repository; none
/// if no set is known to be there.
///
/// # Errors
/// [`Error::Home`].
fn known(context: &Context, repository: &str) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    // An app that has no backups yet must not make an empty repository where that of all
    // others is missing.
    for server in below(&context.home.state().join("backed-up"))? {
        for app in below(&server)? {
            if read_state(&app)?.is_some_and(|held| held == repository.as_bytes()) {
                found.push(app);
            }
        }
    }
    Ok(found)
}

/// What is known to be in a repository of a server, or in a copy of it.
///
/// # Errors
/// [`Error::Home`].
pub(super) fn holds(
    context: &Context,
    server: &ServerName,
    copy: Option<&CopyName>,
    repository: &str,
) -> Result<Option<Holds>, Error> {
    let records = match copy {
        None => known(context, repository)?,
        Some(copy) => known_copy(context, server, copy, repository)?.into_iter().collect(),
    };
    if records.is_empty() {
        return Ok(None);
    }
    let copies = context.home.backup(server)?.copies;
    let copies = copies.keys().filter(|other| copy != Some(*other)).map(ToString::to_string);
    Ok(Some(Holds { records, copies: copies.collect() }))
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
fn known_copy(
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
