//! One look at services that nothing is sent to, with what was read along with their
//! specs: where all of them run, the swarm is asked nothing more.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    engine::{self, Engine, Scope, api},
    home::StackName,
};

use super::state::{Look, State, classify, condition};

/// The tasks of a stack and the nodes of its swarm.
#[derive(Debug, Clone, Default)]
pub(crate) struct Glance {
    /// By the id of their service.
    tasks: BTreeMap<String, Vec<api::Task>>,
    nodes: Vec<api::Node>,
}

impl Glance {
    /// # Errors
    /// What the engine says.
    pub async fn take(engine: &dyn Engine, stack: &StackName) -> Result<Self, engine::Error> {
        let labelled = engine.labelled_tasks(Scope::Stack(stack));
        let (all, nodes) = futures_util::try_join!(labelled, engine.nodes())?;
        let mut tasks: BTreeMap<String, Vec<api::Task>> = BTreeMap::new();
        for task in all {
            tasks.entry(task.service_id.clone().unwrap_or_default()).or_default().push(task);
        }
        Ok(Glance { tasks, nodes })
    }

    /// The state of a service that nothing was sent to, if it is good already. None
    /// where it has to be watched: one whose stack's label is newer than its tasks, say.
    pub fn good(&self, service: &api::Service) -> Option<State> {
        let tasks: &[api::Task] = self.tasks.get(service.id.as_deref()?).map_or(&[], Vec::as_slice);
        let nothing = BTreeSet::new();
        let state = classify(&Look {
            service,
            tasks,
            nodes: &self.nodes,
            unhealthy: &nothing,
            ended_before: &nothing,
            changed: false,
        });
        match state {
            State::Completed { .. } | State::Stopped => Some(state),
            // One look may fall between two crashes.
            State::Running { updating: false, .. }
                if condition::crash_loop(service, tasks, Timestamp::now()).is_none() =>
            {
                Some(state)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A glance at a service of two replicas, with tasks in these states.
    fn seen(update: &str, states: &[&str]) -> Option<String> {
        let template = json!({"ContainerSpec": {"Image": "app"}});
        let service: api::Service = serde_json::from_value(json!({
            "ID": "s",
            "Spec": {"TaskTemplate": template, "Mode": {"Replicated": {"Replicas": 2}}},
            "UpdateStatus": {"State": update},
        }))
        .unwrap();
        let tasks = states.iter().enumerate().map(|(slot, state)| {
            let task = json!({
                "ID": slot.to_string(), "ServiceID": "s", "Slot": slot, "Spec": template,
                "NodeID": "n", "DesiredState": "running", "Status": {"State": state},
            });
            serde_json::from_value(task).unwrap()
        });
        let tasks = BTreeMap::from([("s".to_owned(), tasks.collect())]);
        Glance { tasks, nodes: Vec::new() }.good(&service).map(|state| state.to_string())
    }

    #[test]
    fn only_what_runs_whole_is_good_at_a_glance() {
        for (update, states, good) in [
            ("completed", &["running", "running"][..], true),
            ("completed", &["running"], false),
            ("completed", &["running", "starting"], false),
            ("completed", &[], false),
            ("updating", &["running", "running"], false),
            ("paused", &["running", "running"], false),
        ] {
            assert_eq!(seen(update, states).is_some(), good, "{update} {states:?}");
        }
    }
}
