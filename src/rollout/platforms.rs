//! Images that are made for none of the nodes' platforms, an ARM server's for example: swarm
//! accepts such a service, and places no task of it.

use std::collections::BTreeSet;

use crate::{
    engine::{Engine, Error, api},
    lint::{Finding, rules},
    text::line,
};

use super::{
    state::placing::{self, Unfit, excluded},
    work::{Action, Work},
};

/// Services that would have no task anywhere, as far as a registry said what their images are
/// for.
///
/// # Errors
/// What the engine says. Nodes are asked for only where a registry said it.
pub(crate) async fn missing(engine: &dyn Engine, work: &Work) -> Result<Vec<Finding>, Error> {
    let sent = work.services.iter().filter(|service| service.action != Action::Keep);
    let named: Vec<(&str, &api::ServiceSpec)> = sent
        .map(|service| (service.key.as_str(), &service.spec))
        .filter(|(_, spec)| !platforms(spec).is_empty())
        .collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let nodes = engine.nodes().await?;
    Ok(named.into_iter().filter_map(|(key, spec)| finding(key, spec, &nodes)).collect())
}

fn platforms(spec: &api::ServiceSpec) -> &[api::Platform] {
    let placement = spec.task_template.as_ref().and_then(|task| task.placement.as_ref());
    placement.and_then(|placement| placement.platforms.as_deref()).unwrap_or_default()
}

fn finding(key: &str, spec: &api::ServiceSpec, nodes: &[api::Node]) -> Option<Finding> {
    let task = spec.task_template.as_ref()?;
    let mut has = BTreeSet::new();
    for node in nodes {
        match excluded(node, task) {
            Some(Unfit::Platform { has: platform }) => drop(has.insert(platform)),
            // It could be there, or a constraint forbids it, which is told when it is tried.
            _ => return None,
        }
    }
    if has.is_empty() {
        return None;
    }
    let made_for: BTreeSet<String> = platforms(spec)
        .iter()
        .map(placing::platform)
        .filter(|platform| !platform.contains("unknown"))
        .collect();
    let all = |names: BTreeSet<String>| {
        let names: Vec<String> = names.iter().map(|name| line(name).into_owned()).collect();
        names.join(", ")
    };
    let image = task.container_spec.as_ref()?.image.as_deref().unwrap_or_default();
    let image = image.split('@').next().unwrap_or_default();
    let message = format!(
        "the image `{}` is made for {}, and the nodes are {}",
        line(image),
        all(made_for),
        all(has)
    );
    Some(Finding::new(&rules::PLATFORM_MISSING, message).path(format!("services.{key}.image")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(architecture: &str) -> api::Node {
        let platform = json!({"Architecture": architecture, "OS": "linux"});
        serde_json::from_value(json!({"Description": {"Platform": platform}})).unwrap()
    }

    fn service(architectures: &[&str]) -> api::ServiceSpec {
        let platforms: Vec<_> =
            architectures.iter().map(|it| json!({"Architecture": it, "OS": "linux"})).collect();
        serde_json::from_value(json!({"TaskTemplate": {
            "ContainerSpec": {"Image": "example/app:1@sha256:aa"},
            "Placement": {"Platforms": platforms},
        }}))
        .unwrap()
    }

    #[test]
    fn an_image_for_no_node_is_said() {
        for (image, nodes, said) in [
            (&["amd64"][..], &["x86_64"][..], false),
            (&["amd64"], &["aarch64"], true),
            (&["amd64", "arm64"], &["aarch64"], false),
            (&["amd64"], &["aarch64", "x86_64"], false),
            (&["amd64", "ppc64le"], &["aarch64", "aarch64"], true),
            (&["amd64"], &[], false),
        ] {
            let nodes: Vec<api::Node> = nodes.iter().map(|it| node(it)).collect();
            let found = finding("app", &service(image), &nodes);
            assert_eq!(found.is_some(), said, "{image:?} {nodes:?}");
        }
        let told = finding("app", &service(&["amd64", "unknown"]), &[node("aarch64")]).unwrap();
        assert_eq!(
            told.message,
            "the image `example/app:1` is made for linux/amd64, and the nodes are linux/aarch64"
        );
    }
}
