//! On which node the data of a volume is, by the tasks that mount it.
//!
//! A local volume is a folder of the node where a task first needed it: the engine of
//! another node knows nothing of it. Swarm keeps a few ended tasks of each place, so it can
//! be told for a while where a task ran that is gone.

use std::collections::{BTreeMap, BTreeSet};

use super::record::Owned;
use crate::{
    engine::{
        Engine, Error, Kind, Scope,
        api::{self, MountType, TaskState},
    },
    home::StackName,
};

/// Nodes, by id, on which tasks mount a volume, or mounted it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// Where one runs now, or is starting.
    pub now: BTreeSet<String>,
    /// Where the last one ran that has ended, or is to end.
    pub last: Option<String>,
}

impl Mounted {
    /// The node with the data, if there is one only.
    pub fn node(&self) -> Option<&str> {
        match self.now.len() {
            0 => self.last.as_deref(),
            1 => self.now.first().map(String::as_str),
            _ => None,
        }
    }
}

/// Where volumes are mounted, by their names; each node made a volume of its own.
pub(crate) fn mounted(tasks: &[api::Task]) -> BTreeMap<String, Mounted> {
    let mut all: BTreeMap<String, Mounted> = BTreeMap::new();
    let mut ran: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for task in tasks.iter().filter(|task| had_container(task)) {
        let Some(node) = task.node_id.as_deref().filter(|node| !node.is_empty()) else { continue };
        let index = task.version.as_ref().and_then(|version| version.index).unwrap_or(0);
        for volume in volumes(task.spec.as_ref()) {
            let mounted = all.entry(volume.to_owned()).or_default();
            if runs(task) {
                mounted.now.insert(node.to_owned());
                continue;
            }
            let last = ran.entry(volume.to_owned()).or_insert((index, node.to_owned()));
            if index > last.0 {
                *last = (index, node.to_owned());
            }
        }
    }
    for (volume, (_, node)) in ran {
        all.entry(volume).or_default().last = Some(node);
    }
    all
}

/// The node of each of these volumes of an app: where its tasks mount it, else the one
/// that the engine speaks for, if that has it.
///
/// # Errors
/// What the engine says.
pub(super) async fn seen_on(
    engine: &dyn Engine,
    stack: &StackName,
    owned: &Owned,
    names: &[String],
) -> Result<BTreeMap<String, String>, Error> {
    let tasks = async {
        let services = engine.services(Scope::Stack(stack)).await?;
        let own = services.into_iter().filter_map(|service| {
            let (name, id) = (service.spec?.name?, service.id?);
            owned.has(Kind::Service, &name, &id).then_some(id)
        });
        engine.tasks_of(&own.collect::<Vec<_>>()).await
    };
    let (manager, volumes, tasks) =
        futures_util::try_join!(engine.manager(), engine.volumes(Scope::All), tasks)?;
    let mounted = mounted(&tasks);
    let node = |name: &String| {
        let of_tasks = mounted.get(name).and_then(Mounted::node).map(str::to_owned);
        let is_here = volumes.iter().any(|volume| volume.name == *name);
        of_tasks.or_else(|| is_here.then(|| manager.node_id.clone()))
    };
    Ok(names.iter().filter_map(|name| Some((name.clone(), node(name)?))).collect())
}

/// Names of the volumes that a task of this form mounts.
pub(crate) fn volumes(template: Option<&api::TaskSpec>) -> impl Iterator<Item = &str> {
    let mounts = template.and_then(|it| it.container_spec.as_ref()?.mounts.as_ref());
    mounts.into_iter().flatten().filter_map(|mount| {
        let is_volume = matches!(mount.typ, Some(MountType::VOLUME) | None);
        mount.source.as_deref().filter(|source| is_volume && !source.is_empty())
    })
}

fn state(task: &api::Task) -> TaskState {
    task.status.as_ref().and_then(|status| status.state).unwrap_or(TaskState::NEW)
}

/// Whether it runs and is to stay.
fn runs(task: &api::Task) -> bool {
    (TaskState::STARTING..=TaskState::RUNNING).contains(&state(task))
        && task.desired_state.is_some_and(|desired| desired <= TaskState::COMPLETE)
}

/// Whether it came as far as a container, with its volumes.
fn had_container(task: &api::Task) -> bool {
    let container = task.status.as_ref().and_then(|status| status.container_status.as_ref());
    let id = container.and_then(|container| container.container_id.as_deref());
    id.is_some_and(|id| !id.is_empty())
        || (TaskState::STARTING..=TaskState::COMPLETE).contains(&state(task))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn task(index: u64, node: &str, state: &str, desired: &str) -> Value {
        let container = if matches!(state, "preparing" | "rejected") { "" } else { "c" };
        json!({
            "ID": format!("t{index}"), "Version": {"Index": index}, "NodeID": node,
            "DesiredState": desired,
            "Status": {"State": state, "ContainerStatus": {"ContainerID": container}},
            "Spec": {"ContainerSpec": {"Mounts": [
                {"Type": "volume", "Source": "data", "Target": "/data"},
                {"Type": "volume", "Target": "/anonymous"},
                {"Type": "bind", "Source": "/srv", "Target": "/srv"},
            ]}},
        })
    }

    #[test]
    fn data_is_where_a_task_runs_or_ran_last() {
        let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        for (tasks, now, last, node) in [
            (vec![task(1, "a", "running", "running")], &["a"][..], None, Some("a")),
            // Placed, and without a container.
            (vec![task(1, "a", "preparing", "running")], &[], None, None),
            (vec![task(1, "a", "rejected", "shutdown")], &[], None, None),
            (vec![task(1, "a", "failed", "shutdown")], &[], Some("a"), Some("a")),
            // Its node is lost: what is there still seems to run.
            (
                vec![task(2, "b", "running", "running"), task(1, "a", "running", "shutdown")],
                &["b"],
                Some("a"),
                Some("b"),
            ),
            (
                vec![task(1, "a", "shutdown", "shutdown"), task(3, "c", "failed", "shutdown")],
                &[],
                Some("c"),
                Some("c"),
            ),
            (
                vec![task(1, "a", "running", "running"), task(2, "b", "running", "running")],
                &["a", "b"],
                None,
                None,
            ),
        ] {
            let tasks: Vec<api::Task> = serde_json::from_value(json!(tasks)).unwrap();
            let found = mounted(&tasks);
            let found = found.get("data").cloned().unwrap_or_default();
            let last = last.map(str::to_owned);
            assert_eq!(found, Mounted { now: ids(now), last }, "{tasks:?}");
            assert_eq!(found.node(), node, "{tasks:?}");
        }
    }
}
