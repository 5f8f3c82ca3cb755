//! Carries out [`Work`]: networks, secrets and configs first, then services,
//! side by side; leftovers are removed later, after the deploy has succeeded.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, future, stream};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    compose::Stack,
    engine::{self, Distribution, Engine, Kind, RegistryAuth, Scope, api},
    progress::{Event, Sink},
    rollout::{
        Error,
        diff::Names,
        error::{FailedService, Problem},
        live::{Ids, Live},
        state::{reached::Reached, since::Since},
        work::{Action, ServiceWork, Stale, Work, over},
    },
};

use super::{
    auths::{Auths, Tasks},
    making::{Made, NETWORK_PATIENCE, POLL, replace_network},
    unpinned,
};

/// How many services are sent at a time: enough to hide the round trips, few
/// enough for one SSH connection.
const SIDE_BY_SIDE: usize = 8;
/// A registry that does not answer by then is treated as one that cannot be
/// reached; each node then resolves the image by itself. Long, because without
/// its answer a service may change from a digest to a tag, and so restart.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(20);
/// Number of attempts if somebody else keeps changing the same service; then it is an error.
const TRIES: usize = 3;

/// Asks the registries for digests, side by side. A failure is a warning, as
/// in docker.
pub(crate) async fn resolve_images(
    engine: &dyn Engine,
    images: &BTreeSet<String>,
    auths: &Auths,
) -> (BTreeMap<String, Distribution>, Vec<String>) {
    let lookups = images.iter().map(|image| async move {
        let auth = auths.for_lookup(image);
        let answer = timeout(REGISTRY_PATIENCE, engine.distribution(image, auth.as_ref())).await;
        (image, answer)
    });
    let (mut found, mut warnings) = (BTreeMap::new(), Vec::new());
    for (image, answer) in future::join_all(lookups).await {
        match answer {
            Ok(Ok(distribution)) => {
                found.insert(image.clone(), distribution);
            }
            Ok(Err(error)) => warnings.push(unpinned::warning(image, Some(&error))),
            Err(_) => warnings.push(unpinned::warning(image, None)),
        }
    }
    (found, warnings)
}

/// A service that was sent, for converging and for going back.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub key: String,
    pub id: String,
    /// The spec as it went to the swarm, ids filled in.
    pub spec: api::ServiceSpec,
    /// The spec that was there before.
    pub before: Option<api::ServiceSpec>,
    pub since: Since,
}

/// What reached the swarm.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub sent: Vec<Sent>,
    /// Services that the swarm refused.
    pub refused: Vec<FailedService>,
    /// Their results, once they were waited for.
    pub reached: Reached,
}

/// Sends everything that is to be created or updated.
///
/// # Errors
/// Only before the first service is sent; later failures of services are in
/// the result.
pub(crate) async fn apply(
    engine: &dyn Engine,
    stack: &Stack,
    (work, live): (&Work, &Live),
    auths: &Auths,
    progress: &dyn Sink,
) -> Result<Applied, Error> {
    let mut applied = Applied::default();
    let made = Made::make(engine, work, live, progress).await?;
    for (id, version, spec) in &work.relabel.secrets {
        engine.update_secret(id, *version, spec.clone()).await?;
    }
    for (id, version, spec) in &work.relabel.configs {
        engine.update_config(id, *version, spec.clone()).await?;
    }
    let (ids, names) = (&made.ids, &made.names);
    let mut sending = stream::iter(&work.services)
        .filter(|service| future::ready(service.action != Action::Keep))
        .map(|service| async move {
            let result = send((engine, stack), service, (ids, names), auths).await;
            (service, result)
        })
        .buffer_unordered(SIDE_BY_SIDE);
    while let Some((service, result)) = sending.next().await {
        match result {
            Ok(sent) => {
                let state = if sent.before.is_some() { "updated" } else { "created" };
                progress
                    .event(Event::Service { service: service.key.clone(), state: state.into() });
                applied.sent.push(sent);
            }
            Err(error) => applied.refused.push(FailedService {
                service: service.key.clone(),
                problem: Problem::Refused(said(error)),
                cause: None,
                log: Vec::new(),
            }),
        }
    }
    drop(sending);
    if applied.sent.is_empty() && !applied.refused.is_empty() {
        made.unmake(engine, progress).await;
    }
    Ok(applied)
}

