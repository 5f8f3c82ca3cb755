//! Whether an app's data is saved well enough to be deleted for good: by its newest backup
//! set, which has to be complete, recent, newer than the last deploy, and to hold what a
//! backup would save; pure.
//!
//! An undeployed app writes nothing more, so the age of a set is counted up to when the app
//! was undeployed, where its history says when.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use super::set::{SetId, SetSummary};
use crate::{
    owner::{
        history::Line,
        journal::{Outcome, What},
    },
    text::line,
};

/// How old a set may be, unless an operator says otherwise.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// When an app's data may have changed last, as far as its history says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changed {
    /// The last operation that may have changed it by itself, and when it ended.
    pub last: Option<(What, Timestamp)>,
    /// When the app was undeployed; none where it may have run since.
    pub undeployed: Option<Timestamp>,
}

impl Changed {
    /// From an app's history, oldest first.
    pub fn of(history: &[Line]) -> Self {
        let mut changed = Changed::default();
        for line in history {
            match line.what {
                What::Undeploy if line.outcome == Outcome::Done => {
                    changed.undeployed = Some(line.ended);
                }
                What::Undeploy
                | What::Remove
                | What::Backup
                | What::Rotate
                | What::Connect
                | What::Disconnect => {}
                // What failed may have migrated data, too.
                _ => {
                    changed = Changed { last: Some((line.what, line.ended)), undeployed: None };
                }
            }
        }
        changed
    }
}

/// What is wrong with an app's newest set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lack {
    /// There is no complete one; perhaps one that is not.
    NoSet { incomplete: Option<SetId> },
    /// It was taken too long ago.
    Old { set: SetId, age: Duration, most: Duration, undeployed: bool },
    /// It was taken before the data changed.
    BeforeChange { set: SetId, age: Duration, what: What, ended: Timestamp },
    /// It lacks some of what a backup would save now.
    Lacks { set: SetId, age: Duration, items: Vec<String> },
}

/// The newest set that is good enough, of an app that has something to save.
///
/// `planned` are the items that a backup would save, `volume/data`; none where that is
/// unknown.
///
/// # Errors
/// What is wrong with the newest.
pub(crate) fn saved<'a>(
    sets: &'a [SetSummary],
    planned: Option<&[String]>,
    changed: &Changed,
    now: Timestamp,
    most: Duration,
) -> Result<&'a SetSummary, Lack> {
    let Some(newest) = sets.iter().find(|set| set.complete) else {
        return Err(Lack::NoSet { incomplete: sets.first().map(|set| set.id.clone()) });
    };
    let set = newest.id.clone();
    let age = between(newest.begun, now);
    // A set's name tells whole seconds.
    let is_later = |ended: &Timestamp| ended.as_second() > newest.begun.as_second();
    if let Some((what, ended)) = changed.last.filter(|(_, ended)| is_later(ended)) {
        return Err(Lack::BeforeChange { set, age, what, ended });
    }
    let grew = between(newest.begun, changed.undeployed.unwrap_or(now).min(now));
    if grew > most {
        let undeployed = changed.undeployed.is_some();
        return Err(Lack::Old { set, age: grew, most, undeployed });
    }
    let has = |item: &&String| !newest.items.contains(item);
    let items: Vec<String> = planned.unwrap_or_default().iter().filter(has).cloned().collect();
    if !items.is_empty() {
        return Err(Lack::Lacks { set, age, items });
    }
    Ok(newest)
}

/// None of it where clocks differ.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// An app's data that no good backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSaved {
    pub(crate) app: String,
    /// Where backups are looked for.
    pub(crate) repository: String,
    /// What a backup would save; none where that is unknown.
    pub(crate) planned: Option<Vec<String>>,
    /// What is wrong with the newest set; none where there is no repository.
    pub(crate) lack: Option<Lack>,
}

impl NotSaved {
    /// Whether it takes running services to save all of it.
    fn needs_services(&self) -> bool {
        let is_volume = |item: &String| item.starts_with("volume/");
        self.planned.as_ref().is_none_or(|planned| !planned.iter().all(is_volume))
    }

    /// What to type before the app is undeployed.
    pub fn before_undeploy(&self) -> String {
        let app = &self.app;
        let while_runs = match self.needs_services() {
            true => ", which is possible only while the app runs",
            false => "",
        };
        format!(
            "to remove {app} for good afterwards, a backup is needed: `potluck backup create {app}` \
             takes one{while_runs}"
        )
    }

    /// What to type before the app is removed.
    pub(crate) fn hint(&self) -> String {
        let app = &self.app;
        let how = match self.needs_services() {
            false => format!("`potluck backup create {app}` takes one"),
            true => format!(
                "a backup needs the app's services: `potluck app deploy {app}`, `potluck backup \
                 create {app}`, `potluck app undeploy {app}`, then remove it"
            ),
        };
        let older = match &self.lack {
            Some(Lack::Old { .. }) => "; to accept an older one, add `--max-age TIME`",
            _ => "",
        };
        format!("{how}{older}; to remove it with no such backup, add `--no-backup`")
    }
}

