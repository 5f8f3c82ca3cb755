//! Settings of services that hurt.

use std::collections::BTreeMap;

use super::{Findings, Severity};
use crate::{
    compose::{
        image::Image,
        model::{File, HealthCheck, Service},
    },
    home::StackName,
};

/// Longest name of a service, prefix included.
const LONGEST_SERVICE: usize = 63;

pub fn check(
    name: &str,
    service: &Service,
    stack: Option<&StackName>,
    findings: &mut Findings<'_>,
) {
    check_image(name, service, findings);
    check_health(name, service, findings);
    check_update(name, service, findings);
    check_endpoint(name, service, findings);
    check_mounts(name, service, findings);
    if let Some(stack) = stack {
        let full = format!("{stack}_{name}");
        if full.len() > LONGEST_SERVICE {
            findings.push(
                (Severity::Error, "name-too-long"),
                service.at,
                format!("services.{name}"),
                format!("`{full}` has {} bytes; swarm allows {LONGEST_SERVICE}", full.len()),
                "shorten the key or the app's name",
            );
        }
    }
}

fn check_image(name: &str, service: &Service, findings: &mut Findings<'_>) {
    let Some(image) = Image::parse(&service.image) else { return };
    if image.digest.is_some() {
        return;
    }
    let why = match image.tag.as_deref() {
        None => "has no tag",
        Some("latest") => "has the tag `latest`",
        Some(_) => return,
    };
    findings.push(
        (Severity::Warning, "unpinned-image"),
        service.keys.get("image").copied().unwrap_or(service.at),
        format!("services.{name}.image"),
        format!("`{}` {why}: what runs depends on the day it was pulled", service.image),
        "name a version",
    );
}

fn check_health(name: &str, service: &Service, findings: &mut Findings<'_>) {
    let path = format!("services.{name}.healthcheck");
    let at = service.keys.get("healthcheck").copied().unwrap_or(service.at);
    match &service.healthcheck {
        None => findings.push(
            (Severity::Info, "no-healthcheck"),
            at,
            path,
            "without a health check, started counts as working (unless the image has one)",
            "add a `healthcheck`",
        ),
        Some(check) if is_doubled(check) => findings.push(
            (Severity::Warning, "healthcheck-appended"),
            at,
            path,
            "overlays append to `healthcheck.test`: what runs is both commands in one",
            "keep `test` in one file only",
        ),
        Some(_) => {}
    }
}

/// Whether a test holds a second beginning, as merging leaves it.
fn is_doubled(check: &HealthCheck) -> bool {
    check.test.iter().skip(1).any(|word| matches!(word.as_str(), "CMD" | "CMD-SHELL" | "NONE"))
}

fn check_update(name: &str, service: &Service, findings: &mut Findings<'_>) {
    let at = service.keys.get("deploy").copied().unwrap_or(service.at);
    let path = format!("services.{name}.deploy.update_config");
    let job = service.deploy.mode.ends_with("-job");
    let update = service.deploy.update_config.as_ref();
    if update.is_some_and(|update| update.order == "start-first") {
        let writable = service.volumes.iter().find(|placed| {
            let mount = &placed.it;
            !mount.read_only
                && matches!(mount.kind.as_str(), "volume" | "")
                && !mount.source.is_empty()
        });
        if let Some(mount) = writable {
            let message = format!(
                "with `order: start-first`, two tasks write to the volume `{}` at once during an \
                 update",
                mount.it.source
            );
            let fix = "use `order: stop-first`, or mount the volume read-only";
            findings.push((Severity::Warning, "start-first-volume"), at, &*path, message, fix);
        }
    }
    match update.map(|update| update.failure_action.as_str()) {
        Some("pause") => findings.push(
            (Severity::Warning, "update-pauses"),
            at,
            path,
            "`failure_action: pause` leaves a failed update half done until someone looks",
            "use `failure_action: rollback`",
        ),
        Some("") | None if !job => findings.push(
            (Severity::Info, "update-pauses"),
            at,
            path,
            "without `failure_action`, a failed update pauses half done until someone looks",
            "set `update_config.failure_action: rollback`",
        ),
        _ => {}
    }
}

fn check_endpoint(name: &str, service: &Service, findings: &mut Findings<'_>) {
    let dnsrr = service.deploy.endpoint_mode.eq_ignore_ascii_case("dnsrr");
    let ingress = service.ports.iter().find(|port| port.mode != "host");
    if let Some(port) = ingress.filter(|_| dnsrr) {
        findings.push(
            (Severity::Error, "dnsrr-ingress"),
            service.keys.get("ports").copied().unwrap_or(service.at),
            format!("services.{name}.ports"),
            format!(
                "port {} is published through the ingress network, which swarm refuses with \
                 `endpoint_mode: dnsrr`",
                port.target
            ),
            "publish it with `mode: host`, or remove `endpoint_mode`",
        );
    }
}

fn check_mounts(name: &str, service: &Service, findings: &mut Findings<'_>) {
    for placed in &service.volumes {
        let mount = &placed.it;
        let path = format!("services.{name}.volumes");
        if mount.kind == "bind" && mount.source.ends_with("/docker.sock") {
            findings.push(
                (Severity::Warning, "docker-socket"),
                placed.at,
                path,
                "who reaches the Docker socket owns the machine",
                "put a proxy that filters requests in between",
            );
        } else if mount.source.is_empty() && mount.target.get(1..2) == Some(":") {
            let message =
                format!("docker takes `{}` for one path on a Windows drive", mount.target);
            let fix = "give the volume a name of two letters or more";
            findings.push((Severity::Warning, "one-letter-volume"), placed.at, path, message, fix);
        }
    }
}

/// Two services cannot publish one port through the ingress network.
pub fn check_ports(file: &File, findings: &mut Findings<'_>) {
    let mut taken: BTreeMap<(u32, String), &str> = BTreeMap::new();
    for (name, service) in &file.services {
        for port in service.ports.iter().filter(|p| p.published > 0 && p.mode != "host") {
            let protocol = if port.protocol.is_empty() { "tcp" } else { &port.protocol };
            let first = *taken.entry((port.published, protocol.to_owned())).or_insert(name);
            if first != name {
                findings.push(
                    (Severity::Error, "port-taken"),
                    service.keys.get("ports").copied().unwrap_or(service.at),
                    format!("services.{name}.ports"),
                    format!("port {}/{protocol} is published by `{first}`, too", port.published),
                    "publish it by one service only",
                );
            }
        }
    }
}
