//! Waits until services run what was sent, and says what prevents them.
//!
//! Success is verified, not assumed: the live spec must be ours, every wanted task must run
//! (which includes its health check, see [`super::state`]) and keep running through the
//! monitor window, and swarm must have finished the update. Services are watched side by
//! side; one that cannot start ends the wait for the others. A service that was not changed
//! needs no wait if it runs.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future;
use jiff::Timestamp;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use crate::{
    engine::{self, Engine, Health, NodePort, api, node_ports},
    progress::{Event, Sink},
};

use super::{
    diff::{Names, comparable, comparable_task},
    error::{FailedService, Problem},
    state::{
        self, Look, State, addresses, classify, condition, ending, log, made_of,
        ports::{self, Taken},
        reached::Reached,
        since::Since,
        state_of,
    },
};

/// Swarm's own default of `update_config.monitor`.
const DEFAULT_MONITOR: Duration = Duration::from_secs(5);
/// Interval between two polls; doubles up to the second value.
const POLL: [Duration; 2] = [Duration::from_millis(150), Duration::from_millis(500)];
/// No node fits, or a node refuses: other tasks may still be leaving, so it
/// gets this long to change.
const REJECTED_PATIENCE: Duration = Duration::from_secs(30);
/// Attempts to pull a missing image before giving up.
const MISSING_IMAGE_TIMES: usize = 2;
/// Until the networks of tasks that are not placed are looked at.
const ALLOCATION: Duration = Duration::from_secs(5);
/// Time for swarm to create the tasks of an update.
const NEW_TASKS: Duration = Duration::from_secs(2);
/// A service that ends this many times more, once there is nothing else to
/// wait for, will not start.
const CRASHES_ALONE: usize = 4;
/// The hint for updates of a service that may end.
const ENDED_IN_UPDATE: &str = "swarm treats the end of a task as a failed update, even with exit \
                               code 0: remove `failure_action` from `update_config`, or use \
                               `mode: replicated-job`";
const LOG_LINES: usize = 10;

/// A service to wait for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub key: String,
    pub id: String,
    /// What the live spec must equal.
    pub spec: api::ServiceSpec,
    pub since: Since,
}

/// Waits for all targets; returns their results.
pub(crate) async fn converge(
    engine: &dyn Engine,
    targets: &[Target],
    limit: Duration,
    progress: &dyn Sink,
) -> Result<Reached, Vec<FailedService>> {
    let group = Group {
        stop: AtomicBool::new(false),
        changes: targets.iter().any(|target| target.since.is_change()),
        coming: AtomicUsize::new(targets.len()),
        nodes: Mutex::default(),
    };
    let ending = Instant::now() + limit;
    let watches = targets.iter().map(|target| {
        let watch = Watch { engine, target, limit, progress, group: &group };
        async move {
            let result = watch.run(ending).await;
            if matches!(result, Outcome::Failed(_)) {
                watch.group.stop.store(true, Ordering::Relaxed);
            }
            result
        }
    });
    let mut failed = Vec::new();
    let mut reached = Reached::default();
    for (target, outcome) in targets.iter().zip(future::join_all(watches).await) {
        match outcome {
            Outcome::Converged(state) => reached.add(&target.key, &state),
            Outcome::Failed(problem) => {
                let (cause, log) = explain(engine, target, &problem).await;
                failed.push(FailedService { service: target.key.clone(), problem, cause, log });
            }
            Outcome::Abandoned => {}
        }
    }
    if failed.is_empty() { Ok(reached) } else { Err(failed) }
}

enum Outcome {
    Converged(State),
    Failed(Problem),
    /// Another service failed while this one was still starting.
    Abandoned,
}

/// State that the watches of one deploy share.
struct Group {
    /// One has failed: the others need not continue.
    stop: AtomicBool,
    /// Whether any of them was just sent.
    changes: bool,
    /// How many may still start by themselves: neither converged nor
    /// ending again and again.
    coming: AtomicUsize,
    /// The swarm's nodes, and when they were asked for: one answer serves all watches
    /// that look at the same time.
    nodes: Mutex<Option<(Instant, Arc<[api::Node]>)>>,
}

impl Group {
    async fn nodes(&self, engine: &dyn Engine) -> Result<Arc<[api::Node]>, engine::Error> {
        let mut kept = self.nodes.lock().await;
        if let Some((asked, nodes)) = &*kept
            && asked.elapsed() < POLL[0]
        {
            return Ok(Arc::clone(nodes));
        }
        let nodes: Arc<[api::Node]> = engine.nodes().await?.into();
        *kept = Some((Instant::now(), Arc::clone(&nodes)));
        Ok(nodes)
    }
}

