//! Rolls back after a failed deploy: services that ran before get their previous spec,
//! services that are new in this version are removed. Configs and secrets made for it are
//! kept; the next successful deploy removes them.

use std::{fmt, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    engine::{
        self, Engine,
        api::{
            self, ServiceSpecUpdateConfigFailureActionEnum as FailureAction,
            ServiceUpdateStatusStateEnum as Update,
        },
    },
    progress::Sink,
};

use super::{
    converge::{Target, converge},
    diff::{Names, comparable},
    send::apply::{Sent, version_of},
    state::since::Since,
    work::Work,
};

const TRIES: usize = 3;
/// Minimum deadline: the previous version may take longer to start than the
/// operator's timeout for the new one.
const SHORTEST: Duration = Duration::from_secs(120);
/// Between two looks at a rollback of swarm's own.
const POLL: Duration = Duration::from_millis(300);

/// Restores the previous state, and waits until it runs.
///
/// # Errors
/// What could not be restored.
pub(crate) async fn undo(
    engine: &dyn Engine,
    sent: &[Sent],
    limit: Duration,
    progress: &dyn Sink,
) -> Result<(), NotUndone> {
    let mut targets = Vec::new();
    let mut failed = NotUndone::default();
    let limit = limit.max(SHORTEST);
    let ending = Instant::now() + limit;
    for service in sent {
        match bring_back(engine, service, ending).await {
            Ok(Some(target)) => targets.push(target),
            Ok(None) => {}
            Err(error) => failed.refused.push(format!("{}: {error}", service.key)),
        }
    }
    if let Err(late) = converge(engine, &targets, limit, progress).await {
        failed.late.extend(late.iter().map(|f| format!("{}: {}", f.service, f.problem)));
    }
    if failed == NotUndone::default() { Ok(()) } else { Err(failed) }
}

/// What could not be restored, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NotUndone {
    /// Services that did not get their previous spec.
    pub refused: Vec<String>,
    /// Those that have it and do not run.
    pub late: Vec<String>,
}

impl fmt::Display for NotUndone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&[&self.refused[..], &self.late[..]].concat().join("; "))
    }
}

async fn bring_back(
    engine: &dyn Engine,
    service: &Sent,
    ending: Instant,
) -> Result<Option<Target>, engine::Error> {
    let Some(before) = &service.before else {
        return match engine.remove_service(&service.id).await {
            Err(error) if !error.is_not_found() => Err(error),
            Ok(()) | Err(_) => Ok(None),
        };
    };
    let names = Names::default();
    let wanted = comparable(before, &names);
    for attempt in 1.. {
        let live = after_swarm(engine, &service.id, ending).await?;
        // Swarm may have gone back by itself already.
        let changed = live.spec.as_ref().map(|s| comparable(s, &names)) != Some(wanted.clone());
        let since = match changed {
            true => Since::update(engine, &service.id).await?,
            false => Since::Unchanged,
        };
        let target = Target {
            key: service.key.clone(),
            id: service.id.clone(),
            spec: before.clone(),
            since,
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

/// Gives services the `failure_action` that they ask for, where they were sent with
/// another. No task changes by it.
///
/// # Errors
/// What the engine says.
pub(crate) async fn tell_to_return(
    engine: &dyn Engine,
    sent: &[Sent],
    asked: &Work,
) -> Result<(), engine::Error> {
    let returns = |spec: &api::ServiceSpec| failure_action(spec) == Some(FailureAction::ROLLBACK);
    let held = sent.iter().filter(|sent| {
        let mut asked = asked.services.iter().filter(|service| service.key == sent.key);
        asked.any(|service| returns(&service.spec)) && !returns(&sent.spec)
    });
    for service in held {
        for attempt in 1.. {
            let live = match engine.service(&service.id).await {
                // The caller that waited for it has reported that.
                Err(error) if error.is_not_found() => break,
                live => live?,
            };
            let Some(mut spec) = live.spec.clone() else { break };
            if failure_action(&spec) != failure_action(&service.spec) {
                break;
            }
            spec.update_config.get_or_insert_default().failure_action =
                Some(FailureAction::ROLLBACK);
            match engine.update_service(&service.id, version_of(&live), spec, None).await {
                Ok(()) => break,
                Err(engine::Error::OutOfSequence { .. }) if attempt < TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn failure_action(spec: &api::ServiceSpec) -> Option<FailureAction> {
    spec.update_config.as_ref().and_then(|update| update.failure_action)
}

/// The service, once swarm has ended a rollback that it began by itself: an update
/// in the middle of it would start both over.
async fn after_swarm(
    engine: &dyn Engine,
    id: &str,
    ending: Instant,
) -> Result<api::Service, engine::Error> {
    loop {
        let live = engine.service(id).await?;
        let state = live.update_status.as_ref().and_then(|status| status.state);
        if state != Some(Update::ROLLBACK_STARTED) || Instant::now() >= ending {
            return Ok(live);
        }
        sleep(POLL).await;
    }
}
