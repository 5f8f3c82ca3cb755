//! Restarts one service: swarm replaces its tasks when a number in its spec changes.

use std::time::Duration;

use crate::{
    engine::{self, Engine, api},
    progress::Sink,
};

use super::{
    FailedService,
    converge::{Target, converge},
    send::apply::version_of,
    state::{replicas, since::Since},
};

/// Why a service does not run again.
pub(crate) enum NotRestarted {
    Engine(engine::Error),
    Failed(Vec<FailedService>),
}

impl From<engine::Error> for NotRestarted {
    fn from(error: engine::Error) -> Self {
        NotRestarted::Engine(error)
    }
}

/// Replaces the tasks of a service, and waits until the new ones run; one without tasks has
/// none to replace.
///
/// # Errors
/// What the engine says; tasks that do not run within `limit`.
pub(crate) async fn restart(
    engine: &dyn Engine,
    live: api::Service,
    key: &str,
    limit: Duration,
    progress: &dyn Sink,
) -> Result<(), NotRestarted> {
    let id = live.id.clone().unwrap_or_default();
    let mut spec = live.spec.clone().unwrap_or_default();
    let wanted = spec.mode.as_ref().map_or(1, replicas);
    let task = spec.task_template.get_or_insert_default();
    task.force_update = Some(task.force_update.unwrap_or(0) + 1);
    let since = Since::update(engine, &id).await?;
    engine.update_service(&id, version_of(&live), spec.clone(), None).await?;
    if wanted == 0 {
        return Ok(());
    }
    let targets = [Target { key: key.to_owned(), id, spec, since }];
    converge(engine, &targets, limit, progress).await.map(drop).map_err(NotRestarted::Failed)
}
