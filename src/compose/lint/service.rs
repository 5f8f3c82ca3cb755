//! Image, health, limits, placement and name of a service.

use super::{Findings, LintOptions, Subject};
use crate::compose::value::image::Image;
use crate::{compose::model::HealthCheck, lint::rules};

/// Longest name of a service, prefix included.
const LONGEST_SERVICE: usize = 63;
/// Replicas of one service; a larger number is a typo.
const MANY_REPLICAS: u64 = 10_000;
/// A task takes kilobytes, in the memory of each manager and in its log.
const MOST_REPLICAS: u64 = 1_000_000;
/// Tags that move by design.
const MOVING_TAGS: &[&str] = &[
    "beta", "canary", "dev", "develop", "edge", "latest", "lts", "main", "master", "nightly",
    "release", "rolling", "stable", "testing", "unstable",
];

pub fn check(subject: Subject<'_>, options: &LintOptions<'_>, findings: &mut Findings<'_>) {
    check_image(subject, findings);
    check_health(subject, findings);
    check_limits(subject, findings);
    check_replicas(subject, findings);
    check_placement(subject, findings);
    check_name(subject, options, findings);
}

fn check_image(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let written = &subject.service.image;
    let Some(image) = Image::parse(written) else { return };
    // A name that no machine has (RFC 6761, section 6.4); `recipe new --from` writes it for an
    // image that the project builds itself.
    if image.domain.ends_with(".invalid") {
        let message = format!("`{written}` is in no registry: it stands for an image to be named");
        findings.push(&rules::REGISTRY_NONE, subject.spot("image"), subject.path("image"), message);
    }
    if image.digest.is_some() {
        return;
    }
    let why = match image.tag.as_deref() {
        None => "has no tag".to_owned(),
        Some(tag) if MOVING_TAGS.contains(&tag) => format!("has the tag `{tag}`, which moves"),
        Some(_) => return,
    };
    let message = format!("`{written}` {why}: what runs depends on the day it was pulled");
    findings.push(&rules::UNPINNED_IMAGE, subject.spot("image"), subject.path("image"), message);
}

fn check_health(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let rule = match &subject.service.healthcheck {
        None if subject.is_job() => return,
        None => &rules::NO_HEALTHCHECK,
        Some(check) if is_doubled(check) => &rules::HEALTHCHECK_APPENDED,
        Some(_) => return,
    };
    findings.rule(rule, subject.spot("healthcheck"), subject.path("healthcheck"));
}

/// Whether a test contains a second `CMD`, left by merging.
fn is_doubled(check: &HealthCheck) -> bool {
    check.test.iter().skip(1).any(|word| matches!(word.as_str(), "CMD" | "CMD-SHELL" | "NONE"))
}

fn check_limits(subject: Subject<'_>, findings: &mut Findings<'_>) {
    if subject.service.deploy.limits.as_ref().is_none_or(|limits| limits.memory == 0) {
        let key = "deploy.resources.limits";
        findings.rule(&rules::NO_MEMORY_LIMIT, subject.spot(key), subject.path(key));
    }
}

fn check_replicas(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let Some(replicas) = subject.service.deploy.replicas.filter(|n| *n > MANY_REPLICAS) else {
        return;
    };
    let key = "deploy.replicas";
    let message = format!("{replicas} replicas exhaust the managers' memory");
    let rule = &rules::TOO_MANY_REPLICAS;
    findings.push(rule, subject.spot(key), subject.path(key), message).certain =
        replicas > MOST_REPLICAS;
}

/// Constraints as swarm reads them (moby/swarmkit, `manager/constraint`).
fn check_placement(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let key = "deploy.placement.constraints";
    for constraint in &subject.service.deploy.constraints {
        let sides = constraint.split_once("==").or_else(|| constraint.split_once("!="));
        let (certain, message) = match sides.map(|(key, value)| (key.trim(), value.trim())) {
            None => {
                (true, format!("`{constraint}` has no operator, `==` or `!=`: swarm refuses it"))
            }
            Some((_, "")) => {
                (true, format!("`{constraint}` has no value to compare with: swarm refuses it"))
            }
            Some((key, _)) if !is_node_key(key) => {
                (false, format!("swarm does not know `{key}`: no node fits, and no task starts"))
            }
            Some(_) => continue,
        };
        let rule = &rules::BAD_CONSTRAINT;
        findings.push(rule, subject.spot(key), subject.path(key), message).certain = certain;
    }
}

fn is_node_key(key: &str) -> bool {
    const KEYS: &[&str] = &[
        "node.hostname",
        "node.id",
        "node.ip",
        "node.platform.arch",
        "node.platform.os",
        "node.role",
    ];
    let key = key.to_ascii_lowercase();
    let labelled = ["node.labels.", "engine.labels."];
    KEYS.contains(&key.as_str())
        || labelled.iter().any(|prefix| key.len() > prefix.len() && key.starts_with(prefix))
}

fn check_name(subject: Subject<'_>, options: &LintOptions<'_>, findings: &mut Findings<'_>) {
    let name = subject.name;
    let full = match options.stack {
        Some(stack) => format!("{stack}_{name}"),
        None => name.to_owned(),
    };
    if full.len() > LONGEST_SERVICE {
        let message = format!("`{full}` has {} bytes; swarm allows {LONGEST_SERVICE}", full.len());
        let path = format!("services.{name}");
        findings.push(&rules::NAME_TOO_LONG, subject.service.at, path, message);
    }
}
