//! Whether the backups of an app are as they should be: its newest complete set, the one
//! before, and what the last attempt came to. Pure.
//!
//! What is missing is wrong, too: an app that was never backed up, and one that no run looked
//! at lately. How they are cared for ([`care`](super::care)) becomes findings with codes of
//! their own.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use indicatif::HumanBytes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    care::{Care, findings as of_care},
    copies::{CopyFacts, finding as of_copy},
    finding::{Finding, Severity},
    record::{Attempt, Record},
    row::Outcome,
};
use crate::{
    backup::{
        recent::shown,
        set::{SetId, SetSummary},
    },
    text::{line, one_line},
};

/// How old a backup may be, unless an operator says otherwise: a day, and time for a run that
/// takes long.
pub const MAX_AGE: Duration = Duration::from_secs(26 * 60 * 60);

/// A set of less than this part of the one before is wrong,
const SHRUNK: u64 = 2;
/// one of more than so many times is worth a word,
const GREW: u64 = 2;
/// where the difference is as large as this.
const NOTABLE: u64 = 1 << 20;
/// An item of less than this part of what it was is wrong, too.
const EMPTIED: u64 = 10;
/// So long is the newest set compared with those before: an alarm of one night is easily missed.
const COMPARED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the verdict follows from.
#[derive(Debug)]
pub struct Facts<'a> {
    pub app: &'a str,
    pub server: &'a str,
    /// What earlier attempts came to, or why that cannot be read.
    pub record: Result<Record, String>,
    /// The sets of the app, newest first, or why the repository cannot be read, and what to
    /// do about it.
    pub sets: Result<Vec<&'a SetSummary>, (String, Option<String>)>,
    /// Files of the repository that cannot be read, so that sets may be missing.
    pub unreadable: Option<(String, String)>,
    pub copies: Vec<CopyFacts<'a>>,
    /// How retention, prune and check went.
    pub care: Vec<Care>,
    /// Sets that no machine of the team made, or whose manifest cannot be read, and why.
    pub doubted: BTreeMap<SetId, String>,
    pub max_age: Duration,
    pub now: Timestamp,
}

/// How the backups of an app are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    pub app: String,
    pub server: String,
    /// That of its worst finding.
    pub severity: Severity,
    /// The newest complete set.
    pub set: Option<String>,
    pub age_seconds: Option<u64>,
    pub bytes: Option<u64>,
    pub last_attempt: Option<Attempt>,
    pub findings: Vec<Finding>,
}

