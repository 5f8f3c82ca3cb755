//! Why a service does not run as it should, from one look at it; pure. [`gather`] asks for
//! what is looked at, and for what more there is to know of a cause.
//!
//! A deploy judges what it sees from its beginning to its end, and `app ps` shows tasks; this
//! names causes, and tells apart those that need different hands: a program that ends from one
//! that is killed, an image that is missing from a registry that does not answer.

pub(crate) mod gather;
pub(crate) mod image;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    engine::{
        Volume,
        api::{self, TaskState},
    },
    rollout::diff::comparable_task,
};

use self::image::Fault;
use super::{
    Failing, Look, State, classify,
    condition::running_after,
    data::{Known, local_volumes, pin},
    ended_badly, ending, from_update, made_of,
    placing::{self, Unfit, unfit, unusable},
    ports::{self, refused_by_node},
    restarts_after, state_of,
    task::{is_wanted, unplaced},
    wanted::{is_held, wants_tasks},
};

/// Nodes of which each is named; a screen holds no more.
pub(crate) const SHOWN: usize = 10;
/// The beginning of the engine's message if a container cannot start.
const NOT_STARTED: &str = "starting container failed";

/// One reason why a service does not run as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Its program ended, was ended, or could not be started.
    Ended(Ended),
    /// Its tasks are on their way, and nothing has failed.
    Coming(Coming),
    /// It runs, and its health check fails: swarm is going to stop it.
    Sick { task: String, node: Option<String>, output: Option<String> },
    /// A node cannot get its image.
    Image { image: String, fault: Fault, reason: String, node: Option<String> },
    /// Nodes refuse its tasks, each for a reason.
    Refused { by: Vec<(String, String)> },
    /// A program outside of the swarm has its port of the node.
    PortOfNode { port: String, node: Option<String> },
    /// Another task has its port of each node that fits.
    Port(Port),
    /// No node takes its tasks: what swarm says, and why each node does not.
    Unplaced { reason: String, nodes: Vec<(String, Option<Unfit>)> },
    /// Somebody scaled it to 0.
    NoReplicas,
    /// A restore stopped it, and has not started it again.
    Held,
    /// Swarm paused its update, or rolled it back.
    Update(State),
    /// Its data is on a node on which it does not run.
    Elsewhere(Elsewhere),
}

/// The end of a task that should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub task: String,
    pub node: Option<String>,
    pub exit_code: Option<i64>,
    pub how: How,
    /// In words.
    pub message: String,
    /// How often tasks of this spec ended so, as far as swarm remembers.
    pub times: usize,
    pub then: Then,
    /// When, RFC 3339.
    pub at: Option<String>,
}

/// What follows the end of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Swarm starts another.
    Restarts,
    /// Another runs, and has not run for long.
    Runs,
    /// Nothing.
    Over,
}

impl Then {
    fn of(failing: &Failing) -> Self {
        if failing.restarts { Then::Restarts } else { Then::Over }
    }
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Exited,
    /// Killed, and its container does not say, or cannot be asked, whether memory is why.
    Killed,
    OutOfMemory,
    Unhealthy,
    NotStarted,
}

/// Tasks that are on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    pub state: State,
    /// The task that is furthest.
    pub task: Option<String>,
    pub node: Option<String>,
    /// Since when it is in that state, RFC 3339.
    pub since: Option<String>,
    /// What it waits for, where that is known.
    pub why: Option<String>,
}

/// A port of a node that swarm finds taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// In words.
    pub message: String,
    pub port: Option<i64>,
    /// The full name of the service that has it, if it is another one.
    pub holder: Option<String>,
}

/// A volume whose data is not where the service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    pub volume: String,
    /// The node with the data, and what is wrong with it.
    pub home: String,
    pub unfit: Option<Unfit>,
    /// The nodes on which it runs.
    pub runs: Vec<String>,
    /// The constraint that keeps it where its data is.
    pub pin: String,
}

