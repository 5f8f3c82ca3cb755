//! Where the tasks of services run, so that lines of a log show from which replica they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cli::{failure::Failure, ui::clean},
    engine::{Engine, api},
};

/// Where a task runs or ran.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The number of the replica; none for a global service.
    pub slot: Option<i64>,
    /// The node's host name, or its id where the name is not known.
    pub node: Option<String>,
}

/// The tasks of some services.
pub(super) struct Places<'a> {
    engine: &'a dyn Engine,
    /// Host names by id.
    nodes: BTreeMap<String, String>,
    services: BTreeMap<String, Service>,
}

struct Service {
    id: String,
    /// By task; none for one that swarm no longer knows.
    tasks: BTreeMap<String, Option<Place>>,
    several: bool,
}

impl<'a> Places<'a> {
    /// Of services by key and id.
    pub async fn read(
        engine: &'a dyn Engine,
        services: &[(String, String)],
    ) -> Result<Self, Failure> {
        let nodes = engine.nodes().await?.into_iter();
        let nodes = nodes.filter_map(|node| Some((node.id?, node.description?.hostname?)));
        let mut places = Places { engine, nodes: nodes.collect(), services: BTreeMap::new() };
        for (key, id) in services {
            let (spec, tasks) = futures_util::try_join!(engine.service(id), engine.tasks(id))?;
            let replicas =
                spec.spec.and_then(|spec| spec.mode?.replicated?.replicas).unwrap_or_default();
            let tasks = places.of_tasks(tasks);
            let several = replicas > 1 || lanes(&tasks) > 1;
            places.services.insert(key.clone(), Service { id: id.clone(), tasks, several });
        }
        Ok(places)
    }

    fn of_tasks(&self, tasks: Vec<api::Task>) -> BTreeMap<String, Option<Place>> {
        let place = |task: api::Task| {
            let id = task.node_id.filter(|id| !id.is_empty());
            let node = id.map(|id| self.nodes.get(&id).cloned().unwrap_or(id));
            Some((task.id?, Some(Place { slot: task.slot.filter(|slot| *slot != 0), node })))
        };
        tasks.into_iter().filter_map(place).collect()
    }

    /// Whether a service has more than one replica, or runs on more than one node.
    pub fn several(&self, key: &str) -> bool {
        self.services.get(key).is_some_and(|service| service.several)
    }

    /// How many letters name the widest place of a service.
    pub fn width(&self, key: &str) -> usize {
        let service = self.services.get(key).filter(|service| service.several);
        let tasks = service.into_iter().flat_map(|service| service.tasks.values());
        let widths = tasks.map(|place| label(key, place.as_ref()).chars().count());
        widths.max().unwrap_or_else(|| key.chars().count())
    }

    /// The place of a task of a service; a new task is looked up once.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn of(&mut self, key: &str, task: Option<&str>) -> Result<Option<&Place>, Failure> {
        let Some(task) = task else { return Ok(None) };
        let Some(service) = self.services.get(key) else { return Ok(None) };
        if !service.tasks.contains_key(task) {
            let found = match self.engine.tasks(&service.id).await {
                Ok(tasks) => self.of_tasks(tasks),
                // It was removed while its last lines came.
                Err(error) if error.is_not_found() => BTreeMap::new(),
                Err(error) => return Err(error.into()),
            };
            if let Some(service) = self.services.get_mut(key) {
                service.tasks.extend(found);
                service.tasks.entry(task.to_owned()).or_insert(None);
            }
        }
        Ok(self.services.get(key).and_then(|service| service.tasks.get(task)?.as_ref()))
    }
}

/// How many replicas, or nodes of a global service, there are.
fn lanes(tasks: &BTreeMap<String, Option<Place>>) -> usize {
    let lanes: BTreeSet<_> = tasks
        .values()
        .flatten()
        .map(|place| (place.slot, place.node.as_deref().filter(|_| place.slot.is_none())))
        .collect();
    lanes.len()
}

/// `app.2`, or `app.NODE` of a global service, as docker has it.
pub(super) fn label(key: &str, place: Option<&Place>) -> String {
    match place {
        Some(Place { slot: Some(slot), .. }) => format!("{key}.{slot}"),
        Some(Place { slot: None, node: Some(node) }) => format!("{key}.{}", clean(node)),
        Some(_) | None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_and_nodes_are_told_apart() {
        let place = |slot: Option<i64>, node: &str| Place { slot, node: Some(node.to_owned()) };
        for (places, labels, count) in [
            (vec![place(Some(1), "a"), place(Some(2), "a")], vec!["x.1", "x.2"], 2),
            // An old task of the same replica, on another node.
            (vec![place(Some(1), "a"), place(Some(1), "b")], vec!["x.1", "x.1"], 1),
            (vec![place(None, "a"), place(None, "b")], vec!["x.a", "x.b"], 2),
        ] {
            let found: Vec<String> = places.iter().map(|p| label("x", Some(p))).collect();
            assert_eq!(found, labels);
            let tasks = places.into_iter().enumerate().map(|(n, p)| (n.to_string(), Some(p)));
            assert_eq!(lanes(&tasks.collect()), count);
        }
        assert_eq!(label("x", None), "x");
    }
}
