//! The condition of services at any moment: `app ps` and `app ls --status` use
//! this one rule.
//!
//! A deploy judges what it sees from its beginning to its end ([`crate::rollout::state`]).
//! A single look at a service that crashes again and again usually falls between two
//! crashes, so here failures of the last minutes count until a task has run for a while.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    engine::{Engine, Error, STACK_LABEL, api},
    rollout::diff::comparable_task,
};

use super::{
    Failing, Look, State, classify, ended_badly, ending, made_of, ports, restarts_after, slot_of,
    task::state_of,
    wanted::{is_held, wants_tasks},
};

/// Older failures are ignored.
pub(crate) const LATELY: Duration = Duration::from_secs(10 * 60);
/// A task that has run for this long has started successfully.
const CALM: Duration = Duration::from_secs(60);
/// Number of failures in one place that waiting for a database does not explain.
pub(crate) const AGAIN: usize = 2;
/// Services whose tasks are asked for with one request: their ids are in its address, whose
/// length proxies bound.
const AT_ONCE: usize = 100;

/// The condition of a service, or of all services of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// All tasks run, or have ended well where they may end.
    Well,
    /// Tasks are on their way, and none has failed.
    Starting,
    /// It should not run, because it has no replicas.
    Stopped,
    Failing,
}

/// How one service does now.
pub(crate) fn of_service(
    service: &api::Service,
    tasks: &[api::Task],
    nodes: &[api::Node],
    now: Timestamp,
) -> Condition {
    let state = classify(&Look {
        service,
        tasks,
        nodes,
        unhealthy: &BTreeSet::new(),
        ended_before: &BTreeSet::new(),
        changed: false,
    });
    match state {
        State::Rejected { reason, .. }
            if ports::is_about_ports(&reason) && ports::are_being_freed(service, tasks) =>
        {
            Condition::Starting
        }
        State::Running { .. } if crash_loop(service, tasks, now).is_some() => Condition::Failing,
        State::Running { .. } | State::Completed { .. } => Condition::Well,
        State::Stopped => Condition::Stopped,
        State::Waiting { .. }
        | State::Preparing { .. }
        | State::Starting { .. }
        | State::Held { .. }
        | State::RollingBack { .. }
        | State::RolledBack { .. } => Condition::Starting,
        State::Unhealthy { .. }
        | State::Failing(_)
        | State::Rejected { .. }
        | State::Paused { .. } => Condition::Failing,
    }
}

/// The condition of each stack, that of its worst service; none of one without services. A
/// service without replicas is as the operator wants it, unless it is the main one, nothing
/// else runs, or an unfinished restore stopped it.
///
/// # Errors
/// What the engine says.
pub async fn of_stacks<'a>(
    engine: &dyn Engine,
    stacks: &BTreeMap<&'a str, Vec<&api::Service>>,
    nodes: &[api::Node],
) -> Result<BTreeMap<&'a str, Condition>, Error> {
    let ids: Vec<String> =
        stacks.values().flatten().filter_map(|service| service.id.clone()).collect();
    let mut tasks: BTreeMap<String, Vec<api::Task>> = BTreeMap::new();
    for ids in ids.chunks(AT_ONCE) {
        for task in engine.tasks_of(ids).await? {
            tasks.entry(task.service_id.clone().unwrap_or_default()).or_default().push(task);
        }
    }
    let now = Timestamp::now();
    let conditions = stacks.iter().filter_map(|(stack, services)| {
        let all: Vec<_> = services
            .iter()
            .map(|service| {
                let tasks = service.id.as_ref().and_then(|id| tasks.get(id));
                let tasks = tasks.map(Vec::as_slice).unwrap_or_default();
                (*service, of_service(service, tasks, nodes, now))
            })
            .collect();
        Some((*stack, together(&all)?))
    });
    Ok(conditions.collect())
}

fn together(all: &[(&api::Service, Condition)]) -> Option<Condition> {
    let nothing_runs = all.iter().all(|(_, condition)| *condition == Condition::Stopped);
    let counts = |service: &api::Service, condition| match condition {
        Condition::Stopped if nothing_runs || is_main(service) => Condition::Stopped,
        Condition::Stopped if service.spec.as_ref().is_some_and(is_held) => Condition::Stopped,
        Condition::Stopped => Condition::Well,
        condition => condition,
    };
    all.iter().map(|(service, condition)| counts(service, *condition)).max()
}

/// The keys of a stack's services that ask for no tasks, sorted.
pub fn taskless(stack: &str, services: &[&api::Service]) -> Vec<String> {
    let specs = services.iter().filter_map(|service| service.spec.as_ref());
    let none = specs.filter(|spec| !wants_tasks(spec)).filter_map(|spec| spec.name.as_deref());
    let prefix = format!("{stack}_");
    let mut keys: Vec<String> =
        none.map(|name| name.strip_prefix(&prefix).unwrap_or(name).to_owned()).collect();
    keys.sort();
    keys
}

