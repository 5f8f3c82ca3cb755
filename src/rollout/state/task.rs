//! What a task's status says.

use crate::engine::api::{self, TaskState};

/// Its state; one that says nothing is new.
pub(crate) fn state_of(task: &api::Task) -> TaskState {
    task.status.as_ref().and_then(|s| s.state).unwrap_or(TaskState::NEW)
}

/// The place of a task in its service: global services have no slots but nodes.
pub(crate) fn slot_of(task: &api::Task) -> (Option<i64>, Option<&str>) {
    match task.slot {
        Some(slot) if slot != 0 => (Some(slot), None),
        _ => (None, task.node_id.as_deref()),
    }
}

/// Whether swarm wants it to run, or to run to its end.
pub(crate) fn is_wanted(task: &api::Task) -> bool {
    let is_job = task.job_iteration.is_some();
    task.desired_state.is_some_and(|desired| match desired {
        TaskState::COMPLETE => is_job && state_of(task) <= TaskState::RUNNING,
        desired => desired <= TaskState::RUNNING,
    })
}

/// Why swarm finds no node for it, while it waits for one.
pub(crate) fn unplaced(task: &api::Task) -> Option<&str> {
    let status = task.status.as_ref()?;
    let error = status.err.as_deref().filter(|error| !error.is_empty())?;
    (status.state == Some(TaskState::PENDING)).then_some(error)
}
