//! What changes an app's lock file and nothing on its swarm: under the lock of this folder
//! alone, so that it works without the server, and at once. Grants and the stack's name are
//! each folder's own; an operation of a colleague does not look at them.

use std::collections::BTreeMap;

use crate::{
    home::{AppEntry, Error, Home, LockFile},
    hooks::{self, RevokeError},
};

/// Takes grants of plugins and services back, and returns what was taken, in words.
///
/// # Errors
/// What is not granted, for the caller; [`Error::Locked`] while another command has the app.
pub fn revoke_grants(
    home: &Home,
    app: &AppEntry,
    plugin: Option<&str>,
    grants: &[String],
) -> Result<Result<Vec<String>, RevokeError>, Error> {
    change(home, app, "a change of grants", |lock| hooks::revoke(lock, plugin, grants))
}

/// Records that the operator chose the stack's name; none for the usual one.
///
/// # Errors
/// [`Error::Locked`] while another command has the app.
pub fn confirm_stack(home: &Home, app: &AppEntry, stack: Option<String>) -> Result<(), Error> {
    change(home, app, "a change of settings", |lock| lock.stack = stack)
}

/// Records which settings have the values of the recipe's sample.
///
/// # Errors
/// [`Error::Locked`] while another command has the app.
pub fn remember_sample(
    home: &Home,
    app: &AppEntry,
    sample: BTreeMap<String, String>,
) -> Result<(), Error> {
    change(home, app, "a new app", |lock| lock.sample = sample)
}

fn change<T>(
    home: &Home,
    app: &AppEntry,
    doing: &str,
    change: impl FnOnce(&mut LockFile) -> T,
) -> Result<T, Error> {
    let guard = home.guard_app(app, doing)?;
    let before = home.lock_file(app)?;
    let mut lock = before.clone();
    let done = change(&mut lock);
    if lock != before {
        home.write_lock_file(&guard, &lock)?;
    }
    Ok(done)
}