/// Tasks that ended while they were watched. Swarm keeps only the last few of a
/// slot, so the count is ours.
#[derive(Default)]
struct Crashes {
    seen: BTreeSet<String>,
    /// How many had ended when nothing else was left to wait for.
    alone_since: Option<usize>,
    /// Whether the group no longer counts this service as one that may come.
    counted_out: bool,
}

impl Crashes {
    /// Whether the service ends again and again although everything else that
    /// it could be waiting for, such as its database, runs.
    fn are_final(&mut self, group: &Group) -> bool {
        if self.seen.is_empty() {
            return false;
        }
        if !self.counted_out {
            self.counted_out = true;
            group.coming.fetch_sub(1, Ordering::Relaxed);
        }
        if group.coming.load(Ordering::Relaxed) > 0 {
            self.alone_since = None;
            return false;
        }
        let since = *self.alone_since.get_or_insert(self.seen.len());
        self.seen.len() >= since + CRASHES_ALONE
    }
}

/// What swarm does by itself when an update fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swarm {
    /// It goes back, and watches now for a reason.
    Watches,
    /// It goes back, if it watches.
    GoesBack,
    /// Nothing.
    LeavesIt,
}

impl Swarm {
    /// It goes back if the spec says so, and only while it works on an update: a new service
    /// has nothing to go back to, and a failure after the monitor window is not rolled back.
    fn of(
        action: Option<api::ServiceSpecUpdateConfigFailureActionEnum>,
        update: Option<api::ServiceUpdateStatusStateEnum>,
    ) -> Self {
        use api::{
            ServiceSpecUpdateConfigFailureActionEnum as Action,
            ServiceUpdateStatusStateEnum as Update,
        };
        match (action, update) {
            (Some(Action::ROLLBACK), Some(Update::UPDATING)) => Swarm::Watches,
            (_, Some(Update::COMPLETED | Update::ROLLBACK_COMPLETED)) => Swarm::LeavesIt,
            (Some(Action::ROLLBACK), _) => Swarm::GoesBack,
            _ => Swarm::LeavesIt,
        }
    }
}

struct Watch<'a> {
    engine: &'a dyn Engine,
    target: &'a Target,
    limit: Duration,
    progress: &'a dyn Sink,
    group: &'a Group,
}

