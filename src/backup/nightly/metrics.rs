//! The file for Prometheus' textfile collector: all apps of the folder, with what is known
//! of each, so that one that was not in this run keeps what earlier runs knew. Pure.
//!
//! Alert on the age of the last success, `time() - potluck_backup_last_success_timestamp_seconds`,
//! which is that of 1970 for an app that was never backed up: a run that does not happen
//! changes nothing else. No sample has a time of its own: the collector refuses such files.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{
    record::Record,
    report::{Ending, Report},
    row::Outcome,
};
use crate::home::AppEntry;

/// A metric of each app: its name, what it is, and its value, if that is known.
type Metric = (&'static str, &'static str, fn(&Record) -> Option<f64>);

const METRICS: &[Metric] = &[
    (
        "potluck_backup_last_success_timestamp_seconds",
        "When the newest complete backup was made; 0 if there was never one.",
        |record| Some(record.good.as_ref().map_or(0.0, |good| seconds(good.ended))),
    ),
    (
        "potluck_backup_last_attempt_timestamp_seconds",
        "When the last attempt ended; 0 if there was never one.",
        |record| Some(record.last.as_ref().map_or(0.0, |last| seconds(last.ended))),
    ),
    (
        "potluck_backup_last_status",
        "How the last attempt ended: 0 good, 1 good with warnings or with a failed hook, 2 no backup.",
        |record| record.last.as_ref().map(|last| f64::from(status(last.outcome, record))),
    ),
    ("potluck_backup_duration_seconds", "How long the newest complete backup took.", |record| {
        record.good.as_ref().map(|good| good.seconds)
    }),
    (
        "potluck_backup_size_bytes",
        "Data in the newest complete backup, before compression.",
        |record| Some(record.good.as_ref()?.bytes? as f64),
    ),
    ("potluck_backup_warnings", "Warnings of the newest complete backup.", |record| {
        record.good.as_ref().map(|good| good.warnings as f64)
    }),
];

