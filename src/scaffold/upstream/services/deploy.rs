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
    yaml::{Pair, Yaml, memory, text},
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
    let resolved = written.as_deref().map(|text| project.resolved(text));
    service.restart = match resolved.as_deref() {
        _ if is_finished => Restart::OnFailure,
        Some("no" | "false") => Restart::None,
        Some(text) if text.starts_with("on-failure") => Restart::OnFailure,
        _ => Restart::Any,
    };
    service.attempts = resolved
        .as_deref()
        .and_then(|text| text.strip_prefix("on-failure:"))
        .and_then(|number| number.trim().parse().ok());
    if let Some(written) = written {
        let mut policy = vec![format!("condition: {}", service.restart.condition())];
        policy.extend(service.attempts.map(|number| format!("max_attempts: {number}")));
        log.change(
            &service.key,
            at,
            format!("`restart: {written}` is `deploy.restart_policy` with `{}`", policy.join(", ")),
            "a swarm reads `deploy`",
        );
    }
}

/// What the upstream says under `deploy.restart_policy` goes over `restart`; the pause between
/// two attempts is that of all recipes.
fn policy(service: &mut Service, node: &Node, project: &Project) {
    let Value::Map(map) = &node.value else { return };
    let Some(Node { value: Value::Map(policy), .. }) = map.get("restart_policy") else { return };
    let text = |key: &str| read::text(policy, key).map(|text| project.resolved(&text));
    match text("condition").as_deref() {
        Some("none") => service.restart = Restart::None,
        Some("on-failure") => service.restart = Restart::OnFailure,
        Some("any") => service.restart = Restart::Any,
        _ => {}
    }
    service.attempts = text("max_attempts").and_then(|it| it.parse().ok()).or(service.attempts);
}

pub(super) fn deploy(service: &mut Service, node: &Node, project: &Project, log: &mut Log) {
    policy(service, node, project);
    for mut pair in read::verbatim_pairs(node) {
        match pair.key.as_str() {
            "restart_policy" => log.change(
                &service.key,
                project.outline.line(node.at),
                "`deploy.restart_policy` keeps its condition and its number of attempts",
                "the pause between two attempts is that of all recipes",
            ),
            "update_config" | "rollback_config" => log.change(
                &service.key,
                project.outline.line(node.at),
                format!("`deploy.{}` is that of all recipes", pair.key),
                "a failed update goes back to the previous version",
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
    service.mounts.push(memory("/dev/shm", Some(bytes)));
    log.change(
        &service.key,
        project.outline.line(node.at),
        format!("`shm_size: {written}` is a mount of memory at /dev/shm"),
        "a swarm ignores `shm_size`",
    );
}
