//! The end of a move: what the app was on the server that it left goes.

use std::{collections::BTreeSet, time::Duration};

use super::{
    super::{
        journal::Journal,
        rebuild::remove_if_empty,
        undeploy::{clear, take_off},
    },
    TAKE_OFF,
    plan::MoveReport,
    who::{Moving, set_of, target_of},
};
use crate::{
    app::{App, Leaving, OnServer},
    backup::Error,
    secrets::escrow::Folder,
};

/// How long tasks and networks may take to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// Removes what the app was. No hook runs: what it holds at others is its own still.
///
/// # Errors
/// What the engine says; then there is only finishing.
pub(super) async fn leave(
    moving: &Moving<'_>,
    app: App,
    journal: &Journal,
) -> Result<MoveReport, Error> {
    let (context, entry) = (moving.context, journal.entry());
    let set = set_of(&app, &entry)?;
    let target = target_of(moving.guard.app(), &entry)?;
    let keeps: BTreeSet<String> = entry.moves.into_iter().flat_map(|moves| moves.keeps).collect();
    journal.step(TAKE_OFF).await?;
    context.progress.step(format!("remove {} from {}", app.entry.name, app.entry.server));
    let on_server = OnServer::new(&context.home, &app.entry)?;
    let leaving = Leaving { on_server, app: Some(app) };
    take_off(context, &leaving, PATIENCE).await?;
    clear(context, &leaving, journal, &keeps).await?;
    Ok(MoveReport {
        app: target.name.to_string(),
        from: moving.guard.app().server.to_string(),
        to: target.server.to_string(),
        set,
        keeps: keeps.into_iter().collect(),
    })
}

/// The files of the app on the server that it left; copies of secrets that it does not have
/// on the other one stay.
///
/// # Errors
/// Files that cannot be removed.
pub(super) fn forget_files(moving: &Moving<'_>) -> Result<(), Error> {
    let home = &moving.context.home;
    let there = moving.guard_there.app();
    if !home.env_path(there).is_file() {
        moving.context.progress.warn(format!(
            "the files of {} on {} are in the folder in which its move was begun: pull them",
            there.name, there.server
        ));
    }
    let failed = |error| crate::app::Error::from(crate::secrets::Error::from(error));
    let (here, there) =
        (Folder::of(home, moving.guard.app()), Folder::of(home, moving.guard_there.app()));
    let came = there.files().map_err(failed)?;
    for file in here.files().map_err(failed)? {
        if came.contains(&file) {
            here.remove(&file).map_err(failed)?;
        }
    }
    remove_if_empty(here.path())?;
    Ok(home.remove_app(moving.guard.app())?)
}
