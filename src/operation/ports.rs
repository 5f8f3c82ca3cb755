//! Who holds a port that a task cannot have.
//!
//! Swarm says on how many nodes a port is taken, and neither which nor by whom.
//! Ports that every node listens on (`ingress`) are refused by the manager, which
//! names the service; these are those of single nodes (`mode: host`).

use crate::engine::{
    Engine, Error, Scope,
    api::{self, EndpointPortConfigPublishModeEnum as Mode, TaskState},
};

use super::task::state_of;

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

/// Whether a reason why a task was not placed is about a port.
pub(crate) fn is_about_ports(reason: &str) -> bool {
    reason.contains(TAKEN)
}

/// Looks for who holds the port.
///
/// # Errors
/// What the engine says.
pub(crate) async fn taken(
    engine: &dyn Engine,
    spec: &api::ServiceSpec,
    id: &str,
    tasks: &[api::Task],
) -> Result<Taken, Error> {
    let others = engine.services(Scope::All).await?;
    Ok(find(spec, id, tasks, &others))
}

fn find(
    spec: &api::ServiceSpec,
    id: &str,
    tasks: &[api::Task],
    services: &[api::Service],
) -> Taken {
    let wanted = host_ports(spec);
    let leaving = |task: &&api::Task| {
        let state = state_of(task);
        let placed = task.node_id.as_deref().is_some_and(|node| !node.is_empty());
        placed && (TaskState::ASSIGNED..=TaskState::RUNNING).contains(&state)
    };
    if let (Some(&(port, _)), true) = (wanted.first(), tasks.iter().any(|task| leaving(&task))) {
        return Taken::ByOldTask { port };
    }
    for (port, protocol) in wanted {
        let holder = services.iter().filter(|service| service.id.as_deref() != Some(id)).find_map(
            |service| {
                let other = service.spec.as_ref()?;
                host_ports(other).contains(&(port, protocol)).then(|| other.name.clone())?
            },
        );
        if let Some(service) = holder {
            return Taken::ByService { port, service };
        }
    }
    Taken::Unknown
}

fn host_ports(spec: &api::ServiceSpec) -> Vec<(i64, Option<api::EndpointPortConfigProtocolEnum>)> {
    let ports = spec.endpoint_spec.iter().flat_map(|endpoint| endpoint.ports.iter().flatten());
    ports
        .filter(|port| port.publish_mode == Some(Mode::HOST))
        .filter_map(|port| {
            let protocol = port.protocol.or(Some(api::EndpointPortConfigProtocolEnum::TCP));
            Some((port.published_port?, protocol))
        })
        .collect()
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
    use serde_json::json;

    use super::*;

    fn service(id: &str, name: &str, port: i64, mode: &str) -> api::Service {
        serde_json::from_value(json!({
            "ID": id,
            "Spec": {
                "Name": name,
                "EndpointSpec": {"Ports": [
                    {"PublishedPort": port, "TargetPort": 80, "PublishMode": mode, "Protocol": "tcp"},
                ]},
            },
        }))
        .unwrap()
    }

    fn task(state: &str) -> api::Task {
        serde_json::from_value(json!({"ID": "t", "NodeID": "n", "Status": {"State": state}}))
            .unwrap()
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        let ours = service("1", "wiki_app", 8475, "host");
        let spec = ours.spec.clone().unwrap();
        let others = [
            ours,
            service("2", "mesh_app", 8475, "ingress"),
            service("3", "other_app", 8476, "host"),
            service("4", "blog_app", 8475, "host"),
        ];
        assert_eq!(
            find(&spec, "1", &[], &others),
            Taken::ByService { port: 8475, service: "blog_app".into() }
        );
        assert_eq!(find(&spec, "1", &[task("shutdown")], &others[..3]), Taken::Unknown);
        assert_eq!(find(&spec, "1", &[task("running")], &others), Taken::ByOldTask { port: 8475 });
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
