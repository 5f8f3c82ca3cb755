//! Mounts.

use std::collections::BTreeSet;

use super::{Findings, LintOptions, Subject, tasks, templates::tells_tasks_apart};
use crate::compose::value::volumes::Mount;
use crate::{
    compose::model::{File, Placed},
    lint::rules,
};

/// Paths that every node has.
const ON_EVERY_NODE: &[&str] = &[
    "/dev",
    "/etc/group",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/machine-id",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/ssl",
    "/etc/timezone",
    "/lib/modules",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/var/lib/docker",
    "/var/log",
    "/var/run",
];
/// Types of the local driver that live on another machine.
const SHARED_TYPES: &[&str] = &["cifs", "nfs", "nfs4", "smb3", "ceph", "glusterfs"];

pub fn check(subject: Subject<'_>, options: &LintOptions<'_>, findings: &mut Findings<'_>) {
    let mut targets = BTreeSet::new();
    let mut written = BTreeSet::new();
    for placed in &subject.service.volumes {
        let target = placed.it.target.trim_end_matches('/');
        if !targets.insert(target) {
            let message = format!("two mounts have the target `{target}`: swarm refuses that");
            // Of two spellings of one path only the node's engine knows.
            let certain = written.contains(placed.it.target.as_str());
            let rule = &rules::MOUNT_TAKEN;
            findings.push(rule, placed.at, subject.path("volumes"), message).certain = certain;
        }
        written.insert(placed.it.target.as_str());
        match placed.it.kind.as_str() {
            "bind" => bind(subject, placed, options, findings),
            "volume" | "" if placed.it.source.is_empty() => anonymous(subject, placed, findings),
            "volume" | "" => named(subject, placed, findings),
            _ => {}
        }
    }
}

fn bind(
    subject: Subject<'_>,
    placed: &Placed<Mount>,
    options: &LintOptions<'_>,
    findings: &mut Findings<'_>,
) {
    let (source, path) = (placed.it.source.as_str(), subject.path("volumes"));
    if source.ends_with("/docker.sock") {
        let exposed = !subject.service.ports.is_empty();
        let rule = if exposed { &rules::DOCKER_SOCKET_EXPOSED } else { &rules::DOCKER_SOCKET };
        findings.rule(rule, placed.at, path);
        return;
    }
    if let Some(inside) = options.checkout.and_then(|folder| source.strip_prefix(folder.to_str()?))
        && (inside.is_empty() || inside.starts_with('/'))
    {
        let inside = inside.trim_start_matches('/');
        let message = format!(
            "`./{inside}` would be mounted from the recipe's own folder, a private copy that is \
             gone after the deploy"
        );
        findings.push(&rules::BIND_INSIDE_RECIPE, placed.at, path, message);
        return;
    }
    if !is_pinned(subject) && !is_on_every_node(source) {
        let message =
            format!("a task is refused on a node that lacks `{source}`; swarm does not make it");
        findings.push(&rules::BIND_NOT_PINNED, placed.at, path, message);
    }
}

fn anonymous(subject: Subject<'_>, placed: &Placed<Mount>, findings: &mut Findings<'_>) {
    let (target, path) = (&placed.it.target, subject.path("volumes"));
    if target.get(1..2) == Some(":") {
        // Of a volume that the file has, more is said there.
        if subject.file.volumes.contains_key(&target[..1]) && tasks::is_checked(subject) {
            return;
        }
        let message = format!("docker takes `{target}` for one path on a Windows drive");
        findings.push(&rules::ONE_LETTER_VOLUME, placed.at, path, message);
    } else {
        let message = format!(
            "the volume at `{target}` has no name: every task gets a new one, and what was \
             written is left behind at each update"
        );
        findings.push(&rules::ANONYMOUS_VOLUME, placed.at, path, message);
    }
}

fn named(subject: Subject<'_>, placed: &Placed<Mount>, findings: &mut Findings<'_>) {
    let (source, path) = (placed.it.source.as_str(), subject.path("volumes"));
    if placed.it.read_only || !is_local(subject.file, source) || subject.is_global() {
        return;
    }
    let apart =
        subject.file.volumes.get(source).is_some_and(|volume| tells_tasks_apart(&volume.name));
    if !apart && subject.service.deploy.replicas.is_some_and(|replicas| replicas > 1) {
        let message = format!(
            "replicas on one node write to the same volume `{source}`, those on others see other \
             data"
        );
        findings.push(&rules::REPLICAS_SHARE_VOLUME, placed.at, path, message);
    } else if !is_pinned(subject) {
        let message = format!(
            "the volume `{source}` exists separately on each node: a task that moves starts with an \
             empty one"
        );
        findings.push(&rules::VOLUME_NOT_PINNED, placed.at, path, message);
    }
}

/// Whether the author considered nodes: a task on each, or constraints.
fn is_pinned(subject: Subject<'_>) -> bool {
    subject.is_global() || !subject.service.deploy.constraints.is_empty()
}

pub fn is_on_every_node(path: &str) -> bool {
    path == "/"
        || ON_EVERY_NODE.iter().any(|known| {
            path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// Whether a volume is local to its node, as far as the files show: the driver
/// of an external one is unknown.
fn is_local(file: &File, name: &str) -> bool {
    file.volumes.get(name).is_some_and(|volume| {
        let kind = volume.driver_opts.as_ref().and_then(|options| options.get("type"));
        !volume.external
            && matches!(volume.driver.as_str(), "" | "local")
            && kind.is_none_or(|kind| !SHARED_TYPES.contains(&kind.as_str()))
    })
}
