//! What a task's status says.

use crate::engine::api::{self, TaskState};

/// What a task that waits for its health check says.
pub(super) const CHECKING: &str = "waiting for the health check";

pub(super) fn task_state(task: &api::Task) -> TaskState {
    task.status.as_ref().and_then(|status| status.state).unwrap_or(TaskState::NEW)
}

/// Whether the task has ended, however.
pub(super) fn is_over(task: &api::Task) -> bool {
    matches!(
        task_state(task),
        TaskState::COMPLETE
            | TaskState::SHUTDOWN
            | TaskState::FAILED
            | TaskState::REJECTED
            | TaskState::REMOVE
            | TaskState::ORPHANED
    )
}

/// Whether a container of the task is running (healthy or not).
pub(super) fn has_container(task: &api::Task) -> bool {
    match task_state(task) {
        TaskState::RUNNING => true,
        TaskState::STARTING => {
            task.status.as_ref().is_some_and(|status| status.message.as_deref() == Some(CHECKING))
        }
        _ => false,
    }
}
