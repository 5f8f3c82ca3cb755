//! Looks at a stack, and asks for what more there is to know of what is wrong in it: logs,
//! what containers say of themselves, who has a port, what a registry says. Side by side, and
//! each within a limit: what is not answered in time is left out, and the rest is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use futures_util::{StreamExt, TryStreamExt, future, stream};
use jiff::Timestamp;
use tokio::time::timeout;

use crate::{
    compose::value::image::Image,
    engine::{
        ContainerReport, Engine, Error, Health, NodePort, Scope, api, docker_config::DockerConfig,
        node_ports,
    },
    home::StackName,
    owner::mounted,
    rollout::live::by_name,
    text,
};

use super::{Cause, Coming, Fault, How, Seen, State, causes, image};
use crate::rollout::state::{
    addresses,
    data::Known,
    ending,
    log::{self, PATIENCE},
    ports::{self, Taken},
    ps::key_of,
    state_of,
};

/// Services that are asked about at once.
const AT_ONCE: usize = 8;
/// Lines of logs on one screen, for all services together, and for each at least and at most.
const SCREEN: usize = 16;
const LINES: (usize, usize) = (3, 10);

/// What is known of an app's stack besides what the swarm says.
#[derive(Debug, Default)]
pub(crate) struct Context<'a> {
    /// The node, by id, where each volume was seen after a deploy.
    pub recorded: BTreeMap<String, String>,
    /// Keys of services of which the files deployed last ask for no tasks.
    pub resting: &'a [String],
    /// Credentials for registries.
    pub docker: Option<&'a DockerConfig>,
}

/// A service of a stack, and why it does not run as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The key in the compose file.
    pub service: String,
    pub causes: Vec<Told>,
}

/// A cause, with what the task wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub cause: Cause,
    /// The last lines that the task wrote.
    pub log: Vec<String>,
}

/// Why services of a stack do not run as they should; all services are named, also those
/// that do. Empty where the swarm has no such stack.
///
/// # Errors
/// What the engine says when it is asked for services, tasks and nodes.
pub(crate) async fn diagnose(
    engine: &dyn Engine,
    stack: &StackName,
    context: &Context<'_>,
) -> Result<Vec<Diagnosis>, Error> {
    let (services, nodes) =
        futures_util::try_join!(engine.services(Scope::Stack(stack)), engine.nodes())?;
    let services = by_name(services);
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = services.values().filter_map(|service| service.id.clone()).collect();
    let several = nodes.len() > 1;
    let (tasks, volumes) = future::join(engine.tasks_of(&ids), async {
        // Only how they were made is of interest.
        match several {
            true => engine.volumes(Scope::All).await.unwrap_or_default(),
            false => Vec::new(),
        }
    })
    .await;
    let tasks = tasks?;
    let known = Known { recorded: context.recorded.clone(), mounted: mounted(&tasks) };
    let mut by_service: BTreeMap<String, Vec<api::Task>> = BTreeMap::new();
    for task in tasks {
        by_service.entry(task.service_id.clone().unwrap_or_default()).or_default().push(task);
    }
    let now = Timestamp::now();
    let looks = services.iter().map(|(name, service)| {
        let tasks = by_service.remove(service.id.as_deref().unwrap_or_default());
        let (tasks, nodes, known, volumes) = (tasks.unwrap_or_default(), &nodes, &known, &volumes);
        async move {
            let key = key_of(stack, name);
            let unhealthy = unhealthy(engine, name, &tasks).await;
            let found = causes(&Seen {
                service,
                tasks: &tasks,
                nodes,
                unhealthy: &unhealthy,
                known,
                volumes,
                resting: context.resting.contains(&key),
                now,
            });
            (key, service, tasks, found)
        }
    });
    let looks: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    let wrong = looks.iter().filter(|(.., found)| !found.is_empty()).count();
    let lines = (SCREEN / wrong.max(1)).clamp(LINES.0, LINES.1);
    let told = looks.into_iter().map(|(service, object, tasks, found)| async move {
        let asked = Asked { engine, service: object, tasks: &tasks, docker: context.docker, lines };
        let causes = future::join_all(found.into_iter().map(|cause| asked.told(cause))).await;
        Ok::<_, Error>(Diagnosis { service, causes })
    });
    stream::iter(told).buffered(AT_ONCE).try_collect().await
}

/// Tasks that are starting and whose container, on this node, is unhealthy.
async fn unhealthy(engine: &dyn Engine, name: &str, tasks: &[api::Task]) -> BTreeSet<String> {
    if !tasks.iter().any(|task| state_of(task) == api::TaskState::STARTING) {
        return BTreeSet::new();
    }
    let containers = within(engine.containers(name)).await.unwrap_or_default();
    let sick = containers.into_iter().filter(|it| it.health == Health::Unhealthy);
    sick.map(|container| container.task).collect()
}

/// An answer that is useful, and not needed.
async fn within<T>(ask: impl Future<Output = Result<T, Error>>) -> Option<T> {
    timeout(PATIENCE, ask).await.ok()?.ok()
}

/// A service that more is asked about.
struct Asked<'a> {
    engine: &'a dyn Engine,
    service: &'a api::Service,
    tasks: &'a [api::Task],
    docker: Option<&'a DockerConfig>,
    lines: usize,
}

