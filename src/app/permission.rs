//! How leave to do something is shown to the person who gives it: a grant of a
//! plugin, or what a service reaches. What it means comes first, and behind it how it
//! is written.

use std::{collections::BTreeSet, fmt::Display};

use super::reach;
use crate::{
    home::{Grant, Reach},
    plugin::grants,
};

/// What a plugin that asks for nothing wants to do.
pub const NOTHING: &str = "run, with no access to anything";

/// Leave to do one thing; its text is the line that is written for it.
pub trait Permission: Ord + Display {
    /// As in "wants to …".
    fn meaning(&self) -> String;

    /// Whether who has this has the other, too.
    fn covers(&self, other: &Self) -> bool;
}

impl Permission for Grant {
    fn meaning(&self) -> String {
        grants::sentence(self)
    }

    fn covers(&self, other: &Self) -> bool {
        self == other
    }
}

impl Permission for Reach {
    fn meaning(&self) -> String {
        reach::sentence(self)
    }

    fn covers(&self, other: &Self) -> bool {
        Reach::covers(self, other)
    }
}

/// `read the secret x (secret: x, new)`: the mark, with its comma, follows what is
/// written.
pub fn told(meaning: &str, written: impl Display, mark: &str) -> String {
    format!("{meaning} ({written}{mark})")
}

/// One line for each thing that is asked for, and for what is no longer: with what is
/// new, where something was agreed to before.
pub(super) fn asked<P: Permission>(wanted: &BTreeSet<P>, before: &BTreeSet<P>) -> Vec<String> {
    let mark = |one: &P| match (before.is_empty(), before.iter().any(|b| b.covers(one))) {
        (true, _) => "",
        (false, true) => ", as before",
        (false, false) => ", new",
    };
    let asked = wanted.iter().map(|one| told(&one.meaning(), one, mark(one)));
    let gone = before.difference(wanted);
    let gone = gone.map(|one| format!("no longer {}", told(&one.meaning(), one, "")));
    asked.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(grants: &[&str]) -> BTreeSet<Grant> {
        grants.iter().map(|g| g.parse().unwrap()).collect()
    }

    #[test]
    fn a_widening_shows_what_is_new() {
        let lines =
            asked(&grants(&["exec: db", "secret: key"]), &grants(&["exec: db", "exec: app"]));
        let exec = |service: &str| Grant::Exec(service.into()).meaning();
        assert_eq!(
            lines,
            [
                format!("{} (exec: db, as before)", exec("db")),
                "store the secret `key`, once for each version (secret: key, new)".into(),
                format!("no longer {} (exec: app)", exec("app")),
            ]
        );
    }

    #[test]
    fn what_was_never_agreed_to_has_no_marks() {
        let lines = asked(&grants(&["secret: key"]), &BTreeSet::new());
        assert_eq!(lines, ["store the secret `key`, once for each version (secret: key)"]);
    }
}
