//! Which nodes the tasks of a service may be on; pure (moby/swarmkit,
//! `manager/constraint/constraint.go` and `manager/scheduler/filter.go`).
//!
//! What other tasks use of a node (reserved memory, ports, places) is unknown here: swarm
//! tells it as a number of nodes.

use std::{collections::HashMap, fmt};

use crate::engine::api;

/// Why no task of a service is placed on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It left the swarm.
    Gone,
    Down,
    /// It answers to nobody, and its tasks are not replaced yet.
    Unknown,
    Drained,
    Paused,
    Constraint {
        constraint: String,
        /// The node's own value; none where it has none.
        has: Option<String>,
    },
    Platform {
        has: String,
    },
    Memory {
        has: i64,
        wanted: i64,
    },
    Cpus {
        has: i64,
        wanted: i64,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Gone => f.write_str("is not in the swarm any more"),
            Unfit::Down => f.write_str("is down"),
            Unfit::Unknown => f.write_str("has not been heard of since the manager started"),
            Unfit::Drained => f.write_str("is drained"),
            Unfit::Paused => f.write_str("is paused, and takes no new tasks"),
            Unfit::Constraint { constraint, has: Some(has) } => {
                write!(f, "does not satisfy `{constraint}`: it has `{has}`")
            }
            Unfit::Constraint { constraint, has: None } => {
                write!(f, "does not satisfy `{constraint}`")
            }
            Unfit::Platform { has } => {
                write!(f, "has the platform {has}, for which there is no image")
            }
            Unfit::Memory { has, wanted } => write!(
                f,
                "has {} of memory, and {} are to be reserved",
                mebibytes(*has),
                mebibytes(*wanted)
            ),
            Unfit::Cpus { has, wanted } => {
                write!(f, "has {} CPUs, and {} are to be reserved", cpus(*has), cpus(*wanted))
            }
        }
    }
}

fn mebibytes(bytes: i64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn cpus(nano: i64) -> String {
    format!("{}", nano as f64 / 1e9)
}

/// Why no task of this form is placed on the node, as far as that can be told from it.
pub(crate) fn unfit(node: &api::Node, template: &api::TaskSpec) -> Option<Unfit> {
    unusable(node).or_else(|| excluded(node, template)).or_else(|| too_small(node, template))
}

/// Why the node takes no tasks at all at the moment.
pub(crate) fn unusable(node: &api::Node) -> Option<Unfit> {
    use api::NodeSpecAvailabilityEnum as Availability;
    match node.status.as_ref().and_then(|status| status.state) {
        Some(api::NodeState::DOWN | api::NodeState::DISCONNECTED) => return Some(Unfit::Down),
        Some(api::NodeState::UNKNOWN) => return Some(Unfit::Unknown),
        Some(api::NodeState::READY) | None => {}
    }
    match node.spec.as_ref().and_then(|spec| spec.availability) {
        Some(Availability::DRAIN) => Some(Unfit::Drained),
        Some(Availability::PAUSE) => Some(Unfit::Paused),
        _ => None,
    }
}

/// Why the node can never have a task of this form, whatever its state: a constraint or
/// its platform.
pub(crate) fn excluded(node: &api::Node, template: &api::TaskSpec) -> Option<Unfit> {
    let placement = template.placement.as_ref()?;
    let failing = placement.constraints.iter().flatten().find_map(|text| violated(node, text));
    failing.or_else(|| {
        let platforms = placement.platforms.as_ref().filter(|all| !all.is_empty())?;
        let has = node.description.as_ref()?.platform.as_ref()?;
        let fits = platforms.iter().any(|wanted| is_platform(wanted, has));
        (!fits).then(|| Unfit::Platform { has: platform(has) })
    })
}

fn too_small(node: &api::Node, template: &api::TaskSpec) -> Option<Unfit> {
    let wanted = template.resources.as_ref()?.reservations.as_ref()?;
    let has = node.description.as_ref()?.resources.as_ref()?;
    let lacks = |has: Option<i64>, wanted: Option<i64>| {
        let (has, wanted) = (has?, wanted?);
        (has < wanted).then_some((has, wanted))
    };
    if let Some((has, wanted)) = lacks(has.memory_bytes, wanted.memory_bytes) {
        return Some(Unfit::Memory { has, wanted });
    }
    lacks(has.nano_cpus, wanted.nano_cpus).map(|(has, wanted)| Unfit::Cpus { has, wanted })
}

/// As docker writes it, `linux/amd64`.
pub(crate) fn platform(of: &api::Platform) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "unknown".into());
    format!("{}/{}", part(&of.os), part(&of.architecture))
}

