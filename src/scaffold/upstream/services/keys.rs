//! The keys of a service, other than those that are read elsewhere.

use crate::compose::{
    tree::{Entry, Map},
    value::size,
};

use super::super::{
    draft::Service,
    log::Log,
    project::Project,
    read,
    yaml::{memory, pair, texts},
};
use super::deploy;

/// Keys that mean the same in a swarm.
const KEPT: &[&str] = &[
    "cap_add",
    "cap_drop",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "group_add",
    "hostname",
    "init",
    "isolation",
    "logging",
    "read_only",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tty",
    "ulimits",
    "user",
    "working_dir",
];

/// Keys that other steps read.
const READ_ELSEWHERE: &[&str] = &[
    "image",
    "environment",
    "env_file",
    "volumes",
    "ports",
    "command",
    "entrypoint",
    "healthcheck",
    "labels",
    "secrets",
    "configs",
    "networks",
    "profiles",
    "extends",
];

/// Keys that say something to the machine alone on which Compose runs.
const MEANINGLESS: &[&str] = &[
    "annotations",
    "attach",
    "develop",
    "oom_kill_disable",
    "oom_score_adj",
    "pull_policy",
    "mem_swappiness",
    "memswap_limit",
    "cpu_shares",
    "cpuset",
    "blkio_config",
    "platform",
    "storage_opt",
    "label_file",
    "scale",
    "uts",
    "cgroup",
    "cgroup_parent",
    "mac_address",
    "provider",
];

/// Keys that give a container the machine: swarm ignores them, which lint says.
const REACHING: &[&str] = &["privileged", "devices", "pid", "ipc", "userns_mode", "security_opt"];

/// Every key that no other step reads.
pub(super) fn other(service: &mut Service, entry: &Entry, project: &Project, log: &mut Log) {
    let name = entry.key.as_str();
    let key = service.key.clone();
    let at = project.outline.line(entry.at);
    let kept = || pair(name, read::verbatim(&entry.value));
    match name {
        _ if READ_ELSEWHERE.contains(&name) || name.starts_with("x-") => {}
        "build" | "restart" => {}
        _ if KEPT.contains(&name) => {
            if name == "cap_add" {
                let list = read::list(Some(&entry.value)).join(", ");
                log.decision(
                    &key,
                    at,
                    format!(
                        "the service asks for the capabilities {list}, which each operator \
                             must agree to"
                    ),
                    "remove `cap_add` if the app works without",
                );
            }
            service.kept.push(kept());
        }
        "container_name" => log.change(
            &key,
            at,
            "`container_name` was removed",
            "a swarm names the containers; services reach each other by the service's name",
        ),
        "expose" => log.change(
            &key,
            at,
            "`expose` was removed",
            "services on one network reach all ports of each other",
        ),
        "links" => log.change(
            &key,
            at,
            "`links` was removed",
            "services on one network know each other by name",
        ),
        "depends_on" => {
            let wanted = read::list(Some(&entry.value)).join(", ");
            log.change(
                &key,
                at,
                format!("`depends_on: {wanted}` was removed"),
                "a swarm starts all services at once; one that fails because another is not \
                 ready is started again after 5 seconds",
            );
        }
        "deploy" => deploy::deploy(service, &entry.value, project, log),
        "shm_size" => deploy::shm(service, &entry.value, project, log),
        "tmpfs" => {
            let mut lost = vec![];
            for place in read::list(Some(&entry.value)) {
                let place = project.resolved(&place);
                let (target, options) = place.split_once(':').unwrap_or((&place, ""));
                let mut bytes = None;
                for option in options.split(',').filter(|it| !it.is_empty()) {
                    let given = option.strip_prefix("size=").map(size::parse);
                    match given {
                        Some(Ok(size)) => bytes = Some(size),
                        _ => lost.push(option.to_owned()),
                    }
                }
                service.mounts.push(memory(target, bytes));
            }
            let without = match lost.is_empty() {
                true => String::new(),
                false => format!(", without {}", lost.join(", ")),
            };
            let what = format!("`tmpfs` is a mount of memory{without}");
            log.change(&key, at, what, "a swarm ignores `tmpfs`, and such a mount has a size only");
        }
        "extra_hosts" => {
            let hosts = read::list(Some(&entry.value));
            let good: Vec<_> =
                hosts.iter().filter(|host| !host.contains("host-gateway")).cloned().collect();
            if good.len() < hosts.len() {
                log.decision(
                    &key,
                    at,
                    "the name of the machine itself (`host-gateway`) was \
                                        removed, which a swarm does not know",
                    "put what the service wants to reach there into the stack, or name its address",
                );
            }
            if !good.is_empty() {
                service.kept.push(pair("extra_hosts", texts(good)));
            }
        }
        "network_mode" => {
            let mode = read::scalar(&entry.value).unwrap_or_default();
            if matches!(mode.as_str(), "bridge" | "default" | "none") {
                log.change(
                    &key,
                    at,
                    format!("`network_mode: {mode}` was removed"),
                    "a swarm has overlay networks only",
                );
            } else {
                service.kept.push(kept());
                log.decision(
                    &key,
                    at,
                    format!("`network_mode: {mode}` is kept, but a swarm ignores it"),
                    "remove it if the app works on a network of its own; else the app cannot be \
                     a recipe",
                );
            }
        }
        _ if REACHING.contains(&name) => {
            if name == "security_opt" {
                log.change(&key, at, "`security_opt` was removed", "a swarm ignores it");
                return;
            }
            service.kept.push(kept());
            log.decision(
                &key,
                at,
                format!("`{name}` is kept, but a swarm ignores it"),
                "remove it if the app works without; else the app cannot be a recipe",
            );
        }
        "gpus" | "runtime" | "device_cgroup_rules" | "credential_spec" | "models" => log.decision(
            &key,
            at,
            format!("`{name}` was left out, which a swarm does not know"),
            "use `deploy.resources.reservations.generic_resources`, or leave the feature out",
        ),
        "volumes_from" | "external_links" => log.decision(
            &key,
            at,
            format!("`{name}` was left out, which a swarm does not know"),
            "name the volume or network under its top-level key, and at both services",
        ),
        _ if MEANINGLESS.contains(&name) => {
            log.change(&key, at, format!("`{name}` was removed"), "it means nothing in a swarm")
        }
        _ => log.decision(
            &key,
            at,
            format!("`{name}` was left out, which a swarm does not know"),
            "see what it is for, and say it in another way if the app needs it",
        ),
    }
}

pub(super) fn labels(service: &mut Service, map: &Map, project: &Project, log: &mut Log) {
    let mut routed = false;
    for (label, value, _) in read::pairs(map.get("labels")) {
        if label.starts_with("traefik.") {
            routed = true;
        } else if !label.starts_with("com.docker.") && !label.starts_with("potluck.") {
            service.labels.push(format!("{label}={}", value.unwrap_or_default()));
        }
    }
    if routed {
        log.change(
            &service.key,
            map.get("labels").and_then(|node| project.outline.line(node.at)),
            "its labels for Traefik were removed",
            "compose.traefik.yml has those of a recipe",
        );
    }
}
