//! Changing how many tasks services of an app have, until its next deploy. Its recipe is not
//! needed.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    app::{Context, Error, OnServer},
    engine::{Engine, Scope, api},
    home::AppGuard,
    owner::{
        Confined,
        journal::{Entry, Step, Undo, What},
    },
    rollout::{
        Error as RolloutError,
        converge::{Target, converge},
        replicas,
        send::apply::version_of,
        state::since::Since,
    },
};

use super::{
    journal::{self, Journal},
    lease::{Lease, leased},
    recover::{services, undo_services},
    restart::not_running,
};

/// Tasks of a service that are asked for: swarm's own limit is higher than any machine's.
const MOST: u64 = 10_000;

/// How many tasks a service is to have: `worker=3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaling {
    /// The service's key in the compose file.
    pub service: String,
    pub replicas: u64,
}

impl FromStr for Scaling {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`SERVICE=NUMBER` is needed, with a number up to {MOST}");
        let (service, number) = text.split_once('=').ok_or_else(wrong)?;
        let replicas = number.parse().ok().filter(|it| *it <= MOST).ok_or_else(wrong)?;
        match service.is_empty() {
            true => Err(wrong()),
            false => Ok(Scaling { service: service.to_owned(), replicas }),
        }
    }
}

/// Names the step of the journal, from which it is read again.
impl fmt::Display for Scaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.service, self.replicas)
    }
}

/// What was scaled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScaleReport {
    pub app: String,
    /// In the order of the command.
    pub services: Vec<ScaledService>,
}

/// A service that has another number of tasks now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScaledService {
    pub service: String,
    pub before: u64,
    pub replicas: u64,
}

const STEP: &str = "scale ";

/// Scales services, one after the other, and waits until their tasks run; on failure all get
/// the number back that they had.
///
/// # Errors
/// [`Error::NotDeployed`], [`Error::UnknownService`], [`Error::NotScalable`],
/// [`Error::Taken`], [`Error::Unfinished`], services that do not run within `limit`, and what
/// the engine says.
pub async fn scale(
    context: &Context,
    guard: &AppGuard,
    on_server: &OnServer,
    wanted: &[Scaling],
    limit: Duration,
) -> Result<ScaleReport, Error> {
    let engine = &on_server.engine;
    engine.require().await?;
    leased(context, engine, guard, "a scaling", async |lease: &Lease| {
        let live = engine.services(Scope::Stack(&on_server.stack)).await?;
        let before = counts(on_server, &live)?;
        for Scaling { service, .. } in wanted {
            match before.get(service) {
                Some(Some(_)) => {}
                Some(None) => return Err(Error::NotScalable { service: service.clone() }),
                None => {
                    let known = before.keys().cloned().collect();
                    return Err(Error::UnknownService { service: service.clone(), known });
                }
            }
        }
        let changes = wanted.iter().filter(|it| before[&it.service] != Some(it.replicas));
        let step = |it: &Scaling| Step::new(format!("{STEP}{it}"), Undo::Services);
        let steps: Vec<Step> = changes.clone().map(step).collect();
        let report = ScaleReport {
            app: on_server.entry.name.to_string(),
            services: changes
                .map(|it| ScaledService {
                    service: it.service.clone(),
                    before: before[&it.service].unwrap_or_default(),
                    replicas: it.replicas,
                })
                .collect(),
        };
        if steps.is_empty() {
            return Ok(report);
        }
        let touched = live.iter().filter(|service| {
            let name = service.spec.as_ref().and_then(|spec| spec.name.as_deref());
            let key = name.and_then(|name| key_of(on_server.stack.as_str(), name));
            report.services.iter().any(|it| Some(it.service.as_str()) == key)
        });
        let begins = Entry {
            steps,
            services: services(touched),
            ran: true,
            timeout: Some(limit.as_secs()),
            ..journal::entry_of(lease, &on_server.entry.name, What::Scale)
        };
        let journal = Journal::begin(engine, lease, begins).await?;
        finish_scaling(context, engine, journal, limit).await.map(|()| report)
    })
    .await
}

