//! One step of the swarm's logical clock.
//!
//! Every call that reads services, tasks or containers advances every service by one step,
//! so that a caller that polls sees all states in order and a test never sleeps. The order
//! of things is that of moby/swarmkit (`manager/orchestrator/update`, `…/restart`), without
//! its delays.

use super::{
    script::{Script, Subject, TaskRule},
    state::{NODE_ID, Service, State, Update, container_id, id, mounted_volumes, now},
    task::{CHECKING, has_container, is_over, task_state},
};
use crate::engine::{STACK_LABEL, api};
use api::{
    ServiceSpecRollbackConfigFailureActionEnum as RollbackAction,
    ServiceSpecUpdateConfigFailureActionEnum as UpdateAction,
    ServiceSpecUpdateConfigOrderEnum as Order, ServiceUpdateStatusStateEnum as UpdateState,
    TaskSpecRestartPolicyConditionEnum as Condition, TaskState,
};

/// The number of steps without a failure until an update is complete.
const MONITOR_STEPS: u32 = 2;

/// How many ended tasks a slot keeps (`TaskHistoryRetentionLimit`).
const HISTORY: usize = 5;

/// Moves every service one step; says whether anything changed.
pub(super) fn tick(state: &mut State, script: &Script) -> bool {
    let mut services = std::mem::take(&mut state.services);
    let mut changed = false;
    for service in &mut services {
        changed |= step_tasks(state, service, script);
        changed |= step_update(state, service);
        changed |= fill_slots(state, service);
        changed |= forget_old(service);
    }
    state.services = services;
    changed
}

fn wanted(task: &api::Task) -> bool {
    task.desired_state == Some(TaskState::RUNNING)
}

fn failed(task: &api::Task) -> bool {
    matches!(task_state(task), TaskState::FAILED | TaskState::REJECTED)
}

pub(super) fn has_health_check(task: &api::Task) -> bool {
    let spec = task.spec.as_ref().and_then(|spec| spec.container_spec.as_ref());
    let test = spec.and_then(|spec| spec.health_check.as_ref()?.test.as_ref());
    test.is_some_and(|test| test.first().is_some_and(|first| first != "NONE"))
}

pub(super) fn subject<'a>(service: &'a Service, task: &'a api::Task) -> Subject<'a> {
    let spec = task.spec.as_ref().and_then(|spec| spec.container_spec.as_ref());
    let labels = service.spec().and_then(|spec| spec.labels.as_ref());
    Subject {
        service: service.name(),
        stack: labels.and_then(|labels| labels.get(STACK_LABEL)).map(String::as_str),
        image: spec.and_then(|spec| spec.image.as_deref()).unwrap_or_default(),
    }
}

fn is_job(spec: &api::ServiceSpec) -> bool {
    spec.mode
        .as_ref()
        .is_some_and(|mode| mode.replicated_job.is_some() || mode.global_job.is_some())
}

