//! Stacks of plain compose files, as `docker stack` has them: no recipe, no
//! settings, no hooks, no questions. Applying is the same as for apps
//! ([`super::run`]); except that nothing is rolled back beyond what the
//! compose file tells swarm, as in docker.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    compose::Stack,
    engine::{Engine, STACK_LABEL, Scope, api, docker_config::DockerConfig, label},
    home::StackName,
    progress::Sink,
};

use super::{
    Error, Place, Plan, TaskRow, drivers,
    error::Subject,
    external,
    live::by_name,
    removal::{self, Doomed, Wait},
    run::{OnFailure, Rollout, WayBack, timeout},
    send::auths::SendAuth,
    state::{
        ps::{self, key_of},
        reached::Reached,
        replicas, state_of,
        task::is_wanted,
    },
    work::{Jobs, Policy, Prune, ResolveImage, contents::Marks},
};

/// Services whose tasks are asked for at a time.
const SIDE_BY_SIDE: usize = 8;

/// How a stack is deployed.
#[derive(Debug, Clone, Default)]
pub struct StackOptions {
    /// Remove services that the files no longer have, once the rest runs.
    pub prune: bool,
    pub resolve_image: ResolveImage,
    /// Send credentials for registries along to the swarm.
    pub with_registry_auth: bool,
    /// Return as soon as the swarm has the specs.
    pub detach: bool,
    /// Else the stack's timeout label, else 300 s.
    pub timeout: Option<Duration>,
}

/// What a deploy of a stack did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StackReport {
    pub stack: String,
    pub plan: Plan,
    /// False when nothing had to change.
    pub changed: bool,
    /// The results of the services; without those that were not watched.
    #[serde(flatten)]
    pub reached: Reached,
    pub seconds: f64,
}

/// Deploys what the files ask for and, unless `detach` is set, waits until
/// it runs.
///
/// # Errors
/// [`Error::Failed`], [`Error::SwarmRolledBack`], missing external objects,
/// credentials that cannot be read, and what the engine says.
pub async fn deploy_stack(
    engine: &dyn Engine,
    stack: &Stack,
    docker: &DockerConfig,
    options: &StackOptions,
    progress: &dyn Sink,
) -> Result<StackReport, Error> {
    let started = Instant::now();
    let rollout = Rollout {
        engine,
        known: &[],
        stack,
        progress,
        docker,
        auth: if options.with_registry_auth { SendAuth::Always } else { SendAuth::Never },
        policy: Policy {
            images: options.resolve_image,
            prune: if options.prune { Prune::Services } else { Prune::Superseded },
            force: false,
            jobs: Jobs::Rerun,
            secrets: Marks::None,
        },
        limit: timeout(stack, options.timeout),
        on_failure: OnFailure::Leave,
        subject: Subject::Stack(stack.name.to_string()),
        doing: "deploy",
    };
    let live = rollout.live().await?;
    let missing = external::external(stack, &live, &Place::of(engine), |_| None);
    external::fit(&rollout.subject, missing)?;
    // Docker deploys it, and so it is: a node that has the driver may join.
    for finding in drivers::missing(engine, stack).await? {
        progress.warn(finding.to_string());
    }
    let images = rollout.images(&live).await?;
    let mut work = rollout.work(&live, &images);
    for message in &work.warnings {
        progress.warn(message.clone());
    }
    for message in rollout.shared_ports(&work).await? {
        progress.warn(message);
    }
    if options.detach {
        // Tasks that are being replaced may still need them, or swarm's own
        // rollback; a later deploy finds them again.
        work.stale.configs.retain(|(name, _)| !live.uses_config(name));
        work.stale.secrets.retain(|(name, _)| !live.uses_secret(name));
    }
    let plan = work.plan();
    let changed = !work.is_empty();
    let mut reached = Reached::default();
    if changed {
        reached = rollout.carry_out(&live, &work, WayBack::Closed, options.detach).await?.reached;
        rollout.prune(&work).await;
    } else if !options.detach {
        reached = rollout.check_running(&live, &work).await?;
    }
    Ok(StackReport {
        stack: stack.name.to_string(),
        plan,
        changed,
        reached,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Removes everything that carries the stack's label, except volumes. False
/// where there is nothing.
///
/// # Errors
/// What does not end within `timeout`, and what the engine says.
pub async fn remove_stack(
    engine: &dyn Engine,
    stack: &StackName,
    detach: bool,
    timeout: Duration,
    progress: &dyn Sink,
) -> Result<bool, Error> {
    let scope = Scope::Stack(stack);
    let (services, networks, secrets, configs) = futures_util::try_join!(
        engine.services(scope),
        engine.networks(scope),
        engine.secrets(scope),
        engine.configs(scope),
    )?;
    let doomed = Doomed {
        jobs: removal::jobs(&services),
        services: by_name(services).into_iter().filter_map(|(n, s)| Some((n, s.id?))).collect(),
        configs: configs.into_iter().filter_map(|c| c.id).collect(),
        secrets: secrets.into_iter().filter_map(|s| s.id).collect(),
        networks: networks.into_iter().filter_map(|n| Some((n.name?, n.id?))).collect(),
    };
    if doomed.is_empty() {
        return Ok(false);
    }
    let wait = if detach { Wait::No } else { Wait::ForTasks };
    doomed.remove(engine, progress, wait, timeout).await?;
    Ok(true)
}

/// A stack, as `stack ls` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StackRow {
    pub stack: String,
    /// How many services it has.
    pub services: usize,
}

/// The stacks of a swarm, by name.
///
/// # Errors
/// What the engine says.
pub async fn stacks(engine: &dyn Engine) -> Result<Vec<StackRow>, Error> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for service in engine.services(Scope::All).await? {
        let labels = service.spec.as_ref().and_then(|spec| spec.labels.as_ref());
        if let Some(stack) = label(labels, STACK_LABEL) {
            *counts.entry(stack.to_owned()).or_default() += 1;
        }
    }
    Ok(counts.into_iter().map(|(stack, services)| StackRow { stack, services }).collect())
}

/// A service, as `stack services` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ServiceRow {
    /// The key in the compose file.
    pub service: String,
    /// The full name.
    pub name: String,
    pub id: String,
    /// `replicated`, `global`, `replicated-job`, `global-job`.
    pub mode: &'static str,
    pub running: u64,
    /// For a global service and for jobs: the tasks that swarm wants now.
    pub desired: u64,
    /// Tasks of a job that ended with exit code 0.
    pub completed: Option<u64>,
    /// With digest, where it is known.
    pub image: String,
    /// `8080->80/tcp`, a host's port with its mode.
    pub ports: Vec<String>,
}

