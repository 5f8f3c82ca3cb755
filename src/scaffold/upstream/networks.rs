//! Networks: those of the upstream as overlay networks, or one for all services.

use crate::compose::tree::{Map, Node, Value};

use super::{
    draft::{Draft, Network},
    names,
    project::Project,
    read,
};

const OWN: &str = "internal";

/// Gives each service its networks.
pub fn join(draft: &mut Draft, maps: &[&Map], project: &Project) {
    let defined = match project.outline.root.get("networks").map(|node| &node.value) {
        Some(Value::Map(defined)) => defined.clone(),
        _ => Map::default(),
    };
    let flag = |map: &Map, key: &str| match map.get(key) {
        Some(Node { value: Value::Bool(it), .. }) => *it,
        Some(Node { value: Value::Map(_), .. }) => true,
        _ => false,
    };
    let mut outside = vec![];
    for entry in &defined.0 {
        let position = project.outline.line(entry.at);
        let empty = Map::default();
        let settings = match &entry.value.value {
            Value::Map(settings) => settings,
            _ => &empty,
        };
        if flag(settings, "external") {
            outside.push(entry.key.clone());
            draft.log.change(
                "",
                position,
                format!(
                    "the network `{}` was removed, which exists beside the upstream's stack",
                    entry.key
                ),
                "compose.traefik.yml has the network `proxy` of a recipe; the app's services \
                 have their own",
            );
        } else if settings.0.iter().any(|it| it.key != "internal") {
            draft.log.change(
                "",
                position,
                format!("the options of the network `{}` were removed", entry.key),
                "a swarm has overlay networks, and chooses their addresses itself",
            );
        }
    }
    let many = draft.services.len() > 1;
    for (index, map) in maps.iter().enumerate() {
        if map.get("network_mode").is_some_and(|node| {
            read::scalar(node)
                .is_some_and(|mode| !matches!(mode.as_str(), "bridge" | "default" | "none"))
        }) {
            continue;
        }
        let mut wanted = vec![];
        for name in read::list(map.get("networks")) {
            if outside.contains(&name) {
                continue;
            }
            let internal = defined.get(&name).is_some_and(|node| match &node.value {
                Value::Map(settings) => flag(settings, "internal"),
                _ => false,
            });
            let name = match name.as_str() {
                "default" => OWN.to_owned(),
                // The one that compose.traefik.yml has.
                "proxy" => "front".into(),
                name => names::plain(name, '-'),
            };
            if !draft.networks.iter().any(|network| network.name == name) {
                draft.networks.push(Network { name: name.clone(), internal });
            }
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
        if wanted.is_empty() && (many || draft.services[index].key != draft.services[index].name) {
            wanted.push(OWN.to_owned());
            if !draft.networks.iter().any(|network| network.name == OWN) {
                draft.networks.push(Network { name: OWN.into(), internal: false });
            }
        }
        // A single service needs none of its own.
        if !many {
            wanted.clear();
            draft.networks.clear();
        }
        draft.services[index].networks = wanted;
    }
}
