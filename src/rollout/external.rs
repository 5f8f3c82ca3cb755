//! What must be right on the swarm before a rollout begins; pure. Docker finds these
//! problems one service at a time, in the middle of a deploy.

use std::collections::BTreeSet;

use crate::{
    compose::Stack,
    engine::api,
    lint::{Finding, rules},
    owner,
};

use super::{Error, diff::PREDEFINED_NETWORKS, error::Subject, live::Live, place::Place};

/// External objects of the stack that do not exist on the swarm. `explain`
/// adds more about a secret, by its full name: whose it is, and how it is made.
pub(crate) fn external(
    stack: &Stack,
    live: &Live,
    place: &Place,
    explain: impl Fn(&str) -> Option<Finding>,
) -> Vec<Finding> {
    let missing = absent(&stack.external_secrets, &names_of_secrets(live)).into_iter();
    let mut findings: Vec<Finding> =
        missing.map(|name| explain(name).unwrap_or_else(|| no_secret(name, place))).collect();
    let present = live.configs.iter().filter_map(|c| c.spec.as_ref()?.name.as_deref()).collect();
    findings.extend(absent(&stack.external_configs, &present).into_iter().map(|name| {
        let fix = place.config(name);
        let message = "the external config does not exist on the server";
        Finding::new(&rules::CONFIG_MISSING, message).path(format!("config {name}")).fix(fix)
    }));
    findings.extend(stack.external_networks.iter().filter_map(|name| network(name, live, place)));
    let all = stack.external_networks.iter().chain(stack.networks.keys());
    findings.extend(all.filter_map(|name| ingress(name, live)));
    findings
}

/// The network of published ports takes no services.
fn ingress(name: &str, live: &Live) -> Option<Finding> {
    let is_it = |network: &&api::Network| {
        network.name.as_deref() == Some(name) && network.ingress == Some(true)
    };
    live.networks.iter().find(is_it)?;
    let message = "it is the swarm's own network for published ports, which takes no services";
    let fix = "publish the port (`ports`), or name another network";
    Some(Finding::new(&rules::SWARM_REFUSES, message).path(format!("network {name}")).fix(fix))
}

/// Whether every secret is there that the stack takes from the swarm.
pub(crate) fn has_all_secrets(stack: &Stack, live: &Live) -> bool {
    absent(&stack.external_secrets, &names_of_secrets(live)).is_empty()
}

fn names_of_secrets(live: &Live) -> BTreeSet<&str> {
    live.secrets.iter().filter_map(|s| s.spec.as_ref()?.name.as_deref()).collect()
}

fn no_secret(full_name: &str, place: &Place) -> Finding {
    let message = "the external secret does not exist on the server";
    Finding::new(&rules::SECRET_MISSING, message)
        .path(format!("secret {full_name}"))
        .fix(place.secret(full_name))
}

/// Names and labels by which docker or potluck recognises the owner of an object.
pub(crate) fn reserved(stack: &Stack) -> Vec<Finding> {
    let found = owner::reserved(stack).into_iter();
    found
        .map(|what| {
            let message = format!("{what}: only docker and potluck may set it");
            Finding::new(&rules::NAME_RESERVED, message)
        })
        .collect()
}

/// Fails if anything stops the deploy; the error lists all of it.
///
/// # Errors
/// [`Error::Unfit`].
pub(crate) fn fit(subject: &Subject, mut findings: Vec<Finding>) -> Result<(), Error> {
    if findings.is_empty() {
        return Ok(());
    }
    findings.sort();
    findings.dedup();
    Err(Error::Unfit { subject: subject.clone(), findings })
}

fn absent<'a>(wanted: &'a [String], present: &BTreeSet<&str>) -> Vec<&'a str> {
    wanted.iter().map(String::as_str).filter(|name| !present.contains(name)).collect()
}

fn network(name: &str, live: &Live, place: &Place) -> Option<Finding> {
    if PREDEFINED_NETWORKS.contains(&name) {
        return None;
    }
    let mut scopes = live
        .networks
        .iter()
        .filter(|n| n.name.as_deref() == Some(name))
        .map(|n| n.scope.as_deref());
    let message = match (scopes.clone().next(), scopes.any(|s| s == Some("swarm"))) {
        (_, true) => return None,
        (Some(_), false) => {
            "the external network exists on one node only: services need one of the whole swarm"
        }
        (None, false) => "the external network does not exist on the server",
    };
    let finding = Finding::new(&rules::NETWORK_MISSING, message);
    Some(finding.path(format!("network {name}")).fix(place.network(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_network_must_span_the_swarm() {
        let live = |scope: &str| Live {
            networks: vec![api::Network {
                name: Some("proxy".into()),
                scope: Some(scope.into()),
                ..Default::default()
            }],
            ..Default::default()
        };
        assert_eq!(network("proxy", &live("swarm"), &Place::Docker), None);
        assert_eq!(network("host", &Live::default(), &Place::Docker), None);
        let local = network("proxy", &live("local"), &Place::Docker).unwrap().to_string();
        assert!(local.contains("one node only"), "{local}");
        let none = network("proxy", &Live::default(), &Place::Docker).unwrap().to_string();
        assert!(none.contains("does not exist"), "{none}");
    }
}
