//! Why tasks stay `new`: swarm places no task before it has addresses for it, and
//! if it finds none, it says so only in a manager's own log (moby/swarmkit,
//! `manager/allocator`).

use crate::engine::{Engine, Error, Scope, api};

use super::task::{is_wanted, state_of};

/// Why a service's tasks are not allocated, if one is waiting for that.
///
/// # Errors
/// What the engine says.
pub(crate) async fn why_missing(
    engine: &dyn Engine,
    spec: &api::ServiceSpec,
    tasks: &[api::Task],
) -> Result<Option<String>, Error> {
    let waits = |task: &api::Task| is_wanted(task) && state_of(task) == api::TaskState::NEW;
    let targets = targets(spec);
    if targets.is_empty() || !tasks.iter().any(waits) {
        return Ok(None);
    }
    let networks = engine.networks(Scope::All).await?;
    Ok(told(&targets, &networks))
}

/// Names or ids of the networks that its tasks are on.
fn targets(spec: &api::ServiceSpec) -> Vec<&str> {
    let of_tasks = spec.task_template.as_ref().and_then(|task| task.networks.as_ref());
    let networks = of_tasks.or(spec.networks.as_ref()).into_iter().flatten();
    networks.filter_map(|network| network.target.as_deref()).collect()
}

fn told(targets: &[&str], networks: &[api::Network]) -> Option<String> {
    let is_meant = |network: &&api::Network| {
        let names = [network.id.as_deref(), network.name.as_deref()];
        names.into_iter().flatten().any(|name| targets.contains(&name))
    };
    let meant: Vec<&api::Network> = networks.iter().filter(is_meant).collect();
    let driver = |network: &api::Network| network.driver.clone().unwrap_or_default();
    let name = |network: &api::Network| network.name.clone().unwrap_or_default();
    // A network of a swarm is given its driver with its addresses.
    if let Some(network) = meant.iter().find(|network| driver(network).is_empty()) {
        return Some(format!(
            "swarm has not allocated its network `{}`: its subnet overlaps that of another \
             network, or none is left (compare the subnets in `docker network inspect`)",
            name(network)
        ));
    }
    let places: Vec<String> = meant
        .iter()
        .filter(|network| driver(network) == "overlay")
        .map(|network| {
            let configs = network.ipam.iter().flat_map(|ipam| ipam.config.iter().flatten());
            let subnets: Vec<&str> = configs.filter_map(|it| it.subnet.as_deref()).collect();
            format!("`{}` ({})", name(network), subnets.join(", "))
        })
        .collect();
    (!places.is_empty()).then(|| {
        format!(
            "swarm has not allocated its addresses: all may be taken in {}",
            places.join(" or ")
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_network_without_addresses_is_named() {
        let network = |id: &str, name: &str, driver: &str, subnet: Option<&str>| -> api::Network {
            serde_json::from_value(json!({
                "Id": id, "Name": name, "Driver": driver,
                "IPAM": {"Config": subnet.map(|subnet| vec![json!({"Subnet": subnet})])},
            }))
            .unwrap()
        };
        let networks = [
            network("1", "x_n", "overlay", Some("10.199.0.0/30")),
            network("2", "x_m", "", None),
            network("3", "host", "host", None),
        ];
        let said = |targets: &[&str]| told(targets, &networks);
        assert_eq!(
            said(&["1", "2"]).as_deref(),
            Some(
                "swarm has not allocated its network `x_m`: its subnet overlaps that of another \
                 network, or none is left (compare the subnets in `docker network inspect`)"
            )
        );
        assert_eq!(
            said(&["x_n"]).as_deref(),
            Some(
                "swarm has not allocated its addresses: all may be taken in `x_n` (10.199.0.0/30)"
            )
        );
        assert_eq!(said(&["3"]), None);
        assert_eq!(said(&["gone"]), None);
    }
}
