//! Undoing a rebuild: all that it made goes, volumes and files included. What could be lost
//! is in the set.

use tokio::time::Instant;

use super::place::take_away;
use crate::{
    app::{Context, Error as AppError},
    backup::Error,
    home::AppGuard,
    operation::{
        journal::Journal,
        record::Record,
        recover::remove_made,
        releases,
        undeploy::{VOLUME_PATIENCE, remove_volume},
    },
    owner::{
        Confined,
        journal::{MadeKind, Outcome},
    },
    secrets,
};

/// Removes what a rebuild made. If that fails, it is still unfinished, and can be undone
/// again.
///
/// # Errors
/// What the engine says; files that cannot be removed.
pub(in crate::operation) async fn undo(
    context: &Context,
    guard: &AppGuard,
    engine: &Confined,
    journal: Journal,
) -> Result<(), Error> {
    let entry = journal.entry();
    let app = &guard.app().name;
    journal.abort().await?;
    context.progress.step("remove services, networks and configs");
    remove_made(&*context.progress, engine, &entry).await?;
    let is_made =
        |kind: MadeKind, name: &str| entry.made.iter().any(|(k, n)| *k == kind && n == name);
    let stored = secrets::stored_or(engine, app, |name| is_made(MadeKind::Secret, name));
    for secret in stored.await.map_err(AppError::from)? {
        if is_made(MadeKind::Secret, &secret.full_name) {
            secrets::remove_stored(engine, &secret).await.map_err(AppError::from)?;
        }
    }
    releases::forget(engine, None).await?;
    context.progress.step("remove volumes");
    let deadline = Instant::now() + VOLUME_PATIENCE;
    for (_, name) in entry.made.iter().filter(|(kind, _)| *kind == MadeKind::Volume) {
        remove_volume(engine, name, deadline).await?;
    }
    engine.release().await.map_err(AppError::from)?;
    Record::remove(context, guard.app())?;
    journal.end_for_good(context, Outcome::Aborted).await?;
    take_away(context, guard, &entry.made)
}
