//! Who holds a port that a task cannot have.
//!
//! Swarm says on how many nodes a port is taken, but not on which, nor by whom.
//! Ports that every node listens on (`ingress`) are refused by the manager, which
//! names the service; this module is about ports of single nodes (`mode: host`).

use std::fmt;

use super::task::{slot_of, unplaced};
use crate::engine::{Engine, Error, NodePort, api, is_placed, node_ports, published_ports};

/// Swarm's words on it (swarmkit, `scheduler/filter.go`).
const TAKEN: &str = "host-mode port already in use";

/// What prevents a task from getting its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The service's own task that is about to end.
    ByOldTask { port: i64 },
    /// The service's own task that ends only when the new one runs.
    ByStartFirst { port: i64 },
    /// Other tasks of the service, which will keep running.
    ByReplica { port: i64 },
    /// Another service, by its full name.
    ByService { port: i64, service: String },
    /// No other service of the swarm wants exactly this port.
    Unknown,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Taken::ByOldTask { port } => write!(f, "waiting for the old task to free port {port}"),
            Taken::ByStartFirst { port } => write!(
                f,
                "port {port} is taken by the old task, which `order: start-first` ends only when \
                 the new one runs: use `order: stop-first`, or publish the port without `mode: host`"
            ),
            Taken::ByReplica { port } => write!(
                f,
                "port {port} of each fitting node is taken by another task of the service: with \
                 `mode: host` each node has room for one; use fewer replicas, or publish the port \
                 without `mode: host`"
            ),
            Taken::ByService { port, service } => {
                write!(f, "port {port} is taken by the service `{service}`")
            }
            Taken::Unknown => f.write_str("the port is taken"),
        }
    }
}

/// Whether a reason why a task was not placed is about a port.
pub(crate) fn is_about_ports(reason: &str) -> bool {
    reason.contains(TAKEN)
}

/// Looks for who holds the port that a service wants; `tasks` are the service's.
///
/// # Errors
/// What the engine says.
pub(crate) async fn taken(
    engine: &dyn Engine,
    spec: &api::ServiceSpec,
    id: &str,
    tasks: &[api::Task],
) -> Result<Taken, Error> {
    let wanted = node_ports(spec);
    if let Some(taken) = wanted.first().and_then(|port| by_own(port.port, spec, tasks)) {
        return Ok(taken);
    }
    Ok(match engine.port_holder(&wanted, id).await? {
        Some((NodePort { port, .. }, service)) => Taken::ByService { port, service },
        None => Taken::Unknown,
    })
}

/// Whether a port that a service wants is held by its own task that is about to end,
/// as in the middle of an update with `order: stop-first`; pure.
pub(crate) fn are_being_freed(service: &api::Service, tasks: &[api::Task]) -> bool {
    let Some(spec) = &service.spec else { return false };
    let port = node_ports(spec).into_iter().next();
    let taken = port.and_then(|NodePort { port, .. }| by_own(port, spec, tasks));
    matches!(taken, Some(Taken::ByOldTask { .. }))
}

/// Which of the service's own tasks has the port.
fn by_own(port: i64, spec: &api::ServiceSpec, tasks: &[api::Task]) -> Option<Taken> {
    use api::ServiceSpecUpdateConfigOrderEnum as Order;
    let (staying, leaving): (Vec<&api::Task>, Vec<&api::Task>) = tasks
        .iter()
        .filter(|task| is_placed(task))
        .partition(|task| task.desired_state.is_some_and(|s| s <= api::TaskState::RUNNING));
    let order = spec.update_config.as_ref().and_then(|update| update.order);
    if !leaving.is_empty() {
        return Some(Taken::ByOldTask { port });
    }
    let waiting = tasks.iter().filter(|task| unplaced(task).is_some());
    let places: Vec<_> = waiting.map(slot_of).collect();
    match staying.iter().any(|task| places.contains(&slot_of(task))) {
        true if order == Some(Order::START_FIRST) => Some(Taken::ByStartFirst { port }),
        true => Some(Taken::ByOldTask { port }),
        false => (!staying.is_empty()).then_some(Taken::ByReplica { port }),
    }
}

/// Why swarm finds no node for a task, in words that name a port and its holder;
/// `reason` is what swarm says.
///
/// # Errors
/// What the engine says.
pub(crate) async fn why_unplaced(
    engine: &dyn Engine,
    service: &api::Service,
    tasks: &[api::Task],
    reason: &str,
) -> Result<String, Error> {
    if !is_about_ports(reason) {
        return Ok(reason.to_owned());
    }
    let spec = service.spec.clone().unwrap_or_default();
    let id = service.id.as_deref().unwrap_or_default();
    Ok(match taken(engine, &spec, id, tasks).await? {
        Taken::Unknown => reason.to_owned(),
        taken => taken.to_string(),
    })
}

/// The warning, for a plan, that another service has a port of the node.
pub(crate) fn shared(port: NodePort, key: &str, holder: &str, nodes: usize) -> String {
    let outcome = match nodes {
        1 => "it cannot start until that one is gone",
        _ => "it only starts on a node that does not run that one",
    };
    let NodePort { port, protocol } = port;
    format!(
        "{key}: port {port}/{protocol} (`mode: host`) is published by the service `{holder}`, too: \
         {outcome}"
    )
}

