//! Whether a service should run anywhere; pure.

use crate::engine::api;

/// A global service is stopped by a constraint that no node meets.
pub(crate) const NOWHERE: &str = "node.id==potluck-stopped";

/// Whether a spec asks for tasks at all: not when it has no replicas, or was stopped
/// for a restore.
pub fn wants_tasks(spec: &api::ServiceSpec) -> bool {
    if is_held(spec) {
        return false;
    }
    let mode = spec.mode.as_ref();
    let jobs = mode.and_then(|m| m.replicated_job.as_ref()).and_then(|j| j.total_completions);
    let replicas = mode.and_then(|m| m.replicated.as_ref()).and_then(|r| r.replicas);
    // Swarm takes one replica where none are named.
    jobs.or(replicas).unwrap_or(1) > 0
}

/// Whether it is a global service that a restore stopped.
pub(crate) fn is_held(spec: &api::ServiceSpec) -> bool {
    let constraints = |task: &api::TaskSpec| task.placement.as_ref()?.constraints.clone();
    let constraints = spec.task_template.as_ref().and_then(constraints);
    constraints.is_some_and(|all| all.iter().any(|c| c == NOWHERE))
}

/// Whether it runs to an end instead of for good.
pub(crate) fn is_job(spec: &api::ServiceSpec) -> bool {
    spec.mode.as_ref().is_some_and(|m| m.replicated_job.is_some() || m.global_job.is_some())
}

/// Changes a spec so that it asks for no tasks.
pub(crate) fn without_tasks(spec: &mut api::ServiceSpec) {
    let mode = spec.mode.get_or_insert_default();
    let everywhere = mode.global.is_some() || mode.global_job.is_some();
    if everywhere {
        let task = spec.task_template.get_or_insert_default();
        let constraints =
            task.placement.get_or_insert_default().constraints.get_or_insert_default();
        if !constraints.iter().any(|c| c == NOWHERE) {
            constraints.push(NOWHERE.into());
        }
    } else if let Some(job) = mode.replicated_job.as_mut() {
        job.total_completions = Some(0);
        job.max_concurrent = Some(0);
    } else {
        mode.replicated.get_or_insert_default().replicas = Some(0);
    }
}

/// The spec of a service that [`without_tasks`] stopped, as it is to be started again: what
/// it was, with what somebody changed meanwhile. One that asks for tasks again is left as it
/// is.
pub(crate) fn with_tasks_again(
    now: &api::ServiceSpec,
    before: &api::ServiceSpec,
) -> api::ServiceSpec {
    if wants_tasks(now) {
        return now.clone();
    }
    if is_only_stopped(now, before) {
        return before.clone();
    }
    let mut again = now.clone();
    again.mode.clone_from(&before.mode);
    let placement = again.task_template.as_mut().and_then(|task| task.placement.as_mut());
    if let Some(constraints) = placement.and_then(|placement| placement.constraints.as_mut()) {
        constraints.retain(|constraint| constraint != NOWHERE);
    }
    again
}

/// Whether nothing but [`without_tasks`] changed a service.
pub(crate) fn is_only_stopped(now: &api::ServiceSpec, before: &api::ServiceSpec) -> bool {
    let mut stopped = before.clone();
    without_tasks(&mut stopped);
    *now == stopped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(value: serde_json::Value) -> api::ServiceSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_was_stopped_comes_back_with_what_was_changed_meanwhile() {
        let three = json!({"Replicated": {"Replicas": 3}});
        for mode in [three.clone(), json!({"Global": {}}), json!({})] {
            let before =
                spec(json!({"Name": "a", "Mode": mode, "TaskTemplate": {"ForceUpdate": 1}}));
            let mut stopped = before.clone();
            without_tasks(&mut stopped);
            assert!(!wants_tasks(&stopped), "{mode}");
            assert_eq!(with_tasks_again(&stopped, &before), before, "{mode}");
            let mut changed = stopped.clone();
            changed.task_template.as_mut().unwrap().force_update = Some(2);
            assert!(!is_only_stopped(&changed, &before));
            let again = with_tasks_again(&changed, &before);
            assert!(wants_tasks(&again), "{mode}");
            assert_eq!(again.task_template.unwrap().force_update, Some(2), "{mode}");
            assert_eq!(again.mode, before.mode);
        }
        let before = spec(json!({"Name": "a", "Mode": three}));
        let five = spec(json!({"Name": "a", "Mode": {"Replicated": {"Replicas": 5}}}));
        assert_eq!(with_tasks_again(&five, &before), five, "somebody started it");
    }
}
