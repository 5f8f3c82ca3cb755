//! What a backup that did not end still holds back: containers that it paused and services
//! that it stopped. Its journal names them, so that anybody can let them run on, also
//! without the recipe.

use std::time::Duration;

use crate::{
    app::{Context, Error},
    engine::Engine,
    owner::{
        Confined,
        journal::{Before, Journal as Kept},
    },
    rollout::{
        send::apply::Sent,
        state::{since::Since, wanted::with_tasks_again},
        undo, wants_tasks,
    },
    text::line,
};

use super::journal::stays_unfinished;

/// How long what was stopped may take to run again.
const PATIENCE: Duration = Duration::from_secs(300);

/// Lets it run on. What does not start again is a warning: the operation is to be ended
/// nevertheless.
///
/// # Errors
/// An engine that cannot be reached, or a lease that is lost.
pub(super) async fn free_held(
    context: &Context,
    engine: &Confined,
    kept: &Kept,
) -> Result<(), Error> {
    unpause(context, engine, kept).await?;
    start(context, engine, kept).await
}

async fn unpause(context: &Context, engine: &Confined, kept: &Kept) -> Result<(), Error> {
    for paused in &kept.reached.paused {
        let service = line(&paused.service);
        match engine.unpause(&paused.service, &paused.container).await {
            Ok(true) => {
                let said = format!("{service} was still paused for that backup: it runs on now");
                context.progress.warn(said);
            }
            Ok(false) => {}
            Err(error) if stays_unfinished(&error) => return Err(error.into()),
            Err(error) => {
                context.progress.warn(format!("{service} may still be paused: {error}"));
            }
        }
    }
    Ok(())
}

async fn start(context: &Context, engine: &Confined, kept: &Kept) -> Result<(), Error> {
    let mut sent = Vec::new();
    for name in &kept.reached.stopped {
        let named = |before: &&Before| before.spec.name.as_ref() == Some(name);
        let Some(before) = kept.entry.services.iter().find(named) else { continue };
        let live = match engine.service(name).await {
            Ok(live) => live,
            Err(error) if stays_unfinished(&error) => return Err(error.into()),
            Err(error) => {
                context.progress.warn(format!("{} is not started again: {error}", line(name)));
                continue;
            }
        };
        let now = live.spec.unwrap_or_default();
        // Somebody started it, or made another one.
        if wants_tasks(&now) || live.id.as_ref() != Some(&before.id) {
            continue;
        }
        let said = format!("{} was still stopped for that backup: it starts now", line(name));
        context.progress.warn(said);
        let again = with_tasks_again(&now, &before.spec);
        sent.push(Sent {
            key: name.clone(),
            id: before.id.clone(),
            spec: again.clone(),
            before: Some(again),
            since: Since::Unchanged,
        });
    }
    if sent.is_empty() {
        return Ok(());
    }
    let started = undo::undo(engine, &sent, PATIENCE, &*context.progress).await;
    if let Err(failed) = started {
        // An engine that is lost says so again.
        engine.manager().await?;
        context.progress.warn(format!("not everything started again: {failed}"));
    }
    Ok(())
}