/// Whether it is the service `app` of its stack.
fn is_main(service: &api::Service) -> bool {
    let Some(spec) = &service.spec else { return false };
    let stack = spec.labels.as_ref().and_then(|labels| labels.get(STACK_LABEL));
    stack.is_some_and(|stack| spec.name.as_deref() == Some(&format!("{stack}_app")))
}

/// Failures of the last minutes in the place of a task, newest first: ends with
/// exit code 0 do not count if the service may end, nor do failures before the last update.
pub(crate) fn failures_lately<'a>(
    service: &api::Service,
    task: &api::Task,
    tasks: &'a [api::Task],
    now: Timestamp,
) -> Vec<&'a api::Task> {
    let spec = task.spec.as_ref().map(comparable_task);
    let updated = service.update_status.as_ref().and_then(|status| status.started_at.as_deref());
    let updated: Option<Timestamp> = updated.and_then(|at| at.parse().ok());
    // Ports are no part of a task's spec: a task of another attempt may look alike.
    let is_older = |other: &api::Task| {
        let made = other.created_at.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
        made.zip(updated).is_some_and(|(made, updated)| made < updated)
    };
    tasks
        .iter()
        .filter(|other| slot_of(other) == slot_of(task))
        .filter(|other| ended_badly(other) && restarts_after(other))
        .filter(|other| since(other).is_some_and(|at| age(at, now) < LATELY))
        .filter(|other| other.spec.as_ref().map(comparable_task) == spec)
        .filter(|other| !is_older(other))
        .collect()
}

/// The failure of a service whose task is running at the moment, between two crashes.
pub(crate) fn crash_loop(
    service: &api::Service,
    tasks: &[api::Task],
    now: Timestamp,
) -> Option<Failing> {
    running_after(service, tasks, now, AGAIN)
}

/// The failures of a service whose task has not run for long, if there are as many.
pub(crate) fn running_after(
    service: &api::Service,
    tasks: &[api::Task],
    now: Timestamp,
    at_least: usize,
) -> Option<Failing> {
    let spec = service.spec.as_ref().and_then(|spec| spec.task_template.as_ref());
    let spec = spec.map(comparable_task);
    tasks
        .iter()
        .filter(|task| state_of(task) == api::TaskState::RUNNING)
        .filter(|task| task.spec.as_ref().map(comparable_task) == spec)
        .filter(|task| since(task).is_some_and(|at| age(at, now) < CALM))
        .map(|task| failures_lately(service, task, tasks, now))
        .find(|failed| failed.len() >= at_least)
        .map(|failed| Failing {
            task: failed[0].id.clone().unwrap_or_default(),
            exit_code: ending::exit_code(failed[0]),
            message: ending::cause(failed[0]).unwrap_or_else(|| "no reason given".into()),
            times: failed.len(),
            restarts: true,
        })
}

/// Whether a service has reached its goal: its tasks have run for a while without a
/// failure, or ended with exit code 0.
pub(crate) fn came_up(service: &api::Service, tasks: &[api::Task], now: Timestamp) -> bool {
    let spec = service.spec.as_ref().and_then(|spec| spec.task_template.as_ref());
    let condition = of_service(service, tasks, &[], now);
    matches!(condition, Condition::Well | Condition::Stopped)
        && !made_of(spec, tasks)
            .into_iter()
            .filter(|task| state_of(task) == api::TaskState::RUNNING)
            .filter(|task| since(task).is_some_and(|at| age(at, now) < CALM))
            .any(|task| !failures_lately(service, task, tasks, now).is_empty())
}

fn since(task: &api::Task) -> Option<Timestamp> {
    task.status.as_ref()?.timestamp.as_deref()?.parse().ok()
}

