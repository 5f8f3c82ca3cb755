//! Which services have their data on one node, and whether swarm may start them on
//! another; pure.
//!
//! A volume of the driver `local` is a folder of its node. A task that swarm starts elsewhere
//! gets an empty volume of the same name, and its app looks fresh. Global services have data
//! of their own on each node.

use std::{collections::BTreeMap, fmt};

use crate::{
    engine::{Volume, api},
    owner::{Mounted, volumes},
};

use super::{
    placing::{self, Unfit, excluded, unusable},
    wanted::wants_tasks,
};

/// File systems that a node mounts from its own disks: any other `type` of a local
/// volume comes over the network, or is gone with its task.
const OF_DISKS: &[&str] = &["", "none", "bind", "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs"];

/// Names of the local volumes of a service that is to have tasks, in order; none of a
/// global one. `known` are volumes of one node, which may have been made otherwise than the
/// spec says.
pub(crate) fn local_volumes<'a>(spec: &'a api::ServiceSpec, known: &[Volume]) -> Vec<&'a str> {
    let mode = spec.mode.as_ref();
    let everywhere = mode.is_some_and(|it| it.global.is_some() || it.global_job.is_some());
    if everywhere || !wants_tasks(spec) {
        return Vec::new();
    }
    let template = spec.task_template.as_ref();
    let mut names: Vec<&str> =
        volumes(template).filter(|name| is_local(name, template, known)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn is_local(name: &str, template: Option<&api::TaskSpec>, known: &[Volume]) -> bool {
    if let Some(found) = known.iter().find(|volume| volume.name == name) {
        return is_of_node(&found.driver, |key| found.options.get(key).map(String::as_str));
    }
    let mounts = template.and_then(|it| it.container_spec.as_ref()?.mounts.as_ref());
    let mut mounts = mounts.into_iter().flatten();
    let mount = mounts.find(|mount| mount.source.as_deref() == Some(name));
    let config = mount.and_then(|it| it.volume_options.as_ref()?.driver_config.as_ref());
    let Some(config) = config else { return true };
    let options = config.options.as_ref();
    is_of_node(config.name.as_deref().unwrap_or_default(), |key| {
        options.and_then(|all| all.get(key)).map(String::as_str)
    })
}

fn is_of_node<'a>(driver: &str, option: impl Fn(&str) -> Option<&'a str>) -> bool {
    let kind = option("type").unwrap_or_default().to_ascii_lowercase();
    let mounted = option("o").unwrap_or_default();
    let remote = mounted.split(',').any(|part| part.trim().starts_with("addr="));
    matches!(driver, "" | "local") && OF_DISKS.contains(&kind.as_str()) && !remote
}

/// What is known of the data of an app's volumes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The node, by id, where each volume was seen after a deploy, by its name.
    pub recorded: BTreeMap<String, String>,
    /// Where tasks mount them.
    pub mounted: BTreeMap<String, Mounted>,
}

impl Known {
    /// The node, by id, that has the data of a volume: what was recorded when it was
    /// deployed, and not where swarm may have started it since.
    pub fn home(&self, volume: &str) -> Option<&str> {
        let recorded = self.recorded.get(volume).map(String::as_str).filter(|id| !id.is_empty());
        recorded.or_else(|| self.mounted.get(volume)?.node())
    }
}

/// What a deploy means for a service's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Risk {
    /// The key in the compose file.
    pub service: String,
    pub volume: String,
    pub kind: RiskKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RiskKind {
    /// It has no data yet, and more than one node may have it.
    Open { nodes: Vec<String> },
    /// Swarm could start it elsewhere.
    Loose { node: String, constraint: String },
    /// It runs elsewhere already.
    Apart { node: String, why: Option<Unfit>, runs: String, constraint: String },
    /// This deploy starts it elsewhere.
    Moves { node: String, why: Unfit },
}

impl Risk {
    /// Whether the deploy itself would start the service with an empty volume.
    pub fn moves(&self) -> bool {
        matches!(self.kind, RiskKind::Moves { .. })
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Risk { service, volume, kind } = self;
        match kind {
            RiskKind::Open { nodes } => write!(
                f,
                "{service}: its volume `{volume}` is a folder of the node where it first starts \
                 ({}), and swarm could start it on another one later, with an empty volume. To keep \
                 it on one node, add `node.hostname == NAME` to its `deploy.placement.constraints`",
                nodes.join(" or ")
            ),
            RiskKind::Loose { node, constraint } => write!(
                f,
                "{service}: the data of its volume `{volume}` is on the node `{node}`, and swarm \
                 could start it on another one, with an empty volume. To keep it there, add \
                 `{constraint}` to its `deploy.placement.constraints`"
            ),
            RiskKind::Apart { node, why, runs, constraint } => {
                write!(
                    f,
                    "{service}: it runs on the node `{runs}`, but the data of its volume `{volume}` \
                     was recorded on `{node}`"
                )?;
                if let Some(why) = why {
                    write!(f, ", which {why}")?;
                }
                write!(
                    f,
                    ". To return it there, add `{constraint}` to its \
                     `deploy.placement.constraints`; to keep what is on `{runs}` as its data, pass \
                     --leave-data"
                )
            }
            RiskKind::Moves { node, why } => write!(
                f,
                "{service}: the data of its volume `{volume}` is on the node `{node}`, which {why}; \
                 it would start on another node, with an empty volume"
            ),
        }
    }
}