/// Judges an app.
pub fn judge(facts: Facts<'_>) -> Verdict {
    let Facts { app, server, record, sets, unreadable, copies, care, doubted, max_age, now } =
        facts;
    let mut findings = Vec::new();
    let mut add = |code, severity, message: String, next: Option<String>| {
        findings.push(Finding { code, severity, message, next });
    };
    let create = || Some(format!("`potluck backup create {app}` takes one"));
    let record = record.unwrap_or_else(|error| {
        add("record", Severity::Warning, format!("its record cannot be read: {error}"), None);
        Record::default()
    });
    let age = |since: Timestamp| Duration::try_from(now.duration_since(since)).unwrap_or_default();
    let (sets, is_known) = match sets {
        Ok(sets) => (sets, true),
        Err((reason, next)) => {
            let message = format!("the repository cannot be read: {}", one_line(&reason));
            add("repository", Severity::Wrong, message, next);
            (Vec::new(), false)
        }
    };
    if let Some((message, next)) = unreadable {
        let message = format!("{message}: backups may be missing");
        add("unreadable", Severity::Wrong, message, Some(next));
    }
    let is_good = |set: &&&SetSummary| set.complete && !doubted.contains_key(&set.id);
    let mut complete = sets.iter().filter(is_good);
    let newest = complete.next();
    let before: Vec<&SetSummary> = complete.copied().collect();
    for (set, why) in doubted.iter().filter(|(id, _)| newest.is_none_or(|it| it.id < **id)) {
        let message = format!("the backup {set} is not believed: {}", one_line(why));
        let next = format!("`potluck backup show {app} {set}`");
        add("doubted", Severity::Wrong, message, Some(next));
    }
    match newest {
        Some(newest) => {
            let old = age(newest.begun);
            if let Some(ahead) = newest.ahead_of(now) {
                let message = format!(
                    "the newest backup, {}, is of a time {} ahead: the clock was wrong when it was \
                     taken, or is now",
                    newest.id,
                    shown(ahead.unsigned_abs())
                );
                add("clock", Severity::Wrong, message, Some("`date` shows this clock".into()));
            }
            if old > max_age {
                let message = format!(
                    "the newest backup is {} old, and may be {} old",
                    shown(old),
                    shown(max_age)
                );
                add("old", Severity::Wrong, message, create());
            }
            let list = || Some(format!("`potluck backup snapshots {app}` lists the sizes"));
            match jump(newest, &before) {
                Some(Jump::Shrunk(message)) => add("shrunk", Severity::Wrong, message, list()),
                Some(Jump::Grew(message)) => add("grew", Severity::Warning, message, list()),
                None => {}
            }
            if newest.warnings > 0 {
                let message = match newest.warnings {
                    1 => "there was 1 warning when it was taken".to_owned(),
                    count => format!("there were {count} warnings when it was taken"),
                };
                let next = format!("`potluck backup create {app}` shows them again");
                add("warnings", Severity::Warning, message, Some(next));
            }
        }
        None if !is_known => {}
        None => match (&record.good, &record.last) {
            (Some(good), _) => {
                let message = format!(
                    "the repository has no backup of it, although {} was made {} ago",
                    good.set,
                    shown(age(good.ended))
                );
                add("gone", Severity::Wrong, message, create());
            }
            (None, Some(last)) if last.outcome == Outcome::NeverDeployed => {
                let old = age(last.ended);
                if old > max_age {
                    let message = format!(
                        "it was never deployed when a run looked at it last, {} ago",
                        shown(old)
                    );
                    add("old", Severity::Wrong, message, Some("`potluck backup run`".into()));
                } else {
                    let message = "it was never deployed, so there is nothing to back up";
                    add("never-deployed", Severity::Fine, message.into(), None);
                }
            }
            (None, Some(_)) => {
                add("never", Severity::Wrong, "there is no complete backup of it".into(), create())
            }
            (None, None) => add(
                "never",
                Severity::Wrong,
                "there is no backup of it, and none was ever tried from here".into(),
                create(),
            ),
        },
    }
    if let Some(last) = &record.last
        && last.outcome.is_bad()
        && newest.is_none_or(|newest| newest.begun < last.ended)
    {
        let message = format!(
            "the last attempt, {} ago, {}: {}",
            shown(age(last.ended)),
            match last.outcome {
                Outcome::Interrupted => "was interrupted",
                Outcome::Partly => "was made, but not all went well",
                _ => "failed",
            },
            last.error.as_deref().unwrap_or("the reason is unknown")
        );
        add("failed", Severity::Wrong, message, last.next.clone());
    }
    findings.extend(copies.into_iter().filter_map(|copy| {
        let newest = newest.map(|newest| &**newest);
        of_copy(app, copy, newest, |set| age(set.begun), max_age)
    }));
    let oldest = sets.iter().map(|set| age(set.begun)).max();
    findings.extend(of_care(care, oldest, now));
    findings.sort_by_key(|finding| Reverse(finding.severity));
    Verdict {
        app: app.to_owned(),
        server: server.to_owned(),
        severity: findings.first().map_or(Severity::Fine, |worst| worst.severity),
        set: newest.map(|set| set.id.to_string()),
        age_seconds: newest.map(|set| age(set.begun).as_secs()),
        bytes: newest.and_then(|set| set.bytes),
        last_attempt: record.last,
        findings,
    }
}

/// A change of sizes.
enum Jump {
    Shrunk(String),
    Grew(String),
}

/// How the newest set differs from the largest of the last days, or else from the one before.
fn jump(newest: &SetSummary, before: &[&SetSummary]) -> Option<Jump> {
    let is_late = |set: &&&SetSummary| newest.begun.duration_since(set.begun) <= COMPARED;
    let late = before.iter().filter(is_late).count().max(1);
    let late = &before[..late.min(before.len())];
    let sizes = |now, then| format!("{} after {}", HumanBytes(now), HumanBytes(then));
    let then = late.iter().filter_map(|set| set.bytes).max();
    if let (Some(now), Some(then)) = (newest.bytes, then)
        && now.abs_diff(then) >= NOTABLE
    {
        if now < then / SHRUNK {
            let said = format!("the newest backup is much smaller: {}", sizes(now, then));
            return Some(Jump::Shrunk(said));
        }
        if now > then.saturating_mul(GREW) {
            let said = format!("the newest backup is much larger: {}", sizes(now, then));
            return Some(Jump::Grew(said));
        }
    }
    let empty = newest.empty.iter().map(|item| (item, 0));
    let emptied = newest.sizes.iter().map(|(item, now)| (item, *now)).chain(empty);
    emptied.into_iter().find_map(|(item, now)| {
        let then = late.iter().filter_map(|set| set.sizes.get(item)).max()?;
        let is_emptied = now < then / EMPTIED && then - now >= NOTABLE;
        let sizes = sizes(now, *then);
        is_emptied.then(|| Jump::Shrunk(format!("{} is much smaller: {sizes}", line(item))))
    })
}

