//! What there is of the app on the server that it goes to.

use std::sync::Arc;

use super::super::{
    lease::{Lease, leased_anyway},
    rebuild,
    recover::take_over,
    unfinished,
};
use crate::{
    app::{Context, Error as AppError},
    backup::Error,
    engine,
    home::{AppEntry, AppGuard, LockFile, Salvaged},
    owner::{
        Claimant, Confined,
        journal::{Entry, Journal as Kept, What},
    },
};

/// How far a move came there.
pub(super) enum There {
    Nothing,
    /// The rebuild did not end.
    Begun(Box<Kept>),
    /// All of the app.
    Made,
}

/// The other server, as the app that goes there may use it; also from a folder that has none
/// of the files that the move wrote.
///
/// # Errors
/// Settings that cannot be read.
pub(super) fn engine_of(
    context: &Context,
    here: &AppEntry,
    there: &AppEntry,
) -> Result<Arc<Confined>, AppError> {
    let home = &context.home;
    let Salvaged { env, lock, .. } = home.salvage(here)?;
    let claimant = Claimant::new(there, &env, &LockFile { owner: None, ..lock })?;
    let nodes = home.server(&there.server)?.nodes;
    let endpoint = home.endpoint(&there.server)?;
    let engine = engine::connect(&endpoint, nodes, &home.state(), there.server.as_str())?;
    Ok(Arc::new(Confined::new(engine, claimant)))
}

/// Looks; a move finds the other server empty when it begins, so that what is there is its own.
///
/// # Errors
/// What the engine says; an operation of somebody else that did not end.
pub(super) async fn look(engine: &Confined, moves: &Entry) -> Result<There, AppError> {
    engine.require().await?;
    match unfinished::look(engine).await? {
        Some(kept) if kept.entry.what == What::Rebuild && kept.entry.set == moves.set => {
            return Ok(There::Begun(Box::new(kept)));
        }
        Some(_) => unfinished::refuse_unfinished(engine, &moves.app).await?,
        None => {}
    }
    Ok(match engine.record_id().await? {
        Some(_) => There::Made,
        None => There::Nothing,
    })
}

/// Removes what a rebuild there made that did not end.
///
/// # Errors
/// As of an abort.
pub(super) async fn undo(
    context: &Context,
    guard: &AppGuard,
    engine: &Arc<Confined>,
    kept: Kept,
) -> Result<(), Error> {
    const DOING: &str = "the undoing of a move";
    leased_anyway(context, engine, guard, DOING, async |lease: &Lease| {
        let journal = take_over(context, engine, lease, kept).await?;
        Box::pin(rebuild::undo(context, guard, engine, journal)).await
    })
    .await
}
