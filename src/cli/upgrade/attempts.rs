//! The version that an app could not be upgraded to by itself, so that it is not tried again
//! each night: `state/upgrades/<server>/<app>`. Losing it does no harm: it is tried once more.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::home::{
    AppEntry, Error, Home,
    write::{read_state, remove_file, write_state},
};

/// An upgrade that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub version: String,
    pub at: Timestamp,
    pub error: String,
}

fn path(home: &Home, app: &AppEntry) -> PathBuf {
    home.state().join("upgrades").join(app.server.as_str()).join(app.name.as_str())
}

/// The last one of an app, if it failed. What cannot be understood is as none.
///
/// # Errors
/// [`Error::Io`].
pub fn read(home: &Home, app: &AppEntry) -> Result<Option<Attempt>, Error> {
    let bytes = read_state(&path(home, app))?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Remembers what failed; none forgets it.
///
/// # Errors
/// [`Error::Io`].
pub fn remember(home: &Home, app: &AppEntry, failed: Option<&Attempt>) -> Result<(), Error> {
    let path = path(home, app);
    match failed {
        Some(failed) => write_state(&path, serde_json::json!(failed).to_string().as_bytes()),
        None if path.exists() => remove_file(path),
        None => Ok(()),
    }
}