impl fmt::Display for NotSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotSaved { app, repository, planned, lack } = self;
        match lack {
            None => write!(
                f,
                "{app} has data to lose, and no backup: there is no repository at {repository}"
            )?,
            Some(Lack::NoSet { incomplete: None }) => {
                write!(f, "{app} has data to lose, and no backup of it is in {repository}")?;
            }
            Some(Lack::NoSet { incomplete: Some(set) }) => write!(
                f,
                "{app} has data to lose, and no complete backup: the newest, {set}, did not finish"
            )?,
            Some(Lack::Old { set, age, most, undeployed }) => {
                let until = if *undeployed { " when the app was undeployed" } else { "" };
                let verb = if *undeployed { "was" } else { "is" };
                write!(
                    f,
                    "the newest backup of {app}, {set}, {verb} {} old{until}, and may be {} old",
                    shown(*age),
                    shown(*most)
                )?;
            }
            Some(Lack::BeforeChange { set, age, what, ended }) => write!(
                f,
                "the newest backup of {app}, {set}, is {} old, and was taken before the {what} that \
                 ended at {}",
                shown(*age),
                ended.strftime("%Y-%m-%d %H:%M:%S UTC")
            )?,
            Some(Lack::Lacks { set, age, items }) => {
                return write!(
                    f,
                    "the newest backup of {app}, {set}, is {} old and lacks what a backup would \
                     save now: {}",
                    shown(*age),
                    line(&items.join(", "))
                );
            }
        }
        match planned {
            Some(planned) => write!(f, " (a backup saves {})", line(&planned.join(", "))),
            None => Ok(()),
        }
    }
}

