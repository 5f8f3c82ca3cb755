//! Which tasks of a stack run right now, as data.

use std::collections::BTreeSet;

use futures_util::future;
use jiff::Timestamp;

use crate::{
    engine::{Engine, Error as EngineError, Health, Scope, api},
    home::StackName,
    rollout::{Error, diff::comparable_task, live::by_name, state},
};

use super::{
    addresses, condition, ending, ports, replicas, state_of,
    task::{is_wanted, slot_of, unplaced},
    wanted::wants_tasks,
};

/// One task, as `app ps` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TaskRow {
    /// The key in the compose file.
    pub service: String,
    /// None in the row of a service without any.
    pub task: Option<String>,
    /// Number of the replica; none for a global service.
    pub slot: Option<i64>,
    /// The node's host name, or its id where the name is not known.
    pub node: Option<String>,
    /// `running`, `starting`, `failed` and so on, in swarm's words; `0/0` and the like
    /// of a service without tasks.
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
    /// Whether the service is to have several tasks, told apart by their slots.
    #[serde(skip)]
    pub several: bool,
}

impl TaskRow {
    /// The service, and which of its tasks where it has several: `app.2`, as `app logs`
    /// takes it.
    pub fn place(&self) -> String {
        match self.slot {
            Some(slot) if self.several => format!("{}.{slot}", self.service),
            _ => self.service.clone(),
        }
    }
}

/// The tasks of a stack that run or will run, with `all` also those that ended; a
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
        let wants = service.spec.as_ref().is_some_and(wants_tasks);
        for task in &tasks {
            let newest = !seen.contains(&slot_of(task));
            seen.push(slot_of(task));
            // Of what is to run nowhere, the end of the last task is no news.
            let ended = || wants && state_of(task) > api::TaskState::RUNNING;
            if all || is_wanted(task) || (newest && ended() && !is_made_good(service, task, &tasks))
            {
                let health = containers
                    .iter()
                    .find(|c| Some(&c.task) == task.id.as_ref())
                    .and_then(|c| health(c.health));
                let mut row = row(&key, task, &nodes, health);
                let failed = condition::failures_lately(service, task, &tasks, now);
                row.failures = failed.len();
                row.cause = cause(engine, service, task, failed.first().copied(), &tasks).await?;
                of_service.push(row);
            }
        }
        if of_service.is_empty() {
            of_service.push(without_tasks(&key, service));
        }
        let slots: BTreeSet<i64> = of_service.iter().filter_map(|row| row.slot).collect();
        let mode = service.spec.as_ref().and_then(|spec| spec.mode.as_ref());
        let several = slots.len() > 1 || mode.is_some_and(|mode| replicas(mode) > 1);
        of_service.iter_mut().for_each(|row| row.several = several);
        of_service.sort_by(|a, b| a.slot.cmp(&b.slot).then_with(|| b.since.cmp(&a.since)));
        rows.extend(of_service);
    }
    Ok(Some(rows))
}

/// Whether another task of the spec that is wanted runs in the place of one that ended:
/// the old one of an update with `order: start-first` that was taken back.
fn is_made_good(service: &api::Service, task: &api::Task, tasks: &[api::Task]) -> bool {
    let wanted = service.spec.as_ref().and_then(|spec| spec.task_template.as_ref());
    let wanted = wanted.map(comparable_task);
    tasks
        .iter()
        .filter(|other| slot_of(other) == slot_of(task) && is_wanted(other))
        .filter(|other| state_of(other) == api::TaskState::RUNNING)
        .any(|other| other.spec.as_ref().map(comparable_task) == wanted)
}

/// The row of a service without tasks, which would otherwise not be shown.
fn without_tasks(key: &str, service: &api::Service) -> TaskRow {
    let spec = service.spec.clone().unwrap_or_default();
    let mode = spec.mode.clone().unwrap_or_default();
    let everywhere = mode.global.is_some() || mode.global_job.is_some();
    let (wanted, cause) = match (wants_tasks(&spec), everywhere) {
        (false, false) => (0, "scaled to 0"),
        (false, true) => (0, "stopped for a restore that did not finish"),
        (true, true) => (0, "no node fits its constraints"),
        (true, false) => (replicas(&mode), "swarm has made no task yet"),
    };
    let container = spec.task_template.and_then(|task| task.container_spec);
    TaskRow {
        service: key.to_owned(),
        task: None,
        slot: None,
        node: None,
        state: format!("0/{wanted}"),
        desired: String::new(),
        health: None,
        image: without_digest(container.and_then(|container| container.image).as_deref()),
        exit_code: None,
        error: None,
        failures: 0,
        cause: Some(cause.to_owned()),
        since: None,
        several: false,
    }
}

