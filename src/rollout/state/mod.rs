//! The state of a service, computed from its spec, tasks, nodes and
//! health; pure. [`super::converge`] decides how long a state may last.
//!
//! Swarm calls a task `running` only when its health check has passed once,
//! and ends a task whose check fails later; so *running* here means *running
//! and healthy* wherever there is a check.

pub(crate) mod addresses;
pub(crate) mod cause;
pub(crate) mod condition;
pub(crate) mod data;
pub(crate) mod ending;
pub(crate) mod log;
pub(crate) mod placing;
pub(crate) mod ports;
pub(crate) mod ps;
pub(crate) mod reached;
pub(crate) mod silent;
pub(crate) mod since;
pub(crate) mod task;
pub(crate) mod wanted;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::engine::api::{self, ServiceUpdateStatusStateEnum as Update, TaskState};

use self::{
    ending::{cause, exit_code, of_update},
    task::{is_wanted, unplaced},
    wanted::wants_tasks,
};
use super::diff::comparable_task;

pub(crate) use super::state::task::{slot_of, state_of};

/// A service's state, as far as it can be told from one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Swarm has not placed the tasks yet.
    Waiting {
        running: u64,
        wanted: u64,
    },
    /// The node fetches the image where it has none, and prepares networks and
    /// mounts.
    Preparing {
        running: u64,
        wanted: u64,
    },
    /// The program runs; its health check has not passed yet.
    Starting {
        running: u64,
        wanted: u64,
    },
    /// The program runs; its health check fails.
    Unhealthy {
        running: u64,
        wanted: u64,
    },
    /// All wanted tasks run; `updating` while swarm still replaces or watches.
    Running {
        running: u64,
        wanted: u64,
        updating: bool,
    },
    /// It should not run: it has no replicas, or was stopped for a restore.
    Stopped,
    /// Tasks of a job, or of a service that may end, have all ended well.
    Completed {
        tasks: u64,
    },
    /// The newest task of some slot ended; swarm may start another.
    Failing(Failing),
    /// No node takes the task, or the node refused it.
    Rejected {
        reason: String,
        times: usize,
    },
    /// The old task still holds what the new one needs.
    Held {
        /// The port of the node.
        port: i64,
    },
    /// Swarm stopped the update after failures.
    Paused {
        message: String,
    },
    RollingBack {
        message: String,
    },
    RolledBack {
        message: String,
    },
}

/// A task that ended when it should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// For its log lines.
    pub task: String,
    pub exit_code: Option<i64>,
    pub message: String,
    /// How many tasks of this spec ended so.
    pub times: usize,
    /// Whether swarm will start another by the restart policy.
    pub restarts: bool,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Waiting { running, wanted } => write!(f, "{running}/{wanted} running, waiting"),
            State::Preparing { running, wanted } => {
                write!(f, "{running}/{wanted} running, preparing")
            }
            State::Starting { running, wanted } => {
                write!(f, "{running}/{wanted} running, starting")
            }
            State::Unhealthy { running, wanted } => {
                write!(f, "{running}/{wanted} running, unhealthy")
            }
            State::Stopped => f.write_str("0/0, scaled to 0"),
            State::Running { running, wanted, updating: false } => {
                write!(f, "{running}/{wanted} running")
            }
            State::Running { running, wanted, updating: true } => {
                write!(f, "{running}/{wanted} running, updating")
            }
            State::Completed { tasks: 1 } => write!(f, "completed"),
            State::Completed { tasks } => write!(f, "{tasks} tasks completed"),
            State::Failing(failing) => {
                write!(f, "failing: {}", failing.message)?;
                if failing.times > 1 {
                    write!(f, ", {} times", failing.times)?;
                }
                Ok(())
            }
            State::Held { port } => write!(f, "waiting for the old task to free port {port}"),
            State::Rejected { reason, .. } => write!(f, "rejected: {reason}"),
            State::Paused { message } => write!(f, "{message}, so swarm paused the update"),
            State::RollingBack { message } => {
                write!(f, "{message}, so swarm is rolling back to what ran before")
            }
            State::RolledBack { message } => {
                write!(f, "{message}, so swarm rolled back to what ran before")
            }
        }
    }
}

/// What a service is judged by.
pub(crate) struct Look<'a> {
    pub service: &'a api::Service,
    /// All its tasks, old ones too.
    pub tasks: &'a [api::Task],
    pub nodes: &'a [api::Node],
    /// Tasks whose container, on this node, is unhealthy.
    pub unhealthy: &'a BTreeSet<String>,
    /// Tasks that had ended before this operation, whose failures do not count.
    pub ended_before: &'a BTreeSet<String>,
    /// Whether this operation sent the spec. If not, a completed rollback
    /// explains why the wanted spec is live.
    pub changed: bool,
}