fn key_of<'a>(stack: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(stack)?.strip_prefix('_')
}

/// How many tasks each service asks for, by key; none for one that is no matter of a number.
fn counts(
    on_server: &OnServer,
    live: &[api::Service],
) -> Result<BTreeMap<String, Option<u64>>, Error> {
    let specs = live.iter().filter_map(|service| service.spec.as_ref());
    let counts: BTreeMap<String, Option<u64>> = specs
        .filter_map(|spec| {
            let key = key_of(on_server.stack.as_str(), spec.name.as_deref()?)?;
            let mode = spec.mode.clone().unwrap_or_default();
            let other =
                mode.global.is_some() || mode.global_job.is_some() || mode.replicated_job.is_some();
            Some((key.to_owned(), (!other).then(|| replicas(&mode))))
        })
        .collect();
    match counts.is_empty() {
        true => Err(Error::NotDeployed { app: on_server.entry.name.to_string() }),
        false => Ok(counts),
    }
}

/// Scales the services that are still to be scaled.
///
/// # Errors
/// As [`scale`].
pub(super) async fn finish_scaling(
    context: &Context,
    engine: &Arc<Confined>,
    journal: Journal,
    limit: Duration,
) -> Result<(), Error> {
    let done = match forward(context, engine, &journal, limit).await {
        Err(Error::Rollout(RolloutError::Failed(failed))) => {
            let undone = undo_services(&*context.progress, engine, &journal.entry()).await;
            Err(Error::from(match undone {
                Ok(()) => RolloutError::RolledBack(failed),
                Err(undo) => RolloutError::UndoFailed { failed, undo: undo.to_string().into() },
            }))
        }
        done => done,
    };
    let is_undone = |error: &Error| matches!(error, Error::Rollout(RolloutError::RolledBack(_)));
    journal.conclude(context, done, Error::of_engine, is_undone).await
}

async fn forward(
    context: &Context,
    engine: &Arc<Confined>,
    journal: &Journal,
    limit: Duration,
) -> Result<(), Error> {
    let entry = journal.entry();
    for step in entry.steps.iter().filter(|step| !journal.was_done(&step.name)) {
        let Some(scaling) = step.name.strip_prefix(STEP).and_then(|it| it.parse().ok()) else {
            continue;
        };
        journal.step(&step.name).await?;
        context.progress.step(&*step.name);
        scale_one(context, engine, &entry.app, &scaling, limit).await?;
    }
    Ok(())
}

async fn scale_one(
    context: &Context,
    engine: &Confined,
    app: &str,
    scaling: &Scaling,
    limit: Duration,
) -> Result<(), Error> {
    let key = &scaling.service;
    let live = engine.service(&format!("{}_{key}", engine.stack())).await?;
    let id = live.id.clone().unwrap_or_default();
    let mut spec = live.spec.clone().unwrap_or_default();
    let mode = spec.mode.get_or_insert_default();
    let before = replicas(mode);
    mode.replicated.get_or_insert_default().replicas = Some(scaling.replicas.cast_signed());
    let since = Since::update(engine, &id).await?;
    if before != scaling.replicas {
        engine.update_service(&id, version_of(&live), spec.clone(), None).await?;
    }
    let targets = [Target { key: key.clone(), id, spec, since }];
    let converged = converge(engine, &targets, limit, &*context.progress).await;
    converged
        .map(drop)
        .map_err(|services| not_running(app, format!("the scaling of {key}"), services))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaling_is_read_from_the_step_that_it_names() {
        let scaling = Scaling { service: "worker".into(), replicas: 3 };
        assert_eq!(scaling.to_string().parse(), Ok(scaling));
        for wrong in ["worker", "=3", "worker=", "worker=-1", "worker=x", "worker=10001"] {
            assert!(wrong.parse::<Scaling>().is_err(), "{wrong}");
        }
    }
}