/// What a service is judged by.
pub(crate) struct Seen<'a> {
    pub service: &'a api::Service,
    /// All its tasks, newest first, old ones too.
    pub tasks: &'a [api::Task],
    pub nodes: &'a [api::Node],
    /// Tasks whose container, on this node, is unhealthy.
    pub unhealthy: &'a BTreeSet<String>,
    pub known: &'a Known,
    /// Volumes of one node, as they were made.
    pub volumes: &'a [Volume],
    /// Whether the files deployed last ask for no tasks of it.
    pub resting: bool,
    pub now: Timestamp,
}

/// Why the service does not run as it should; nothing if it does.
pub(crate) fn causes(seen: &Seen<'_>) -> Vec<Cause> {
    let Seen { service, tasks, nodes, now, .. } = seen;
    let template = service.spec.as_ref().and_then(|spec| spec.task_template.as_ref());
    let ours = made_of(template, tasks);
    let state = classify(&Look {
        service,
        tasks,
        nodes,
        unhealthy: seen.unhealthy,
        ended_before: &BTreeSet::new(),
        changed: false,
    });
    let mut causes = Vec::new();
    causes.extend(seen.update(&state));
    match &state {
        State::Stopped => causes.extend(seen.stopped()),
        State::Failing(failing) => {
            causes.push(seen.failing(failing, Then::of(failing), template));
        }
        State::Rejected { reason, .. } => causes.extend(seen.rejected(reason, &ours, template)),
        State::Unhealthy { .. } => causes.push(seen.sick(&state, &ours)),
        State::Waiting { .. } | State::Preparing { .. } | State::Starting { .. } => {
            causes.push(Cause::Coming(seen.coming(state.clone(), &ours)));
        }
        // One look falls between two crashes more often than not.
        State::Running { .. } => match running_after(service, tasks, *now, 1) {
            Some(failing) => causes.push(seen.failing(&failing, Then::Runs, template)),
            None => causes.extend(seen.without_node(template)),
        },
        // The task that made swarm stop says more than swarm.
        State::Paused { .. } => causes.extend(seen.last_failure(template)),
        State::Completed { .. }
        | State::Held { .. }
        | State::RollingBack { .. }
        | State::RolledBack { .. } => {}
    }
    if !matches!(state, State::Stopped) {
        causes.extend(seen.elsewhere());
    }
    causes
}