impl Asked<'_> {
    /// The cause with what could be learned of it.
    async fn told(&self, cause: Cause) -> Told {
        let silent = |cause| Told { cause, log: Vec::new() };
        match cause {
            Cause::Ended(ended) => {
                let (report, log) = self.report_and_log(&ended.task).await;
                let task = self.tasks.iter().find(|it| it.id.as_ref() == Some(&ended.task));
                Told { cause: with_report(ended, task, report.as_ref()), log }
            }
            Cause::Sick { task, node, .. } => {
                let (report, log) = self.report_and_log(&task).await;
                let output = report.and_then(|it| it.failed_check);
                let output = output.map(|it| log::clean(it.trim()));
                Told { cause: Cause::Sick { task, node, output }, log }
            }
            Cause::Coming(coming) => self.coming(coming).await,
            Cause::Port(port) => silent(self.holder(port).await),
            Cause::Image { image, fault: Fault::Unknown, reason, node } => {
                silent(self.image(image, reason, node).await)
            }
            cause => silent(cause),
        }
    }

    async fn report_and_log(&self, task: &str) -> (Option<ContainerReport>, Vec<String>) {
        let report = async { within(self.engine.container_report(task)).await.flatten() };
        let log = async {
            match super::super::silent::unreadable_driver(self.service) {
                Some(_) => Vec::new(),
                None => log::last_lines(self.engine, task, self.lines).await,
            }
        };
        future::join(report, log).await
    }

    /// What tasks on their way wait for, and what has been written so far.
    async fn coming(&self, mut coming: Coming) -> Told {
        match (&coming.state, coming.task.clone()) {
            (State::Starting { .. } | State::Unhealthy { .. }, Some(task)) => {
                let (report, log) = self.report_and_log(&task).await;
                if let Some(output) = report.and_then(|it| it.failed_check) {
                    let output = log::clean(output.trim());
                    coming.why =
                        Some(format!("its health check has not passed yet, and printed: {output}"));
                }
                Told { cause: Cause::Coming(coming), log }
            }
            (State::Waiting { .. } | State::Preparing { .. }, _) if coming.why.is_none() => {
                let spec = self.service.spec.clone().unwrap_or_default();
                let missing = addresses::why_missing(self.engine, &spec, self.tasks);
                coming.why = within(missing).await.flatten();
                Told { cause: Cause::Coming(coming), log: Vec::new() }
            }
            _ => Told { cause: Cause::Coming(coming), log: Vec::new() },
        }
    }

    async fn holder(&self, port: super::Port) -> Cause {
        let spec = self.service.spec.clone().unwrap_or_default();
        let id = self.service.id.as_deref().unwrap_or_default();
        let taken = within(ports::taken(self.engine, &spec, id, self.tasks)).await;
        Cause::Port(match taken {
            None | Some(Taken::Unknown) => super::Port {
                port: node_ports(&spec).into_iter().next().map(|NodePort { port, .. }| port),
                ..port
            },
            Some(taken) => {
                let message = taken.to_string();
                let (port, holder) = match taken {
                    Taken::ByService { port, service } => (port, Some(service)),
                    Taken::ByOldTask { port }
                    | Taken::ByStartFirst { port }
                    | Taken::ByReplica { port } => (port, None),
                    Taken::Unknown => return Cause::Port(port),
                };
                super::Port { message, port: Some(port), holder }
            }
        })
    }

    /// What the registry says of an image that a node does not get: the node says only that
    /// it does not have it.
    async fn image(&self, image: String, reason: String, node: Option<String>) -> Cause {
        let registry = Image::parse(&image).map(|image| image.domain);
        let ask = async {
            let auth = match (self.docker, registry) {
                (Some(docker), Some(registry)) => {
                    docker.credentials(&registry).await.ok().flatten()
                }
                _ => None,
            };
            self.engine.distribution(&image, auth.as_ref()).await
        };
        let (fault, said) = match timeout(PATIENCE, ask).await {
            Err(_) => (Fault::Unreachable, format!("no answer within {} s", PATIENCE.as_secs())),
            Ok(Ok(_)) => (Fault::OfNode, reason.clone()),
            Ok(Err(error)) => of_refusal(&error),
        };
        // What the registry does not tell, the node said.
        let reason = if fault == Fault::Unknown { reason } else { said };
        Cause::Image { image, fault, reason: text::line(&reason).into_owned(), node }
    }
}

fn of_refusal(error: &Error) -> (Fault, String) {
    match error {
        Error::NotFound { .. } => (Fault::Missing, "the registry does not know it".to_owned()),
        Error::Refused { message, .. } => (image::of_answer(message), message.clone()),
        other => (Fault::Unknown, other.to_string()),
    }
}

/// The end of a task with what its container says of it.
fn with_report(
    mut ended: super::Ended,
    task: Option<&api::Task>,
    report: Option<&ContainerReport>,
) -> Cause {
    if let Some(told) = task.and_then(|task| ending::cause_with(task, report)) {
        ended.message = told;
    }
    ended.how = match (ended.how, report) {
        (How::Unhealthy, _) => How::Unhealthy,
        (_, Some(report)) if report.out_of_memory => How::OutOfMemory,
        // Docker may miss it where the kernel kills a container's first process.
        (How::Killed, Some(_)) => {
            ended.message += ": by hand, or by itself; Docker recorded no want of memory";
            How::Killed
        }
        (how, _) => how,
    };
    Cause::Ended(ended)
}