/// The next state of a task, or none if it does not change.
fn next_status(task: &api::Task, rule: Option<&TaskRule>, job: bool) -> Option<api::TaskStatus> {
    let to = |state: TaskState, message: &str| api::TaskStatus {
        timestamp: now(),
        state: Some(state),
        message: Some(message.into()),
        ..Default::default()
    };
    let with_error = |mut status: api::TaskStatus, error: String| {
        status.err = Some(error);
        status
    };
    let container = |mut status: api::TaskStatus, exit_code: i64| {
        status.container_status = Some(api::ContainerStatus {
            container_id: Some(container_id(task.id.as_deref().unwrap_or_default())),
            pid: None,
            exit_code: Some(exit_code),
        });
        status
    };
    if is_over(task) {
        return None;
    }
    if !wanted(task) {
        return Some(container(to(TaskState::SHUTDOWN, "shutdown"), 0));
    }
    Some(match task_state(task) {
        TaskState::NEW => match rule.and_then(|rule| rule.no_node.as_ref()) {
            Some(reason) => with_error(
                to(TaskState::PENDING, "pending task scheduling"),
                format!("no suitable node ({reason})"),
            ),
            None => to(TaskState::ASSIGNED, "scheduler assigned task to node"),
        },
        TaskState::PENDING => return None,
        TaskState::ASSIGNED => to(TaskState::PREPARING, "preparing"),
        TaskState::PREPARING => match rule.and_then(|rule| rule.pull_error.as_ref()) {
            Some(reason) => with_error(to(TaskState::REJECTED, "preparing"), reason.clone()),
            None => to(TaskState::STARTING, "starting"),
        },
        TaskState::STARTING if !has_container(task) && has_health_check(task) => {
            container(to(TaskState::STARTING, CHECKING), 0)
        }
        TaskState::STARTING if rule.is_some_and(|rule| rule.unhealthy) => container(
            with_error(
                to(TaskState::FAILED, "started"),
                "task: non-zero exit (137): dockerexec: unhealthy container".into(),
            ),
            137,
        ),
        TaskState::STARTING => container(to(TaskState::RUNNING, "started"), 0),
        TaskState::RUNNING => match rule.and_then(TaskRule::ends_with) {
            Some(0) => container(to(TaskState::COMPLETE, "finished"), 0),
            None if job => container(to(TaskState::COMPLETE, "finished"), 0),
            None => return None,
            Some(code) => container(
                with_error(
                    to(TaskState::FAILED, "started"),
                    format!("task: non-zero exit ({code})"),
                ),
                code,
            ),
        },
        _ => return None,
    })
}

fn step_tasks(state: &mut State, service: &mut Service, script: &Script) -> bool {
    let job = service.spec().is_some_and(is_job);
    let next: Vec<_> = service
        .tasks
        .iter()
        .map(|task| next_status(task, script.task(subject(service, task)), job))
        .collect();
    let mut changed = false;
    for (task, next) in service.tasks.iter_mut().zip(next) {
        let Some(status) = next else { continue };
        if status.state == Some(TaskState::STARTING) {
            for (name, mount) in mounted_volumes(task) {
                state.mount_volume(name, mount);
            }
        }
        if status.state == Some(TaskState::ASSIGNED) {
            task.node_id = Some(NODE_ID.into());
        }
        task.status = Some(status);
        if failed(task) {
            task.desired_state = Some(TaskState::SHUTDOWN);
        }
        task.updated_at = now();
        task.version = Some(state.bump());
        changed = true;
    }
    changed
}

/// Whether the task was made from what the service wants now.
fn is_current(service: &Service, task: &api::Task) -> bool {
    task.spec.as_ref() == service.spec().and_then(|spec| spec.task_template.as_ref())
}

/// Judges a rolling update: failures, the monitor window, its end.
fn step_update(state: &mut State, service: &mut Service) -> bool {
    let Some(mut update) = service.update.take() else { return false };
    if update.paused {
        service.update = Some(update);
        return false;
    }
    let before = (update.failed.len(), update.quiet);
    let is_new = |task: &&api::Task| task.id.as_ref().is_none_or(|id| !update.before.contains(id));
    let new_failures = service
        .tasks
        .iter()
        .filter(is_new)
        .filter(|task| is_current(service, task) && failed(task));
    for task in new_failures.filter_map(|task| task.id.clone()) {
        if !update.failed.contains(&task) {
            update.failed.push(task);
            update.quiet = 0;
        }
    }
    if update.failed.len() > before.0 && too_many(service, &update) {
        react(state, service, update);
        return true;
    }
    let slots = slots(service);
    let all_well = slots.iter().all(|slot| {
        service.tasks.iter().any(|task| {
            task.slot == *slot
                && wanted(task)
                && is_current(service, task)
                && matches!(task_state(task), TaskState::RUNNING | TaskState::COMPLETE)
        })
    });
    update.quiet = if all_well { update.quiet + 1 } else { 0 };
    if update.quiet > MONITOR_STEPS {
        let (to, message) = if update.rollback {
            (UpdateState::ROLLBACK_COMPLETED, "rollback completed")
        } else {
            (UpdateState::COMPLETED, "update completed")
        };
        set_status(state, service, to, message.into());
        return true;
    }
    let changed = before != (update.failed.len(), update.quiet);
    service.update = Some(update);
    changed
}

