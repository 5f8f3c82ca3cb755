//! How a task ended, in words for people; pure.
//!
//! Swarm's own words name a task by an id that can no longer be looked up, and
//! report exit code 137 for a container that swarm itself stopped.

use crate::{
    bounded,
    engine::{
        ContainerReport,
        api::{self, TaskState},
    },
    text,
};

use super::{ports::refused_by_node, task::state_of};

/// Bytes of what a health check printed.
const OUTPUT: usize = 500;
/// Swarm ends a task whose check fails.
const UNHEALTHY: &str = "its health check failed";

/// What a program ends with that was killed, for want of memory or by hand.
pub(crate) const KILLED: i64 = 128 + 9;

/// What an exit code means by the conventions of shells: above 128 it is 128 and the
/// signal that ended the program.
pub(crate) fn meaning(code: i64) -> Option<&'static str> {
    Some(match code {
        126 => "the command cannot be executed",
        127 => "the command was not found",
        129 => "SIGHUP",
        130 => "SIGINT",
        131 => "SIGQUIT",
        132 => "SIGILL",
        134 => "SIGABRT",
        135 => "SIGBUS",
        136 => "SIGFPE",
        KILLED => "SIGKILL",
        139 => "SIGSEGV",
        141 => "SIGPIPE",
        143 => "SIGTERM",
        159 => "SIGSYS",
        _ => return None,
    })
}

/// Whether the container of an ended task may say more than swarm does.
pub(crate) fn asks_container(task: &api::Task) -> bool {
    was_unhealthy(task) || exit_code(task) == Some(KILLED)
}

/// As [`cause`], with what the container of the task says.
pub(crate) fn cause_with(task: &api::Task, report: Option<&ContainerReport>) -> Option<String> {
    match report {
        Some(report) if report.out_of_memory && !was_unhealthy(task) => Some(out_of_memory(task)),
        Some(ContainerReport { failed_check: Some(output), .. }) if was_unhealthy(task) => {
            Some(format!("{UNHEALTHY}: {}", text::line_of(output.trim(), OUTPUT)))
        }
        _ => cause(task),
    }
}

/// That a task was killed for want of memory, and how much it may have.
fn out_of_memory(task: &api::Task) -> String {
    match memory_limit(task.spec.as_ref()) {
        Some(limit) => format!(
            "ran out of memory: it was killed at its limit of {}",
            bounded::size(limit.unsigned_abs())
        ),
        None => "ran out of memory: it has no limit of its own, so its node had no more".to_owned(),
    }
}

/// How much memory a task may have.
pub(crate) fn memory_limit(template: Option<&api::TaskSpec>) -> Option<i64> {
    template?.resources.as_ref()?.limits.as_ref()?.memory_bytes.filter(|bytes| *bytes > 0)
}

/// Why a task ended; none if it has not, or if there is no reason.
pub(crate) fn cause(task: &api::Task) -> Option<String> {
    let error = error_of(task);
    match (error, state_of(task)) {
        (Some(error), _) if error.contains("unhealthy container") => {
            Some(format!("{UNHEALTHY}; swarm stopped it"))
        }
        (Some(error), state) => {
            let error = error.trim_start_matches("task: ");
            if let Some(port) = refused_by_node(error) {
                return Some(format!(
                    "port {port} of its node is taken by a container or program outside of the swarm"
                ));
            }
            // `non-zero exit (3)`, with more behind a colon at times.
            let code = error.strip_prefix("non-zero exit (").and_then(|rest| rest.split_once(')'));
            Some(match code {
                Some((code, more)) => format!("{}{more}", exited(code)),
                None if state == TaskState::REJECTED => error.to_owned(),
                None => with_code(error, exit_code(task)),
            })
        }
        (None, TaskState::COMPLETE) => Some("its program ended (exit code 0)".to_owned()),
        (None, TaskState::FAILED) => {
            let message = task.status.as_ref()?.message.as_deref()?;
            Some(with_code(message, exit_code(task)))
        }
        _ => None,
    }
}

/// `exited with code 143 (SIGTERM)`
fn exited(code: &str) -> String {
    match code.parse().ok().and_then(meaning) {
        Some(meaning) => format!("exited with code {code} ({meaning})"),
        None => format!("exited with code {code}"),
    }
}

fn with_code(message: &str, code: Option<i64>) -> String {
    match code {
        Some(code) if !message.contains(&format!("({code})")) => {
            format!("{message} (exit code {code})")
        }
        _ => message.to_owned(),
    }
}

/// What the program ended with; none where it did not run.
pub(crate) fn exit_code(task: &api::Task) -> Option<i64> {
    let code = task.status.as_ref()?.container_status.as_ref()?.exit_code?;
    let state = state_of(task);
    // Docker leaves 0 there for a container that never started.
    (state > TaskState::RUNNING && (code != 0 || state == TaskState::COMPLETE)).then_some(code)
}

/// Whether its health check is why it ended.
pub(crate) fn was_unhealthy(task: &api::Task) -> bool {
    error_of(task).is_some_and(|error| error.contains("unhealthy container"))
}