/// What one of them lacks, fits all (swarmkit, `PlatformFilter`).
fn is_platform(wanted: &api::Platform, has: &api::Platform) -> bool {
    let usual = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        match text {
            "x86_64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            other => other.to_owned(),
        }
    };
    let same = |wanted: String, has: String| wanted.is_empty() || has.is_empty() || wanted == has;
    same(usual(&wanted.os), usual(&has.os))
        && same(usual(&wanted.architecture), usual(&has.architecture))
}

/// `KEY == VALUE`, or `!=`: the key, whether they are to be equal, the value.
pub(crate) fn parsed(text: &str) -> Option<(&str, bool, &str)> {
    // The one that comes first, as in swarmkit's `Parse`.
    let at = |sign: &str| text.find(sign);
    let (at, equal) = match (at("=="), at("!=")) {
        (Some(eq), Some(ne)) if ne < eq => (ne, false),
        (Some(eq), _) => (eq, true),
        (None, Some(ne)) => (ne, false),
        (None, None) => return None,
    };
    Some((text[..at].trim(), equal, text[at + 2..].trim()))
}

/// The name of a node's label that a key is about; swarm takes labels as they are written.
pub(crate) fn label_of<'a>(key: &'a str, prefix: &str) -> Option<&'a str> {
    let head = key.get(..prefix.len())?;
    (key.len() > prefix.len() && head.eq_ignore_ascii_case(prefix)).then(|| &key[prefix.len()..])
}

/// The constraint as an obstacle, if the node does not satisfy it.
fn violated(node: &api::Node, text: &str) -> Option<Unfit> {
    let (key, equal, value) = parsed(text)?;
    let description = node.description.as_ref();
    let spec = node.spec.as_ref();
    let label = |labels: Option<&HashMap<String, String>>, name: &str| labels?.get(name).cloned();
    let is = |name: &str| key.eq_ignore_ascii_case(name);
    let has = if is("node.id") {
        node.id.clone()
    } else if is("node.hostname") {
        description.and_then(|it| it.hostname.clone())
    } else if is("node.role") {
        spec.and_then(|it| it.role).map(|role| role.to_string())
    } else if is("node.platform.os") {
        description.and_then(|it| it.platform.as_ref()?.os.clone())
    } else if is("node.platform.arch") {
        description.and_then(|it| it.platform.as_ref()?.architecture.clone())
    } else if is("node.ip") {
        return violated_address(node, text, equal, value);
    } else if let Some(name) = label_of(key, "node.labels.") {
        label(spec.and_then(|it| it.labels.as_ref()), name)
    } else if let Some(name) = label_of(key, "engine.labels.") {
        label(description.and_then(|it| it.engine.as_ref()?.labels.as_ref()), name)
    } else {
        // Swarm knows no such key: no node satisfies it.
        return Some(Unfit::Constraint { constraint: text.to_owned(), has: None });
    };
    let same = has.as_deref().unwrap_or_default().eq_ignore_ascii_case(value);
    (same != equal).then(|| Unfit::Constraint {
        constraint: text.to_owned(),
        has: has.filter(|has| !has.is_empty()),
    })
}

/// An address, or a network in CIDR form.
fn violated_address(node: &api::Node, text: &str, equal: bool, value: &str) -> Option<Unfit> {
    let own = node.status.as_ref().and_then(|status| status.addr.clone());
    let address = own.as_deref().and_then(|own| own.parse::<std::net::IpAddr>().ok());
    let within = match (address, value.split_once('/')) {
        (Some(address), None) => value.parse() == Ok(address),
        (Some(address), Some((network, bits))) => match (network.parse(), bits.parse()) {
            (Ok(network), Ok(bits)) => is_within(address, network, bits),
            _ => false,
        },
        (None, _) => false,
    };
    (within != equal).then(|| Unfit::Constraint { constraint: text.to_owned(), has: own })
}

fn is_within(address: std::net::IpAddr, network: std::net::IpAddr, bits: u32) -> bool {
    use std::net::IpAddr::{V4, V6};
    match (address, network) {
        (V4(a), V4(n)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(a) & mask == u32::from(n) & mask
        }
        (V6(a), V6(n)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(a) & mask == u128::from(n) & mask
        }
        _ => false,
    }
}

/// What a node is called, for people.
pub(crate) fn name(node: &api::Node) -> &str {
    let hostname = node.description.as_ref().and_then(|it| it.hostname.as_deref());
    hostname.filter(|name| !name.is_empty()).or(node.id.as_deref()).unwrap_or_default()
}

