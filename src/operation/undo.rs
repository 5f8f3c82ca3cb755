//! Going back after a deploy that failed: services that ran before get their
//! previous spec, services that came new with this version go again. Configs
//! and secrets made for it stay; the next good deploy collects them.

use std::time::Duration;

use crate::{
    engine::{self, Engine},
    progress::Sink,
};

use super::{
    apply::{Sent, version_of},
    converge::{Target, converge},
    diff::{Names, comparable},
};

const TRIES: usize = 3;

/// Brings back what was before, and waits until it runs.
///
/// # Errors
/// What could not be brought back, for people.
pub(crate) async fn undo(
    engine: &dyn Engine,
    sent: &[Sent],
    limit: Duration,
    progress: &dyn Sink,
) -> Result<(), String> {
    let mut targets = Vec::new();
    let mut problems = Vec::new();
    for service in sent {
        match bring_back(engine, service).await {
            Ok(Some(target)) => targets.push(target),
            Ok(None) => {}
            Err(error) => problems.push(format!("{}: {error}", service.key)),
        }
    }
    if let Err(failed) = converge(engine, &targets, limit, progress).await {
        problems.extend(failed.iter().map(|f| format!("{}: {}", f.service, f.problem)));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

async fn bring_back(engine: &dyn Engine, service: &Sent) -> Result<Option<Target>, engine::Error> {
    let Some(before) = &service.before else {
        return match engine.remove_service(&service.id).await {
            Err(error) if !error.is_not_found() => Err(error),
            Ok(()) | Err(_) => Ok(None),
        };
    };
    let names = Names::default();
    let wanted = comparable(before, &names);
    for attempt in 1.. {
        let live = engine.service(&service.id).await?;
        // Swarm may have gone back by itself already.
        let changed = live.spec.as_ref().map(|s| comparable(s, &names)) != Some(wanted.clone());
        let target = Target {
            key: service.key.clone(),
            id: service.id.clone(),
            spec: before.clone(),
            changed,
        };
        if !changed {
            return Ok(Some(target));
        }
        match engine.update_service(&service.id, version_of(&live), before.clone(), None).await {
            Ok(()) => return Ok(Some(target)),
            Err(engine::Error::OutOfSequence { .. }) if attempt < TRIES => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("the last attempt returns")
}
