//! What a task's status says.

use crate::engine::api::{self, TaskState};

/// Its state; one that says nothing is new.
pub(crate) fn state_of(task: &api::Task) -> TaskState {
    task.status.as_ref().and_then(|s| s.state).unwrap_or(TaskState::NEW)
}

/// Why swarm finds no node for it, while it waits for one.
pub(crate) fn unplaced(task: &api::Task) -> Option<&str> {
    let status = task.status.as_ref()?;
    let error = status.err.as_deref().filter(|error| !error.is_empty())?;
    (status.state == Some(TaskState::PENDING)).then_some(error)
}
