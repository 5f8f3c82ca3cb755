//! Drivers that a stack asks for but no node has: swarm accepts such a service
//! but places no task of it until a node has the driver (moby/swarmkit,
//! `manager/scheduler/filter.go`, `PluginFilter`).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    compose::Stack,
    engine::{Engine, Error, api},
    lint::{Finding, rules},
};

/// What kind of plugin a driver is, in the engine's words, and its name.
type Driver = (&'static str, String);

/// Drivers that every engine has, so that nodes need not be asked.
const ALWAYS: &[(&str, &str)] = &[("Log", "json-file"), ("Log", "none"), ("Volume", "local")];

/// Drivers that no node has, among the nodes that report theirs.
///
/// # Errors
/// What the engine says. Nodes are asked for only where the stack has a driver that
/// not every engine has.
pub(crate) async fn missing(engine: &dyn Engine, stack: &Stack) -> Result<Vec<Finding>, Error> {
    let wanted = wanted(stack);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let known = known(&engine.nodes().await?);
    Ok(if known.is_empty() { Vec::new() } else { findings(&wanted, &known) })
}

/// Each driver, with the first service that asks for it.
fn wanted(stack: &Stack) -> BTreeMap<Driver, &str> {
    let mut wanted = BTreeMap::new();
    for service in &stack.services {
        let Some(task) = &service.spec.task_template else { continue };
        let log = task.log_driver.iter().filter_map(|driver| driver.name.clone());
        let mounts = task.container_spec.iter().flat_map(|c| c.mounts.iter().flatten());
        let volumes = mounts.filter_map(|mount| {
            mount.volume_options.as_ref()?.driver_config.as_ref()?.name.clone()
        });
        let all = log.map(|name| ("Log", name)).chain(volumes.map(|name| ("Volume", name)));
        for (kind, name) in all.filter(|(_, name)| !name.is_empty()) {
            if !ALWAYS.contains(&(kind, &*name)) {
                wanted.entry((kind, name)).or_insert(&*service.key);
            }
        }
    }
    wanted
}

fn known(nodes: &[api::Node]) -> BTreeSet<(String, String)> {
    let plugins = nodes
        .iter()
        .filter_map(|node| node.description.as_ref()?.engine.as_ref()?.plugins.as_ref())
        .flatten();
    plugins.filter_map(|plugin| Some((plugin.typ.clone()?, plugin.name.clone()?))).collect()
}

fn findings(wanted: &BTreeMap<Driver, &str>, known: &BTreeSet<(String, String)>) -> Vec<Finding> {
    let has = |kind: &str, name: &str| {
        // The engine adds the tag to a name without one.
        [name.to_owned(), format!("{name}:latest")]
            .into_iter()
            .any(|name| known.contains(&(kind.to_owned(), name)))
    };
    let absent = wanted.iter().filter(|((kind, name), _)| !has(kind, name));
    absent
        .map(|((kind, name), service)| {
            let (what, key) = match *kind {
                "Log" => ("log driver", "logging.driver"),
                _ => ("volume driver", "volumes"),
            };
            Finding::new(
                &rules::DRIVER_MISSING,
                format!("no node of the swarm has the {what} `{name}`"),
            )
            .path(format!("services.{service}.{key}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_missing_where_no_node_has_it() {
        let node = |plugins: &[(&str, &str)]| {
            let plugin =
                |(kind, name): &(&str, &str)| serde_json::json!({"Type": kind, "Name": name});
            let plugins: Vec<_> = plugins.iter().map(plugin).collect();
            serde_json::from_value::<api::Node>(
                serde_json::json!({"Description": {"Engine": {"Plugins": plugins}}}),
            )
            .unwrap()
        };
        let nodes = [
            node(&[("Log", "syslog"), ("Volume", "local")]),
            node(&[("Volume", "org/rclone:latest")]),
            api::Node::default(),
        ];
        let known = known(&nodes);
        for (kind, name, missing) in [
            ("Log", "syslog", false),
            ("Log", "nosuch", true),
            ("Volume", "org/rclone", false),
            ("Volume", "syslog", true),
        ] {
            let wanted = BTreeMap::from([((kind, name.to_owned()), "app")]);
            assert_eq!(!findings(&wanted, &known).is_empty(), missing, "{kind} {name}");
        }
        assert!(super::known(&[api::Node::default()]).is_empty());
    }
}
