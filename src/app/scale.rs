//! Stopping services and bringing them back, for a restore.
//!
//! Swarm has no pause: a service is stopped by asking for no tasks. The previous number is
//! kept in [`Stopped`]; if potluck is killed in between, the next `app deploy` sees the
//! difference and restores it.

use std::time::Duration;

use crate::{
    engine::{self, Engine, api},
    progress::Event,
    rollout::{
        Error as RolloutError, Failed, Subject,
        converge::{Target, converge},
        send::apply::{version_of, wait_tasks_gone},
        state::{
            since::Since,
            wanted::{is_only_stopped, with_tasks_again, without_tasks},
        },
    },
};

use super::{App, Context, Error};

const TRIES: usize = 3;

/// Services that were stopped, and what they were.
#[derive(Debug, Clone, Default)]
pub struct Stopped {
    services: Vec<StoppedService>,
}

#[derive(Debug, Clone)]
struct StoppedService {
    key: String,
    id: String,
    spec: api::ServiceSpec,
}

impl Stopped {
    /// Keys of the services, in the order in which they were stopped.
    pub fn services(&self) -> Vec<&str> {
        self.services.iter().map(|s| s.key.as_str()).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// One more that is to be started, with this spec.
    pub(crate) fn add(&mut self, key: String, id: String, spec: api::ServiceSpec) {
        self.services.push(StoppedService { key, id, spec });
    }

    /// Only those that are named by their keys.
    #[must_use]
    pub(crate) fn only(mut self, keys: &[String]) -> Self {
        self.services.retain(|service| keys.contains(&service.key));
        self
    }
}

/// Stops services (by key) side by side, and waits until their containers are gone.
/// Services that are not deployed are passed over. Even after a failure, `stopped` lists
/// what must be started again.
///
/// # Errors
/// Containers that are still there after `limit`, and what the engine says.
pub async fn scale_down(
    context: &Context,
    app: &App,
    services: &[String],
    limit: Duration,
    stopped: &mut Stopped,
) -> Result<(), Error> {
    let mut told = Vec::new();
    for key in services {
        let name = format!("{}_{key}", app.name);
        let live = match app.engine.service(&name).await {
            Ok(live) => live,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        let (id, spec) =
            (live.id.clone().unwrap_or_default(), live.spec.clone().unwrap_or_default());
        stopped.services.push(StoppedService { key: key.clone(), id: id.clone(), spec });
        change(app, live, without_tasks).await?;
        told.push((key, (name, id)));
    }
    let (keys, services): (Vec<&String>, Vec<_>) = told.into_iter().unzip();
    wait_tasks_gone(&*app.engine, &services, limit).await?;
    for service in keys {
        let state = "stopped".into();
        context.progress.event(Event::Service { service: service.clone(), state });
    }
    Ok(())
}

/// Brings services back side by side, and waits until they run. If one service cannot be
/// told to start, the others are started nevertheless. Returns the keys of those that
/// failed, and why.
pub async fn bring_back(
    context: &Context,
    app: &App,
    stopped: &Stopped,
    limit: Duration,
) -> Vec<(String, Error)> {
    let (mut targets, mut failed) = (Vec::new(), Vec::new());
    for service in &stopped.services {
        match start_again(context, app, service).await {
            Ok(target) => targets.push(target),
            Err(error) => failed.push((service.key.clone(), error)),
        }
    }
    let reached = converge(&*app.engine, &targets, limit, &*context.progress).await;
    for service in reached.err().unwrap_or_default() {
        let key = service.service.clone();
        let error = RolloutError::Failed(Failed {
            what: format!("starting {}_{key} again", app.name),
            subject: Subject::App(app.entry.name.to_string()),
            services: vec![service],
            taken: Box::default(),
        });
        failed.push((key, error.into()));
    }
    failed
}

/// Sends what a service was before it was stopped; what somebody changed by hand meanwhile
/// is kept.
async fn start_again(
    context: &Context,
    app: &App,
    service: &StoppedService,
) -> Result<Target, Error> {
    let live = app.engine.service(&service.id).await?;
    let now = live.spec.clone().unwrap_or_default();
    let again = with_tasks_again(&now, &service.spec);
    if again != service.spec && !is_only_stopped(&now, &service.spec) {
        let key = &service.key;
        context.progress.warn(format!("`{key}` was changed by hand meanwhile, and keeps that"));
    }
    let since = Since::update(&*app.engine, &service.id).await?;
    change(app, live, |spec| *spec = with_tasks_again(spec, &service.spec)).await?;
    Ok(Target { key: service.key.clone(), id: service.id.clone(), spec: again, since })
}

/// Swarm counts a service's own updates while it works on it: a stale version
/// is read again.
async fn change(
    app: &App,
    mut live: api::Service,
    mut edit: impl FnMut(&mut api::ServiceSpec),
) -> Result<(), Error> {
    let id = live.id.clone().unwrap_or_default();
    for attempt in 1.. {
        let mut spec = live.spec.clone().unwrap_or_default();
        edit(&mut spec);
        match app.engine.update_service(&id, version_of(&live), spec, None).await {
            Ok(()) => return Ok(()),
            Err(engine::Error::OutOfSequence { .. }) if attempt < TRIES => {
                live = app.engine.service(&id).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("the last attempt returns")
}
