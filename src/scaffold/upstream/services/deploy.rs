//! Restarts and limits, as a swarm has them.

use crate::compose::{
    tree::{Map, Node, Value},
    value::size,
};

use super::super::{
    draft::{Restart, Service},
    log::Log,
    project::Project,
    read,
    yaml::{Pair, Yaml, pair, text},
};

pub(super) fn restart(
    service: &mut Service,
    map: &Map,
    project: &Project,
    is_finished: bool,
    log: &mut Log,
) {
    let written = read::text(map, "restart");
    let at = map.get("restart").and_then(|node| project.outline.line(node.at));
    service.restart = match written.as_deref() {
        _ if is_finished => Restart::OnFailure,
        Some("no" | "false") => Restart::None,
        Some(text) if text.starts_with("on-failure") => Restart::OnFailure,
        _ => Restart::Any,
    };
    let condition = match service.restart {
        Restart::Any => "any",
        Restart::OnFailure => "on-failure",
        Restart::None => "none",
    };
    if let Some(written) = written {
        log.change(
            &service.key,
            at,
            format!("`restart: {written}` is `deploy.restart_policy.condition: {condition}`"),
            "a swarm reads `deploy`",
        );
    }
}

pub(super) fn deploy(service: &mut Service, node: &Node, project: &Project, log: &mut Log) {
    for mut pair in read::verbatim_pairs(node) {
        match pair.key.as_str() {
            "restart_policy" | "update_config" | "rollback_config" => log.change(
                &service.key,
                project.outline.line(node.at),
                format!("`deploy.{}` is that of all recipes", pair.key),
                "a failed update goes back to the previous version, and a service that ends is \
                 started again",
            ),
            "labels" => {
                if let Value::Map(map) = &node.value {
                    for (label, value, _) in read::pairs(map.get("labels")) {
                        if !label.starts_with("traefik.") {
                            service
                                .deploy_labels
                                .push(format!("{label}={}", value.unwrap_or_default()));
                        }
                    }
                }
            }
            "resources" => {
                if let Yaml::Map(resources) = &mut pair.value {
                    if let Some(Pair { value: Yaml::Map(reserved), .. }) =
                        resources.iter_mut().find(|it| it.key == "reservations")
                    {
                        let before = reserved.len();
                        reserved.retain(|it| it.key != "devices");
                        if reserved.len() < before {
                            log.decision(
                                &service.key,
                                project.outline.line(node.at),
                                "the graphics card it asks for was left out",
                                "use `deploy.resources.reservations.generic_resources`, or do \
                                 without",
                            );
                        }
                    }
                    for part in resources.iter_mut() {
                        // Docker takes them as texts only.
                        if let Yaml::Map(limits) = &mut part.value {
                            for limit in limits
                                .iter_mut()
                                .filter(|it| it.key == "cpus" || it.key == "memory")
                            {
                                if let Yaml::Raw(raw) = &limit.value {
                                    limit.value = text(raw.clone());
                                }
                            }
                        }
                    }
                    resources
                        .retain(|it| !matches!(&it.value, Yaml::Map(inner) if inner.is_empty()));
                    if !resources.is_empty() {
                        log.change(
                            &service.key,
                            project.outline.line(node.at),
                            "limits are under `deploy.resources`",
                            "a swarm reads `deploy`",
                        );
                        service.deploy.push(pair);
                    }
                }
            }
            _ => service.deploy.push(pair),
        }
    }
}

/// A swarm ignores `shm_size`; a mount of memory is the same.
pub(super) fn shm(service: &mut Service, node: &Node, project: &Project, log: &mut Log) {
    let written = read::scalar(node).map(|it| project.resolved(&it)).unwrap_or_default();
    let Ok(bytes) = size::parse(&written) else { return };
    service.mounts.push(Yaml::Map(vec![
        pair("type", text("tmpfs")),
        pair("target", text("/dev/shm")),
        pair("tmpfs", Yaml::Map(vec![pair("size", Yaml::Raw(bytes.to_string()))])),
    ]));
    log.change(
        &service.key,
        project.outline.line(node.at),
        format!("`shm_size: {written}` is a mount of memory at /dev/shm"),
        "a swarm ignores `shm_size`",
    );
}
