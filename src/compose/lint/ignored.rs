//! Keys of services that swarm ignores.

use super::{Findings, Subject};
use crate::lint::rules;

/// Each with what to do instead.
const IGNORED: &[(&str, &str)] = &[
    ("annotations", "use `labels`"),
    ("attach", "remove it: a stack is never attached to"),
    ("blkio_config", "remove it: swarm has no limits on disks"),
    ("build", "build the image elsewhere; `image` must name one that exists"),
    ("cgroup", "remove it: swarm chooses the namespace"),
    ("cgroup_parent", "remove it"),
    ("cgroupns_mode", "remove it"),
    ("container_name", "remove it: services are found by their key"),
    ("cpu_shares", "use `deploy.resources.reservations.cpus`"),
    ("cpuset", "remove it: swarm chooses no processors"),
    ("develop", "remove it: it is for `docker compose watch`"),
    ("devices", "remove it: swarm gives no devices to containers"),
    ("domainname", "remove it"),
    ("expose", "remove it: services on one network reach all ports of each other"),
    ("external_links", "remove it: services are found by name on a shared network"),
    ("ipc", "remove it: swarm has no such namespace setting"),
    ("links", "remove it: services find each other by name on a shared network"),
    ("mac_address", "remove it"),
    ("mem_swappiness", "remove it: a stack cannot set it"),
    ("memswap_limit", "remove it: `deploy.resources.limits.memory` is without swap"),
    ("network_mode", "use an external network, named `host` for the node's own"),
    ("oom_kill_disable", "remove it: swarm cannot do it"),
    ("oom_score_adj", "remove it: docker forgets to pass it on"),
    ("pid", "remove it: swarm has no such namespace setting"),
    ("privileged", "add what it needs with `cap_add`"),
    ("pull_policy", "remove it: swarm pulls an image when a task starts"),
    ("security_opt", "remove it"),
    ("shm_size", "use a mount of type `tmpfs` at /dev/shm"),
    ("storage_opt", "remove it: swarm has no such setting"),
    ("tmpfs", "use a mount of type `tmpfs` under `volumes`"),
    ("userns_mode", "remove it: swarm has no such namespace setting"),
    ("uts", "remove it: swarm has no such namespace setting"),
];

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let service = subject.service;
    for (key, fix) in IGNORED.iter().filter(|(key, _)| service.keys.contains_key(*key)) {
        let message = format!("swarm ignores `{key}`");
        let rule = &rules::IGNORED_KEY;
        findings.push(rule, subject.spot(key), subject.path(key), message).fix =
            Some((*fix).to_owned());
    }
    if service.keys.contains_key("depends_on") {
        let key = "depends_on";
        findings.rule(&rules::DEPENDS_ON, subject.spot(key), subject.path(key));
    }
    if service.keys.contains_key("restart") && service.deploy.restart_policy.is_some() {
        findings.rule(&rules::RESTART_TWICE, subject.spot("restart"), subject.path("restart"));
    }
    for (network, settings) in &service.networks {
        let Some(settings) = settings else { continue };
        if !settings.ipv4_address.is_empty() || !settings.ipv6_address.is_empty() {
            let path = subject.path(&format!("networks.{network}"));
            let message = "swarm ignores fixed addresses";
            findings.push(&rules::IGNORED_KEY, subject.spot("networks"), path, message).fix =
                Some("use the service's name or an alias".to_owned());
        }
    }
}