impl Watch<'_> {
    async fn run(&self, ending: Instant) -> Outcome {
        let mut ended_before = None;
        let mut crashes = Crashes::default();
        let mut shown = String::new();
        let mut good_since: Option<Instant> = None;
        let mut stuck_since: Option<Instant> = None;
        let mut waiting_since: Option<Instant> = None;
        // Why it waits, once that was asked for.
        let (mut asked, mut not_placed) = (false, String::new());
        let mut pause = POLL[0];
        loop {
            let (state, swarm) = match self.look(&mut ended_before, &mut crashes).await {
                Ok(seen) => seen,
                Err(problem) => return Outcome::Failed(problem),
            };
            let goes_back = swarm != Swarm::LeavesIt;
            if matches!(state, State::Waiting { .. }) {
                let since = *waiting_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= ALLOCATION && !asked {
                    asked = true;
                    not_placed = not_allocated(self.engine, self.target).await.unwrap_or_default();
                }
            } else {
                (waiting_since, asked) = (None, false);
                not_placed.clear();
            }
            let text = match not_placed.as_str() {
                "" => state.to_string(),
                why => format!("{state}: {why}"),
            };
            // Between two ends of a service that keeps ending there is nothing
            // new to say.
            let news = crashes.seen.is_empty() || !is_on_its_way(&state);
            if text != shown && news && (self.target.since.is_change() || good_since.is_none()) {
                self.tell(&text);
                shown = text;
            }
            match &state {
                // Swarm needs a moment to make the tasks of an update; until then those
                // of the same spec from an earlier attempt are all there is. And it may take
                // a good end, too, for a failed update.
                State::Completed { .. } => {
                    let since = *good_since.get_or_insert_with(Instant::now);
                    let made = !self.target.since.is_change() || since.elapsed() >= NEW_TASKS;
                    if made && swarm != Swarm::Watches {
                        return self.converged(&crashes, state);
                    }
                }
                State::Stopped => return self.converged(&crashes, state),
                State::Running { running, wanted, updating } => {
                    let since = *good_since.get_or_insert_with(Instant::now);
                    if !updating && self.is_stable(*running, *wanted, since).await {
                        if self.target.since.is_change() {
                            self.tell(&format!("{running}/{wanted} running, stable"));
                        }
                        return self.converged(&crashes, state);
                    }
                }
                _ => good_since = None,
            }
            let hopeless = crashes.are_final(self.group) && matches!(state, State::Failing(_));
            if hopeless && !goes_back {
                return Outcome::Failed(Problem::Stuck(state));
            }
            if is_final(&state, goes_back) || self.keeps_failing(&state) {
                return Outcome::Failed(Problem::Stuck(state));
            }
            if matches!(state, State::Rejected { .. }) {
                let since = *stuck_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= REJECTED_PATIENCE {
                    return Outcome::Failed(Problem::Stuck(state));
                }
            } else {
                stuck_since = None;
            }
            if self.group.stop.load(Ordering::Relaxed) {
                // What was seen to fail is no less so for another that failed first.
                return match state {
                    State::Failing(_) => Outcome::Failed(Problem::Stuck(state)),
                    _ => Outcome::Abandoned,
                };
            }
            if Instant::now() >= ending {
                return Outcome::Failed(Problem::Late { state, limit: self.limit });
            }
            sleep(pause).await;
            pause = (pause * 2).min(POLL[1]);
        }
    }

    fn converged(&self, crashes: &Crashes, state: State) -> Outcome {
        if !crashes.counted_out {
            self.group.coming.fetch_sub(1, Ordering::Relaxed);
        }
        Outcome::Converged(state)
    }

    /// The state, and what swarm does by itself if the update fails.
    async fn look(
        &self,
        ended_before: &mut Option<BTreeSet<String>>,
        crashes: &mut Crashes,
    ) -> Result<(State, Swarm), Problem> {
        let unreachable = |e: engine::Error| match e {
            e if e.is_not_found() => Problem::Gone,
            e => Problem::Unreachable(e.to_string()),
        };
        let id = &self.target.id;
        let (service, tasks, nodes) = futures_util::try_join!(
            self.engine.service(id),
            self.engine.tasks(id),
            self.group.nodes(self.engine)
        )
        .map_err(unreachable)?;
        let ended_before =
            ended_before.get_or_insert_with(|| self.target.since.ended_before(&tasks));
        let swarm = self.swarm(&service);
        let names = Names::default();
        let same = service.spec.as_ref().map(|s| comparable(s, &names))
            == Some(comparable(&self.target.spec, &names));
        if !same {
            let new = made_of(self.target.spec.task_template.as_ref(), &tasks);
            return match state::from_update(&service, &new) {
                Some(
                    state @ (State::RollingBack { .. }
                    | State::RolledBack { .. }
                    | State::Paused { .. }),
                ) => Ok((state, swarm)),
                _ => Err(Problem::ChangedElsewhere),
            };
        }
        let unhealthy = self.unhealthy(&service, &tasks).await;
        let mut state = classify(&Look {
            service: &service,
            tasks: &tasks,
            nodes: &nodes,
            unhealthy: &unhealthy,
            ended_before,
            changed: self.target.since.is_change(),
        });
        if let State::Rejected { reason, .. } = &state
            && ports::is_about_ports(reason)
        {
            let spec = &self.target.spec;
            match ports::taken(self.engine, spec, id, &tasks).await.map_err(unreachable)? {
                // It came free since swarm looked: swarm will look again.
                Taken::Unknown => {
                    if let Some(NodePort { port, .. }) = node_ports(spec).into_iter().next() {
                        state = State::Held { port };
                    }
                }
                Taken::ByOldTask { port } => state = State::Held { port },
                taken => state = State::Rejected { reason: taken.to_string(), times: 1 },
            }
        }
        // One look may fall between two crashes.
        if let (State::Running { .. }, false) = (&state, self.target.since.is_change())
            && !self.group.changes
        {
            let counting: Vec<_> =
                tasks.iter().filter(|task| self.target.since.counts(task)).cloned().collect();
            let failing = condition::crash_loop(&service, &counting, Timestamp::now());
            if let Some(failing) = failing {
                return Ok((State::Failing(failing), swarm));
            }
        }
        if let State::Failing(failing) = &mut state {
            let ours = self.target.spec.task_template.as_ref().map(comparable_task);
            let of_ours = tasks
                .into_iter()
                .filter(|task| task.spec.as_ref().map(comparable_task) == ours)
                .filter(state::ended_badly)
                .filter_map(|task| task.id)
                .filter(|id| !ended_before.contains(id));
            crashes.seen.extend(of_ours);
            failing.times = failing.times.max(crashes.seen.len());
        }
        Ok((state, swarm))
    }

    /// Only a task that is starting can be unhealthy and known to swarm as
    /// alive; only containers on this node can be asked.
    async fn unhealthy(&self, service: &api::Service, tasks: &[api::Task]) -> BTreeSet<String> {
        let starting = tasks.iter().any(|t| state_of(t) == api::TaskState::STARTING);
        let name = service.spec.as_ref().and_then(|s| s.name.as_deref());
        let (true, Some(name)) = (starting, name) else { return BTreeSet::new() };
        // It only makes the progress line better: not worth failing for.
        let containers = self.engine.containers(name).await.unwrap_or_default();
        containers.into_iter().filter(|c| c.health == Health::Unhealthy).map(|c| c.task).collect()
    }

    async fn is_stable(&self, running: u64, wanted: u64, since: Instant) -> bool {
        if !self.target.since.is_change() {
            return true;
        }
        let global = self.target.spec.mode.as_ref().is_some_and(|m| m.global.is_some());
        // Nothing wanted is reached at once; a global service without a task
        // may only not have been scheduled yet.
        if wanted == 0 && running == 0 && !global {
            return true;
        }
        since.elapsed() >= monitor(&self.target.spec)
    }

    /// Whether a service fails again and again although nothing that it could be
    /// waiting for changes, so that waiting longer is useless.
    fn keeps_failing(&self, state: &State) -> bool {
        !self.group.changes
            && matches!(state, State::Failing(failing) if failing.times >= condition::AGAIN)
    }

    fn swarm(&self, live: &api::Service) -> Swarm {
        if !matches!(self.target.since, Since::Updated { .. }) {
            return Swarm::LeavesIt;
        }
        let action = self.target.spec.update_config.as_ref().and_then(|u| u.failure_action);
        Swarm::of(action, live.update_status.as_ref().and_then(|status| status.state))
    }

    fn tell(&self, state: &str) {
        self.progress
            .event(Event::Service { service: self.target.key.clone(), state: state.to_owned() });
    }
}

