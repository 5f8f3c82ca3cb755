//! Since when a service is watched: what its tasks did before is not this attempt's.

use std::collections::{BTreeMap, BTreeSet};

use super::task::state_of;
use crate::engine::{Engine, Error, api};

/// When a service got the spec that it is watched with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Since {
    /// It had the spec before, and only has to run.
    Unchanged,
    /// It was just made.
    Created,
    /// It was just sent. Tasks of the same spec may have ended before, in an earlier
    /// attempt: these.
    Updated { ended: BTreeSet<String> },
    /// It came up a moment ago, maybe not at the first try: these of its tasks had ended then.
    Settled { ended: BTreeSet<String> },
}

impl Since {
    /// To be called right before the service (by id) is sent.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn update(engine: &dyn Engine, id: &str) -> Result<Self, Error> {
        Ok(Since::Updated { ended: ended(&engine.tasks(id).await?) })
    }

    /// Of services (by id) that just came up, before something else happens to them.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn settled(
        engine: &dyn Engine,
        ids: &[String],
    ) -> Result<BTreeMap<String, Self>, Error> {
        let mut tasks: BTreeMap<String, Vec<api::Task>> = BTreeMap::new();
        for task in engine.tasks_of(ids).await? {
            tasks.entry(task.service_id.clone().unwrap_or_default()).or_default().push(task);
        }
        let since =
            |(id, tasks): (String, Vec<api::Task>)| (id, Since::Settled { ended: ended(&tasks) });
        Ok(tasks.into_iter().map(since).collect())
    }

    pub fn is_change(&self) -> bool {
        matches!(self, Since::Created | Since::Updated { .. })
    }

    /// Whether the end of a task says anything of how the service does now.
    pub fn counts(&self, task: &api::Task) -> bool {
        match self {
            Since::Settled { ended } => task.id.as_ref().is_none_or(|id| !ended.contains(id)),
            _ => true,
        }
    }

    /// Tasks whose end is no failure of this attempt, as seen at the first look.
    pub fn ended_before(&self, tasks: &[api::Task]) -> BTreeSet<String> {
        match self {
            Since::Unchanged | Since::Settled { .. } => ended(tasks),
            Since::Created => BTreeSet::new(),
            Since::Updated { ended } => ended.clone(),
        }
    }
}

fn ended(tasks: &[api::Task]) -> BTreeSet<String> {
    tasks
        .iter()
        .filter(|task| state_of(task) > api::TaskState::RUNNING)
        .filter_map(|task| task.id.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_earlier_attempt_is_not_this_one() {
        let tasks: Vec<api::Task> = serde_json::from_value(json!([
            {"ID": "new", "Status": {"State": "rejected"}},
            {"ID": "old", "Status": {"State": "rejected"}},
            {"ID": "runs", "Status": {"State": "running"}},
        ]))
        .unwrap();
        let set = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let updated = Since::Updated { ended: set(&["old"]) };
        assert_eq!(updated.ended_before(&tasks), set(&["old"]));
        assert_eq!(Since::Created.ended_before(&tasks), set(&[]));
        assert_eq!(Since::Unchanged.ended_before(&tasks), set(&["new", "old"]));
        let settled = Since::Settled { ended: set(&["old"]) };
        assert!(!settled.is_change() && !settled.counts(&tasks[1]) && settled.counts(&tasks[0]));
        assert!(Since::Unchanged.counts(&tasks[1]));
    }
}
