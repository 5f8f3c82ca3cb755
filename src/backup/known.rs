//! Which repository holds an app's sets: so that one that is not there, its disk not
//! mounted say, is not taken for one that was never made.

use std::{fs, io, path::PathBuf};

use crate::{app::Context, home::AppEntry};

use super::error::Error;

/// Writes down that a set of the app is in this repository.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn remember(context: &Context, app: &AppEntry, repository: &str) -> Result<(), Error> {
    let path = path(context, app);
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    fs::create_dir_all(&folder).map_err(Error::io("creating", &folder.display().to_string()))?;
    fs::write(&path, repository).map_err(Error::io("writing", &path.display().to_string()))
}

/// Where it is written that a set of the app is in this repository; none where it is
/// not.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn known(
    context: &Context,
    app: &AppEntry,
    repository: &str,
) -> Result<Option<PathBuf>, Error> {
    let path = path(context, app);
    match fs::read_to_string(&path) {
        Ok(held) if held == repository => Ok(Some(path)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("reading", &path.display().to_string())(error))
        }
        Ok(_) | Err(_) => Ok(None),
    }
}

fn path(context: &Context, app: &AppEntry) -> PathBuf {
    let folder = context.home.state().join("backed-up").join(app.server.as_str());
    folder.join(app.name.as_str())
}