/// Whether the state is one of those that come before a service runs for good.
fn is_on_its_way(state: &State) -> bool {
    matches!(
        state,
        State::Waiting { .. }
            | State::Preparing { .. }
            | State::Starting { .. }
            | State::Held { .. }
            | State::Running { .. }
    )
}

/// How long a service must stay up to count as up.
fn monitor(spec: &api::ServiceSpec) -> Duration {
    spec.update_config
        .as_ref()
        .and_then(|u| u.monitor)
        .and_then(|ns| u64::try_from(ns).ok())
        .filter(|ns| *ns > 0)
        .map_or(DEFAULT_MONITOR, Duration::from_nanos)
}

/// Whether waiting cannot help. If swarm rolls back by itself, its end is
/// waited for, so that two rollbacks do not collide.
fn is_final(state: &State, swarm_goes_back: bool) -> bool {
    match state {
        State::Paused { .. } | State::RolledBack { .. } => true,
        State::Failing(failing) => !failing.restarts && !swarm_goes_back,
        State::Rejected { reason, times } => {
            *times >= MISSING_IMAGE_TIMES && is_missing_image(reason) && !swarm_goes_back
        }
        _ => false,
    }
}

/// Docker's words on an image that neither the node nor the registry has.
fn is_missing_image(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    reason.contains("no such image") || reason.contains("manifest unknown")
}

