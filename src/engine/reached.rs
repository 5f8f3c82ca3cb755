//! Which nodes a server has, how each is reached, and what could be tried.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::Serialize;

use super::{
    Engine, Error, api,
    nodes::{endpoint_of, name_of},
    swarm::SwarmEngine,
};

/// One node of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    pub name: String,
    pub id: String,
    /// `manager` or `worker`.
    pub role: String,
    /// `active`, `pause` or `drain`.
    pub availability: String,
    /// `ready` or `down`.
    pub state: String,
    pub address: Option<String>,
    /// None where no endpoint is known.
    pub endpoint: Option<String>,
    /// Whether it is the node that the server's own endpoint speaks for.
    pub own: bool,
    /// Whether that node answers at its endpoint; none where there is none.
    pub answers: Option<bool>,
    /// Why not.
    pub problem: Option<String>,
}

/// Asks a server for its nodes, and each known endpoint which node it is.
///
/// # Errors
/// What the manager says; a node that does not answer is in its report.
pub async fn nodes_of(
    manager: &dyn Engine,
    endpoints: &BTreeMap<String, String>,
) -> Result<Vec<NodeReport>, Error> {
    let (all, here) = futures_util::try_join!(manager.nodes(), manager.node_id())?;
    let all = &all;
    let reports = all.iter().filter_map(|node| {
        let id = node.id.clone()?;
        let own = id == here;
        let known = endpoint_of(endpoints, all, &id).map(str::to_owned);
        let endpoint = if own { Some(manager.endpoint().to_owned()) } else { known };
        Some(async move {
            let tried = match &endpoint {
                Some(endpoint) if !own => Some(try_endpoint(endpoint, &id).await),
                Some(_) => Some(Ok(())),
                None => None,
            };
            let answers = tried.as_ref().map(Result::is_ok);
            let problem = tried.and_then(Result::err);
            report(node, all, id, Tried { endpoint, own, answers, problem })
        })
    });
    let mut reports = join_all(reports).await;
    reports.sort_by(|a, b| (!a.own, &a.name, &a.id).cmp(&(!b.own, &b.name, &b.id)));
    Ok(reports)
}

/// Whether the engine at an endpoint is that of a node.
///
/// # Errors
/// Why not, in a sentence.
pub async fn try_endpoint(endpoint: &str, node: &str) -> Result<(), String> {
    let engine = SwarmEngine::connect(endpoint).map_err(|error| error.to_string())?;
    match engine.node_id().await {
        Ok(id) if id == node => Ok(()),
        Ok(id) => Err(format!("the engine there is that of another node ({id})")),
        Err(error) => Err(error.to_string()),
    }
}

/// Endpoints that are worth a try for a node without one: directly, and through the
/// server's own machine, as its own user.
pub fn candidates(server: &str, address: &str) -> Vec<String> {
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let Some(target) = server.strip_prefix("ssh://") else {
        return vec![format!("ssh://{host}")];
    };
    let target = target.split('?').next().unwrap_or(target).trim_end_matches('/');
    let user = target.rsplit_once('@').map_or(String::new(), |(user, _)| format!("{user}@"));
    let direct = format!("ssh://{user}{host}");
    let jumped = format!("{direct}?jump={target}");
    vec![direct, jumped]
}

struct Tried {
    endpoint: Option<String>,
    own: bool,
    answers: Option<bool>,
    problem: Option<String>,
}

fn report(node: &api::Node, all: &[api::Node], id: String, tried: Tried) -> NodeReport {
    let Tried { endpoint, own, answers, problem } = tried;
    let spec = node.spec.clone().unwrap_or_default();
    let status = node.status.clone().unwrap_or_default();
    let manager = node.manager_status.as_ref().and_then(|manager| manager.addr.clone());
    // A manager that advertises nothing is listed with `0.0.0.0`.
    let unspecified = |address: &String| !address.is_empty() && address != "0.0.0.0";
    let of_manager =
        manager.and_then(|addr| addr.rsplit_once(':').map(|(host, _)| host.to_owned()));
    NodeReport {
        name: name_of(all, &id),
        id,
        role: spec.role.map(|role| role.to_string()).unwrap_or_default(),
        availability: spec.availability.map(|it| it.to_string()).unwrap_or_default(),
        state: status.state.map(|state| state.to_string()).unwrap_or_default(),
        address: status.addr.filter(unspecified).or(of_manager),
        endpoint,
        own,
        answers,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_tried_directly_and_through_the_manager() {
        for (server, address, expected) in [
            ("unix:///run/docker.sock", "10.0.0.2", vec!["ssh://10.0.0.2"]),
            (
                "ssh://swarm.example.org",
                "10.0.0.2",
                vec!["ssh://10.0.0.2", "ssh://10.0.0.2?jump=swarm.example.org"],
            ),
            (
                "ssh://root@swarm.example.org:2222",
                "2001:db8::2",
                vec![
                    "ssh://root@[2001:db8::2]",
                    "ssh://root@[2001:db8::2]?jump=root@swarm.example.org:2222",
                ],
            ),
        ] {
            assert_eq!(candidates(server, address), expected);
        }
    }
}
