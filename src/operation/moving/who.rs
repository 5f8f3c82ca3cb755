//! What moves from where to where, as the parts of a move know it.

use super::super::unfinished::bad;
use crate::{
    app::{self, App, Context},
    backup::{Error, Options, SetId},
    home::{AppEntry, AppGuard},
    owner::journal::{Entry, Moves},
};

/// Who moves, and what with.
pub(in crate::operation) struct Moving<'a> {
    pub context: &'a Context,
    /// Of the app on the server that it leaves.
    pub guard: &'a AppGuard,
    /// Of the app on the server that it goes to.
    pub guard_there: &'a AppGuard,
    pub options: &'a Options,
}

/// Where an unfinished move goes to.
///
/// # Errors
/// A journal that does not say it.
pub(in crate::operation) fn target_of(
    app: &AppEntry,
    entry: &Entry,
) -> Result<AppEntry, app::Error> {
    let Some(Moves { to, .. }) = &entry.moves else {
        let app = app.name.to_string();
        return Err(app::Error::NothingUnfinished { app });
    };
    Ok(AppEntry { name: app.name.clone(), server: to.clone() })
}

/// # Errors
/// A journal that names no backup.
pub(super) fn set_of(app: &App, entry: &Entry) -> Result<SetId, Error> {
    let named = entry.set.as_deref().unwrap_or_default();
    Ok(named.parse().map_err(|_| bad(&app.name, "it names no backup".into()))?)
}
