//! What somebody changed by hand: what runs, compared with the release that was recorded
//! last.

use serde::Serialize;

use crate::{
    app::{Context, Error, OnServer},
    rollout::Change,
};

use super::{
    DeployOptions,
    app_rollout::{Wanted, rollout},
    releases,
    rollback::{ReleaseRow, as_app},
};

/// How an app differs from its last release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    pub app: String,
    /// None where none was recorded yet.
    pub release: Option<ReleaseRow>,
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
    let Some(newest) = all.known.into_iter().next() else {
        return match all.unreadable.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(Drift { app: name, release: None, changes: Vec::new() }),
        };
    };
    let (app, release) = as_app(context, on_server, newest.release).await?;
    let wanted = Wanted::of(context, &app)?;
    let rollout = rollout(context, &app, &wanted, &DeployOptions::default());
    let live = rollout.live().await?;
    let images = rollout.images(&live).await?;
    let mut work = rollout.work(&live, &images);
    // Other releases may need them.
    work.stale.secrets.clear();
    work.stale.configs.clear();
    Ok(Drift { app: name, release: Some(release), changes: work.plan().changes })
}