impl Look<'_> {
    /// Of some tasks those that this operation made.
    fn made_now<'a>(&self, tasks: &[&'a api::Task]) -> Vec<&'a api::Task> {
        let is_old =
            |task: &&&api::Task| task.id.as_ref().is_some_and(|id| self.ended_before.contains(id));
        tasks.iter().filter(|task| !is_old(task)).copied().collect()
    }
}

/// The tasks that were made of a template.
pub(crate) fn made_of<'a>(
    template: Option<&api::TaskSpec>,
    tasks: &'a [api::Task],
) -> Vec<&'a api::Task> {
    let wanted = template.map(comparable_task);
    tasks.iter().filter(|task| task.spec.as_ref().map(comparable_task) == wanted).collect()
}

/// Tells the state of a service whose live spec is the wanted one.
pub(crate) fn classify(look: &Look<'_>) -> State {
    let spec = look.service.spec.as_ref();
    let template = spec.and_then(|s| s.task_template.as_ref());
    let ours = made_of(template, look.tasks);
    let mode = spec.and_then(|s| s.mode.as_ref());
    let restarts = Restarts::of(template);
    let done = if restarts.may_end() { completed(&ours) } else { 0 };
    let wanted_at_all = mode.and_then(|mode| mode.replicated.as_ref().map(|_| replicas(mode)));
    // Swarm takes the end of a task for a failure of the update, however it ended.
    let all_done = done > 0 && wanted_at_all.is_some_and(|wanted| done >= wanted);
    match from_update(look.service, &look.made_now(&ours)) {
        Some(State::RolledBack { .. } | State::RollingBack { .. }) if !look.changed => {}
        Some(State::Paused { .. }) if all_done => {}
        Some(state) => return state,
        None => {}
    }
    let mut staying = look.tasks.iter().filter(|task| is_wanted(task));
    let runs = staying.any(|task| state_of(task) == TaskState::RUNNING);
    if spec.is_some_and(|spec| !wants_tasks(spec)) && !runs {
        return State::Stopped;
    }
    if let Some(state) = mode.and_then(|mode| job(look, mode, &ours)) {
        return state;
    }
    let down: BTreeSet<&str> = down_nodes(look.nodes);
    let on_live_node =
        |task: &api::Task| !task.node_id.as_deref().is_some_and(|n| down.contains(n));
    // Swarm orders task states; what it wants at `running` or below is not on
    // its way out.
    let active: Vec<&api::Task> = ours
        .iter()
        .copied()
        .filter(|task| task.desired_state.is_some_and(|s| s <= TaskState::RUNNING))
        .filter(|task| on_live_node(task))
        .collect();
    let running = active.iter().filter(|t| state_of(t) == TaskState::RUNNING).count() as u64;
    let wanted = match mode {
        Some(mode) if mode.global.is_some() => {
            let nodes: BTreeSet<_> = active.iter().filter_map(|t| t.node_id.as_deref()).collect();
            nodes.len() as u64 + done
        }
        Some(mode) => replicas(mode),
        None => 1,
    };
    let updating =
        look.service.update_status.as_ref().and_then(|u| u.state) == Some(Update::UPDATING);
    if done > 0 && running == 0 && done >= wanted {
        return State::Completed { tasks: done };
    }
    if running + done >= wanted {
        return State::Running { running, wanted: wanted.saturating_sub(done), updating };
    }
    // A fresh attempt in a slot that failed before is still a failing service
    // until it runs; its own progress is shown only while it is the first.
    let mut failures = failures(&ours, look.ended_before);
    if failures.is_empty() && active.is_empty() {
        // Swarm starts no other, so what ended before still counts.
        failures = self::failures(&ours, &BTreeSet::new());
        failures.retain(|last| !restarts.again(state_of(last), failures_in(slot_of(last), &ours)));
    }
    if restarts.may_end() {
        failures.retain(|task| state_of(task) != TaskState::COMPLETE);
    }
    let progress = active
        .iter()
        .map(|t| state_of(t))
        .filter(|s| (TaskState::ASSIGNED..TaskState::RUNNING).contains(s))
        .max();
    // What waits in a place that has a newer task is about to go.
    let newest = newest(&active);
    if let Some(reason) = newest.iter().find_map(|task| unplaced(task)) {
        return State::Rejected { reason: reason.to_owned(), times: 1 };
    }
    if let Some(last) = failures.last() {
        return failed(last, &failures, &restarts);
    }
    match progress {
        Some(s) if s >= TaskState::STARTING => {
            let unhealthy =
                active.iter().any(|t| t.id.as_ref().is_some_and(|id| look.unhealthy.contains(id)));
            if unhealthy {
                State::Unhealthy { running, wanted }
            } else {
                State::Starting { running, wanted }
            }
        }
        Some(_) => State::Preparing { running, wanted },
        None => State::Waiting { running, wanted },
    }
}

