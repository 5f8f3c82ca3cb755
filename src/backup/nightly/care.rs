//! Whether what is taken is also cared for: retention, prune, check and drill, each by its own
//! last result and age. A night of good backups says nothing of them.

use std::time::Duration;

use jiff::Timestamp;

use super::finding::{Finding, Severity};
use crate::{
    backup::{
        evidence::last_result,
        recent::shown,
        results::{Recorded, Subject, read},
    },
    home::{AppEntry, BackupSettings, CopyName, Home},
    text::one_line,
};

/// How long the last success may be ago: a week, and a day for a run that comes late.
const MAX_AGE: Duration = Duration::from_secs(8 * 24 * 60 * 60);
/// The same of a drill, of which each night takes a few apps only.
const DRILL_AGE: Duration = Duration::from_secs(92 * 24 * 60 * 60);

/// One kind of care, and how it went last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Care {
    /// `retention`, `prune`, `check`, `append-only` or `drill`.
    pub code: &'static str,
    /// What it is called, and of which copy.
    pub what: String,
    /// The last result, or why it cannot be read.
    pub recorded: Result<Option<Recorded>, String>,
    /// Whether it is missed where it never happened, or long ago.
    pub expected: bool,
    /// How long the last success may be ago.
    pub max_age: Duration,
    /// What to type.
    pub next: String,
}

/// How an app's backups are cared for in a repository with these settings.
pub fn care(
    home: &Home,
    app: &AppEntry,
    copy: Option<&CopyName>,
    settings: &BackupSettings,
) -> Vec<Care> {
    let (name, server) = (&app.name, &app.server);
    let (of, from) = match copy {
        None => (String::new(), String::new()),
        Some(copy) => (format!(" of the copy `{copy}`"), format!(" --from {copy}")),
    };
    let forget = format!("`potluck backup forget {name}{from}`");
    let prune = format!("`potluck backup prune --server {server}{from}`");
    let check = format!("`potluck backup check --server {server}{from}`");
    let removes = !settings.append_only;
    let kinds = [
        (
            "retention",
            "retention",
            Subject::Retention(app),
            settings.keep_of(&app.name, None).is_some(),
            forget,
        ),
        // Without it the disk is full one day, which is said then.
        ("prune", "prune", Subject::Prune(server), false, prune),
        ("check", "check", Subject::Check(server), true, check.clone()),
        (
            "append-only",
            "proof that nothing can be removed",
            Subject::AppendOnly(server),
            true,
            check,
        ),
    ];
    let applies = |code: &str| match code {
        "retention" | "prune" => removes,
        "append-only" => !removes,
        _ => true,
    };
    let known = kinds.into_iter().filter(|(code, ..)| applies(code));
    known
        .map(|(code, what, subject, expected, next)| {
            let recorded = read(home, subject, copy).map_err(|error| error.to_string());
            Care { code, what: format!("{what}{of}"), recorded, expected, max_age: MAX_AGE, next }
        })
        .collect()
}

/// How the last drill of an app went. `drills` tells whether any app of the folder was ever
/// drilled.
pub fn drilled(home: &Home, app: &AppEntry, drills: bool) -> Care {
    Care {
        code: "drill",
        what: "drill".into(),
        recorded: last_result(home, app).map_err(|error| error.to_string()),
        expected: drills,
        max_age: DRILL_AGE,
        next: format!("`potluck backup drill {}`", app.name),
    }
}

/// What is to be said of it. `oldest` is the age of the oldest backup: what is missing is
/// missed only once there was time for it.
pub fn findings(care: Vec<Care>, oldest: Option<Duration>, now: Timestamp) -> Vec<Finding> {
    let ago = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
    let judged = |Care { code, what, recorded, expected, max_age, next }: Care| {
        let had_time = oldest.is_some_and(|oldest| oldest > max_age);
        let (severity, message) = match recorded {
            Err(error) => {
                (Severity::Warning, format!("the result of its {what} cannot be read: {error}"))
            }
            Ok(Some(last)) if !last.ok => {
                let reason = last.error.as_deref().unwrap_or("the reason is unknown");
                let message = format!("the last {what}, {} ago, failed", shown(ago(last.at)));
                (Severity::Wrong, format!("{message}: {}", one_line(reason)))
            }
            _ if !expected => return None,
            Ok(Some(last)) => {
                let ago = ago(last.last_ok.unwrap_or(last.at));
                if ago <= max_age {
                    return None;
                }
                (Severity::Warning, format!("the last {what} was {} ago", shown(ago)))
            }
            Ok(None) if had_time => {
                (Severity::Warning, format!("there was no {what}, ever, from here"))
            }
            Ok(None) => return None,
        };
        Some(Finding { code, severity, message, next: Some(next) })
    };
    care.into_iter().filter_map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_wrong_and_what_is_missing_a_warning() {
        let now: Timestamp = "2026-01-20T12:00:00Z".parse().unwrap();
        let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
        let at = |ago: u64| now - days(ago);
        let result = |ago: u64, error: Option<&str>| {
            Ok(Some(Recorded {
                at: at(ago),
                ok: error.is_none(),
                error: error.map(Into::into),
                last_ok: error.is_none().then(|| at(ago)),
                part: None,
            }))
        };
        use Severity::{Warning, Wrong};
        for (recorded, expected, oldest, said) in [
            (result(7, None), true, 90, None),
            (result(9, None), true, 90, Some((Warning, "the last check was 9 d ago"))),
            (result(9, None), false, 90, None),
            (
                result(2, Some("damaged\nmore")),
                false,
                1,
                Some((Wrong, "the last check, 2 d ago, failed: damaged more")),
            ),
            (Ok(None), true, 7, None),
            (Ok(None), true, 9, Some((Warning, "there was no check, ever, from here"))),
            (Ok(None), false, 9, None),
            (
                Err("no".to_owned()),
                false,
                1,
                Some((Warning, "the result of its check cannot be read: no")),
            ),
        ] {
            let (what, next) = ("check".to_owned(), "type it".to_owned());
            let care = Care { code: "check", what, recorded, expected, max_age: MAX_AGE, next };
            let found = findings(vec![care.clone()], Some(days(oldest)), now);
            let found = found.first().map(|found| (found.severity, found.message.as_str()));
            assert_eq!(found, said, "{care:?}");
        }
    }
}