/// Whether the failures exceed what the policy allows.
fn too_many(service: &Service, update: &Update) -> bool {
    let spec = service.spec();
    let ratio = if update.rollback {
        spec.and_then(|spec| spec.rollback_config.as_ref()?.max_failure_ratio)
    } else {
        spec.and_then(|spec| spec.update_config.as_ref()?.max_failure_ratio)
    };
    let slots = slots(service).len().max(1);
    update.failed.len() as f64 / slots as f64 > ratio.unwrap_or(0.0)
}

/// Does what the policy says about a failure.
fn react(state: &mut State, service: &mut Service, mut update: Update) {
    let task = update.failed.last().cloned().unwrap_or_default();
    let cause = format!("due to failure or early termination of task {task}");
    let spec = service.spec();
    if update.rollback {
        let action = spec.and_then(|spec| spec.rollback_config.as_ref()?.failure_action);
        if action != Some(RollbackAction::CONTINUE) {
            update.paused = true;
            let message = format!("rollback paused {cause}");
            set_status(state, service, UpdateState::ROLLBACK_PAUSED, message);
        }
        service.update = Some(update);
        return;
    }
    match spec.and_then(|spec| spec.update_config.as_ref()?.failure_action) {
        Some(UpdateAction::CONTINUE) => service.update = Some(update),
        Some(UpdateAction::ROLLBACK) if service.previous.is_some() => {
            service.object.spec = service.previous.take();
            service.update = Some(Update { rollback: true, ..Update::default() });
            let message = format!("update rolled back {cause}");
            set_status(state, service, UpdateState::ROLLBACK_STARTED, message);
        }
        _ => {
            update.paused = true;
            service.update = Some(update);
            set_status(state, service, UpdateState::PAUSED, format!("update paused {cause}"));
        }
    }
}

fn set_status(state: &mut State, service: &mut Service, to: UpdateState, message: String) {
    let status = service.object.update_status.get_or_insert_default();
    if matches!(to, UpdateState::COMPLETED | UpdateState::ROLLBACK_COMPLETED) {
        status.completed_at = now();
    }
    status.state = Some(to);
    status.message = Some(message);
    service.object.updated_at = now();
    service.object.version = Some(state.bump());
}

/// Whether the one node meets the constraints that name a node by its id.
fn fits(service: &Service) -> bool {
    let placement = service.spec().and_then(|spec| spec.task_template.as_ref()?.placement.as_ref());
    let constraints = placement.and_then(|placement| placement.constraints.as_ref());
    let mut nodes =
        constraints.into_iter().flatten().filter_map(|one| one.strip_prefix("node.id=="));
    nodes.all(|node| node == NODE_ID)
}

/// The slots that should be filled; a global service has one without number.
fn slots(service: &Service) -> Vec<Option<i64>> {
    let mode = service.spec().and_then(|spec| spec.mode.clone()).unwrap_or_default();
    if mode.global.is_some() || mode.global_job.is_some() {
        return if fits(service) { vec![None] } else { Vec::new() };
    }
    let count = match (mode.replicated_job, mode.replicated) {
        (Some(job), _) => job.total_completions.or(job.max_concurrent).unwrap_or(1),
        (None, Some(replicated)) => replicated.replicas.unwrap_or(1),
        (None, None) => 1,
    };
    (1..=count).map(Some).collect()
}

/// Makes the tasks that are missing and replaces those that are out of date.
fn fill_slots(state: &mut State, service: &mut Service) -> bool {
    let slots = slots(service);
    let mut changed = false;
    for task in &mut service.tasks {
        if !slots.contains(&task.slot) && wanted(task) {
            task.desired_state = Some(TaskState::REMOVE);
            changed = true;
        }
    }
    let paused = service.update.as_ref().is_some_and(|update| update.paused);
    let config = service.spec().and_then(|spec| spec.update_config.as_ref());
    let at_once = match config.and_then(|config| config.parallelism).unwrap_or(1) {
        0 => usize::MAX,
        some => usize::try_from(some).unwrap_or(1),
    };
    let start_first = config.and_then(|config| config.order) == Some(Order::START_FIRST);
    let mut in_flight = slots.iter().filter(|slot| under_way(service, **slot)).count();

    for slot in slots {
        let of_slot = || service.tasks.iter().filter(move |task| task.slot == slot);
        let live = |task: &&api::Task| wanted(task) && !is_over(task);
        let new = of_slot().find(|task| live(task) && is_current(service, task));
        let old = of_slot().find(|task| live(task) && !is_current(service, task));
        match (old, new) {
            (Some(_), Some(new)) if task_state(new) == TaskState::RUNNING => {
                changed |= stop_old(service, slot);
            }
            (Some(_), None) if !paused && in_flight < at_once => {
                if !start_first {
                    stop_old(service, slot);
                }
                add_task(state, service, slot);
                in_flight += 1;
                changed = true;
            }
            (None, None) if should_start(service, slot, paused) => {
                stop_old(service, slot);
                add_task(state, service, slot);
                changed = true;
            }
            _ => {}
        }
    }
    changed
}

