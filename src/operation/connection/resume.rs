//! A connection that was begun and did not end is finished or undone. Both ends are asked
//! again, so finishing it is connecting once more.

use std::sync::Arc;

use crate::{
    app::{Context, Error},
    engine::{Engine, Scope},
    home::AppGuard,
    operation::{
        journal::Journal,
        recover::{restore_files, undo_services},
    },
    owner::{
        Confined,
        journal::{Connects, Entry, MadeKind, Outcome, Undo, What},
    },
};

use super::{client::Asked, connect, disconnect, provider::Provider, recorded::connecting, undo};

/// Finishes it.
///
/// # Errors
/// Those of connecting and disconnecting.
pub(in crate::operation) async fn finish(
    context: &Context,
    guard: &AppGuard,
    engine: &Arc<Confined>,
    journal: Journal,
) -> Result<(), Error> {
    let entry = journal.entry();
    let of = ends(&entry)?;
    if entry.what == What::Disconnect {
        return disconnect::finish(context, guard, engine, &of, journal).await;
    }
    let mut prepared = connect::again(context, guard, of.kind, &of).await?;
    let held = connecting(context, guard.app())?.filter(|it| it.operation == entry.operation);
    let is_unknown = held.and_then(|it| it.held).is_none();
    if let (Provider::Outside(outside), Asked::Client(request)) =
        (&prepared.provider, &prepared.asked)
        && outside.registers()
        && (of.new || of.new_client)
        && is_unknown
        && journal.has_begun(&connect::at(&of.provider))
    {
        let name = Some(request.display_name.as_str());
        context.progress.warn(outside.maybe_made(guard.app(), name));
    }
    prepared.app.engine = Arc::clone(engine);
    connect::run(context, guard, &mut prepared, journal).await.map(drop)
}

/// Undoes it.
///
/// # Errors
/// [`Error::NotUndone`], files that cannot be written, and what the provider says.
pub(in crate::operation) async fn abort(
    context: &Context,
    guard: &AppGuard,
    engine: &Arc<Confined>,
    journal: Journal,
) -> Result<(), Error> {
    let undone = undone(context, guard, engine, &journal).await;
    match undone {
        Ok(()) => journal.end(context, Outcome::Aborted, None).await,
        failed => journal.conclude(context, failed, Error::of_engine, |_| false).await,
    }
}

async fn undone(
    context: &Context,
    guard: &AppGuard,
    engine: &Arc<Confined>,
    journal: &Journal,
) -> Result<(), Error> {
    journal.abort().await?;
    let kept = journal.kept();
    let of = ends(&kept.entry)?;
    if kept.has_begun(Undo::Services) && !kept.entry.services.is_empty() {
        let entry = with_made(engine, kept.entry.clone()).await?;
        undo_services(&*context.progress, engine, &entry).await?;
    }
    let (provider, server) = (&of.provider, of.server.as_ref());
    let provider = Provider::find(context, of.kind, provider, server, guard.app()).await?;
    provider
        .leased(context, &guard.app().name, async || {
            undo::files_and_provider(context, guard, engine, journal, &provider).await
        })
        .await?;
    restore_files(context, guard, &kept.entry)
}

/// The journal had all services of the stack: any other was made since.
async fn with_made(engine: &Confined, entry: Entry) -> Result<Entry, Error> {
    let live = engine.services(Scope::Stack(engine.stack())).await?;
    let was = |id: &String| entry.services.iter().any(|before| before.id == *id);
    let made = live.into_iter().filter(|service| !service.id.as_ref().is_some_and(was));
    let made = made.filter_map(|service| Some((MadeKind::Service, service.spec?.name?)));
    let made = made.chain(entry.made.clone()).collect();
    Ok(Entry { made, ..entry })
}

fn ends(entry: &Entry) -> Result<Connects, Error> {
    entry.connection.clone().ok_or_else(|| Error::BadJournal {
        name: entry.app.clone(),
        reason: "it does not say what is connected".into(),
    })
}