/// The port that a container could not get, according to the engine: something
/// outside of the swarm has it.
pub(crate) fn refused_by_node(error: &str) -> Option<&str> {
    let between = |before: &str, behind: &str| {
        let (_, rest) = error.split_once(before)?;
        let (address, _) = rest.split_once(behind)?;
        let port = address.rsplit(':').next()?;
        (!port.is_empty() && port.chars().all(|c| c.is_ascii_digit())).then_some(port)
    };
    between("Bind for ", " failed: port is already allocated")
        .or_else(|| between("listen tcp", ": bind: address already in use"))
        .or_else(|| between("listen udp", ": bind: address already in use"))
}

/// A port that a service publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    port: i64,
    protocol: api::EndpointPortConfigProtocolEnum,
    /// On the nodes of its tasks only.
    of_node: bool,
}

impl Published {
    /// Whether swarm refuses two services with these: on nodes they can share one, each
    /// on another node.
    pub(crate) fn excludes(&self, other: &Published) -> bool {
        let same = self.port == other.port && self.protocol == other.protocol;
        same && !(self.of_node && other.of_node)
    }
}

impl std::fmt::Display for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// The ports that a service publishes, except those that swarm chooses.
pub(crate) fn published(spec: &api::ServiceSpec) -> Vec<Published> {
    published_ports(spec)
        .filter(|(NodePort { port, .. }, _)| *port > 0)
        .map(|(NodePort { port, protocol }, of_node)| Published { port, protocol, of_node })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn ports_that_exclude_each_other() {
        use api::EndpointPortConfigProtocolEnum::{TCP, UDP};
        let port = |port, protocol, of_node| Published { port, protocol, of_node };
        let ingress = port(80, TCP, false);
        for (other, expected) in [
            (port(80, TCP, false), true),
            (port(80, TCP, true), true),
            (port(80, UDP, false), false),
            (port(81, TCP, false), false),
        ] {
            assert_eq!(ingress.excludes(&other), expected, "{other:?}");
            assert_eq!(other.excludes(&ingress), expected, "{other:?}");
        }
        assert!(!port(80, TCP, true).excludes(&port(80, TCP, true)));
    }

    #[test]
    fn an_old_task_leaves_or_never_does_and_replicas_compete() {
        let task = |slot: i64, image: &str, state: &str, desired: &str| -> Value {
            let pending = state == "pending";
            json!({
                "Slot": slot, "NodeID": if pending { "" } else { "n" }, "DesiredState": desired,
                "Spec": {"ContainerSpec": {"Image": image}},
                "Status": {"State": state, "Err": if pending { TAKEN } else { "" }},
            })
        };
        let new = |slot| task(slot, "new", "pending", "running");
        for (order, tasks, taken) in [
            (
                "stop-first",
                vec![new(1), task(1, "old", "running", "shutdown")],
                Some("waiting for the old task to free port 80"),
            ),
            (
                "start-first",
                vec![new(1), task(1, "old", "running", "running")],
                Some("port 80 is taken by the old task, which `order: start-first` ends only"),
            ),
            // Only the port was changed.
            (
                "start-first",
                vec![new(1), task(1, "new", "running", "running")],
                Some("port 80 is taken by the old task, which `order: start-first` ends only"),
            ),
            (
                "stop-first",
                vec![new(2), task(1, "new", "running", "running")],
                Some("port 80 of each fitting node is taken by another task of the service"),
            ),
            // Whichever spec the other has.
            (
                "start-first",
                vec![new(2), task(1, "old", "running", "running")],
                Some("port 80 of each fitting node is taken by another task of the service"),
            ),
            ("stop-first", vec![new(1), task(1, "old", "shutdown", "shutdown")], None),
        ] {
            let spec: api::ServiceSpec = serde_json::from_value(json!({
                "TaskTemplate": {"ContainerSpec": {"Image": "new"}},
                "UpdateConfig": {"Order": order},
            }))
            .unwrap();
            let tasks: Vec<api::Task> = serde_json::from_value(json!(tasks)).unwrap();
            let found = by_own(80, &spec, &tasks).map(|taken| taken.to_string());
            let same = match (&found, taken) {
                (Some(found), Some(taken)) => found.starts_with(taken),
                (found, taken) => found.is_none() && taken.is_none(),
            };
            assert!(same, "{order} {tasks:?}: {found:?}");
        }
    }

    #[test]
    fn the_engines_words_name_the_port() {
        for (error, port) in [
            (
                "driver failed programming external connectivity on endpoint x (1f): Bind for \
                 0.0.0.0:8475 failed: port is already allocated",
                Some("8475"),
            ),
            (
                "Error starting userland proxy: listen tcp4 0.0.0.0:8475: bind: address already in \
                 use",
                Some("8475"),
            ),
            ("listen tcp6 [::]:443: bind: address already in use", Some("443")),
            ("no such image", None),
            ("Bind for : failed", None),
        ] {
            assert_eq!(refused_by_node(error), port, "{error}");
        }
    }
}