/// Whether a slot has a task of the current spec that does not run yet.
fn under_way(service: &Service, slot: Option<i64>) -> bool {
    service.tasks.iter().any(|task| {
        task.slot == slot
            && wanted(task)
            && !is_over(task)
            && is_current(service, task)
            && task_state(task) != TaskState::RUNNING
    })
}

/// Whether an empty slot gets a (new) task: the restart policy.
fn should_start(service: &Service, slot: Option<i64>, paused: bool) -> bool {
    let Some(last) = service.tasks.iter().rfind(|task| task.slot == slot) else { return true };
    if !is_over(last) {
        return false;
    }
    if !is_current(service, last) {
        return !paused;
    }
    let policy = last.spec.as_ref().and_then(|spec| spec.restart_policy.as_ref());
    let job = service.spec().is_some_and(is_job);
    let restart = match policy.and_then(|policy| policy.condition) {
        Some(Condition::NONE) => false,
        Some(Condition::ON_FAILURE) => failed(last),
        _ => !job || failed(last),
    };
    // A task that was stopped on purpose is not a matter of the policy.
    if !wanted(last) && task_state(last) == TaskState::SHUTDOWN {
        return true;
    }
    let attempts = policy.and_then(|policy| policy.max_attempts).unwrap_or(0);
    let ended = service
        .tasks
        .iter()
        .filter(|task| task.slot == slot && is_over(task) && is_current(service, task));
    restart && (attempts == 0 || (ended.count() as i64) <= attempts)
}

/// Releases the tasks of a slot that are out of date or have ended.
fn stop_old(service: &mut Service, slot: Option<i64>) -> bool {
    let current = service.spec().and_then(|spec| spec.task_template.clone());
    let mut changed = false;
    for task in service.tasks.iter_mut().filter(|task| task.slot == slot && wanted(task)) {
        if is_over(task) || task.spec != current {
            task.desired_state = Some(TaskState::SHUTDOWN);
            changed = true;
        }
    }
    changed
}

fn add_task(state: &mut State, service: &mut Service, slot: Option<i64>) {
    let version = state.bump();
    service.tasks.push(api::Task {
        id: Some(id("task", state.index)),
        version: Some(version),
        created_at: now(),
        updated_at: now(),
        spec: service.spec().and_then(|spec| spec.task_template.clone()),
        service_id: service.object.id.clone(),
        slot,
        status: Some(api::TaskStatus {
            timestamp: now(),
            state: Some(TaskState::NEW),
            message: Some("created".into()),
            ..Default::default()
        }),
        desired_state: Some(TaskState::RUNNING),
        ..Default::default()
    });
}

/// Drops the oldest ended tasks of each slot, and all of slots that are gone.
fn forget_old(service: &mut Service) -> bool {
    let before = service.tasks.len();
    service.tasks.retain(|task| !(is_over(task) && task.desired_state == Some(TaskState::REMOVE)));
    for slot in slots(service) {
        let ended = service.tasks.iter().filter(|task| task.slot == slot && is_over(task)).count();
        let mut excess = ended.saturating_sub(HISTORY);
        service.tasks.retain(|task| {
            let drop = excess > 0 && task.slot == slot && is_over(task);
            excess -= usize::from(drop);
            !drop
        });
    }
    service.tasks.len() != before
}
