//! The app's own causes: what its lock file remembers as unfinished, and an operation that
//! has it; pure.

use jiff::Timestamp;

use crate::{
    app::{Error, Unfinished, half_restored},
    hint::Hint,
    home::{AppName, LockFile, lock_file::RecipePin},
    owner::{
        history::Line,
        journal::{Outcome, What},
        lease::{self, Lease},
    },
    text::line,
};

use super::CauseRow;

pub(super) const DEPLOY_UNFINISHED: &str = "deploy-unfinished";

/// Who has the app.
pub(super) struct Holder {
    pub told: lease::Holder,
    pub renewed: Timestamp,
    /// Whether its operation has probably died.
    pub is_old: bool,
}

impl Holder {
    /// `place` is the lock of the app in this folder, if no process has it now.
    pub fn of(lease: Lease, place: Option<&str>) -> Self {
        let has_ended = place.is_some() && place == lease.holder.place.as_deref();
        let is_old = has_ended || lease.is_old(Timestamp::now());
        Holder { told: lease.holder, renewed: lease.renewed, is_old }
    }
}

/// An operation that did not end, as its journal on the swarm has it.
pub(super) fn did_not_end(found: &Unfinished) -> CauseRow {
    CauseRow {
        cause: "operation-unfinished".into(),
        message: line(&found.to_string()).into_owned(),
        next: vec![found.next()],
        ..CauseRow::default()
    }
}

/// A journal that keeps every operation from the app.
pub(super) fn unreadable(name: &str, why: &str) -> CauseRow {
    let bad = Error::BadJournal { name: name.to_owned(), reason: line(why).into_owned() };
    CauseRow {
        cause: "journal-unreadable".into(),
        message: format!("{bad}, so that no operation can begin"),
        next: bad.hint().into_iter().collect(),
        ..CauseRow::default()
    }
}

/// The last operation, if it changed the app and failed with something of it left, such as
/// a hook that was not run to its end.
pub(super) fn failed(app: &AppName, last: &Line) -> Option<CauseRow> {
    if last.outcome != Outcome::Failed || last.what == What::Backup {
        return None;
    }
    let step = last.step.as_deref().map(|step| format!(" in the step `{}`", line(step)));
    let error = last.error.as_deref().map(|error| format!(": {}", line(error)));
    let show = format!("`potluck app show {app} {}` shows its steps", line(&last.operation));
    let again = matches!(last.what, What::Deploy | What::Upgrade | What::Rollback)
        .then(|| format!("once its cause is mended, `potluck app deploy {app}` deploys it again"));
    Some(CauseRow {
        cause: "operation-failed".into(),
        message: format!(
            "the last {} failed{}, and was not undone{}",
            last.what,
            step.unwrap_or_default(),
            error.unwrap_or_default()
        ),
        next: again.into_iter().chain([show]).collect(),
        ..CauseRow::default()
    })
}

/// Operations on the app that did not finish, as its lock file in this folder remembers.
pub(super) fn unfinished(app: &AppName, lock: &LockFile) -> Vec<CauseRow> {
    let mut rows = Vec::new();
    if let Some(set) = &lock.restoring {
        rows.push(CauseRow {
            cause: "restore-unfinished".into(),
            message: half_restored::unfinished(set),
            next: vec![format!("`{}` completes it", half_restored::command(app, set))],
            ..CauseRow::default()
        });
    }
    if let Some(upgrade) = &lock.upgrade {
        let done: usize = upgrade.done.values().map(Vec::len).sum();
        let steps = if done == 1 { "step is" } else { "steps are" };
        let (before, after) = (line(&upgrade.before), line(&upgrade.after));
        let back =
            if upgrade.irreversible { ", and one that cannot be undone has begun" } else { "" };
        let mut next = vec![format!("`potluck app deploy {app} {after}` resumes at this step")];
        if upgrade.irreversible {
            next.push(format!(
                "`potluck backup restore {app}` restores the data of an earlier backup"
            ));
        }
        rows.push(CauseRow {
            cause: "migration-unfinished".into(),
            message: format!(
                "the migration of the data from {before} to {after} did not finish: {done} {steps} \
                 done{back}"
            ),
            next,
            ..CauseRow::default()
        });
    }
    if let Some(begun) = &lock.begun {
        rows.push(CauseRow {
            cause: DEPLOY_UNFINISHED.into(),
            message: format!(
                "a deploy{} did not finish: it was interrupted, was not watched (--detach), or \
                 failed and was not undone",
                version(begun)
            ),
            next: vec![format!("`potluck app deploy {app}` deploys it again")],
            ..CauseRow::default()
        });
    }
    rows
}

fn version(pin: &RecipePin) -> String {
    pin.name().map(|name| format!(" of {}", line(name))).unwrap_or_default()
}

