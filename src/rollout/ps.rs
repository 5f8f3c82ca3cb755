//! What of a stack runs right now, as data.

use futures_util::future;
use jiff::Timestamp;

use crate::{
    engine::{Engine, Error as EngineError, Health, Scope, api},
    home::StackName,
    text,
};

use super::{
    Error, condition, ending,
    live::by_name,
    ports::{self, Taken},
    state::{self, state_of},
    task::unplaced,
};

/// Bytes of what a health check printed.
const OUTPUT: usize = 500;

/// One task, as `app ps` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TaskRow {
    /// The key in the compose file.
    pub service: String,
    pub task: String,
    /// Number of the replica; none for a global service.
    pub slot: Option<i64>,
    /// The node's host name, or its id where the name is not known.
    pub node: Option<String>,
    /// `running`, `starting`, `failed` and so on, in swarm's words.
    pub state: String,
    pub desired: String,
    /// `healthy`, `starting`, `unhealthy`; none where there is no check or the
    /// container is on another node.
    pub health: Option<&'static str>,
    /// As the recipe wrote it, without digest.
    pub image: String,
    pub exit_code: Option<i64>,
    /// In swarm's words.
    pub error: Option<String>,
    /// How often tasks in this one's place failed in the last ten minutes.
    pub failures: usize,
    /// Why this task ended, is not placed, or else why the last one in its place
    /// failed, in words.
    pub cause: Option<String>,
    /// When the task came into this state, RFC 3339.
    pub since: Option<String>,
}

/// The tasks of a stack: what runs or is to run, and with `all` also what ended; a
/// slot whose newest task ended shows that one. None where there is no such stack.
pub(crate) async fn tasks(
    engine: &dyn Engine,
    stack: &StackName,
    all: bool,
) -> Result<Option<Vec<TaskRow>>, Error> {
    let (services, nodes) =
        futures_util::try_join!(engine.services(Scope::Stack(stack)), engine.nodes())?;
    if services.is_empty() {
        return Ok(None);
    }
    let services = by_name(services);
    let reads = services.iter().map(|(name, service)| async move {
        let id = service.id.as_deref().unwrap_or_default();
        let (tasks, containers) =
            futures_util::try_join!(engine.tasks(id), engine.containers(name))?;
        Ok::<_, EngineError>((name, service, tasks, containers))
    });
    let now = Timestamp::now();
    let mut rows = Vec::new();
    for (name, service, tasks, containers) in future::try_join_all(reads).await? {
        let key = key_of(stack, name);
        let mut seen = Vec::new();
        let mut of_service = Vec::new();
        for task in &tasks {
            let place = (task.slot.filter(|s| *s != 0), task.node_id.clone());
            let place = if place.0.is_some() { (place.0, None) } else { place };
            let newest = !seen.contains(&place);
            seen.push(place);
            let wanted = task.desired_state.is_some_and(|s| s <= api::TaskState::RUNNING);
            if all || wanted || (newest && state_of(task) > api::TaskState::RUNNING) {
                let health = containers
                    .iter()
                    .find(|c| Some(&c.task) == task.id.as_ref())
                    .and_then(|c| health(c.health));
                let mut row = row(&key, task, &nodes, health);
                let failed = condition::failures_lately(task, &tasks, now);
                row.failures = failed.len();
                row.cause = cause(engine, service, task, failed.first().copied(), &tasks).await?;
                of_service.push(row);
            }
        }
        of_service.sort_by(|a, b| a.slot.cmp(&b.slot).then_with(|| b.since.cmp(&a.since)));
        rows.extend(of_service);
    }
    Ok(Some(rows))
}

/// Why a task ended or is not placed, else why the last in its place failed.
async fn cause(
    engine: &dyn Engine,
    service: &api::Service,
    task: &api::Task,
    failed: Option<&api::Task>,
    tasks: &[api::Task],
) -> Result<Option<String>, EngineError> {
    if let Some(reason) = unplaced(task) {
        let spec = service.spec.clone().unwrap_or_default();
        let id = service.id.as_deref().unwrap_or_default();
        let taken = match ports::is_about_ports(reason) {
            true => ports::taken(engine, &spec, id, tasks).await?,
            false => Taken::Unknown,
        };
        return Ok(Some(match taken {
            Taken::ByOldTask { port } => format!("waiting for the old task to free port {port}"),
            Taken::ByService { port, service } => {
                format!("port {port} is taken by the service `{service}`")
            }
            Taken::Unknown => reason.to_owned(),
        }));
    }
    let ended = state_of(task) > api::TaskState::RUNNING;
    let told = if ended { Some(task) } else { failed };
    let Some(told) = told.filter(|task| state::restarts_after(task)) else { return Ok(None) };
    let id = told.id.as_deref().unwrap_or_default();
    if ending::was_unhealthy(told)
        && let Some(output) = engine.health_output(id).await?
    {
        let output = text::line_of(output.trim(), OUTPUT);
        return Ok(Some(format!("its health check failed: {output}")));
    }
    Ok(ending::cause(told))
}

/// The key in the compose file.
pub(crate) fn key_of(stack: &StackName, name: &str) -> String {
    name.strip_prefix(&format!("{stack}_")).unwrap_or(name).to_owned()
}

fn row(key: &str, task: &api::Task, nodes: &[api::Node], health: Option<&'static str>) -> TaskRow {
    let status = task.status.as_ref();
    let node = task.node_id.as_ref().filter(|id| !id.is_empty()).map(|id| {
        nodes
            .iter()
            .find(|n| n.id.as_ref() == Some(id))
            .and_then(|n| n.description.as_ref()?.hostname.clone())
            .unwrap_or_else(|| id.clone())
    });
    let state = state_of(task);
    let image = task.spec.as_ref().and_then(|s| s.container_spec.as_ref()?.image.as_deref());
    TaskRow {
        service: key.to_owned(),
        task: task.id.clone().unwrap_or_default(),
        slot: task.slot.filter(|s| *s != 0),
        node,
        state: state.to_string(),
        desired: task.desired_state.map(|s| s.to_string()).unwrap_or_default(),
        health,
        image: image.and_then(|i| i.split('@').next()).unwrap_or_default().to_owned(),
        exit_code: status
            .and_then(|s| s.container_status.as_ref()?.exit_code)
            .filter(|_| state > api::TaskState::RUNNING),
        error: status.and_then(|s| s.err.clone()).filter(|e| !e.is_empty()),
        failures: 0,
        cause: None,
        since: status.and_then(|s| s.timestamp.clone()),
    }
}

fn health(health: Health) -> Option<&'static str> {
    match health {
        Health::None => None,
        Health::Starting => Some("starting"),
        Health::Healthy => Some("healthy"),
        Health::Unhealthy => Some("unhealthy"),
    }
}