/// What swarm itself says of the update, which made the `new` tasks. Every update of a
/// service resets it, so the present status belongs to the live spec.
pub(crate) fn from_update(service: &api::Service, new: &[&api::Task]) -> Option<State> {
    let status = service.update_status.as_ref()?;
    let message = || of_update(status.message.as_deref().unwrap_or_default(), new);
    match status.state? {
        Update::PAUSED | Update::ROLLBACK_PAUSED => Some(State::Paused { message: message() }),
        Update::ROLLBACK_STARTED => Some(State::RollingBack { message: message() }),
        Update::ROLLBACK_COMPLETED => Some(State::RolledBack { message: message() }),
        Update::UPDATING | Update::COMPLETED | Update::EMPTY => None,
    }
}

/// Whether swarm paused the last update.
pub(crate) fn is_paused(service: &api::Service) -> bool {
    let state = service.update_status.as_ref().and_then(|status| status.state);
    matches!(state, Some(Update::PAUSED | Update::ROLLBACK_PAUSED))
}

/// Whether swarm paused the last update with some of it left to do: it also does
/// so when a service that may end has ended.
pub(crate) fn is_halted(service: &api::Service, tasks: &[api::Task]) -> bool {
    let state = classify(&Look {
        service,
        tasks,
        nodes: &[],
        unhealthy: &BTreeSet::new(),
        ended_before: &BTreeSet::new(),
        changed: false,
    });
    matches!(state, State::Paused { .. })
}

fn job(look: &Look<'_>, mode: &api::ServiceSpecMode, ours: &[&api::Task]) -> Option<State> {
    let replicated = mode.replicated_job.as_ref();
    if replicated.is_none() && mode.global_job.is_none() {
        return None;
    }
    // A job that runs again counts its tasks anew.
    let iteration = look.service.job_status.as_ref().and_then(|j| j.job_iteration.as_ref());
    let index = |version: Option<&api::ObjectVersion>| version.and_then(|v| v.index).unwrap_or(0);
    let tasks: Vec<&api::Task> = ours
        .iter()
        .copied()
        .filter(|task| index(task.job_iteration.as_ref()) == index(iteration))
        .collect();
    let done = tasks.iter().filter(|t| state_of(t) == TaskState::COMPLETE).count() as u64;
    let wanted = match replicated {
        Some(job) => job.total_completions.or(job.max_concurrent).unwrap_or(1).max(0) as u64,
        None => {
            let nodes: BTreeSet<_> = tasks.iter().filter_map(|t| t.node_id.as_deref()).collect();
            nodes.len().max(1) as u64
        }
    };
    if done >= wanted {
        return Some(State::Completed { tasks: done });
    }
    let active: Vec<&api::Task> =
        tasks.iter().copied().filter(|t| state_of(t) <= TaskState::RUNNING).collect();
    if let Some(reason) = active.iter().find_map(|task| unplaced(task)) {
        return Some(State::Rejected { reason: reason.to_owned(), times: 1 });
    }
    let template = look.service.spec.as_ref().and_then(|s| s.task_template.as_ref());
    let restarts = Restarts::of(template);
    let mut failures = failures(&tasks, look.ended_before);
    if failures.is_empty() && active.is_empty() {
        // Swarm starts no other, so what ended before still counts.
        failures = self::failures(&tasks, &BTreeSet::new());
        failures.retain(|last| !restarts.again(state_of(last), failures_in(slot_of(last), &tasks)));
    }
    failures.retain(|task| state_of(task) != TaskState::COMPLETE);
    if let Some(last) = failures.last() {
        return Some(failed(last, &failures, &restarts));
    }
    Some(State::Starting { running: done, wanted })
}

/// The wanted number of tasks of a replicated service; swarm's default is 1.
pub(crate) fn replicas(mode: &api::ServiceSpecMode) -> u64 {
    mode.replicated.as_ref().and_then(|r| r.replicas).unwrap_or(1).max(0) as u64
}

fn down_nodes(nodes: &[api::Node]) -> BTreeSet<&str> {
    nodes
        .iter()
        .filter(|node| node.status.as_ref().and_then(|s| s.state) == Some(api::NodeState::DOWN))
        .filter_map(|node| node.id.as_deref())
        .collect()
}

/// Whether a task of a service that is to stay has ended by itself, with exit
/// code 0 or another.
pub(crate) fn ended_badly(task: &api::Task) -> bool {
    matches!(
        state_of(task),
        TaskState::FAILED | TaskState::REJECTED | TaskState::COMPLETE | TaskState::ORPHANED
    )
}