impl Seen<'_> {
    fn name_of(&self, task: &api::Task) -> Option<String> {
        let id = task.node_id.as_deref().filter(|id| !id.is_empty())?;
        Some(placing::name_of(id, self.nodes).to_owned())
    }

    /// What swarm says of the last update, if it did not finish it.
    fn update(&self, state: &State) -> Option<Cause> {
        if let State::Paused { .. } = state {
            return Some(Cause::Update(state.clone()));
        }
        let template = self.service.spec.as_ref().and_then(|spec| spec.task_template.as_ref());
        let wanted = template.map(comparable_task);
        // The spec is the one before again: the update's tasks are of another.
        let new: Vec<&api::Task> = self
            .tasks
            .iter()
            .filter(|task| task.spec.as_ref().map(comparable_task) != wanted)
            .collect();
        match from_update(self.service, &new)? {
            back @ (State::RollingBack { .. } | State::RolledBack { .. }) => {
                Some(Cause::Update(back))
            }
            _ => None,
        }
    }

    fn stopped(&self) -> Option<Cause> {
        let is_held = self.service.spec.as_ref().is_some_and(is_held);
        match (is_held, self.resting) {
            (true, _) => Some(Cause::Held),
            (false, false) => Some(Cause::NoReplicas),
            (false, true) => None,
        }
    }

    fn failing(&self, failing: &Failing, then: Then, template: Option<&api::TaskSpec>) -> Cause {
        let task = self.tasks.iter().find(|task| task.id.as_ref() == Some(&failing.task));
        match task {
            Some(task) => self.ended(task, failing.times, then),
            // Swarm has forgotten it meanwhile.
            None => self.last_failure(template).unwrap_or_else(|| {
                Cause::Ended(Ended {
                    task: failing.task.clone(),
                    node: None,
                    exit_code: failing.exit_code,
                    how: How::Exited,
                    message: failing.message.clone(),
                    times: failing.times,
                    then,
                    at: None,
                })
            }),
        }
    }

    fn ended(&self, task: &api::Task, times: usize, then: Then) -> Cause {
        let error = task.status.as_ref().and_then(|status| status.err.as_deref());
        let error = error.unwrap_or_default();
        if let Some(port) = refused_by_node(error) {
            return Cause::PortOfNode { port: port.to_owned(), node: self.name_of(task) };
        }
        let exit_code = ending::exit_code(task);
        let how = match exit_code {
            _ if ending::was_unhealthy(task) => How::Unhealthy,
            _ if error.starts_with(NOT_STARTED) => How::NotStarted,
            Some(ending::KILLED) => How::Killed,
            _ => How::Exited,
        };
        Cause::Ended(Ended {
            task: task.id.clone().unwrap_or_default(),
            node: self.name_of(task),
            exit_code,
            how,
            message: ending::cause(task).unwrap_or_else(|| "ended, and no reason is given".into()),
            times,
            then,
            at: task.status.as_ref().and_then(|status| status.timestamp.clone()),
        })
    }

    /// The newest task of the live spec that failed.
    fn last_failure(&self, template: Option<&api::TaskSpec>) -> Option<Cause> {
        let index = |task: &api::Task| task.version.as_ref().and_then(|v| v.index).unwrap_or(0);
        let ours = made_of(template, self.tasks);
        let failed = |task: &&api::Task| ended_badly(task) && restarts_after(task);
        let ended: Vec<&api::Task> = ours.into_iter().filter(failed).collect();
        let last = ended.iter().max_by_key(|task| index(task))?;
        if state_of(last) == TaskState::REJECTED {
            let reason = ending::cause(last).unwrap_or_default();
            return self.refused(&reason, &ended, template);
        }
        Some(self.ended(last, ended.len(), Then::Over))
    }

    fn sick(&self, state: &State, ours: &[&api::Task]) -> Cause {
        let is_sick =
            |task: &&&api::Task| task.id.as_ref().is_some_and(|id| self.unhealthy.contains(id));
        match ours.iter().find(is_sick) {
            Some(task) => Cause::Sick {
                task: task.id.clone().unwrap_or_default(),
                node: self.name_of(task),
                output: None,
            },
            None => Cause::Coming(self.coming(state.clone(), ours)),
        }
    }

    fn coming(&self, state: State, ours: &[&api::Task]) -> Coming {
        let wanted = ours.iter().filter(|task| is_wanted(task));
        let not_yet = wanted.filter(|task| state_of(task) < TaskState::RUNNING);
        let furthest = not_yet.max_by_key(|task| state_of(task));
        Coming {
            task: furthest.and_then(|task| task.id.clone()),
            node: furthest.and_then(|task| self.name_of(task)),
            since: furthest.and_then(|task| task.status.as_ref()?.timestamp.clone()),
            why: furthest.is_none().then(|| "swarm has made no task yet".to_owned()),
            state,
        }
    }

    /// No node takes a task, or a node refused it.
    fn rejected(
        &self,
        reason: &str,
        ours: &[&api::Task],
        template: Option<&api::TaskSpec>,
    ) -> Option<Cause> {
        let waits = ours.iter().filter(|task| is_wanted(task)).find_map(|task| unplaced(task));
        let Some(waits) = waits else {
            let rejected: Vec<&api::Task> =
                ours.iter().filter(|t| state_of(t) == TaskState::REJECTED).copied().collect();
            return self.refused(reason, &rejected, template);
        };
        if ports::is_about_ports(waits) {
            if ports::are_being_freed(self.service, self.tasks) {
                let (running, wanted) = (0, 1);
                let coming = self.coming(State::Waiting { running, wanted }, ours);
                let why = Some("the old task has its port, and is about to end".to_owned());
                return Some(Cause::Coming(Coming { why, ..coming }));
            }
            let message = waits.to_owned();
            return Some(Cause::Port(Port { message, port: None, holder: None }));
        }
        Some(Cause::Unplaced { reason: waits.to_owned(), nodes: self.nodes_for(template) })
    }

    /// Why nodes refused tasks, the last of each.
    fn refused(
        &self,
        reason: &str,
        rejected: &[&api::Task],
        template: Option<&api::TaskSpec>,
    ) -> Option<Cause> {
        let index = |task: &api::Task| task.version.as_ref().and_then(|v| v.index).unwrap_or(0);
        let mut newest: BTreeMap<String, &api::Task> = BTreeMap::new();
        for task in rejected.iter().filter(|task| state_of(task) == TaskState::REJECTED) {
            let node = self.name_of(task).unwrap_or_default();
            let kept = newest.entry(node).or_insert(task);
            if index(task) > index(kept) {
                *kept = task;
            }
        }
        let told = |task: &api::Task| ending::cause(task).unwrap_or_else(|| reason.to_owned());
        let container = template.and_then(|it| it.container_spec.as_ref());
        let image = container.and_then(|it| it.image.clone()).unwrap_or_default();
        let node = |name: &String| (!name.is_empty()).then(|| name.clone());
        for (name, task) in &newest {
            let error = task.status.as_ref().and_then(|it| it.err.as_deref()).unwrap_or_default();
            if let Some(port) = refused_by_node(error) {
                return Some(Cause::PortOfNode { port: port.to_owned(), node: node(name) });
            }
            if let Some(fault) = image::fault(error) {
                let reason = told(task);
                return Some(Cause::Image { image, fault, reason, node: node(name) });
            }
        }
        let by: Vec<(String, String)> =
            newest.into_iter().map(|(name, task)| (name, told(task))).collect();
        Some(match by.is_empty() {
            true => Cause::Refused { by: vec![(String::new(), reason.to_owned())] },
            false => Cause::Refused { by },
        })
    }

    /// A global service that no node fits has no tasks, and swarm no complaint.
    fn without_node(&self, template: Option<&api::TaskSpec>) -> Option<Cause> {
        let spec = self.service.spec.as_ref()?;
        let mode = spec.mode.as_ref()?;
        let everywhere = mode.global.is_some() || mode.global_job.is_some();
        if !everywhere || !wants_tasks(spec) || self.tasks.iter().any(is_wanted) {
            return None;
        }
        let nodes = self.nodes_for(template);
        // Where one fits, swarm is about to make its task.
        let fits = nodes.iter().any(|(_, unfit)| unfit.is_none());
        (!fits).then(|| Cause::Unplaced { reason: "no node fits it".to_owned(), nodes })
    }

    fn nodes_for(&self, template: Option<&api::TaskSpec>) -> Vec<(String, Option<Unfit>)> {
        let template = template.cloned().unwrap_or_default();
        let of = |node: &api::Node| (placing::name(node).to_owned(), unfit(node, &template));
        self.nodes.iter().map(of).collect()
    }

    /// Volumes whose data is on a node on which the service does not run.
    fn elsewhere(&self) -> Vec<Cause> {
        let Some(spec) = &self.service.spec else { return Vec::new() };
        let mut found = Vec::new();
        for volume in local_volumes(spec, self.volumes) {
            let mounted = self.known.mounted.get(volume).cloned().unwrap_or_default();
            let recorded = self.known.recorded.get(volume).filter(|id| !id.is_empty());
            let Some(home) = recorded.or(mounted.last.as_ref()) else { continue };
            let node = self.nodes.iter().find(|node| node.id.as_ref() == Some(home));
            let unfit = match node {
                Some(node) => unusable(node),
                None => Some(Unfit::Gone),
            };
            // Without a record, an earlier task's node counts if it is not coming back by
            // itself: swarm may move what has no data yet.
            let away = match mounted.now.is_empty() {
                true => unfit.is_some(),
                false => !mounted.now.contains(home) && (recorded.is_some() || unfit.is_some()),
            };
            if away {
                found.push(Cause::Elsewhere(Elsewhere {
                    volume: volume.to_owned(),
                    home: placing::name_of(home, self.nodes).to_owned(),
                    unfit,
                    runs: mounted
                        .now
                        .iter()
                        .map(|id| placing::name_of(id, self.nodes).to_owned())
                        .collect(),
                    pin: pin(home, self.nodes),
                }));
            }
        }
        found
    }
}