/// The worst first; of those, the ones without a backup, then the oldest.
pub fn sort(verdicts: &mut [Verdict]) {
    verdicts.sort_by(|a, b| {
        let key = |v: &Verdict| Reverse((v.severity, v.age_seconds.unwrap_or(u64::MAX)));
        key(a).cmp(&key(b)).then_with(|| (&a.app, &a.server).cmp(&(&b.app, &b.server)))
    });
}

impl Verdict {
    /// One line: the app, how it is, why, and what to type.
    pub fn line(&self) -> String {
        let word = match self.severity {
            Severity::Fine => "good",
            Severity::Warning => "warning",
            Severity::Wrong => "WRONG",
        };
        let mut parts = Vec::new();
        if let (Some(age), Some(bytes), Some(set)) = (self.age_seconds, self.bytes, &self.set) {
            let age = shown(Duration::from_secs(age));
            parts.push(format!("{age} old, {}, {set}", HumanBytes(bytes)));
        }
        parts.extend(self.findings.iter().map(|finding| finding.message.clone()));
        let next = self.findings.iter().find_map(|finding| finding.next.as_ref());
        if let Some(next) = next {
            parts.push(format!("next: {next}"));
        }
        one_line(&format!("{}: {word}: {}", self.app, parts.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::record::Good, *};

    const NOW: &str = "2026-01-05T12:00:00Z";

    fn set(id: &str, bytes: u64, warnings: usize) -> SetSummary {
        SetSummary {
            bytes: Some(bytes),
            complete: true,
            warnings,
            manifest: Some("m".into()),
            ..SetSummary::new(id.parse().unwrap(), "w.example", "s")
        }
    }

    fn attempt(outcome: Outcome, ended: &str) -> Attempt {
        Attempt {
            ended: ended.parse().unwrap(),
            outcome,
            error: outcome.is_bad().then(|| "the dump failed".into()),
            next: None,
        }
    }

    fn said(sets: &[SetSummary], last: Option<Attempt>, good: Option<&str>) -> (Severity, String) {
        let good = good.map(|ended| Good {
            set: "20260101T000000Z-aaaaaa".into(),
            ended: ended.parse().unwrap(),
            bytes: Some(1),
            seconds: 1.0,
            warnings: 0,
        });
        let verdict = judge(Facts {
            app: "w.example",
            server: "here",
            record: Ok(Record { last, good }),
            sets: Ok(sets.iter().collect()),
            unreadable: None,
            copies: Vec::new(),
            care: Vec::new(),
            doubted: BTreeMap::new(),
            max_age: MAX_AGE,
            now: NOW.parse().unwrap(),
        });
        (verdict.severity, verdict.line())
    }

    #[test]
    fn what_is_wrong_and_what_is_missing_is_said() {
        const FRESH: &str = "20260105T030000Z-aaaaaa";
        const OLD: &str = "20260103T030000Z-bbbbbb";
        let large = 100 << 20;
        let mut emptied = set(FRESH, large, 0);
        emptied.empty = vec!["volume/data".into()];
        let mut with_volume = set(OLD, large, 0);
        with_volume.sizes = [("volume/data".to_owned(), 30 << 20)].into();
        let mut rest = set(FRESH, 1, 0);
        rest.complete = false;
        for (sets, last, good, severity, words) in [
            (vec![set(FRESH, 5, 0)], None, None, Severity::Fine, "good: 9 h old, 5 B, 20260105"),
            (
                vec![set(OLD, 5, 0)],
                None,
                None,
                Severity::Wrong,
                "is 2 d 9 h old, and may be 1 d 2 h old",
            ),
            (
                vec![],
                None,
                None,
                Severity::Wrong,
                "and none was ever tried from here; next: `potluck backup create w.example`",
            ),
            (vec![rest], None, None, Severity::Wrong, "there is no backup of it"),
            (
                vec![],
                None,
                Some("2026-01-04T03:00:00Z"),
                Severity::Wrong,
                "has no backup of it, although 20260101T000000Z-aaaaaa was made 1 d 9 h ago",
            ),
            (
                vec![],
                Some(attempt(Outcome::NeverDeployed, "2026-01-05T03:00:00Z")),
                None,
                Severity::Fine,
                "it was never deployed, so there is nothing",
            ),
            (
                vec![],
                Some(attempt(Outcome::NeverDeployed, "2026-01-02T03:00:00Z")),
                None,
                Severity::Wrong,
                "when a run looked at it last, 3 d 9 h ago",
            ),
            (
                vec![],
                Some(attempt(Outcome::Failed, "2026-01-05T03:00:00Z")),
                None,
                Severity::Wrong,
                "there is no complete backup of it; the last attempt, 9 h ago, failed: the dump failed",
            ),
            (
                vec![set(FRESH, 5, 0)],
                Some(attempt(Outcome::Failed, "2026-01-05T10:00:00Z")),
                None,
                Severity::Wrong,
                "the last attempt, 2 h ago, failed: the dump failed",
            ),
            // Somebody took one since, perhaps elsewhere.
            (
                vec![set(FRESH, 5, 0)],
                Some(attempt(Outcome::Failed, "2026-01-05T01:00:00Z")),
                None,
                Severity::Fine,
                "good: 9 h old",
            ),
            (
                vec![set(FRESH, 5, 0)],
                Some(attempt(Outcome::Partly, "2026-01-05T03:01:00Z")),
                None,
                Severity::Wrong,
                "was made, but not all went well",
            ),
            (
                vec![set(FRESH, large / 3, 0), set(OLD, large, 0)],
                None,
                None,
                Severity::Wrong,
                "much smaller: 33.33 MiB after 100.00 MiB",
            ),
            (
                vec![set(FRESH, large * 3, 0), set(OLD, large, 0)],
                None,
                None,
                Severity::Warning,
                "much larger: 300.00 MiB after 100.00 MiB",
            ),
            // Some nights later it is still said.
            (
                vec![set(FRESH, 5, 0), set("20260104T030000Z-bbbbbb", 5, 0), set(OLD, large, 0)],
                None,
                None,
                Severity::Wrong,
                "much smaller: 5 B after 100.00 MiB",
            ),
            (
                vec![emptied, with_volume],
                None,
                None,
                Severity::Wrong,
                "volume/data is much smaller: 0 B after 30.00 MiB",
            ),
            // Little data may change much.
            (vec![set(FRESH, 5, 0), set(OLD, 5000, 0)], None, None, Severity::Fine, "good"),
            (vec![set(FRESH, 5, 2)], None, None, Severity::Warning, "there were 2 warnings"),
            (
                vec![set("20260106T030000Z-aaaaaa", 5, 0)],
                None,
                None,
                Severity::Wrong,
                "a time 15 h ahead",
            ),
        ] {
            let (got, line) = said(&sets, last, good);
            assert_eq!(got, severity, "{words}: {line}");
            assert!(line.contains(words), "{words}: {line}");
            assert!(!line.contains('\n'));
        }
    }

    #[test]
    fn a_repository_that_cannot_be_read_is_wrong_and_hides_no_failure() {
        let verdict = judge(Facts {
            app: "w.example",
            server: "here",
            record: Ok(Record {
                last: Some(attempt(Outcome::Failed, "2026-01-05T03:00:00Z")),
                good: None,
            }),
            sets: Err(("cannot\nconnect".into(), Some("mount it".into()))),
            unreadable: None,
            copies: Vec::new(),
            care: Vec::new(),
            doubted: BTreeMap::new(),
            max_age: MAX_AGE,
            now: NOW.parse().unwrap(),
        });
        let codes: Vec<&str> = verdict.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["repository", "failed"]);
        let line = verdict.line();
        assert!(line.contains("cannot be read: cannot connect"), "{line}");
        assert!(line.ends_with("next: mount it"), "{line}");
    }

    #[test]
    fn a_set_that_is_not_believed_is_not_the_newest() {
        let (forged, own) =
            (set("20260105T090000Z-ffffff", 9, 0), set("20260103T030000Z-aaaaaa", 5, 0));
        let verdict = judge(Facts {
            app: "w.example",
            server: "here",
            record: Ok(Record::default()),
            sets: Ok(vec![&forged, &own]),
            unreadable: None,
            copies: Vec::new(),
            care: Vec::new(),
            doubted: [(forged.id.clone(), "it is not signed".to_owned())].into(),
            max_age: MAX_AGE,
            now: NOW.parse().unwrap(),
        });
        let codes: Vec<&str> = verdict.findings.iter().map(|finding| finding.code).collect();
        assert_eq!((codes.as_slice(), verdict.bytes), (&["doubted", "old"][..], Some(5)));
    }

    #[test]
    fn the_worst_is_first() {
        let verdict = |app: &str, severity, age| Verdict {
            app: app.into(),
            server: "here".into(),
            severity,
            set: None,
            age_seconds: age,
            bytes: None,
            last_attempt: None,
            findings: Vec::new(),
        };
        let mut all = vec![
            verdict("a", Severity::Fine, Some(9)),
            verdict("b", Severity::Wrong, Some(1)),
            verdict("c", Severity::Wrong, None),
            verdict("d", Severity::Warning, Some(1)),
            verdict("e", Severity::Wrong, Some(5)),
        ];
        sort(&mut all);
        let order: Vec<&str> = all.iter().map(|verdict| verdict.app.as_str()).collect();
        assert_eq!(order, ["c", "e", "b", "d", "a"]);
    }
}
