//! Restarting services of an app: their tasks are replaced, one service after the other.
//! Its recipe is not needed.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    app::{Context, Error, OnServer},
    engine::{Engine, Scope},
    home::AppGuard,
    owner::{
        Confined,
        journal::{Entry, Step, Undo, What},
    },
    rollout::{
        Error as RolloutError, Failed, FailedService, Subject,
        restart::{NotRestarted, restart},
        wants_tasks,
    },
};

use super::{
    journal::{self, Journal},
    lease::{Lease, leased},
};

/// What a restart did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestartReport {
    pub app: String,
    /// Keys of the services, in the order in which they were restarted.
    pub services: Vec<String>,
}

const STEP: &str = "restart ";

/// Restarts all services that run, or those that are named.
///
/// # Errors
/// [`Error::NotDeployed`], [`Error::UnknownService`], [`Error::Taken`],
/// [`Error::Unfinished`], services that do not run within `limit`, and what the engine says.
pub async fn restart_services(
    context: &Context,
    guard: &AppGuard,
    on_server: &OnServer,
    only: &[String],
    limit: Duration,
) -> Result<RestartReport, Error> {
    let engine = &on_server.engine;
    engine.require().await?;
    leased(context, engine, guard, "a restart", async |lease: &Lease| {
        let keys = chosen(on_server, only).await?;
        let step = |key: &String| Step::new(format!("{STEP}{key}"), Undo::Nothing);
        let begins = Entry {
            steps: keys.iter().map(step).collect(),
            ..journal::entry_of(lease, &on_server.entry.name, What::Restart)
        };
        let journal = Journal::begin(engine, lease, begins).await?;
        finish_restart(context, engine, journal, limit).await
    })
    .await
}

/// Keys of the services to restart.
async fn chosen(on_server: &OnServer, only: &[String]) -> Result<Vec<String>, Error> {
    let prefix = format!("{}_", on_server.stack);
    let live = on_server.engine.services(Scope::Stack(&on_server.stack)).await?;
    let key = |name: &String| name.strip_prefix(&prefix).map(str::to_owned);
    let specs = || live.iter().filter_map(|service| service.spec.as_ref());
    let mut known: Vec<String> = specs().filter_map(|spec| key(spec.name.as_ref()?)).collect();
    if known.is_empty() {
        return Err(Error::NotDeployed { app: on_server.entry.name.to_string() });
    }
    known.sort();
    if let Some(unknown) = only.iter().find(|key| !known.contains(key)) {
        return Err(Error::UnknownService { service: unknown.clone(), known });
    }
    if !only.is_empty() {
        return Ok(only.to_vec());
    }
    let runs = specs().filter(|spec| wants_tasks(spec));
    let mut running: Vec<String> = runs.filter_map(|spec| key(spec.name.as_ref()?)).collect();
    running.sort();
    Ok(running)
}

/// Restarts the services that are still to be restarted.
///
/// # Errors
/// As [`restart_services`].
pub(super) async fn finish_restart(
    context: &Context,
    engine: &Arc<Confined>,
    journal: Journal,
    limit: Duration,
) -> Result<RestartReport, Error> {
    let done = forward(context, engine, &journal, limit).await;
    journal.conclude(context, done, Error::of_engine, |_| false).await
}

async fn forward(
    context: &Context,
    engine: &Arc<Confined>,
    journal: &Journal,
    limit: Duration,
) -> Result<RestartReport, Error> {
    let entry = journal.entry();
    let mut services = Vec::new();
    for step in entry.steps.iter().filter(|step| !journal.was_done(&step.name)) {
        let Some(key) = step.name.strip_prefix(STEP) else { continue };
        journal.step(&step.name).await?;
        context.progress.step(&*step.name);
        restart_one(context, engine, &entry.app, key, limit).await?;
        services.push(key.to_owned());
    }
    Ok(RestartReport { app: entry.app, services })
}

/// Replaces the tasks of a service, and waits until the new ones run.
///
/// # Errors
/// What the engine says; tasks that do not run within `limit`.
pub(super) async fn restart_one(
    context: &Context,
    engine: &Confined,
    app: &str,
    key: &str,
    limit: Duration,
) -> Result<(), Error> {
    let live = engine.service(&format!("{}_{key}", engine.stack())).await?;
    let restarted = restart(engine, live, key, limit, &*context.progress).await;
    restarted.map_err(|error| match error {
        NotRestarted::Engine(error) => Error::Engine(error),
        NotRestarted::Failed(services) => {
            not_running(app, format!("the restart of {key}"), services)
        }
    })
}

/// That services of an app do not run after `what`.
pub(super) fn not_running(app: &str, what: String, services: Vec<FailedService>) -> Error {
    let subject = Subject::App(app.to_owned());
    RolloutError::Failed(Failed { what, subject, services, taken: Box::default() }).into()
}
