//! Labels in a place where nothing reads them: proxies and backups read a
//! service's own labels, under `deploy`, other tools read those of its containers.

use super::{Findings, Subject};
use crate::{compose::model::Dict, lint::rules};

/// Labels that are read from the service, and by which tool.
const OF_SERVICES: &[(&str, &str)] = &[
    ("backupbot.", "what makes backups looks"),
    ("caddy", "the Caddy proxy looks"),
    ("coop-cloud.", "abra and potluck look"),
    ("diun.", "Diun's provider for swarm looks"),
    ("sablier.", "Sablier looks"),
    ("shepherd.", "Shepherd looks"),
    ("swarm.cronjob.", "swarm-cronjob looks"),
    ("traefik.", "Traefik looks"),
];
/// Read from the containers.
const OF_CONTAINERS: &[(&str, &str)] = &[
    ("autoheal", "autoheal looks"),
    ("com.centurylinklabs.watchtower.", "Watchtower looks"),
    ("com.datadoghq.ad.", "the Datadog agent looks"),
    ("ofelia.", "Ofelia looks"),
];

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let (containers, services) = (&subject.service.labels, &subject.service.deploy.labels);
    let misplaced = [
        ("labels", "deploy.labels", containers, services, OF_SERVICES),
        ("deploy.labels", "labels", services, containers, OF_CONTAINERS),
    ];
    for (here, there, labels, others, readers) in misplaced {
        for (prefix, reader) in readers {
            let Some(label) = labels.keys().find(|label| is_of(label, prefix)) else { continue };
            if has(others, prefix) {
                continue;
            }
            let message =
                format!("nobody reads `{label}` here: in a swarm {reader} at `{there}` only");
            let (at, path) = (subject.spot(here), subject.path(here));
            findings.push(&rules::LABEL_UNREAD, at, path, message).fix =
                Some(format!("move it to `{there}`"));
        }
    }
}

fn has(labels: &Dict, prefix: &str) -> bool {
    labels.keys().any(|label| is_of(label, prefix))
}

/// `caddy`, `caddy.tls` and `caddy_1`, but not `caddyshack`.
fn is_of(label: &str, prefix: &str) -> bool {
    label.strip_prefix(prefix).is_some_and(|rest| {
        prefix.ends_with('.') || rest.is_empty() || rest.starts_with(['.', '_', '-'])
    })
}
