//! Placement constraints that are well formed but that no node can satisfy (moby/swarmkit,
//! `manager/constraint`): all of them must hold, and overlays append theirs.

use super::{Findings, Subject};
use crate::lint::{Severity, rules};

const KEY: &str = "deploy.placement.constraints";
/// Names of Docker's platforms, and the names that nodes use for them.
const ARCHITECTURES: &[(&str, &str)] = &[("amd64", "x86_64"), ("arm64", "aarch64")];

/// `KEY == VALUE`, or `!=`.
struct Constraint<'a> {
    text: &'a str,
    key: String,
    equal: bool,
    value: &'a str,
}

impl<'a> Constraint<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (equal, (key, value)) = match text.split_once("==") {
            Some(sides) => (true, sides),
            None => (false, text.split_once("!=")?),
        };
        let (key, value) = (lowered(key.trim()), value.trim());
        (!value.is_empty()).then_some(Constraint { text, key, equal, value })
    }
}

/// A key as swarm compares it: only the name of a label keeps its case (moby/swarmkit,
/// `manager/constraint/constraint.go`).
fn lowered(key: &str) -> String {
    let lower = key.to_ascii_lowercase();
    let labels = ["node.labels.", "engine.labels."];
    match labels.iter().find(|labels| lower.starts_with(**labels)) {
        Some(labels) => format!("{labels}{}", &key[labels.len()..]),
        None => lower,
    }
}

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let constraints = &subject.service.deploy.constraints;
    let all: Vec<Constraint<'_>> =
        constraints.iter().filter_map(|text| Constraint::parse(text)).collect();
    let mut push = |message: String, fix: String, severity: Severity| {
        let (at, path) = (subject.spot(KEY), subject.path(KEY));
        let finding = findings.push(&rules::BAD_CONSTRAINT, at, path, message);
        (finding.fix, finding.severity) = (Some(fix), severity);
    };
    for constraint in &all {
        if let Some((why, fix)) = impossible(constraint) {
            // It runs where one is excluded that there is not.
            let severity = if constraint.equal { Severity::Error } else { Severity::Warning };
            push(format!("`{}`: {why}", constraint.text), fix, severity);
        }
    }
    for (index, constraint) in all.iter().enumerate() {
        if let Some(other) = all[..index].iter().find(|other| excludes(other, constraint)) {
            let message = format!(
                "no node can satisfy both `{}` and `{}`: no task starts",
                other.text, constraint.text
            );
            let fix = "keep one of them: overlays append theirs".to_owned();
            push(message, fix, Severity::Error);
        }
    }
}

/// Why no node can have this value.
fn impossible(constraint: &Constraint<'_>) -> Option<(String, String)> {
    let Constraint { key, equal, value, .. } = constraint;
    let effect = if *equal { "no node fits, and no task starts" } else { "every node fits" };
    let lower = value.to_ascii_lowercase();
    match key.as_str() {
        "node.role" if !matches!(lower.as_str(), "manager" | "worker") => Some((
            format!("nodes are managers or workers: {effect}"),
            "write `manager` or `worker`".to_owned(),
        )),
        "node.platform.arch" => {
            let (_, real) = ARCHITECTURES.iter().find(|(wrong, _)| *wrong == lower)?;
            Some((
                format!("nodes call it `{real}`: {effect}"),
                format!("write `{real}`, as `docker node inspect` shows it"),
            ))
        }
        _ => None,
    }
}

/// Whether two of them contradict each other. A node has one value of each key, and
/// addresses may be compared with a range.
fn excludes(a: &Constraint<'_>, b: &Constraint<'_>) -> bool {
    let same = a.value.eq_ignore_ascii_case(b.value);
    a.key == b.key
        && a.key != "node.ip"
        && match (a.equal, b.equal) {
            (true, true) => !same,
            (false, false) => false,
            _ => same,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions() {
        for (a, b, contradict) in [
            ("node.role == manager", "node.role==worker", true),
            ("node.role == manager", "node.Role != MANAGER", true),
            ("node.labels.a == x", "node.labels.a == y", true),
            ("node.role == manager", "node.role == Manager", false),
            ("node.role != manager", "node.role != worker", false),
            ("node.hostname == a", "node.hostname != b", false),
            ("node.ip == 10.0.0.0/8", "node.ip == 10.1.0.0/16", false),
            ("node.labels.a == x", "node.labels.b == y", false),
        ] {
            let [a, b] = [a, b].map(|text| Constraint::parse(text).unwrap());
            assert_eq!(excludes(&a, &b), contradict, "{} {}", a.text, b.text);
        }
    }
}