/// What the engine said; the service is named beside it, and not by its id.
fn said(error: Error) -> String {
    match error {
        Error::Engine(engine::Error::Refused { message, .. }) => {
            format!("the engine refused it: {message}")
        }
        other => other.to_string(),
    }
}

async fn send(
    (engine, stack): (&dyn Engine, &Stack),
    service: &ServiceWork,
    (ids, names): (&Ids, &Names),
    auths: &Auths,
) -> Result<Sent, Error> {
    let sent = |id: String, spec, before, since| {
        let key = service.key.clone();
        Sent { key, id, spec, before, since }
    };
    let Some(before) = &service.before else {
        let mut spec = service.spec.clone();
        ids.fill(&mut spec);
        let auth = auths.for_service(&spec, Tasks::New);
        let id = create_service(engine, stack, &mut spec, auth.as_ref()).await?;
        return Ok(sent(id, spec, None, Since::Created));
    };
    let mut current = before.clone();
    let since = Since::update(engine, current.id.as_deref().unwrap_or_default()).await?;
    for attempt in 1.. {
        let id = current.id.clone().unwrap_or_default();
        let live = current.spec.clone().unwrap_or_default();
        let spec = over(service.spec.clone(), &live, names, |spec| ids.fill(spec));
        let version = version_of(&current);
        let tasks = if spec.task_template == live.task_template { Tasks::Kept } else { Tasks::New };
        let auth = auths.for_service(&spec, tasks);
        match engine.update_service(&id, version, spec.clone(), auth.as_ref()).await {
            Ok(()) => return Ok(sent(id, spec, before.spec.clone(), since)),
            Err(engine::Error::OutOfSequence { .. }) if attempt < TRIES => {
                current = engine.service(&id).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("the last attempt returns")
}

pub(crate) fn version_of(service: &api::Service) -> u64 {
    service.version.as_ref().and_then(|v| v.index).unwrap_or(0)
}

/// The engine still lists a removed network until the last task of the previous stack has
/// left it, but swarm no longer knows it: then potluck waits until it is gone and creates a
/// new one.
async fn create_service(
    engine: &dyn Engine,
    stack: &Stack,
    spec: &mut api::ServiceSpec,
    auth: Option<&RegistryAuth>,
) -> Result<String, Error> {
    // Each try replaces one network.
    let tries = TRIES + stack.networks.len();
    for attempt in 1.. {
        let refused = match engine.create_service(spec.clone(), auth).await {
            Ok(id) => return Ok(id),
            Err(engine::Error::Refused { message, action }) => (message, action),
            Err(error) => return Err(error.into()),
        };
        let (message, action) = refused;
        let listed = engine.networks(Scope::All).await?;
        let gone = gone_network(&message, spec).and_then(|target| {
            let name = name_of_network(&listed, &target, stack, spec)?;
            Some((target, stack.networks.get(&name)?))
        });
        let (Some((target, request)), true) = (gone, attempt < tries) else {
            return Err(engine::Error::Refused { message, action }.into());
        };
        let anew = replace_network(engine, request, &target).await?;
        let targets = spec.task_template.as_mut().and_then(|task| task.networks.as_mut());
        for network in targets.into_iter().flatten() {
            if network.target.as_deref() == Some(target.as_str()) {
                network.target = Some(anew.clone());
            }
        }
    }
    unreachable!("the last attempt returns")
}

/// The id of the network that swarm says it does not have.
fn gone_network(message: &str, spec: &api::ServiceSpec) -> Option<String> {
    if !message.contains("not found") {
        return None;
    }
    let networks = spec.task_template.as_ref()?.networks.iter().flatten();
    networks.filter_map(|network| network.target.clone()).find(|target| message.contains(target))
}

/// Its name as listed; if the list no longer has it, that of the only network of
/// the stack without another id.
fn name_of_network(
    listed: &[api::Network],
    id: &str,
    stack: &Stack,
    spec: &api::ServiceSpec,
) -> Option<String> {
    if let Some(found) = listed.iter().find(|network| network.id.as_deref() == Some(id)) {
        return found.name.clone();
    }
    let task = spec.task_template.as_ref()?;
    let targets: BTreeSet<&str> =
        task.networks.iter().flatten().filter_map(|network| network.target.as_deref()).collect();
    let is_there = |name: &String| {
        let named = listed.iter().filter(|network| network.name.as_ref() == Some(name));
        named.filter_map(|network| network.id.as_deref()).any(|id| targets.contains(id))
    };
    stack.networks.keys().find(|name| !is_there(name)).cloned()
}

/// Removes what the stack no longer needs. The deploy has succeeded by
/// then, so what cannot be removed is a warning.
pub(crate) async fn prune(engine: &dyn Engine, stale: &Stale, progress: &dyn Sink) {
    let warn = |kind: Kind, name: &str, error: &engine::Error| {
        if !error.is_not_found() {
            progress.warn(format!(
                "the {kind} `{name}`, no longer wanted, could not be removed: {error}"
            ));
        }
    };
    for (name, id) in &stale.services {
        if let Err(error) = engine.remove_service(id).await {
            warn(Kind::Service, name, &error);
        }
    }
    for (name, id) in &stale.configs {
        if let Err(error) = engine.remove_config(id).await {
            warn(Kind::Config, name, &error);
        }
    }
    for (name, id) in &stale.secrets {
        if let Err(error) = engine.remove_secret(id).await {
            warn(Kind::Secret, name, &error);
        }
    }
    let deadline = Instant::now() + NETWORK_PATIENCE;
    for (name, id) in &stale.networks {
        if let Err(error) = remove_network(engine, name, id, deadline).await {
            progress.warn(error.to_string());
        }
    }
}

/// Removes a network and waits until it is gone: swarm refuses while tasks
/// that are shutting down still hold it.
pub(crate) async fn remove_network(
    engine: &dyn Engine,
    name: &str,
    id: &str,
    deadline: Instant,
) -> Result<(), Error> {
    loop {
        let refused = match engine.remove_network(id).await {
            Ok(()) => None,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error @ engine::Error::Refused { .. }) => Some(error),
            Err(error) => return Err(error.into()),
        };
        let there = engine.networks(Scope::All).await?;
        if !there.iter().any(|n| n.id.as_deref() == Some(id)) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(match refused {
                Some(error) => error.into(),
                None => Error::TimedOut {
                    what: format!("the removal of the network `{name}`"),
                    limit: NETWORK_PATIENCE,
                },
            });
        }
        sleep(POLL).await;
    }
}

/// Services of a list, with their tasks gone from the swarm.
pub(crate) async fn wait_tasks_gone(
    engine: &dyn Engine,
    services: &[(String, String)],
    limit: Duration,
) -> Result<(), Error> {
    let deadline = Instant::now() + limit;
    loop {
        let busy: Vec<bool> = stream::iter(services)
            .map(|(name, id)| has_tasks(engine, name, id))
            .buffered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        let Some(index) = busy.iter().position(|busy| *busy) else { return Ok(()) };
        if Instant::now() >= deadline {
            return Err(Error::TimedOut {
                what: format!("stopping the service `{}`", services[index].0),
                limit,
            });
        }
        sleep(POLL).await;
    }
}

/// Whether a task of the service may still have a container: swarm reports
/// the final state only after the container has ended.
async fn has_tasks(engine: &dyn Engine, name: &str, id: &str) -> Result<bool, Error> {
    let tasks = match engine.tasks(id).await {
        Ok(tasks) => tasks,
        // With the service go its tasks' records, but not at once their
        // containers: those of this node are looked at below.
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let alive = tasks.iter().any(|task| {
        let state = crate::rollout::state::state_of(task);
        (api::TaskState::ASSIGNED..=api::TaskState::RUNNING).contains(&state)
    });
    if alive {
        return Ok(true);
    }
    Ok(!engine.containers(name).await?.is_empty())
}
