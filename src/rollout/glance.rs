//! One look at services that nothing is sent to, with what is read at the same time as
//! their specs: if all of them run, the swarm is asked nothing more.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::engine::{self, Engine, api};

use super::state::{Look, State, classify, condition};

/// The tasks of some services, and the nodes of their swarm.
#[derive(Debug, Clone, Default)]
pub(crate) struct Glance {
    /// By the id of their service.
    tasks: BTreeMap<String, Vec<api::Task>>,
    nodes: Vec<api::Node>,
}

impl Glance {
    /// Looks at services by the ids that they had when they were deployed. If one of them
    /// is gone, nothing is known of any.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn take(engine: &dyn Engine, services: &[String]) -> Result<Self, engine::Error> {
        if services.is_empty() {
            return Ok(Glance::default());
        }
        let (all, nodes) = match futures_util::try_join!(engine.tasks_of(services), engine.nodes())
        {
            Err(error) if error.is_not_found() => return Ok(Glance::default()),
            answers => answers?,
        };
        let mut tasks: BTreeMap<String, Vec<api::Task>> =
            services.iter().map(|id| (id.clone(), Vec::new())).collect();
        for task in all {
            tasks.entry(task.service_id.clone().unwrap_or_default()).or_default().push(task);
        }
        Ok(Glance { tasks, nodes })
    }

    /// The state of a service that nothing was sent to, if it is good already. None if it
    /// has to be watched, or is not one of those that were looked at.
    pub fn good(&self, service: &api::Service) -> Option<State> {
        let tasks = self.tasks.get(service.id.as_deref()?)?;
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