/// An operation that has the app.
pub(super) fn operation(app: &AppName, holder: &Holder) -> CauseRow {
    let (message, next) = match holder.is_old {
        false => (
            holder.told.to_string(),
            format!(
                "wait until it has ended; `potluck app unlock {app} --reason TEXT` ends it by force"
            ),
        ),
        true => (
            format!(
                "{}; it last renewed its lease at {}, so it has probably died",
                holder.told,
                holder.renewed.strftime("%Y-%m-%d %H:%M:%S UTC")
            ),
            "the next command that changes the app takes over".to_owned(),
        ),
    };
    CauseRow { cause: "operation".into(), message, next: vec![next], ..CauseRow::default() }
}

/// That the swarm has no services of the app, with what `others` say of it.
pub(super) fn not_deployed(app: &AppName, others: &[CauseRow]) -> CauseRow {
    let deploy = format!("`potluck app deploy {app}` deploys it");
    CauseRow {
        cause: "not-deployed".into(),
        message: "it is not deployed: the swarm has no services of it".into(),
        next: vec![match others.is_empty() {
            true => deploy,
            false => format!("once the above is mended, {deploy}"),
        }],
        ..CauseRow::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::home::lock_file::Upgrade;

    use super::*;

    #[test]
    fn what_did_not_finish_is_told_with_what_finishes_it() {
        let app = AppName::new("wiki.example.org").unwrap();
        let told = |lock: &LockFile| -> Vec<String> {
            let rows = unfinished(&app, lock).into_iter();
            rows.map(|row| format!("{}: {} -> {}", row.cause, row.message, row.next.join("; ")))
                .collect()
        };
        assert_eq!(told(&LockFile::default()), [""; 0]);
        let lock = LockFile {
            restoring: Some("20260101T000000Z-0a0b0c".into()),
            begun: Some(RecipePin { version: Some("1.1.0".into()), ..RecipePin::default() }),
            upgrade: Some(Upgrade {
                irreversible: true,
                done: BTreeMap::from([("wiki".into(), vec!["one".into()])]),
                ..Upgrade::new("1.0.0", "1.1.0")
            }),
            ..LockFile::default()
        };
        assert_eq!(
            told(&lock),
            [
                "restore-unfinished: a restore of the backup 20260101T000000Z-0a0b0c did not finish: \
                 some of the data may come from the backup, the rest is unchanged -> `potluck backup \
                 restore wiki.example.org 20260101T000000Z-0a0b0c` completes it",
                "migration-unfinished: the migration of the data from 1.0.0 to 1.1.0 did not finish: \
                 1 step is done, and one that cannot be undone has begun -> `potluck app deploy \
                 wiki.example.org 1.1.0` resumes at this step; `potluck backup restore \
                 wiki.example.org` restores the data of an earlier backup",
                "deploy-unfinished: a deploy of 1.1.0 did not finish: it was interrupted, was not \
                 watched (--detach), or failed and was not undone -> `potluck app deploy wiki.example.org` deploys it again",
            ]
        );
    }

    #[test]
    fn the_last_operation_counts_if_something_of_it_is_left() {
        let app = AppName::new("wiki.example.org").unwrap();
        let at: Timestamp = "2026-11-26T03:00:00Z".parse().unwrap();
        let ended = |what, outcome| Line {
            operation: "0a".into(),
            what,
            user: "anna".into(),
            host: "laptop".into(),
            began: at,
            ended: at,
            before: None,
            after: None,
            set: None,
            settings: Vec::new(),
            migrated: false,
            detached: false,
            app: None,
            chaos: false,
            outcome,
            step: Some("wiki: after-deploy".into()),
            error: Some("no answer".into()),
            by: None,
        };
        let told = |what, outcome| failed(&app, &ended(what, outcome)).map(|row| row.message);
        assert_eq!(told(What::Deploy, Outcome::Done), None);
        assert_eq!(told(What::Deploy, Outcome::FailedAndUndone), None);
        assert_eq!(told(What::Backup, Outcome::Failed), None);
        assert_eq!(
            told(What::Deploy, Outcome::Failed).as_deref(),
            Some(
                "the last deploy failed in the step `wiki: after-deploy`, and was not undone: no \
                 answer"
            )
        );
        let next = failed(&app, &ended(What::Deploy, Outcome::Failed)).unwrap().next;
        assert!(next[0].contains("`potluck app deploy wiki.example.org`"), "{next:?}");
        assert!(next[1].contains("`potluck app show wiki.example.org 0a`"), "{next:?}");
    }

    #[test]
    fn an_operation_that_lives_is_waited_for() {
        let app = AppName::new("wiki.example.org").unwrap();
        let since: Timestamp = "2026-11-26T03:00:00Z".parse().unwrap();
        let holder = |is_old| Holder {
            told: lease::Holder {
                operation: "0a".into(),
                doing: "a deploy".into(),
                user: "anna".into(),
                host: "laptop".into(),
                pid: 7,
                since,
                place: None,
            },
            renewed: since,
            is_old,
        };
        let live = operation(&app, &holder(false));
        assert!(live.message.starts_with("a deploy by anna on laptop"), "{}", live.message);
        assert!(live.next[0].contains("wait until"), "{:?}", live.next);
        let old = operation(&app, &holder(true));
        assert!(old.message.contains("probably died"), "{}", old.message);
        assert!(old.next[0].contains("takes over"), "{:?}", old.next);
    }
}
