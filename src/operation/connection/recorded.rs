//! What is written down of a connection while it is made (in this machine's own state), and
//! afterwards (in the lock file); and what the journal says of it.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    app::{Context, Error},
    home::{
        self, AppEntry, AppGuard, Connection, ConnectionKind,
        connection::Connecting,
        write::{read_state, remove_file, write_state},
    },
    operation::journal::Journal,
    owner::journal::{Entry, MadeKind},
};

fn path(context: &Context, app: &AppEntry) -> PathBuf {
    let folder = context.home.state().join("connecting").join(app.server.as_str());
    folder.join(format!("{}.json", app.name))
}

/// What an operation on a connection of an app found, that this machine began and that has
/// not ended well.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn connecting(context: &Context, app: &AppEntry) -> Result<Option<Connecting>, Error> {
    let path = path(context, app);
    let Some(bytes) = read_state(&path)? else { return Ok(None) };
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|e| home::Error::Invalid { path, message: e.to_string() }.into())
}

/// Nothing has to be undone any more.
///
/// # Errors
/// A file that cannot be removed.
pub(super) fn forget(context: &Context, app: &AppEntry) -> Result<(), Error> {
    Ok(remove_file(path(context, app))?)
}

/// Writes down what undoing needs, before it is done.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn note(
    context: &Context,
    guard: &AppGuard,
    journal: &Journal,
    kind: ConnectionKind,
    change: impl FnOnce(&mut Connecting),
) -> Result<(), Error> {
    let operation = journal.entry().operation;
    let known = connecting(context, guard.app())?.filter(|it| it.operation == operation);
    let mut connecting = known.unwrap_or_else(|| Connecting {
        operation,
        kind,
        before: BTreeMap::new(),
        text: None,
        held: None,
        recorded: None,
    });
    change(&mut connecting);
    let text = serde_json::json!(connecting).to_string();
    Ok(write_state(&path(context, guard.app()), text.as_bytes())?)
}

/// Writes the connection into the lock file, or takes it away; the operation needs no undoing
/// any more.
///
/// # Errors
/// Files that cannot be written.
pub(super) fn record(
    context: &Context,
    guard: &AppGuard,
    kind: ConnectionKind,
    connection: Option<Connection>,
) -> Result<(), Error> {
    let mut lock = context.home.lock_file(guard.app())?;
    match connection {
        Some(connection) => drop(lock.connections.insert(kind, connection)),
        None => drop(lock.connections.remove(&kind)),
    }
    context.home.write_lock_file(guard, &lock)?;
    forget(context, guard.app())
}

/// Full names of the secrets that an operation may have made.
pub(super) fn secrets_of(entry: &Entry) -> Vec<String> {
    let secrets = entry.made.iter().filter(|(kind, _)| *kind == MadeKind::Secret);
    secrets.map(|(_, name)| name.clone()).collect()
}