/// A service that a deploy brings to the swarm, or keeps.
pub(crate) struct Brought<'a> {
    pub key: &'a str,
    pub spec: &'a api::ServiceSpec,
    /// Whether its tasks are made, or made anew.
    pub anew: bool,
}

/// Whether any of them has data on one node.
pub(crate) fn has_local_volumes(services: &[Brought<'_>], volumes: &[Volume]) -> bool {
    services.iter().any(|service| !local_volumes(service.spec, volumes).is_empty())
}

/// What a deploy means for the data of its services; nothing on a swarm of one node.
pub(crate) fn risks(
    services: &[Brought<'_>],
    nodes: &[api::Node],
    known: &Known,
    volumes: &[Volume],
) -> Vec<Risk> {
    if nodes.len() < 2 {
        return Vec::new();
    }
    let mut risks = Vec::new();
    for service in services {
        for volume in local_volumes(service.spec, volumes) {
            let kind = risk(service, volume, nodes, known);
            risks.extend(kind.map(|kind| Risk {
                service: service.key.to_owned(),
                volume: volume.to_owned(),
                kind,
            }));
        }
    }
    risks
}

fn risk(
    service: &Brought<'_>,
    volume: &str,
    nodes: &[api::Node],
    known: &Known,
) -> Option<RiskKind> {
    let template = service.spec.task_template.clone().unwrap_or_default();
    let able: Vec<&api::Node> =
        nodes.iter().filter(|node| excluded(node, &template).is_none()).collect();
    let name = |node: &api::Node| placing::name(node).to_owned();
    let Some(home) = known.home(volume) else {
        let now = known.mounted.get(volume).is_some_and(|mounted| mounted.now.len() > 1);
        return (able.len() > 1 && !now)
            .then(|| RiskKind::Open { nodes: able.iter().map(|node| name(node)).collect() });
    };
    let others: Vec<&&api::Node> =
        able.iter().filter(|node| node.id.as_deref() != Some(home)).collect();
    let node = placing::name_of(home, nodes).to_owned();
    let why = match nodes.iter().find(|node| node.id.as_deref() == Some(home)) {
        None => Some(Unfit::Gone),
        Some(found) => unusable(found).or_else(|| excluded(found, &template)),
    };
    let constraint = pin(home, nodes);
    let now = known.mounted.get(volume).map(|mounted| &mounted.now);
    if let Some(runs) = now.and_then(|now| (!now.contains(home)).then(|| now.first())?) {
        let runs = placing::name_of(runs, nodes).to_owned();
        return Some(RiskKind::Apart { node, why, runs, constraint });
    }
    // Where no other node takes it, it waits for that one.
    let moves = service.anew && others.iter().any(|node| unusable(node).is_none());
    match why {
        Some(why) if moves => Some(RiskKind::Moves { node, why }),
        _ => (!others.is_empty()).then_some(RiskKind::Loose { node, constraint }),
    }
}

/// The constraint that keeps a service on a node. The data belongs to the machine, which
/// keeps its name when it leaves the swarm and joins again; an id is used only where two nodes
/// have the same name.
pub(crate) fn pin(id: &str, nodes: &[api::Node]) -> String {
    let name = placing::name_of(id, nodes);
    let same = nodes.iter().filter(|node| placing::name(node).eq_ignore_ascii_case(name)).count();
    match same {
        1 if name != id => format!("node.hostname == {name}"),
        _ => format!("node.id == {id}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(id: &str, state: &str, availability: &str) -> Value {
        json!({
            "ID": id, "Description": {"Hostname": format!("host-{id}")},
            "Spec": {"Availability": availability}, "Status": {"State": state},
        })
    }

    fn service(mode: Value, constraints: &[&str], driver: Value) -> api::ServiceSpec {
        serde_json::from_value(json!({
            "Mode": mode,
            "TaskTemplate": {
                "Placement": {"Constraints": constraints},
                "ContainerSpec": {"Mounts": [
                    {"Type": "volume", "Source": "data", "Target": "/data",
                     "VolumeOptions": {"DriverConfig": driver}},
                    {"Type": "tmpfs", "Target": "/tmp"},
                ]},
            },
        }))
        .unwrap()
    }

    #[test]
    fn only_folders_of_a_node_are_local() {
        let one = json!({"Replicated": {"Replicas": 1}});
        for (mode, driver, local) in [
            (one.clone(), Value::Null, true),
            (one.clone(), json!({"Name": "local"}), true),
            (
                one.clone(),
                json!({"Options": {"type": "none", "o": "bind", "device": "/srv"}}),
                true,
            ),
            (one.clone(), json!({"Options": {"type": "nfs", "o": "addr=10.0.0.1,rw"}}), false),
            (one.clone(), json!({"Options": {"o": "rw, addr=10.0.0.1"}}), false),
            (one.clone(), json!({"Name": "local", "Options": {"type": "CIFS"}}), false),
            (one.clone(), json!({"Options": {"type": "tmpfs", "device": "tmpfs"}}), false),
            (one.clone(), json!({"Name": "rexray/ebs"}), false),
            (json!({"Replicated": {"Replicas": 0}}), Value::Null, false),
            (json!({"Global": {}}), Value::Null, false),
            (json!({"GlobalJob": {}}), Value::Null, false),
            (json!({"ReplicatedJob": {}}), Value::Null, true),
        ] {
            let spec = service(mode, &[], driver.clone());
            assert_eq!(!local_volumes(&spec, &[]).is_empty(), local, "{driver}");
        }
        // As it was made, whatever the spec says.
        let made = Volume {
            name: "data".into(),
            driver: "local".into(),
            mountpoint: "/x".into(),
            labels: BTreeMap::new(),
            options: BTreeMap::from([("type".into(), "nfs".into())]),
        };
        assert!(local_volumes(&service(one, &[], Value::Null), &[made]).is_empty());
    }

    /// What is said of a service with data on `recorded`, which runs on `runs`.
    fn said(
        constraints: &[&str],
        nodes: &[Value],
        recorded: &str,
        runs: &[&str],
        anew: bool,
    ) -> Option<String> {
        let spec = service(json!({"Replicated": {"Replicas": 1}}), constraints, Value::Null);
        let nodes: Vec<api::Node> = serde_json::from_value(json!(nodes)).unwrap();
        let mounted = Mounted { now: runs.iter().map(ToString::to_string).collect(), last: None };
        let known = Known {
            recorded: BTreeMap::from([("data".into(), recorded.into())]),
            mounted: BTreeMap::from([("data".into(), mounted)]),
        };
        let brought = [Brought { key: "db", spec: &spec, anew }];
        let mut found = risks(&brought, &nodes, &known, &[]);
        assert!(found.len() < 2, "{found:?}");
        found.pop().map(|risk| risk.to_string())
    }

    #[test]
    fn what_a_deploy_means_for_data_on_one_node() {
        let up = |id: &str| node(id, "ready", "active");
        let drained = node("a", "ready", "drain");
        let down = node("a", "down", "active");
        let both = [up("a"), up("b")];
        let loose = "could start it on another one, with an empty volume. To keep it there, add \
                     `node.hostname == host-a`";
        let moves = "it would start on another node, with an empty volume";
        for (constraints, nodes, recorded, runs, anew, words) in [
            (&[][..], &both[..1], "a", &["a"][..], true, &[][..]),
            (&[], &both, "a", &["a"], true, &[loose]),
            (&[], &both, "a", &["a"], false, &[loose]),
            // Known by its task only.
            (&[], &both, "", &["a"], true, &[loose]),
            (&["node.hostname==host-a"], &both, "a", &["a"], true, &[]),
            (&["node.id==a"], &both, "a", &[], true, &[]),
            (&["node.id==b"], &both, "a", &["a"], true, &["does not satisfy `node.id==b`", moves]),
            // What is not sent again is not moved by the deploy.
            (&["node.id==b"], &both, "a", &["a"], false, &["To keep it there"]),
            (&[], &[drained.clone(), up("b")], "a", &["a"], true, &["which is drained", moves]),
            (&[], &[down.clone(), up("b")], "a", &[], true, &["which is down", moves]),
            (
                &[],
                &[up("b"), up("c")],
                "a",
                &[],
                true,
                &["`a`, which is not in the swarm any more", moves],
            ),
            // It waits for its node.
            (&["node.id==a"], &[down.clone(), up("b")], "a", &[], true, &[]),
            (&[], &[down.clone(), node("b", "down", "active")], "a", &[], true, &[loose]),
            (
                &[],
                &both,
                "a",
                &["b"],
                true,
                &["it runs on the node `host-b`", "recorded on `host-a`"],
            ),
            (&[], &both, "", &[], true, &["where it first starts (host-a or host-b)"]),
            (&["node.id==a"], &both, "", &[], true, &[]),
            // Two replicas have data of their own.
            (&[], &both, "", &["a", "b"], true, &[]),
        ] {
            let said = said(constraints, nodes, recorded, runs, anew);
            let case = format!("{constraints:?} {nodes:?} {recorded} {runs:?}: {said:?}");
            assert_eq!(said.is_none(), words.is_empty(), "{case}");
            for word in words {
                assert!(said.as_deref().unwrap_or_default().contains(word), "{word}: {case}");
            }
        }
    }

    #[test]
    fn a_name_that_two_nodes_have_pins_nothing() {
        let mut twin = node("b", "ready", "active");
        twin["Description"]["Hostname"] = json!("host-a");
        let nodes =
            |all: &[Value]| -> Vec<api::Node> { serde_json::from_value(json!(all)).unwrap() };
        let one = node("a", "ready", "active");
        assert_eq!(pin("a", &nodes(std::slice::from_ref(&one))), "node.hostname == host-a");
        assert_eq!(pin("a", &nodes(&[one, twin])), "node.id == a");
        assert_eq!(pin("gone", &nodes(&[])), "node.id == gone");
    }
}