/// Why the newest task of our spec ended, if the state does not say so
/// itself, and its last lines, or why these cannot be read.
async fn explain(
    engine: &dyn Engine,
    target: &Target,
    problem: &Problem,
) -> (Option<String>, Vec<String>) {
    let state = match problem {
        Problem::Stuck(state) | Problem::Late { state, .. } => state,
        Problem::ChangedElsewhere
        | Problem::Gone
        | Problem::Refused(_)
        | Problem::Unreachable(_) => return (None, Vec::new()),
    };
    // Some may have no addresses while others prepare.
    if matches!(state, State::Waiting { .. } | State::Preparing { .. }) {
        return (not_allocated(engine, target).await, Vec::new());
    }
    if matches!(state, State::Rejected { .. } | State::Held { .. }) {
        return (None, Vec::new());
    }
    let read = async {
        let mut tasks = engine.tasks(&target.id).await.unwrap_or_default();
        // A replacement that never started is newer than the task that failed,
        // and says nothing. The order among equals stays: newest first.
        tasks.sort_by_key(|task| !task_has_failed(task));
        let ours = target.spec.task_template.as_ref().map(comparable_task);
        // After a rollback the newest tasks are of the old spec and run.
        let last = tasks
            .iter()
            .filter(|task| task.spec.as_ref().map(comparable_task) == ours)
            .find(|task| match state {
                State::Failing(failing) => task.id.as_ref() == Some(&failing.task),
                _ => state_of(task) > api::TaskState::RUNNING || task_is_alive(task),
            });
        let id = last.and_then(|task| task.id.clone());
        let mut cause = last.and_then(ending::cause);
        let is_sick = matches!(state, State::Unhealthy { .. });
        if let (Some(task), Some(id)) = (last, &id)
            && (ending::asks_container(task) || is_sick)
            && let Ok(Some(report)) = engine.container_report(id).await
        {
            cause = match &report.failed_check {
                Some(output) if is_sick || ending::was_unhealthy(task) => {
                    Some(format!("its health check printed: {}", log::clean(output.trim())))
                }
                _ => ending::cause_with(task, Some(&report)),
            };
        }
        if let (State::RolledBack { .. } | State::Paused { .. }, Some(task)) = (state, last)
            && state::ended_as_it_may(task)
        {
            cause = Some(ENDED_IN_UPDATE.to_owned());
        }
        // Not what the state says anyway.
        let cause = cause.filter(|cause| !state.to_string().contains(cause.as_str()));
        (cause, id)
    };
    let (cause, task) = timeout(log::PATIENCE, read).await.unwrap_or_default();
    // Slow logs take nothing from the cause.
    let Some(task) = task else { return (cause, Vec::new()) };
    (cause, log::last_lines(engine, &task, LOG_LINES).await)
}

/// Why swarm has no addresses for its tasks, if that is known: the wait goes on, or has
/// failed, without it.
async fn not_allocated(engine: &dyn Engine, target: &Target) -> Option<String> {
    let read = async {
        let tasks = engine.tasks(&target.id).await?;
        addresses::why_missing(engine, &target.spec, &tasks).await
    };
    timeout(log::PATIENCE, read).await.ok()?.ok()?
}

fn task_has_failed(task: &api::Task) -> bool {
    matches!(state_of(task), api::TaskState::FAILED | api::TaskState::REJECTED)
}

fn task_is_alive(task: &api::Task) -> bool {
    matches!(state_of(task), api::TaskState::STARTING | api::TaskState::RUNNING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_only_where_it_cannot_help() {
        let rejected = |reason: &str, times| State::Rejected { reason: reason.into(), times };
        let failing = |restarts| {
            State::Failing(state::Failing {
                task: "t".into(),
                exit_code: Some(1),
                message: String::new(),
                times: 5,
                restarts,
            })
        };
        // (state, swarm goes back by itself, final)
        for (state, goes_back, expected) in [
            (State::Paused { message: String::new() }, false, true),
            (State::RolledBack { message: String::new() }, true, true),
            (State::RollingBack { message: String::new() }, true, false),
            (failing(true), false, false),
            (failing(false), false, true),
            (failing(false), true, false),
            (rejected("No such image: x:1", 1), false, false),
            (rejected("No such image: x:1", 2), false, true),
            (rejected("No such image: x:1", 2), true, false),
            (rejected("no suitable node", 9), false, false),
        ] {
            assert_eq!(is_final(&state, goes_back), expected, "{state} {goes_back}");
        }
    }

    #[test]
    fn swarm_is_left_to_decide_while_it_watches() {
        use api::{
            ServiceSpecUpdateConfigFailureActionEnum as Action,
            ServiceUpdateStatusStateEnum as Update,
        };
        let rollback = Some(Action::ROLLBACK);
        for (action, update, expected) in [
            // A good end now may be followed by a rollback.
            (rollback, Some(Update::UPDATING), Swarm::Watches),
            (rollback, Some(Update::ROLLBACK_STARTED), Swarm::GoesBack),
            // It has not begun, or has nothing to do.
            (rollback, None, Swarm::GoesBack),
            (rollback, Some(Update::COMPLETED), Swarm::LeavesIt),
            (rollback, Some(Update::ROLLBACK_COMPLETED), Swarm::LeavesIt),
            (Some(Action::PAUSE), Some(Update::UPDATING), Swarm::LeavesIt),
            (None, Some(Update::UPDATING), Swarm::LeavesIt),
        ] {
            assert_eq!(Swarm::of(action, update), expected, "{action:?} {update:?}");
        }
    }
}
