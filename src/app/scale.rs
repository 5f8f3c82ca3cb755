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
        state::{since::Since, wanted::without_tasks},
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
    name: String,
    id: String,
    spec: api::ServiceSpec,
}

impl Stopped {
    /// Keys of the services, in the order in which they were stopped.
    pub fn services(&self) -> Vec<&str> {
        self.services.iter().map(|s| s.key.as_str()).collect()
    }
}

/// Stops services (by key), one after the other as given, and waits until
/// their containers are gone. Services that are not deployed are passed over.
/// Even after a failure, `stopped` lists what must be started again.
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
    for key in services {
        let name = format!("{}_{key}", app.name);
        let live = match app.engine.service(&name).await {
            Ok(live) => live,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        let (id, spec) =
            (live.id.clone().unwrap_or_default(), live.spec.clone().unwrap_or_default());
        stopped.services.push(StoppedService {
            key: key.clone(),
            name: name.clone(),
            id: id.clone(),
            spec,
        });
        change(app, live, without_tasks).await?;
        wait_tasks_gone(&*app.engine, &[(name, id)], limit).await?;
        context.progress.event(Event::Service { service: key.clone(), state: "stopped".into() });
    }
    Ok(())
}

/// Brings services back, in the reverse of the order in which they were
/// stopped, and waits until they run. If one service fails, the others are started
/// nevertheless. Returns the keys of those that failed, and why.
pub async fn bring_back(
    context: &Context,
    app: &App,
    stopped: &Stopped,
    limit: Duration,
) -> Vec<(String, Error)> {
    let mut failed = Vec::new();
    for service in stopped.services.iter().rev() {
        if let Err(error) = start_again(context, app, service, limit).await {
            failed.push((service.key.clone(), error));
        }
    }
    failed
}

async fn start_again(
    context: &Context,
    app: &App,
    service: &StoppedService,
    limit: Duration,
) -> Result<(), Error> {
    let live = app.engine.service(&service.id).await?;
    let mut sent = service.spec.clone();
    let since = Since::update(&*app.engine, &service.id).await?;
    change(app, live, |spec| {
        *spec = service.spec.clone();
        sent = spec.clone();
    })
    .await?;
    let targets = [Target { key: service.key.clone(), id: service.id.clone(), spec: sent, since }];
    let reached = converge(&*app.engine, &targets, limit, &*context.progress).await;
    reached.map(drop).map_err(|services| {
        RolloutError::Failed(Failed {
            what: format!("starting {} again", service.name),
            subject: Subject::App(app.entry.name.to_string()),
            services,
            taken: Box::default(),
        })
        .into()
    })
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