fn status(outcome: Outcome, record: &Record) -> u8 {
    let warnings = record.good.as_ref().map_or(0, |good| good.warnings);
    match outcome {
        Outcome::BackedUp | Outcome::NeverDeployed if warnings == 0 => 0,
        Outcome::BackedUp | Outcome::NeverDeployed | Outcome::Partly => 1,
        Outcome::Failed | Outcome::Interrupted => 2,
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_second() as f64
}

/// Whether nothing is expected of an app: there is nothing to back up yet.
fn is_unborn(record: &Record) -> bool {
    let never = Some(Outcome::NeverDeployed);
    record.good.is_none() && record.last.as_ref().map(|last| last.outcome) == never
}

/// The file's text. `apps` are all that are to be backed up, each once; those that were never
/// deployed are left out, or an alert on the age of backups would tell of them for ever.
pub fn text(apps: &[(AppEntry, Record)], run: &Report) -> String {
    let mut text = String::new();
    for (name, help, value) in METRICS {
        head(&mut text, name, help);
        for (app, record) in apps.iter().filter(|(_, record)| !is_unborn(record)) {
            if let Some(value) = value(record) {
                let (server, app) = (escaped(app.server.as_str()), escaped(app.name.as_str()));
                // Writing to a text cannot fail.
                let _ = writeln!(text, "{name}{{app=\"{app}\",server=\"{server}\"}} {value}");
            }
        }
    }
    let status = match run.ending() {
        Ending::Good => 0,
        Ending::SomeFailed => 1,
        Ending::AllFailed => 2,
    };
    for (name, help, value) in [
        (
            "potluck_backup_run_end_timestamp_seconds",
            "When the last run ended.",
            run.ended.as_second().to_string(),
        ),
        (
            "potluck_backup_run_duration_seconds",
            "How long the last run took.",
            run.seconds.to_string(),
        ),
        (
            "potluck_backup_run_status",
            "How the last run ended: 0 good, 1 some apps failed, 2 all failed.",
            status.to_string(),
        ),
    ] {
        head(&mut text, name, help);
        let _ = writeln!(text, "{name} {value}");
    }
    head(&mut text, "potluck_info", "The version of potluck that wrote this file.");
    let _ = writeln!(text, "potluck_info{{version=\"{}\"}} 1", escaped(env!("CARGO_PKG_VERSION")));
    text
}

fn head(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

/// The value of a label.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        super::record::{Attempt, Good},
        *,
    };

    fn app(name: &str, server: &str) -> AppEntry {
        AppEntry { name: name.parse().unwrap(), server: server.parse().unwrap() }
    }

    fn record(outcome: Option<Outcome>, warnings: Option<usize>) -> Record {
        let ended = Timestamp::from_second(1_700_000_000).unwrap();
        Record {
            last: outcome.map(|outcome| Attempt { ended, outcome, error: None, next: None }),
            good: warnings.map(|warnings| Good {
                set: "s".into(),
                ended: Timestamp::from_second(1_600_000_000).unwrap(),
                bytes: Some(7),
                seconds: 1.5,
                warnings,
            }),
        }
    }

    #[test]
    fn each_app_has_its_samples_and_one_that_was_never_backed_up_is_from_1970() {
        let apps = [
            (app("a.example", "here"), record(Some(Outcome::BackedUp), Some(0))),
            (app("a.example", "there"), record(Some(Outcome::Failed), Some(2))),
            (app("new.example", "here"), record(None, None)),
        ];
        let now = Timestamp::from_second(1_700_000_100).unwrap();
        let text = text(&apps, &Report::new(now, now, Vec::new(), Vec::new()));
        for line in [
            "potluck_backup_last_success_timestamp_seconds{app=\"a.example\",server=\"here\"} 1600000000",
            "potluck_backup_last_success_timestamp_seconds{app=\"new.example\",server=\"here\"} 0",
            "potluck_backup_last_attempt_timestamp_seconds{app=\"a.example\",server=\"there\"} 1700000000",
            "potluck_backup_last_status{app=\"a.example\",server=\"here\"} 0",
            "potluck_backup_last_status{app=\"a.example\",server=\"there\"} 2",
            "potluck_backup_duration_seconds{app=\"a.example\",server=\"here\"} 1.5",
            "potluck_backup_size_bytes{app=\"a.example\",server=\"there\"} 7",
            "potluck_backup_warnings{app=\"a.example\",server=\"there\"} 2",
            "potluck_backup_run_end_timestamp_seconds 1700000100",
            "potluck_backup_run_status 0",
        ] {
            assert!(text.lines().any(|said| said == line), "{line}:\n{text}");
        }
        assert!(!text.contains("potluck_backup_last_status{app=\"new.example\""), "{text}");
        is_an_exposition(&text);
    }

    /// Prometheus' rules: a head before the samples, all samples of a metric together, none
    /// twice, no times, a line break at the end.
    fn is_an_exposition(text: &str) {
        assert!(text.ends_with('\n'));
        let (mut heads, mut samples, mut current) = (BTreeSet::new(), BTreeSet::new(), "");
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("# TYPE ") {
                current = head.split(' ').next().unwrap();
                assert!(heads.insert(current), "{current} twice");
            } else if !line.starts_with("# HELP ") {
                assert!(line.starts_with(current), "{line} below {current}");
                let (sample, value) = line.rsplit_once(' ').unwrap();
                assert!(!sample.contains("} "), "a time in {line}");
                assert!(samples.insert(sample), "{sample} twice");
                value.parse::<f64>().unwrap();
            }
        }
    }

    #[test]
    fn statuses() {
        use Outcome::{BackedUp, Failed, Interrupted, NeverDeployed, Partly};
        for (outcome, warnings, expected) in [
            (BackedUp, 0, 0),
            (BackedUp, 1, 1),
            (NeverDeployed, 0, 0),
            (Partly, 0, 1),
            (Failed, 0, 2),
            (Interrupted, 0, 2),
        ] {
            assert_eq!(status(outcome, &record(Some(outcome), Some(warnings))), expected);
        }
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\\b\"c\nd"), r#"a\\b\"c\nd"#);
    }
}
