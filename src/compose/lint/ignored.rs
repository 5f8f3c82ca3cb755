//! Keys of services that swarm ignores.

use super::{Findings, Severity};
use crate::compose::model::Service;

/// Keys whose absence changes how the app behaves: the author counts on them.
const HURTING: &[(&str, &str)] = &[
    ("devices", "swarm gives no devices to containers"),
    ("ipc", "swarm has no such namespace setting"),
    ("links", "swarm has no links; services find each other by name on a shared network"),
    ("network_mode", "swarm knows only networks; use an external network named `host`"),
    ("pid", "swarm has no such namespace setting"),
    ("privileged", "swarm runs no privileged containers"),
    ("security_opt", "swarm ignores security options"),
    ("shm_size", "use a mount of type `tmpfs` at /dev/shm"),
    ("tmpfs", "use a mount of type `tmpfs` under `volumes`"),
    ("userns_mode", "swarm has no such namespace setting"),
];

/// Keys that can go without anyone noticing.
const HARMLESS: &[(&str, &str)] = &[
    ("build", "swarm does not build images; `image` must name one that exists"),
    ("cgroup_parent", "remove it"),
    ("cgroupns_mode", "remove it"),
    ("container_name", "swarm names containers itself; services are found by their key"),
    ("domainname", "remove it"),
    ("expose", "remove it: services on one network reach all ports of each other"),
    ("external_links", "remove it"),
    ("mac_address", "remove it"),
    ("oom_score_adj", "remove it: docker forgets to pass it on"),
];

pub fn check(name: &str, service: &Service, findings: &mut Findings<'_>) {
    let given = |key: &str| service.keys.get(key).copied();
    for (severity, table) in [(Severity::Warning, HURTING), (Severity::Info, HARMLESS)] {
        for (key, fix) in table {
            let Some(at) = given(key) else { continue };
            let message = format!("swarm ignores `{key}`");
            let path = format!("services.{name}.{key}");
            findings.push((severity, "ignored-key"), at, path, message, *fix);
        }
    }
    if let Some(at) = given("depends_on") {
        findings.push(
            (Severity::Info, "depends-on"),
            at,
            format!("services.{name}.depends_on"),
            "swarm starts all services at once, whatever `depends_on` says",
            "let the service wait for what it needs, or fail and be restarted",
        );
    }
    if let (Some(at), Some(_)) = (given("restart"), &service.deploy.restart_policy) {
        findings.push(
            (Severity::Info, "restart-twice"),
            at,
            format!("services.{name}.restart"),
            "`restart` has no effect beside `deploy.restart_policy`",
            "remove `restart`",
        );
    }
    let at = given("networks").unwrap_or(service.at);
    for (network, settings) in &service.networks {
        let fixed = settings
            .as_ref()
            .is_some_and(|s| !s.ipv4_address.is_empty() || !s.ipv6_address.is_empty());
        if fixed {
            findings.push(
                (Severity::Warning, "ignored-key"),
                at,
                format!("services.{name}.networks.{network}"),
                "swarm ignores fixed addresses",
                "use the service's name or an alias",
            );
        }
    }
}
