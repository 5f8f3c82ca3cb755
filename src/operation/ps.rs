//! What of an app runs right now, as data. Asks the swarm only, so that it also
//! answers when the recipe is broken or gone.

use futures_util::future;

use crate::{
    engine::{Engine, Error as EngineError, Health, Scope, api},
    home::{AppName, StackName},
};

use super::{Error, live::by_name, state::state_of};

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
    pub error: Option<String>,
    /// When the task came into this state, RFC 3339.
    pub since: Option<String>,
}

/// The tasks of an app: what runs or is to run, and with `all` also what ended.
/// A slot whose newest task ended shows that one.
///
/// # Errors
/// [`Error::NotDeployed`], and what the engine says.
pub async fn ps(
    engine: &dyn Engine,
    app: &AppName,
    stack: &StackName,
    all: bool,
) -> Result<Vec<TaskRow>, Error> {
    tasks(engine, stack, all).await?.ok_or_else(|| Error::NotDeployed { app: app.to_string() })
}

/// The tasks of a stack; none where there is no such stack.
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
        Ok::<_, EngineError>((name, tasks, containers))
    });
    let mut rows = Vec::new();
    for (name, tasks, containers) in future::try_join_all(reads).await? {
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
                of_service.push(row(&key, task, &nodes, health));
            }
        }
        of_service.sort_by(|a, b| a.slot.cmp(&b.slot).then_with(|| b.since.cmp(&a.since)));
        rows.extend(of_service);
    }
    Ok(Some(rows))
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