/// `5 d 3 h`, `2 h`, `40 s`: the two largest units.
pub(crate) fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let first = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(3);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (name, size) in units.iter().skip(first).take(2) {
        let count = rest / size;
        rest %= size;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count} {name}"));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(id: &str, complete: bool, items: &[&str]) -> SetSummary {
        SetSummary {
            items: items.iter().map(|item| (*item).to_owned()).collect(),
            complete,
            manifest: complete.then(|| "m".into()),
            ..SetSummary::new(id.parse().unwrap(), "w", "s")
        }
    }

    fn line(what: What, outcome: Outcome, ended: &str) -> Line {
        let ended: Timestamp = ended.parse().unwrap();
        Line {
            operation: "0a".into(),
            what,
            user: "anna".into(),
            host: "laptop".into(),
            began: ended,
            ended,
            before: None,
            after: None,
            set: None,
            settings: Vec::new(),
            migrated: false,
            detached: false,
            app: None,
            chaos: false,
            outcome,
            step: None,
            error: None,
            by: None,
        }
    }

    /// What is said, `ok` where the data is saved.
    fn said(sets: &[SetSummary], history: &[Line], planned: Option<&[&str]>) -> String {
        let planned: Option<Vec<String>> =
            planned.map(|items| items.iter().map(|item| (*item).to_owned()).collect());
        let now = "2026-01-05T12:00:00Z".parse().unwrap();
        let changed = Changed::of(history);
        match saved(sets, planned.as_deref(), &changed, now, MAX_AGE) {
            Ok(set) => format!("ok {}", set.id),
            Err(lack) => NotSaved {
                app: "w".into(),
                repository: "/r".into(),
                planned: None,
                lack: Some(lack),
            }
            .to_string(),
        }
    }

    /// What it is about, the sets, the history, what a backup saves, what is said.
    type Case<'a> = (&'a str, Vec<SetSummary>, Vec<Line>, Option<&'a [&'a str]>, &'a str);

    #[test]
    fn the_newest_complete_set_counts_and_has_to_be_recent() {
        const NEW: &str = "20260105T100000Z-cccccc";
        const MID: &str = "20260104T110000Z-bbbbbb";
        const OLD: &str = "20260101T120000Z-aaaaaa";
        let all: Option<&[&str]> = Some(&["dump/db.sql", "volume/data"]);
        let items: &[&str] = &["dump/db.sql", "settings/settings", "volume/data"];
        let done = Outcome::Done;
        let cases: &[Case] = &[
            ("no set", vec![], vec![], all, "w has data to lose, and no backup of it is in /r"),
            (
                "only what did not finish",
                vec![set(NEW, false, items)],
                vec![],
                all,
                "w has data to lose, and no complete backup: the newest, 20260105T100000Z-cccccc, \
                 did not finish",
            ),
            ("a good one", vec![set(NEW, true, items)], vec![], all, "ok 20260105T100000Z-cccccc"),
            (
                "an interrupted one after it",
                vec![set("20260105T113000Z-dddddd", false, &[]), set(NEW, true, items)],
                vec![],
                all,
                "ok 20260105T100000Z-cccccc",
            ),
            (
                "a day and an hour old",
                vec![set(MID, true, items), set(OLD, true, items)],
                vec![],
                all,
                "the newest backup of w, 20260104T110000Z-bbbbbb, is 1 d 1 h old, and may be 1 d old",
            ),
            (
                "a day and an hour old, and undeployed since",
                vec![set(MID, true, items)],
                vec![line(What::Undeploy, done, "2026-01-04T12:00:00Z")],
                all,
                "ok 20260104T110000Z-bbbbbb",
            ),
            (
                "undeployed much later",
                vec![set(OLD, true, items)],
                vec![line(What::Undeploy, done, "2026-01-04T12:00:00Z")],
                all,
                "the newest backup of w, 20260101T120000Z-aaaaaa, was 3 d old when the app was \
                 undeployed, and may be 1 d old",
            ),
            (
                "an undeploy that failed says nothing",
                vec![set(MID, true, items)],
                vec![line(What::Undeploy, Outcome::Failed, "2026-01-04T12:00:00Z")],
                all,
                "the newest backup of w, 20260104T110000Z-bbbbbb, is 1 d 1 h old, and may be 1 d old",
            ),
            (
                "deployed since",
                vec![set(NEW, true, items)],
                vec![
                    line(What::Deploy, Outcome::Failed, "2026-01-05T11:00:00Z"),
                    line(What::Undeploy, done, "2026-01-05T11:30:00Z"),
                ],
                all,
                "the newest backup of w, 20260105T100000Z-cccccc, is 2 h old, and was taken before \
                 the deploy that ended at 2026-01-05 11:00:00 UTC",
            ),
            (
                "deployed before, backed up, undeployed",
                vec![set(NEW, true, items)],
                vec![
                    line(What::Deploy, done, "2026-01-05T10:00:00.9Z"),
                    line(What::Backup, done, "2026-01-05T10:00:05Z"),
                    line(What::Undeploy, done, "2026-01-05T11:30:00Z"),
                ],
                all,
                "ok 20260105T100000Z-cccccc",
            ),
            (
                "restored since",
                vec![set(NEW, true, items)],
                vec![line(What::Restore, done, "2026-01-05T11:00:00Z")],
                all,
                "the newest backup of w, 20260105T100000Z-cccccc, is 2 h old, and was taken before \
                 the restore that ended at 2026-01-05 11:00:00 UTC",
            ),
            (
                "undeployed long ago, and deployed again before the backup",
                vec![set(MID, true, items)],
                vec![
                    line(What::Undeploy, done, "2026-01-01T12:00:00Z"),
                    line(What::Deploy, done, "2026-01-02T12:00:00Z"),
                ],
                all,
                "the newest backup of w, 20260104T110000Z-bbbbbb, is 1 d 1 h old, and may be 1 d old",
            ),
            (
                "a dump is new in the plan",
                vec![set(NEW, true, &["settings/settings", "volume/data"])],
                vec![],
                all,
                "the newest backup of w, 20260105T100000Z-cccccc, is 2 h old and lacks what a \
                 backup would save now: dump/db.sql",
            ),
            (
                "what it saves is unknown",
                vec![set(NEW, true, &["volume/data"])],
                vec![],
                None,
                "ok 20260105T100000Z-cccccc",
            ),
            (
                "another machine's clock is ahead",
                vec![set("20260105T123000Z-eeeeee", true, items)],
                vec![],
                all,
                "ok 20260105T123000Z-eeeeee",
            ),
        ];
        for (case, sets, history, planned, expected) in cases {
            assert_eq!(said(sets, history, *planned), *expected, "{case}");
        }
    }

    #[test]
    fn what_to_type_depends_on_what_a_backup_needs() {
        let of = |planned: Option<&[&str]>| NotSaved {
            app: "w".into(),
            repository: "/r".into(),
            planned: planned.map(|items| items.iter().map(|item| (*item).to_owned()).collect()),
            lack: None,
        };
        let volumes = of(Some(&["volume/data"]));
        assert_eq!(
            volumes.hint(),
            "`potluck backup create w` takes one; to remove it with no such backup, add \
             `--no-backup`"
        );
        assert_eq!(
            volumes.before_undeploy(),
            "to remove w for good afterwards, a backup is needed: `potluck backup create w` takes \
             one"
        );
        for needy in [of(Some(&["dump/db.sql", "volume/data"])), of(None)] {
            assert!(needy.hint().starts_with("a backup needs the app's services: "));
            assert!(needy.before_undeploy().ends_with("only while the app runs"));
        }
        assert_eq!(
            of(Some(&["dump/db.sql"])).to_string(),
            "w has data to lose, and no backup: there is no repository at /r (a backup saves \
             dump/db.sql)"
        );
    }

    #[test]
    fn times_are_shown_in_two_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (3600, "1 h"),
            (3661, "1 h 1 min"),
            (86_400, "1 d"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(shown(Duration::from_secs(seconds)), expected);
        }
    }
}
