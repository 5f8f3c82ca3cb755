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
