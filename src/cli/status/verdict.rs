//! What is to be said of an app, and of a server; pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    backup::{
        nightly::{Finding, Record, Severity},
        shown,
    },
    cli::fleet::{Found, NOT_DEPLOYED, Server},
    home::LockFile,
    operation::Open,
    owner::{
        history::Line,
        journal::{Outcome, What},
    },
    text::one_line,
    wiring::{self, Level},
};

/// The last complete backup that is known of, without a look into its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub set: String,
    pub at: Timestamp,
}

/// What is known of an app.
pub struct Facts<'a> {
    pub app: &'a str,
    /// As `potluck app ls --status` has it.
    pub status: &'static str,
    pub without: &'a [String],
    /// None where its server did not answer.
    pub found: Option<&'a Found>,
    pub lock: &'a LockFile,
    pub record: &'a Result<Record, String>,
    /// How old its newest backup may be; none where the settings leave it out.
    pub max_age: Option<Duration>,
    pub now: Timestamp,
}

/// The last complete backup, as this folder and the app's server know it: whichever machine
/// took it.
pub fn taken(found: Option<&Found>, record: &Result<Record, String>) -> Option<Taken> {
    let here = record.as_ref().ok().and_then(|record| record.good.as_ref());
    let here = here.map(|good| Taken { set: good.set.clone(), at: good.ended });
    // An upgrade, or a move, that was done has taken its set before anything else.
    let there = lines(found).iter().rev().find_map(|line| match (line.what, line.outcome) {
        (What::Backup, Outcome::Done) => Some(Taken { set: line.set.clone()?, at: line.ended }),
        (What::Upgrade | What::Move, Outcome::Done) => {
            Some(Taken { set: line.set.clone()?, at: line.began })
        }
        _ => None,
    });
    here.into_iter().chain(there).max_by_key(|taken| taken.at)
}

fn lines(found: Option<&Found>) -> &[Line] {
    found.and_then(|found| found.history.as_deref().ok()).unwrap_or_default()
}

