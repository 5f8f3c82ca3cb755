//! Whether the copies of a server's backups have what its own repository has. Pure.

use std::time::Duration;

use super::finding::{Finding, Severity};
use crate::{
    backup::{recent::shown, set::SetSummary},
    text::one_line,
};

/// The sets of an app in one copy.
#[derive(Debug, Clone)]
pub struct CopyFacts<'a> {
    pub name: String,
    /// Newest first; or why the copy cannot be read, and what to do about it.
    pub sets: Result<Vec<&'a SetSummary>, (String, Option<String>)>,
}

/// What is to be said of a copy. `newest` is the newest complete set of the server's own
/// repository, `age` tells how old a set is. While a backup is being copied, a copy lags behind
/// by one that is young: that is a warning only.
pub(super) fn finding(
    app: &str,
    copy: CopyFacts<'_>,
    newest: Option<&SetSummary>,
    age: impl Fn(&SetSummary) -> Duration,
    max_age: Duration,
) -> Option<Finding> {
    let CopyFacts { name, sets } = copy;
    let said = |severity, message, next| Some(Finding { code: "copy", severity, message, next });
    let sets = match sets {
        Ok(sets) => sets,
        Err((reason, next)) => {
            let message = format!("the copy `{name}` cannot be read: {}", one_line(&reason));
            return said(Severity::Wrong, message, next);
        }
    };
    let mut complete = sets.iter().filter(|set| set.complete);
    let next = Some(format!("`potluck backup create {app}` takes one, and copies it"));
    let Some(newest) = newest else {
        let there = complete.next()?;
        let message = format!("the copy `{name}` has {}, {} old", there.id, shown(age(there)));
        let next = format!("`potluck backup restore {app} --from {name}`");
        return said(Severity::Warning, message, Some(next));
    };
    if complete.clone().any(|set| set.id == newest.id) {
        return None;
    }
    let Some(there) = complete.next() else {
        return said(Severity::Wrong, format!("the copy `{name}` has no backup of it"), next);
    };
    let old = age(there);
    let severity = if old > max_age { Severity::Wrong } else { Severity::Warning };
    let message = format!(
        "the copy `{name}` lags behind: its newest backup, {}, is {} old",
        there.id,
        shown(old)
    );
    said(severity, message, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_lags_behind_is_said() {
        let day = Duration::from_secs(24 * 60 * 60);
        let set = |day: u32| {
            let id = format!("2026010{day}T000000Z-aaaaaa").parse().unwrap();
            SetSummary { complete: true, ..SetSummary::new(id, "w", "s") }
        };
        let (one, two, three) = (set(1), set(2), set(3));
        let age = |set: &SetSummary| match set.id.as_str().as_bytes()[7] {
            b'1' => day * 2,
            b'2' => day,
            _ => Duration::from_secs(60),
        };
        let mut partial = three.clone();
        partial.complete = false;
        use Severity::{Warning, Wrong};
        for (sets, newest, said) in [
            (Ok(vec![&three, &two]), Some(&three), None),
            (
                Ok(vec![&partial, &two]),
                Some(&three),
                Some((Warning, "lags behind: its newest backup, 20260102T000000Z-aaaaaa, is 1 d")),
            ),
            (Ok(vec![&one]), Some(&three), Some((Wrong, "lags behind"))),
            (Ok(vec![]), Some(&three), Some((Wrong, "has no backup of it"))),
            (Ok(vec![]), None, None),
            (Ok(vec![&one]), None, Some((Warning, "the copy `vault` has 20260101T000000Z"))),
            (
                Err(("no\nroute".to_owned(), None)),
                Some(&three),
                Some((Wrong, "the copy `vault` cannot be read: no route")),
            ),
        ] {
            let copy = CopyFacts { name: "vault".into(), sets };
            let found = finding("w.example", copy, newest, age, day * 3 / 2);
            match (&found, said) {
                (None, None) => {}
                (Some(found), Some((severity, words))) => {
                    assert_eq!(found.severity, severity, "{found:?}");
                    assert!(found.message.contains(words), "{found:?}");
                }
                _ => panic!("{found:?}, not {said:?}"),
            }
        }
    }
}