/// Zero if the server's clock is ahead of ours.
fn age(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A task, and how many seconds ago it came into its state.
    fn task(id: usize, state: &str, ago: i64, policy: &str) -> Value {
        let at = Timestamp::from_second(1_000_000 - ago).unwrap();
        json!({
            "ID": format!("t{id}"), "Slot": 1, "NodeID": "n",
            "Version": {"Index": id},
            "DesiredState": if state == "running" || state == "ready" { "running" } else { "shutdown" },
            "Spec": {"ContainerSpec": {"Image": "a"}, "RestartPolicy": {"Condition": policy}},
            "Status": {"State": state, "Timestamp": at.to_string()},
        })
    }

    fn look(policy: &str, tasks: &[Value]) -> Condition {
        look_with(policy, tasks, |service, tasks, now| of_service(service, tasks, &[], now))
    }

    /// Of a service that publishes a port of the node.
    fn look_at_port(tasks: &[Value]) -> Condition {
        look_with("any", tasks, |service, tasks, now| {
            let mut service = service.clone();
            let ports = json!({"Ports": [{"PublishedPort": 80, "PublishMode": "host"}]});
            let spec = service.spec.get_or_insert_default();
            spec.endpoint_spec = serde_json::from_value(ports).unwrap();
            of_service(&service, tasks, &[], now)
        })
    }

    fn look_with<T>(
        policy: &str,
        tasks: &[Value],
        judge: impl Fn(&api::Service, &[api::Task], Timestamp) -> T,
    ) -> T {
        let service: api::Service = serde_json::from_value(json!({
            "ID": "s",
            "Spec": {
                "Name": "app_web", "Mode": {"Replicated": {"Replicas": 1}},
                "TaskTemplate": {
                    "ContainerSpec": {"Image": "a"}, "RestartPolicy": {"Condition": policy},
                },
            },
        }))
        .unwrap();
        let tasks: Vec<api::Task> =
            tasks.iter().map(|task| serde_json::from_value(task.clone()).unwrap()).collect();
        judge(&service, &tasks, Timestamp::from_second(1_000_000).unwrap())
    }

    #[test]
    fn a_crash_loop_is_seen_between_two_crashes_and_recovery_is_believed() {
        use Condition::{Failing, Starting, Well};
        let t = |id, state: &str, ago| task(id, state, ago, "any");
        for (tasks, condition) in [
            (vec![t(1, "running", 5)], Well),
            (vec![t(1, "ready", 1)], Starting),
            (vec![t(1, "failed", 9), t(2, "ready", 1)], Failing),
            // It runs just now, between two crashes.
            (vec![t(1, "failed", 19), t(2, "failed", 9), t(3, "running", 1)], Failing),
            (vec![t(1, "failed", 9), t(2, "running", 1)], Well),
            (vec![t(1, "failed", 90), t(2, "failed", 80), t(3, "running", 70)], Well),
            (vec![t(1, "failed", 990), t(2, "failed", 980), t(3, "running", 5)], Well),
            // Ending with 0 again and again is failing, where it is to stay.
            (vec![t(1, "complete", 19), t(2, "complete", 9), t(3, "running", 1)], Failing),
        ] {
            assert_eq!(look("any", &tasks), condition, "{tasks:?}");
        }
        for (tasks, came_up) in [
            (vec![t(1, "running", 5)], true),
            (vec![t(1, "ready", 1)], false),
            (vec![t(1, "failed", 9), t(2, "ready", 1)], false),
            // Once may be the first of many.
            (vec![t(1, "failed", 9), t(2, "running", 1)], false),
            (vec![t(1, "failed", 90), t(2, "running", 70)], true),
        ] {
            assert_eq!(look_with("any", &tasks, super::came_up), came_up, "{tasks:?}");
        }
        let mut other = t(2, "failed", 9);
        other["CreatedAt"] = json!(Timestamp::from_second(1_000_000 - 12).unwrap().to_string());
        let tasks: Vec<api::Task> =
            serde_json::from_value(json!([t(3, "running", 1), other])).unwrap();
        let updated = |ago: i64| -> api::Service {
            let at = Timestamp::from_second(1_000_000 - ago).unwrap().to_string();
            serde_json::from_value(json!({"UpdateStatus": {"State": "completed", "StartedAt": at}}))
                .unwrap()
        };
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (service, failed) in [(updated(20), 1), (updated(5), 0)] {
            assert_eq!(failures_lately(&service, &tasks[0], &tasks, now).len(), failed);
        }
        assert_eq!(look("none", &[task(1, "complete", 5, "none")]), Well);
        // A stop-first update: the old task takes its time to free the port of its node.
        let mut waits = task(2, "pending", 1, "any");
        waits["DesiredState"] = json!("running");
        waits["Status"]["Err"] =
            json!("no suitable node (host-mode port already in use on 1 node)");
        waits["NodeID"] = json!("");
        let mut old = task(1, "running", 90, "any");
        old["Spec"]["ContainerSpec"]["Image"] = json!("older");
        old["DesiredState"] = json!("shutdown");
        assert_eq!(look_at_port(&[waits.clone(), old]), Starting);
        assert_eq!(look_at_port(&[waits]), Failing);
        assert_eq!(look("none", &[task(1, "failed", 5000, "none")]), Failing);
    }

    #[test]
    fn an_app_whose_main_service_has_no_replicas_is_stopped() {
        use Condition::{Failing, Starting, Stopped, Well};
        let service = |key: &str, held: bool| -> api::Service {
            let nowhere =
                if held { json!([crate::rollout::state::wanted::NOWHERE]) } else { json!([]) };
            serde_json::from_value(json!({"Spec": {
                "Name": format!("wiki_{key}"), "Labels": {STACK_LABEL: "wiki"},
                "TaskTemplate": {"Placement": {"Constraints": nowhere}},
            }}))
            .unwrap()
        };
        let (app, db, held) = (service("app", false), service("db", false), service("db", true));
        for (all, condition) in [
            (vec![(&app, Stopped), (&db, Well)], Stopped),
            (vec![(&app, Stopped), (&db, Starting)], Stopped),
            (vec![(&app, Stopped), (&db, Failing)], Failing),
            (vec![(&app, Well), (&db, Stopped)], Well),
            (vec![(&app, Well), (&held, Stopped)], Stopped),
            (vec![(&db, Stopped)], Stopped),
        ] {
            assert_eq!(together(&all), Some(condition), "{condition:?}");
        }
        assert_eq!(together(&[]), None);
    }
}
