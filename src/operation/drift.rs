//! What somebody changed by hand: what runs, compared with the release that was recorded
//! last.

use serde::Serialize;

use crate::{
    app::{Context, Error, OnServer},
    engine::Kind,
    owner::{Confined, release::Release},
    rollout::{Change, ChangeAction, ChangeKind},
};

use super::{
    DeployOptions,
    app_rollout::{Wanted, rollout},
    releases,
    rollback::{ReleaseRow, as_app, unrecorded},
    unfinished::lines_of,
};

/// How an app differs from its last release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    pub app: String,
    /// None where none was recorded yet.
    pub release: Option<ReleaseRow>,
    /// What potluck itself brought since, and is no release: it failed, or nobody waited
    /// for it.
    pub unrecorded: Option<String>,
    /// What would have to be done to have it again.
    pub changes: Vec<Change>,
}

/// Compares what runs with the last release. Changes nothing.
///
/// # Errors
/// Releases that cannot be read, and what the engine says.
pub async fn drift(context: &Context, on_server: &OnServer) -> Result<Drift, Error> {
    on_server.engine.require().await?;
    let name = on_server.entry.name.to_string();
    let all = releases::all(&on_server.engine).await?;
    let Some(newest) = all.newest().cloned() else {
        return match all.unreadable.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(Drift { app: name, release: None, unrecorded: None, changes: Vec::new() }),
        };
    };
    let known: Vec<Release> = all.known.into_iter().map(|kept| kept.release).collect();
    let lines = lines_of(&on_server.engine).await?;
    let unrecorded = unrecorded(&known, &lines).map(ToString::to_string);
    let (app, release) = as_app(context, on_server, newest).await?;
    let wanted = Wanted::of(context, &app)?;
    let rollout = rollout(context, &app, &wanted, &DeployOptions::default());
    let live = rollout.live().await?;
    let images = rollout.images(&live).await?;
    let mut work = rollout.work(&live, &images);
    // Other releases may need them.
    work.stale.secrets.clear();
    work.stale.configs.clear();
    let owned = on_server.engine.owned().await?;
    work.stale.limit_to_owned(&owned);
    let mut changes = work.plan().changes;
    changes.extend(strangers(&on_server.engine).await?);
    Ok(Drift { app: name, release: Some(release), unrecorded, changes })
}

/// What has the stack's label, and is not recorded as the app's: somebody made it by hand.
async fn strangers(confined: &Confined) -> Result<Vec<Change>, Error> {
    let (found, owned) = (confined.found().await?, confined.owned().await?);
    let kinds = [
        (Kind::Service, ChangeKind::Service),
        (Kind::Network, ChangeKind::Network),
        (Kind::Config, ChangeKind::Config),
    ];
    let of_kind = |(kind, shown): (Kind, ChangeKind)| {
        let strangers = found.names(kind).filter(|name| !owned.has_name(kind, name));
        let change = |name: &str| Change {
            kind: shown,
            name: name.to_owned(),
            action: ChangeAction::Remove,
            details: vec![format!(
                "made by hand, so potluck leaves it alone: `docker {kind} rm` removes it"
            )],
        };
        strangers.map(change).collect::<Vec<_>>()
    };
    Ok(kinds.into_iter().flat_map(of_kind).collect())
}
