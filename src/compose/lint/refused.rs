//! What the engine is certain to refuse when the service is made, which is after
//! the networks, secrets and configs of the stack (moby/swarmkit,
//! `manager/controlapi/service.go`; moby, `daemon/cluster`). Each case was tried
//! on an engine.

use super::{Findings, Subject, network::LAST_PORT, templates};
use crate::compose::value::size;
use crate::{
    compose::model::{File, HealthCheck, Network, Update},
    lint::rules,
};

const PREDEFINED: &str = "com.docker.swarm.predefined";
/// In billionths.
const LEAST_CPUS: i64 = 1_000_000;
const LEAST_MEMORY: i64 = 4 << 20;
/// In nanoseconds.
const LEAST_INTERVAL: i64 = 1_000_000;

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let deploy = &subject.service.deploy;
    let mut refuse = |key: &str, message: String| {
        let (at, path) = (subject.spot(key), subject.path(key));
        findings.push(&rules::SWARM_REFUSES, at, path, message).certain = true;
    };
    let limits = deploy.limits.as_ref().map(|it| ("limits", &it.cpus, it.memory));
    let reservations = deploy.reservations.as_ref().map(|it| ("reservations", &it.cpus, it.memory));
    for (key, cpus, memory) in limits.into_iter().chain(reservations) {
        let key = |leaf: &str| format!("deploy.resources.{key}.{leaf}");
        if size::parse_cpus(cpus).is_ok_and(|nano| nano != 0 && nano < LEAST_CPUS) {
            refuse(&key("cpus"), format!("`{cpus}` CPUs are too few: swarm takes 0.001 or more"));
        }
        if memory != 0 && memory < LEAST_MEMORY {
            let message = format!("{memory} bytes are too few: swarm takes 4 MiB or more");
            refuse(&key("memory"), message);
        }
    }
    let counted = deploy.reservations.iter().flat_map(|it| &it.generic_resources);
    if counted.into_iter().any(Option::is_none) {
        let message = "an entry has no `discrete_resource_spec`".into();
        refuse("deploy.resources.reservations.generic_resources", message);
    }
    if let Some(policy) = &deploy.restart_policy {
        for (key, duration) in [("delay", policy.delay), ("window", policy.window)] {
            if duration.is_some_and(|duration| duration < 0) {
                refuse(&format!("deploy.restart_policy.{key}"), "must not be negative".into());
            }
        }
    }
    if let Some(Update { delay, monitor, max_failure_ratio, .. }) = &deploy.update_config {
        for (key, duration) in [("delay", *delay), ("monitor", *monitor)] {
            if duration < 0 {
                refuse(&format!("deploy.update_config.{key}"), "must not be negative".into());
            }
        }
        if !(0.0..=1.0).contains(max_failure_ratio) {
            let message = format!("`{max_failure_ratio}` is not a number from 0 to 1");
            refuse("deploy.update_config.max_failure_ratio", message);
        }
        if subject.is_job() {
            let message = format!("a service of the mode `{}` is never updated", deploy.mode);
            refuse("deploy.update_config", message);
        }
    }
    if let Some(check) = &subject.service.healthcheck
        && !check.disable
    {
        let HealthCheck { interval, timeout, start_period, .. } = check;
        for (key, duration) in
            [("interval", interval), ("timeout", timeout), ("start_period", start_period)]
        {
            if duration.is_some_and(|duration| duration != 0 && duration < LEAST_INTERVAL) {
                let message = "must be 0 or at least one millisecond".into();
                refuse(&format!("healthcheck.{key}"), message);
            }
        }
    }
    for number in subject.service.ports.iter().map(|placed| placed.it.published) {
        if number > LAST_PORT {
            refuse("ports", format!("{number} is not a port: expected a number up to {LAST_PORT}"));
        }
    }
    for (key, text) in templates::filled_in(subject.service) {
        if let Some(why) = templates::broken(text) {
            refuse(&key, why);
        }
    }
}

/// Of networks that services use.
pub fn check_networks(file: &File, findings: &mut Findings<'_>) {
    for (name, network) in &file.networks {
        let used = |networks: &std::collections::BTreeMap<String, _>| match networks.is_empty() {
            true => name == "default",
            false => networks.contains_key(name),
        };
        if !file.services.values().any(|service| used(&service.networks)) {
            continue;
        }
        if let Some(why) = odd_network(network) {
            let path = format!("networks.{name}");
            findings.push(&rules::SWARM_REFUSES, network.at, path, why).certain = true;
        }
        if network.external {
            continue;
        }
        let subnets = network.ipam_config.iter().map(|config| &config.subnet);
        for subnet in subnets.filter(|subnet| !subnet.is_empty()) {
            if !is_subnet(subnet) {
                let message = format!("`{subnet}` is not a subnet such as 10.1.2.0/24");
                let path = format!("networks.{name}.ipam.config");
                let rule = &rules::SWARM_REFUSES;
                findings.push(rule, network.at, path, message).certain = true;
            }
        }
    }
}

/// The names of the engine's own networks, and a label that marks them.
fn odd_network(network: &Network) -> Option<String> {
    let name = network.name.as_str();
    if network.external {
        let refused = matches!(name, "none" | "default") || name.starts_with("container:");
        return refused.then(|| format!("no service of a swarm can be on the network `{name}`"));
    }
    if matches!(name, "bridge" | "host" | "ingress" | "none") {
        return Some(format!("`{name}` is a network of the engine's own, which cannot be made"));
    }
    network
        .labels
        .contains_key(PREDEFINED)
        .then(|| format!("the label `{PREDEFINED}` is for networks of the engine's own"))
}

/// Go's `net.ParseCIDR`.
fn is_subnet(text: &str) -> bool {
    use std::net::IpAddr;
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u16>().is_ok_and(|bits| bits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets() {
        for text in ["10.1.2.0/24", "10.1.2.3/24", "0.0.0.0/0", "fd00::/64", "10.0.0.0/32"] {
            assert!(is_subnet(text), "{text}");
        }
        for text in ["10.1.2.0", "10.999.0.0/24", "10.1.2.0/33", "10.1.2.0/", "x/8", "10.1.2.0/+8"]
        {
            assert!(!is_subnet(text), "{text}");
        }
    }
}
