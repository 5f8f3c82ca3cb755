//! Updates and restarts.

use super::{Findings, Subject, storage::is_on_every_node};
use crate::lint::rules;

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    check_failure_action(subject, findings);
    check_restart(subject, findings);
    let deploy = &subject.service.deploy;
    for (key, settings) in [
        ("deploy.update_config.order", &deploy.update_config),
        ("deploy.rollback_config.order", &deploy.rollback_config),
    ] {
        if settings.as_ref().is_some_and(|settings| settings.order == "start-first") {
            check_start_first(subject, key, findings);
        }
    }
}

/// Resources that two tasks cannot share.
fn check_start_first(subject: Subject<'_>, key: &str, findings: &mut Findings<'_>) {
    let service = subject.service;
    let written = service.volumes.iter().map(|placed| &placed.it).find(|mount| {
        let data = match mount.kind.as_str() {
            "bind" => !is_on_every_node(&mount.source),
            "volume" | "" => !mount.source.is_empty(),
            _ => false,
        };
        data && !mount.read_only
    });
    if let Some(mount) = written {
        let message = format!(
            "with `order: start-first`, two tasks write to `{}` at once during an update",
            mount.source
        );
        let (at, path) = (subject.spot(key), subject.path(key));
        findings.push(&rules::START_FIRST_VOLUME, at, path, message);
    }
    if let Some(port) =
        service.ports.iter().map(|placed| &placed.it).find(|p| p.mode == "host" && p.published > 0)
    {
        let message = format!(
            "with `order: start-first`, the new task finds port {} of its node taken, and waits \
             for ever where there is no other node",
            port.published
        );
        let (at, path) = (subject.spot(key), subject.path(key));
        findings.push(&rules::START_FIRST_HOST_PORT, at, path, message);
    }
}

fn check_failure_action(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let update = subject.service.deploy.update_config.as_ref();
    let rule = match update.map(|update| update.failure_action.as_str()) {
        Some("rollback") if may_end(subject) => &rules::END_ROLLED_BACK,
        Some("pause") => &rules::UPDATE_PAUSES,
        // Its end pauses the update, which potluck tells from a failure.
        Some("") | None if !subject.is_job() && !may_end(subject) => {
            &rules::UPDATE_PAUSES_BY_DEFAULT
        }
        _ => return,
    };
    let key = "deploy.update_config.failure_action";
    findings.rule(rule, subject.spot(key), subject.path(key));
}

/// Whether it is meant to end by itself.
fn may_end(subject: Subject<'_>) -> bool {
    let policy = subject.service.deploy.restart_policy.as_ref();
    !subject.is_job() && policy.is_some_and(|policy| policy.condition == "none")
}

fn check_restart(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let Some(policy) = &subject.service.deploy.restart_policy else { return };
    let attempts = policy.max_attempts.unwrap_or_default();
    if attempts > 0 && policy.window.unwrap_or_default() == 0 && !subject.is_job() {
        let key = "deploy.restart_policy.max_attempts";
        let message =
            format!("after {attempts} failures the service stays down until someone looks");
        findings.push(&rules::RESTART_GIVES_UP, subject.spot(key), subject.path(key), message);
    }
}