/// The services of a stack, by name.
///
/// # Errors
/// What the engine says. No services is not an error, as with docker.
pub async fn stack_services(
    engine: &dyn Engine,
    stack: &StackName,
) -> Result<Vec<ServiceRow>, Error> {
    let services = by_name(engine.services(Scope::Stack(stack)).await?);
    stream::iter(services)
        .map(|(name, service)| async move {
            let tasks = engine.tasks(service.id.as_deref().unwrap_or_default()).await?;
            Ok(service_row(stack, name, &service, &tasks))
        })
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await
}

/// The tasks of a stack; with `all` also those that ended and were replaced.
///
/// # Errors
/// [`Error::NoStack`], and what the engine says.
pub async fn stack_tasks(
    engine: &dyn Engine,
    stack: &StackName,
    all: bool,
) -> Result<Vec<TaskRow>, Error> {
    ps::tasks(engine, stack, all).await?.ok_or_else(|| Error::NoStack { stack: stack.to_string() })
}

fn service_row(
    stack: &StackName,
    name: String,
    service: &api::Service,
    tasks: &[api::Task],
) -> ServiceRow {
    let spec = service.spec.clone().unwrap_or_default();
    let mode = spec.mode.unwrap_or_default();
    let in_state = |state| tasks.iter().filter(|t| state_of(t) == state).count() as u64;
    let wanted = || tasks.iter().filter(|task| is_wanted(task)).count() as u64;
    let completed = in_state(api::TaskState::COMPLETE);
    let (word, desired, completed) = if mode.global.is_some() {
        ("global", wanted(), None)
    } else if let Some(job) = &mode.replicated_job {
        let total = job.total_completions.or(job.max_concurrent).unwrap_or(1);
        ("replicated-job", total.max(0) as u64, Some(completed))
    } else if mode.global_job.is_some() {
        ("global-job", wanted(), Some(completed))
    } else {
        ("replicated", replicas(&mode), None)
    };
    let container = spec.task_template.and_then(|task| task.container_spec);
    let ports = service.endpoint.as_ref().and_then(|endpoint| endpoint.ports.as_ref());
    ServiceRow {
        service: key_of(stack, &name),
        id: service.id.clone().unwrap_or_default(),
        mode: word,
        running: in_state(api::TaskState::RUNNING),
        desired,
        completed,
        image: container.and_then(|c| c.image).unwrap_or_default(),
        ports: ports.into_iter().flatten().filter_map(port).collect(),
        name,
    }
}

fn port(port: &api::EndpointPortConfig) -> Option<String> {
    let (published, target) = (port.published_port?, port.target_port?);
    let protocol = port.protocol.map_or_else(|| "tcp".to_owned(), |p| p.to_string());
    let host = port.publish_mode == Some(api::EndpointPortConfigPublishModeEnum::HOST);
    let mode = if host { " (host)" } else { "" };
    Some(format!("{published}->{target}/{protocol}{mode}"))
}