/// As the recipe wrote it.
fn without_digest(image: Option<&str>) -> String {
    image.and_then(|image| image.split('@').next()).unwrap_or_default().to_owned()
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
        return Ok(Some(ports::why_unplaced(engine, service, tasks, reason).await?));
    }
    let spec = service.spec.as_ref().filter(|_| state_of(task) == api::TaskState::NEW);
    if let Some(spec) = spec
        && let Some(why) = addresses::why_missing(engine, spec, std::slice::from_ref(task)).await?
    {
        return Ok(Some(why));
    }
    let ended = state_of(task) > api::TaskState::RUNNING;
    let told = if ended { Some(task) } else { failed };
    let Some(told) = told.filter(|task| state::restarts_after(task)) else { return Ok(None) };
    let id = told.id.as_deref().unwrap_or_default();
    let report = match ending::asks_container(told) {
        true => engine.container_report(id).await?,
        false => None,
    };
    Ok(ending::cause_with(told, report.as_ref()))
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
        task: task.id.clone(),
        slot: task.slot.filter(|s| *s != 0),
        node,
        state: state.to_string(),
        desired: task.desired_state.map(|s| s.to_string()).unwrap_or_default(),
        health,
        image: without_digest(image),
        exit_code: status
            .and_then(|s| s.container_status.as_ref()?.exit_code)
            .filter(|_| state > api::TaskState::RUNNING),
        error: status.and_then(|s| s.err.clone()).filter(|e| !e.is_empty()),
        failures: 0,
        cause: None,
        since: status.and_then(|s| s.timestamp.clone()),
        several: false,
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(mode: Value, constraints: &[&str]) -> api::Service {
        serde_json::from_value(json!({"ID": "s", "Spec": {
            "Mode": mode,
            "TaskTemplate": {
                "ContainerSpec": {"Image": "a:1@sha256:00"},
                "Placement": {"Constraints": constraints},
            },
        }}))
        .unwrap()
    }

    #[test]
    fn a_service_without_tasks_has_a_row_that_says_why() {
        let nowhere = crate::rollout::state::wanted::NOWHERE;
        for (mode, constraints, state, cause) in [
            (json!({"Replicated": {"Replicas": 0}}), vec![], "0/0", "scaled to 0"),
            (json!({"ReplicatedJob": {"TotalCompletions": 0}}), vec![], "0/0", "scaled to 0"),
            (json!({"Global": {}}), vec!["x==y"], "0/0", "no node fits its constraints"),
            (
                json!({"Global": {}}),
                vec![nowhere],
                "0/0",
                "stopped for a restore that did not finish",
            ),
            (json!({"Replicated": {"Replicas": 2}}), vec![], "0/2", "swarm has made no task yet"),
        ] {
            let row = without_tasks("app", &service(mode, &constraints));
            assert_eq!((row.state.as_str(), row.cause.as_deref()), (state, Some(cause)));
            assert_eq!((row.image.as_str(), row.task), ("a:1", None));
        }
    }

    #[test]
    fn tasks_of_a_service_are_told_apart_where_there_may_be_several() {
        let mut row = without_tasks("app", &service(json!({"Replicated": {"Replicas": 2}}), &[]));
        row.slot = Some(2);
        assert_eq!(row.place(), "app");
        row.several = true;
        assert_eq!(row.place(), "app.2");
        row.slot = None;
        assert_eq!(row.place(), "app");
    }

    #[test]
    fn what_failed_beside_the_task_that_was_to_go_is_over_once_that_is_to_stay() {
        let service = service(json!({"Replicated": {"Replicas": 1}}), &[]);
        let task = |image: &str, state: &str, desired: &str| -> api::Task {
            serde_json::from_value(json!({
                "ID": image, "Slot": 1, "DesiredState": desired, "Status": {"State": state},
                "Spec": {"ContainerSpec": {"Image": image}},
            }))
            .unwrap()
        };
        let failed = task("b", "failed", "shutdown");
        let back = [failed.clone(), task("a:1@sha256:00", "running", "running")];
        assert!(is_made_good(&service, &failed, &back));
        // A paused update: the old task runs on, and the new one is wanted.
        let paused = [failed.clone(), task("c", "running", "running")];
        assert!(!is_made_good(&service, &failed, &paused));
        assert!(!is_made_good(&service, &failed, std::slice::from_ref(&failed)));
    }
}
