//! What a task's status says.

use crate::engine::api::{self, TaskState};

/// Its state; one that says nothing is new.
pub(crate) fn state_of(task: &api::Task) -> TaskState {
    task.status.as_ref().and_then(|s| s.state).unwrap_or(TaskState::NEW)
}