/// Tasks that ended in this operation, oldest first. For a service that
/// should keep running, an end with exit code 0 counts, too.
fn failures<'a>(ours: &[&'a api::Task], ended_before: &BTreeSet<String>) -> Vec<&'a api::Task> {
    let mut ended: Vec<&api::Task> = ours
        .iter()
        .copied()
        .filter(|task| ended_badly(task))
        .filter(|task| !task.id.as_ref().is_some_and(|id| ended_before.contains(id)))
        .collect();
    // Only slots without a task that runs: the others have recovered.
    let mut recovered: BTreeMap<(Option<i64>, Option<&str>), bool> = BTreeMap::new();
    for task in ours.iter().filter(|t| state_of(t) == TaskState::RUNNING) {
        recovered.insert(slot_of(task), true);
    }
    ended.retain(|task| !recovered.contains_key(&slot_of(task)));
    ended.sort_by_key(|task| {
        // RFC 3339 in UTC orders as text up to the seconds' fractions, whose
        // trailing zeros Go leaves out; the version settles the rest.
        task.version.as_ref().and_then(|v| v.index).unwrap_or(0)
    });
    ended
}

/// Places whose newest task ended with exit code 0, and in which no task will run.
fn completed(ours: &[&api::Task]) -> u64 {
    let newest = newest(ours);
    newest.iter().filter(|task| state_of(task) == TaskState::COMPLETE).count() as u64
}

/// The task of each place that changed last.
fn newest<'a>(tasks: &[&'a api::Task]) -> Vec<&'a api::Task> {
    let index = |task: &api::Task| task.version.as_ref().and_then(|v| v.index).unwrap_or(0);
    let mut newest: BTreeMap<(Option<i64>, Option<&str>), &api::Task> = BTreeMap::new();
    for task in tasks {
        let kept = newest.entry(slot_of(task)).or_insert(task);
        if index(task) > index(kept) {
            *kept = task;
        }
    }
    newest.into_values().collect()
}

fn failures_in(slot: (Option<i64>, Option<&str>), tasks: &[&api::Task]) -> usize {
    tasks.iter().filter(|task| ended_badly(task) && slot_of(task) == slot).count()
}

/// Whether the end of a task is a failure.
pub(crate) fn restarts_after(task: &api::Task) -> bool {
    let may_end = task.job_iteration.is_some() || Restarts::of(task.spec.as_ref()).may_end();
    state_of(task) != TaskState::COMPLETE || !may_end
}

/// Whether a task ended with exit code 0 and belongs to a service that may end so.
pub(crate) fn ended_as_it_may(task: &api::Task) -> bool {
    state_of(task) == TaskState::COMPLETE && !restarts_after(task)
}

fn failed(last: &api::Task, failures: &[&api::Task], restarts: &Restarts) -> State {
    if state_of(last) == TaskState::REJECTED {
        let times = failures.iter().filter(|t| state_of(t) == TaskState::REJECTED).count();
        let message = || last.status.as_ref().and_then(|s| s.message.clone());
        let reason = cause(last).or_else(message).unwrap_or_else(|| "no reason given".into());
        return State::Rejected { reason, times };
    }
    let slot = slot_of(last);
    let in_slot = failures.iter().filter(|t| slot_of(t) == slot).count();
    State::Failing(Failing {
        task: last.id.clone().unwrap_or_default(),
        exit_code: exit_code(last),
        message: cause(last).unwrap_or_else(|| "no reason given".into()),
        times: failures.len(),
        restarts: restarts.again(state_of(last), in_slot),
    })
}

/// Whether a task that ended is followed by another.
struct Restarts {
    condition: Option<api::TaskSpecRestartPolicyConditionEnum>,
    /// None if there is no limit.
    max_attempts: Option<usize>,
}

impl Restarts {
    fn of(template: Option<&api::TaskSpec>) -> Self {
        let policy = template.and_then(|t| t.restart_policy.as_ref());
        Restarts {
            condition: policy.and_then(|p| p.condition),
            max_attempts: policy
                .and_then(|p| p.max_attempts)
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| *n > 0),
        }
    }

    /// Whether an end with exit code 0 is how the service is meant to end.
    fn may_end(&self) -> bool {
        use api::TaskSpecRestartPolicyConditionEnum as Condition;
        matches!(self.condition, Some(Condition::NONE | Condition::ON_FAILURE))
    }

    fn again(&self, ended: TaskState, failures_in_slot: usize) -> bool {
        use api::TaskSpecRestartPolicyConditionEnum as Condition;
        let by_condition = match self.condition {
            Some(Condition::NONE) => false,
            Some(Condition::ON_FAILURE) => ended != TaskState::COMPLETE,
            Some(Condition::ANY | Condition::EMPTY) | None => true,
        };
        // The first attempt is not a restart.
        by_condition && self.max_attempts.is_none_or(|max| failures_in_slot <= max)
    }
}

#[cfg(test)]
mod tests;
