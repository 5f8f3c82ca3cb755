//! What the lock file says of a connection while it is made, and afterwards; and what the
//! journal says of it.

use std::collections::BTreeMap;

use crate::{
    app::{Context, Error},
    home::{AppGuard, Connection, ConnectionKind, connection::Connecting},
    operation::journal::Journal,
    owner::journal::{Entry, MadeKind},
};

/// Writes down in the lock file what undoing needs, before it is done.
pub(super) fn note(
    context: &Context,
    guard: &AppGuard,
    journal: &Journal,
    kind: ConnectionKind,
    change: impl FnOnce(&mut Connecting),
) -> Result<(), Error> {
    let operation = journal.entry().operation;
    let mut lock = context.home.lock_file(guard.app())?;
    let mut connecting = lock.connecting.take().filter(|it| it.operation == operation);
    let connecting = connecting.get_or_insert_with(|| Connecting {
        operation,
        kind,
        before: BTreeMap::new(),
        text: None,
        held: None,
        recorded: None,
    });
    change(connecting);
    lock.connecting = Some(connecting.clone());
    Ok(context.home.write_lock_file(guard, &lock)?)
}

/// Writes the connection into the lock file, or takes it away; the operation needs no undoing
/// any more.
pub(super) fn record(
    context: &Context,
    guard: &AppGuard,
    kind: ConnectionKind,
    connection: Option<Connection>,
) -> Result<(), Error> {
    let mut lock = context.home.lock_file(guard.app())?;
    lock.connecting = None;
    match connection {
        Some(connection) => drop(lock.connections.insert(kind, connection)),
        None => drop(lock.connections.remove(&kind)),
    }
    Ok(context.home.write_lock_file(guard, &lock)?)
}

/// Full names of the secrets that an operation may have made.
pub(super) fn secrets_of(entry: &Entry) -> Vec<String> {
    let secrets = entry.made.iter().filter(|(kind, _)| *kind == MadeKind::Secret);
    secrets.map(|(_, name)| name.clone()).collect()
}
