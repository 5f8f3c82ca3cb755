//! Remembers which repository holds an app's sets, so that a missing repository (its
//! disk is not mounted, for example) is not mistaken for one that was never created.

use std::path::PathBuf;

use crate::{
    app::Context,
    home::{
        AppEntry,
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

/// The file that records that a set of the app is in this repository; none if there
/// is none.
///
/// # Errors
/// [`Error::Home`].
pub(crate) fn known(
    context: &Context,
    app: &AppEntry,
    repository: &str,
) -> Result<Option<PathBuf>, Error> {
    let path = path(context, app);
    let held = read_state(&path)?;
    Ok(held.filter(|held| held == repository.as_bytes()).map(|_| path))
}

/// Whether a set of the app was ever stored from this folder, in whichever repository.
///
/// # Errors
/// [`Error::Home`].
pub(crate) fn was_backed_up(context: &Context, app: &AppEntry) -> Result<bool, Error> {
    Ok(read_state(&path(context, app))?.is_some())
}

fn path(context: &Context, app: &AppEntry) -> PathBuf {
    let folder = context.home.state().join("backed-up").join(app.server.as_str());
    folder.join(app.name.as_str())
}