/// The worst first.
pub fn of_app(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        [services(facts), operations(facts), backups(facts), folder(facts)].concat();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn finding(
    code: &'static str,
    severity: Severity,
    message: impl Into<String>,
    next: String,
) -> Finding {
    Finding { code, severity, message: message.into(), next: Some(next) }
}

fn services(facts: &Facts<'_>) -> Vec<Finding> {
    use Severity::{Warning, Wrong};
    let Facts { app, status, without, .. } = *facts;
    let mut found = Vec::new();
    let errors = format!("`potluck app errors {app}`");
    let is_held = facts.found.is_some_and(|found| found.open == Some(Open::Held));
    if is_held && (status != "deployed" || !without.is_empty()) {
        let message = "an operation is at work on it, or was killed in the last two minutes";
        let next = format!("`potluck app history {app}`");
        return vec![finding("busy", Warning, message, next)];
    }
    match status {
        "failing" => found.push(finding("failing", Wrong, "a service fails", errors)),
        "starting" => found.push(finding("starting", Warning, "a service starts", errors)),
        "stopped" => {
            let next = format!("`potluck app deploy {app}`");
            found.push(finding("stopped", Warning, "it was scaled to no tasks", next));
        }
        _ if !without.is_empty() => {
            let message = format!("no tasks of {}", without.join(", "));
            let next = format!("`potluck app deploy {app}`");
            found.push(finding("without", Warning, message, next));
        }
        NOT_DEPLOYED if facts.lock.recipe.is_some() => {
            let message = "it was deployed from this folder, and is not any more";
            let next = format!("`potluck app history {app}`");
            found.push(finding("gone", Warning, message, next));
        }
        _ => {}
    }
    found
}

fn operations(facts: &Facts<'_>) -> Vec<Finding> {
    use Severity::{Warning, Wrong};
    let Facts { app, found: Some(found), .. } = *facts else { return Vec::new() };
    let mut said = Vec::new();
    if found.is_unfinished() {
        let next = format!("`potluck app show {app}`");
        said.push(finding("unfinished", Wrong, "an operation did not end", next));
    }
    let lines = match &found.history {
        Ok(lines) => lines,
        Err(error) => {
            let message = format!("its history cannot be read: {}", one_line(error));
            let next = format!("`potluck app history {app}`");
            said.push(finding("history", Warning, message, next));
            return said;
        }
    };
    // Backups are judged by their age.
    if let Some(line) = lines.iter().rev().find(|line| line.what != What::Backup) {
        let severity = match line.outcome {
            Outcome::Failed => Wrong,
            Outcome::FailedAndUndone => Warning,
            Outcome::Done | Outcome::Aborted => return said,
        };
        let error = line.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        let next = format!("`potluck app show {app}`");
        said.push(finding("operation", severity, one_line(&format!("{line}{error}")), next));
    }
    said
}

fn backups(facts: &Facts<'_>) -> Vec<Finding> {
    use Severity::{Warning, Wrong};
    let Facts { app, found, record, max_age: Some(max_age), now, .. } = *facts else {
        return Vec::new();
    };
    let mut said = Vec::new();
    if let Err(error) = record {
        let message = format!("what is known of its backups cannot be read: {}", one_line(error));
        said.push(finding("record", Warning, message, format!("`potluck backup status {app}`")));
    }
    let ago = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
    let create = format!("`potluck backup create {app}`");
    let taken = taken(found, record);
    let last = record.as_ref().ok().and_then(|record| record.last.as_ref());
    if let Some(last) = last.filter(|last| {
        last.outcome.is_bad() && taken.as_ref().is_none_or(|taken| taken.at < last.ended)
    }) {
        let reason = last.error.as_deref().unwrap_or("the reason is unknown");
        let message = format!(
            "the last try of a backup, {} ago, failed: {}",
            shown(ago(last.ended)),
            one_line(reason)
        );
        let next = last.next.clone().unwrap_or_else(|| create.clone());
        said.push(finding("backup-failed", Wrong, message, next));
    }
    match taken {
        Some(taken) if ago(taken.at) > max_age => {
            let message = format!("the last backup is {} old", shown(ago(taken.at)));
            said.push(finding("backup-old", Wrong, message, create));
        }
        Some(_) => {}
        // What was never deployed has nothing to back up, and of a server that does not answer
        // nothing is known.
        None if facts.status == NOT_DEPLOYED || found.is_none() => {}
        None => {
            let first = lines(found).first().map(|line| ago(line.began));
            let severity = match first {
                Some(since) if since <= max_age => Warning,
                _ => Wrong,
            };
            said.push(finding("backup-never", severity, "no backup is known", create));
        }
    }
    said
}

fn folder(facts: &Facts<'_>) -> Vec<Finding> {
    let Facts { app, lock, .. } = *facts;
    let unsure = lock.connections.iter().filter(|(_, connection)| connection.unsure);
    unsure
        .map(|(kind, _)| {
            let message = format!("a rotation of its {} did not end", kind.noun());
            let next = format!("`potluck {kind} connect {app}`");
            finding("connection", Severity::Wrong, message, next)
        })
        .collect()
}

/// What is to be said of a server.
pub fn of_server(name: &str, said: Result<&Server, &str>) -> Vec<Finding> {
    let server = match said {
        Ok(server) => server,
        Err(error) => {
            let next = format!("`potluck server ls --status`, or `docker info` on {name}");
            return vec![finding("unreachable", Severity::Wrong, one_line(error), next)];
        }
    };
    let bad: Vec<String> = server
        .nodes
        .iter()
        .filter(|node| !is_ready(node))
        .map(|node| {
            let name = node.description.as_ref().and_then(|it| it.hostname.as_deref());
            one_line(name.or(node.id.as_deref()).unwrap_or("a node"))
        })
        .collect();
    match bad.is_empty() {
        true => Vec::new(),
        false => {
            let message = format!("nodes that do not answer: {}", bad.join(", "));
            let next = format!("`potluck server nodes {name}`");
            vec![finding("nodes", Severity::Wrong, message, next)]
        }
    }
}

/// What was seen of a machine or a certificate; none where it is as it should be.
pub fn judged(seen: &wiring::Finding) -> Option<Finding> {
    let severity = match seen.level {
        Level::Good => return None,
        Level::Note => Severity::Warning,
        Level::Bad => Severity::Wrong,
    };
    let (code, message) = (seen.check, one_line(&seen.message));
    Some(Finding { code, severity, message, next: seen.fix.clone() })
}

/// Whether a node answers its managers.
pub fn is_ready(node: &crate::engine::api::Node) -> bool {
    use crate::engine::api::NodeState;
    node.status.as_ref().and_then(|status| status.state) == Some(NodeState::READY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Condition;

    fn line(what: What, outcome: Outcome, ended: &str) -> Line {
        serde_json::from_value(serde_json::json!({
            "operation": "5f2a", "what": what, "user": "anna", "host": "laptop",
            "began": ended, "ended": ended, "outcome": outcome, "set": "20261127T030000Z-1a2b",
            "error": "it is\u{1b} full",
        }))
        .unwrap()
    }

    fn codes(facts: &Facts<'_>) -> Vec<(&'static str, Severity)> {
        of_app(facts).iter().map(|finding| (finding.code, finding.severity)).collect()
    }

    #[test]
    fn what_is_odd_with_a_machine_is_said() {
        let judged = |seen: wiring::Finding| judged(&seen).map(|it| (it.code, it.severity));
        assert_eq!(judged(wiring::Finding::good("disk", "x")), None);
        let low = wiring::Finding::note("disk", "low");
        assert_eq!(judged(low), Some(("disk", Severity::Warning)));
        let ended = wiring::Finding::bad("certificate", "ended");
        assert_eq!(judged(ended), Some(("certificate", Severity::Wrong)));
    }

    #[test]
    fn each_thing_that_is_wrong_is_said() {
        use Severity::{Warning, Wrong};
        let now: Timestamp = "2026-11-28T09:00:00Z".parse().unwrap();
        let record = Ok(Record::default());
        let lock = LockFile::default();
        let well = |history| Found {
            condition: Some(Condition::Well),
            history: Ok(history),
            ..Found::default()
        };
        let backup = line(What::Backup, Outcome::Done, "2026-11-28T03:00:00Z");
        let old = line(What::Backup, Outcome::Done, "2026-11-26T03:00:00Z");
        let failed = |outcome| line(What::Deploy, outcome, "2026-11-28T04:00:00Z");
        let day = Some(Duration::from_secs(26 * 3600));
        let unfinished = Found { open: Some(Open::Abandoned), ..well(vec![backup.clone()]) };
        let held = || Found { open: Some(Open::Held), ..well(vec![backup.clone()]) };
        let unread = Found { history: Err("no".into()), ..Found::default() };
        for (found, status, without, max_age, expected) in [
            (Some(well(vec![backup.clone()])), "deployed", &[][..], day, &[][..]),
            (Some(well(vec![old.clone()])), "deployed", &[], day, &[("backup-old", Wrong)]),
            (Some(well(vec![old])), "deployed", &[], None, &[]),
            (Some(well(vec![])), "deployed", &[], day, &[("backup-never", Wrong)]),
            (
                Some(well(vec![failed(Outcome::Done)])),
                "deployed",
                &[],
                day,
                &[("backup-never", Warning)],
            ),
            (
                Some(well(vec![backup.clone(), failed(Outcome::Failed)])),
                "failing",
                &[],
                day,
                &[("failing", Wrong), ("operation", Wrong)],
            ),
            (
                Some(well(vec![failed(Outcome::FailedAndUndone), backup.clone()])),
                "deployed",
                &["worker".to_owned()][..],
                day,
                &[("without", Warning), ("operation", Warning)],
            ),
            (Some(unfinished), "deployed", &[], day, &[("unfinished", Wrong)]),
            (Some(held()), "stopped", &[], day, &[("busy", Warning)]),
            (Some(held()), "deployed", &[], day, &[]),
            (Some(unread), NOT_DEPLOYED, &[], day, &[("history", Warning)]),
            (None, "unknown", &[], day, &[]),
        ] {
            let facts = Facts {
                app: "wiki.example.org",
                status,
                without,
                found: found.as_ref(),
                lock: &lock,
                record: &record,
                max_age,
                now,
            };
            assert_eq!(codes(&facts), expected, "{status}");
            for finding in of_app(&facts) {
                assert!(finding.next.is_some() && !finding.message.contains('\u{1b}'));
            }
        }
    }
}