/// Why swarm stopped an update, by the task that its message names, or by the
/// newest that failed. `new` are the tasks that the update made: a rollback's message
/// may name one of the spec before, which is not why.
pub(crate) fn of_update(message: &str, new: &[&api::Task]) -> String {
    let named = new
        .iter()
        .find(|t| t.id.as_deref().is_some_and(|id| !id.is_empty() && message.contains(id)));
    let newest = || {
        let ended = new.iter().filter(|task| {
            matches!(
                state_of(task),
                TaskState::FAILED | TaskState::REJECTED | TaskState::COMPLETE | TaskState::ORPHANED
            )
        });
        // One that failed says more than one that ended with 0.
        ended.max_by_key(|task| {
            let index = task.version.as_ref().and_then(|version| version.index);
            (state_of(task) != TaskState::COMPLETE, index)
        })
    };
    let cause = named.or_else(newest).and_then(|task| cause(task));
    cause.map_or_else(
        || "a new task ended too early".to_owned(),
        |cause| format!("a new task {}", told(&cause)),
    )
}

/// A cause as a clause about a task: `exited with code 3`, `ended: …`.
fn told(cause: &str) -> String {
    if cause.starts_with("exited ") {
        return cause.to_owned();
    }
    // What swarm did next is told of the update.
    let cause = if cause.starts_with(UNHEALTHY) { UNHEALTHY } else { cause };
    format!("ended: {cause}")
}

fn error_of(task: &api::Task) -> Option<&str> {
    task.status.as_ref()?.err.as_deref().filter(|error| !error.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(id: &str, state: &str, error: &str, code: i64) -> api::Task {
        serde_json::from_value(json!({
            "ID": id,
            "Version": {"Index": code},
            "Status": {"State": state, "Err": error, "ContainerStatus": {"ExitCode": code}},
        }))
        .unwrap()
    }

    #[test]
    fn an_end_is_told_in_words() {
        for (state, error, code, told) in [
            ("failed", "task: non-zero exit (3)", 3, Some("exited with code 3")),
            (
                "failed",
                "task: non-zero exit (137): dockerexec: unhealthy container",
                137,
                Some("its health check failed; swarm stopped it"),
            ),
            (
                "failed",
                "starting container failed: no such file",
                127,
                Some("starting container failed: no such file (exit code 127)"),
            ),
            ("failed", "task: non-zero exit (137)", 137, Some("exited with code 137 (SIGKILL)")),
            (
                "failed",
                "task: non-zero exit (127)",
                127,
                Some("exited with code 127 (the command was not found)"),
            ),
            ("rejected", "No such image: x:1", 0, Some("No such image: x:1")),
            ("complete", "", 0, Some("its program ended (exit code 0)")),
            ("running", "", 0, None),
        ] {
            assert_eq!(cause(&task("t", state, error, code)).as_deref(), told, "{state} {error}");
        }
    }

    #[test]
    fn a_container_says_more_of_an_end_than_swarm() {
        let killed = task("t", "failed", "task: non-zero exit (137)", KILLED);
        let sick = "task: non-zero exit (137): dockerexec: unhealthy container";
        let sick = task("t", "failed", sick, KILLED);
        let mut limited = killed.clone();
        limited.spec = serde_json::from_value(json!({
            "Resources": {"Limits": {"MemoryBytes": 16 << 20}},
        }))
        .unwrap();
        let report = |out_of_memory, output: Option<&str>| {
            Some(ContainerReport { failed_check: output.map(str::to_owned), out_of_memory })
        };
        for (task, report, told) in [
            (&killed, None, "exited with code 137 (SIGKILL)"),
            (&killed, report(false, None), "exited with code 137 (SIGKILL)"),
            (
                &limited,
                report(true, None),
                "ran out of memory: it was killed at its limit of 16 MiB",
            ),
            (
                &killed,
                report(true, None),
                "ran out of memory: it has no limit of its own, so its node had no more",
            ),
            (&sick, report(false, Some("no\nanswer\n")), "its health check failed: no answer"),
            (&sick, report(false, None), "its health check failed; swarm stopped it"),
        ] {
            assert!(asks_container(task));
            assert_eq!(cause_with(task, report.as_ref()).as_deref(), Some(told));
        }
        assert!(!asks_container(&self::task("t", "failed", "task: non-zero exit (3)", 3)));
    }

    #[test]
    fn an_update_stops_because_of_a_task() {
        let message = "update paused due to failure or early termination of task abc1";
        let tasks = [
            task("abc1", "failed", "task: non-zero exit (3)", 3),
            task("abc2", "failed", "task: non-zero exit (4)", 4),
        ];
        let told = |message: &str, tasks: &[api::Task]| {
            of_update(message, &tasks.iter().collect::<Vec<_>>())
        };
        assert_eq!(told(message, &tasks), "a new task exited with code 3");
        assert_eq!(told("rollback completed", &tasks), "a new task exited with code 4");
        assert_eq!(told(message, &[]), "a new task ended too early");
        let sick = "task: non-zero exit (137): dockerexec: unhealthy container";
        let sick = [task("abc1", "failed", sick, 137)];
        assert_eq!(told(message, &sick), "a new task ended: its health check failed");
        let ended = [task("abc1", "complete", "", 0)];
        assert_eq!(told(message, &ended), "a new task ended: its program ended (exit code 0)");
        let zero = "a new task ended: its program ended (exit code 0)";
        assert_eq!(told("rollback completed", &ended), zero);
        let both = [task("abc9", "complete", "", 9), tasks[0].clone()];
        assert_eq!(told("rollback completed", &both), "a new task exited with code 3");
        // What a node refused never came to fail.
        let refused = [task("abc0", "rejected", "No such image: x:1", 0)];
        let of_the_spec_before = "rollback paused due to failure of task abc1";
        assert_eq!(told(of_the_spec_before, &refused), "a new task ended: No such image: x:1");
    }
}