/// What the node of this id is called; the id where the swarm has it no more.
pub(crate) fn name_of<'a>(id: &'a str, nodes: &'a [api::Node]) -> &'a str {
    nodes.iter().find(|node| node.id.as_deref() == Some(id)).map_or(id, name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(change: impl FnOnce(&mut Value)) -> api::Node {
        let mut node = json!({
            "ID": "id1",
            "Spec": {"Role": "worker", "Availability": "active", "Labels": {"disk": "SSD"}},
            "Description": {
                "Hostname": "one", "Platform": {"Architecture": "x86_64", "OS": "linux"},
                "Resources": {"NanoCPUs": 2_000_000_000_i64, "MemoryBytes": 1_i64 << 30},
                "Engine": {"Labels": {"zone": "a"}},
            },
            "Status": {"State": "ready", "Addr": "10.1.2.3"},
        });
        change(&mut node);
        serde_json::from_value(node).unwrap()
    }

    fn template(placement: Value, reserved: Value) -> api::TaskSpec {
        let spec = json!({"Placement": placement, "Resources": {"Reservations": reserved}});
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn constraints_are_read_as_swarm_reads_them() {
        let node = node(|_| ());
        for (constraint, why) in [
            ("node.hostname == one", None),
            ("node.hostname==ONE", None),
            ("Node.Hostname==one", None),
            ("node.hostname!=one", Some("does not satisfy `node.hostname!=one`: it has `one`")),
            ("node.id==id1", None),
            (
                "node.role == manager",
                Some("does not satisfy `node.role == manager`: it has `worker`"),
            ),
            ("node.role != manager", None),
            ("node.labels.disk == ssd", None),
            ("node.labels.Disk == ssd", Some("does not satisfy `node.labels.Disk == ssd`")),
            ("node.labels.gone != x", None),
            ("engine.labels.zone == a", None),
            (
                "engine.labels.zone == b",
                Some("does not satisfy `engine.labels.zone == b`: it has `a`"),
            ),
            ("node.platform.os == linux", None),
            (
                "node.platform.arch == amd64",
                Some("does not satisfy `node.platform.arch == amd64`: it has `x86_64`"),
            ),
            ("node.ip == 10.1.2.3", None),
            ("node.ip == 10.1.0.0/16", None),
            (
                "node.ip != 10.0.0.0/8",
                Some("does not satisfy `node.ip != 10.0.0.0/8`: it has `10.1.2.3`"),
            ),
            ("node.ip == 0.0.0.0/0", None),
            ("node.colour == red", Some("does not satisfy `node.colour == red`")),
        ] {
            let found = unfit(&node, &template(json!({"Constraints": [constraint]}), json!({})));
            assert_eq!(found.map(|it| it.to_string()).as_deref(), why, "{constraint}");
        }
    }

    #[test]
    fn a_node_that_takes_no_tasks_says_so_first() {
        let picky = template(json!({"Constraints": ["node.role==manager"]}), json!({}));
        for (state, availability, why) in [
            ("down", "active", "is down"),
            ("disconnected", "active", "is down"),
            ("unknown", "active", "has not been heard of since the manager started"),
            ("ready", "drain", "is drained"),
            ("ready", "pause", "is paused, and takes no new tasks"),
        ] {
            let node = node(|node| {
                node["Status"]["State"] = json!(state);
                node["Spec"]["Availability"] = json!(availability);
            });
            assert_eq!(unfit(&node, &picky).unwrap().to_string(), why);
        }
    }

    #[test]
    fn a_node_may_be_too_small_or_of_another_kind() {
        let node = node(|_| ());
        for (placement, reserved, why) in [
            (json!({}), json!({"MemoryBytes": 1_i64 << 30}), None),
            (
                json!({}),
                json!({"MemoryBytes": 2_i64 << 30}),
                Some("has 1024 MiB of memory, and 2048 MiB are to be reserved"),
            ),
            (
                json!({}),
                json!({"NanoCPUs": 2_500_000_000_i64}),
                Some("has 2 CPUs, and 2.5 are to be reserved"),
            ),
            (json!({"Platforms": [{"Architecture": "amd64", "OS": "linux"}]}), json!({}), None),
            (json!({"Platforms": [{"OS": "linux"}]}), json!({}), None),
            (
                json!({"Platforms": [{"Architecture": "arm64", "OS": "linux"}]}),
                json!({}),
                Some("has the platform linux/x86_64, for which there is no image"),
            ),
        ] {
            let found = unfit(&node, &template(placement, reserved));
            assert_eq!(found.map(|it| it.to_string()).as_deref(), why);
        }
    }
}
