//! Who holds a port that a task cannot have.
//!
//! Swarm says on how many nodes a port is taken, and neither which nor by whom.
//! Ports that every node listens on (`ingress`) are refused by the manager, which
//! names the service; these are those of single nodes (`mode: host`).

use crate::engine::{Engine, Error, NodePort, api, is_placed, node_ports};

/// Swarm's words on it (swarmkit, `scheduler/filter.go`).
const TAKEN: &str = "host-mode port already in use";

/// What keeps a task from its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The service's own task that is about to end.
    ByOldTask { port: i64 },
    /// Another service, by its full name.
    ByService { port: i64, service: String },
    /// Nobody that the swarm knows of wants just this one.
    Unknown,
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

/// The ports that a service publishes, but for those that swarm chooses.
pub(crate) fn published(spec: &api::ServiceSpec) -> Vec<Published> {
    use api::{EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum};
    let ports = spec.endpoint_spec.iter().flat_map(|endpoint| endpoint.ports.iter().flatten());
    ports
        .filter_map(|port| {
            Some(Published {
                port: port.published_port.filter(|port| *port > 0)?,
                protocol: port.protocol.unwrap_or(EndpointPortConfigProtocolEnum::TCP),
                of_node: port.publish_mode == Some(EndpointPortConfigPublishModeEnum::HOST),
            })
        })
        .collect()
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
    if let (Some(NodePort { port, .. }), true) = (wanted.first(), tasks.iter().any(is_placed)) {
        return Ok(Taken::ByOldTask { port: *port });
    }
    Ok(match engine.port_holder(&wanted, id).await? {
        Some((NodePort { port, .. }, service)) => Taken::ByService { port, service },
        None => Taken::Unknown,
    })
}

/// The port that a container could not have, by the engine's own words: somebody
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

#[cfg(test)]
mod tests {
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
