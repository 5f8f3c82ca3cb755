//! Who may do what: what a plugin asks for, compared with what was given.
//!
//! Grants are given for one component, by digest. The effective grants are
//! those asked for now that were given; whatever is new is asked, and so is a
//! component that changed although its recipe's version did not.

use std::collections::BTreeSet;

use super::host;
use crate::home::{Grant, error::nearest, lock_file::PluginLock};

/// What is known when it is decided.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What `recipe.yml` asks for.
    pub wanted: &'a BTreeSet<Grant>,
    /// Digest of the component at hand, 64 hex digits.
    pub digest: &'a str,
    /// What was agreed to earlier.
    pub agreed: Option<&'a PluginLock>,
    /// Whether the recipe's version is the one that was agreed to.
    pub same_version: bool,
}

/// What comes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing new: these grants hold.
    Granted(BTreeSet<Grant>),
    /// To be asked: see [`Question::answered_by`]; [`lock`] makes the lock entry.
    Ask(Question),
}

/// What the operator is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub reason: Reason,
    /// All that would hold then.
    pub wanted: BTreeSet<Grant>,
    /// Asked for and not given yet.
    pub new: BTreeSet<Grant>,
    /// Given earlier and not asked for any more.
    pub dropped: BTreeSet<Grant>,
}

/// Why there is something to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The plugin is new to this app.
    FirstUse,
    /// It asks for more than it has.
    Widened,
    /// Another component under the same version: a tag that moved, or worse.
    ChangedInPlace,
}

/// Compares; asks nobody, stores nothing.
pub fn decide(request: Request<'_>) -> Decision {
    let Request { wanted, digest, agreed, same_version } = request;
    // A line that no longer reads as a grant was never given.
    let given: BTreeSet<Grant> = agreed
        .map(|lock| lock.grants.iter().filter_map(|line| line.parse().ok()).collect())
        .unwrap_or_default();
    let new: BTreeSet<Grant> = wanted.difference(&given).cloned().collect();
    let reason = match agreed {
        // What asks for nothing can do nothing.
        None if wanted.is_empty() => None,
        None => Some(Reason::FirstUse),
        Some(lock) if lock.sha256 != digest && same_version => Some(Reason::ChangedInPlace),
        Some(_) => (!new.is_empty()).then_some(Reason::Widened),
    };
    match reason {
        None => Decision::Granted(wanted.clone()),
        Some(reason) => Decision::Ask(Question {
            reason,
            wanted: wanted.clone(),
            new,
            dropped: given.difference(wanted).cloned().collect(),
        }),
    }
}

impl Question {
    /// Whether grants given beforehand (`--grant`) answer it with yes. A
    /// component that changed in place is never agreed to without a look.
    pub fn answered_by(&self, given: &BTreeSet<Grant>) -> bool {
        self.reason != Reason::ChangedInPlace && self.new.is_subset(given)
    }
}

/// The lock entry of a plugin that holds these grants.
pub fn lock(digest: &str, grants: &BTreeSet<Grant>) -> PluginLock {
    PluginLock { sha256: digest.into(), grants: grants.iter().map(Grant::to_string).collect() }
}

/// What an app has that a grant can be for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// Keys in the compose files.
    pub services: BTreeSet<String>,
    pub secrets: BTreeSet<String>,
}

/// A grant for something that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the app has no {kind} `{name}`")]
pub struct Unknown {
    /// `service`, `secret`.
    pub kind: &'static str,
    pub name: String,
    /// The name most like it, if any is.
    pub nearest: Option<String>,
}

impl Unknown {
    pub(super) fn unless_in(
        kind: &'static str,
        name: &str,
        known: &BTreeSet<String>,
    ) -> Result<(), Unknown> {
        if known.contains(name) {
            return Ok(());
        }
        let nearest = nearest(name, known).cloned();
        Err(Unknown { kind, name: name.into(), nearest })
    }
}

/// Whether a grant makes sense for an app. Runs nothing.
///
/// # Errors
/// [`Unknown`]
pub fn validate(grant: &Grant, known: &Known) -> Result<(), Unknown> {
    match grant {
        Grant::Exec(service) => host::services::validate(service, known),
        Grant::Secret(name) => host::secrets::validate(name, known),
        // An origin's form is all that can be said of it beforehand.
        Grant::Http(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(lines: &[&str]) -> BTreeSet<Grant> {
        lines.iter().map(|line| line.parse().unwrap()).collect()
    }

    fn reason(wanted: &[&str], agreed: Option<(&str, &[&str])>, same: bool) -> Option<Reason> {
        let wanted = set(wanted);
        let agreed = agreed.map(|(digest, lines)| lock(digest, &set(lines)));
        let request =
            Request { wanted: &wanted, digest: "aa", agreed: agreed.as_ref(), same_version: same };
        match decide(request) {
            Decision::Granted(grants) => {
                assert_eq!(grants, wanted);
                None
            }
            Decision::Ask(question) => Some(question.reason),
        }
    }

    #[test]
    fn what_was_not_given_is_asked() {
        let db = &["exec: db"][..];
        let more = &["exec: app", "exec: db"][..];
        for (wanted, agreed, same, expected) in [
            (&[][..], None, false, None),
            (db, None, false, Some(Reason::FirstUse)),
            (db, Some(("aa", db)), true, None),
            (db, Some(("aa", more)), true, None),
            (more, Some(("aa", db)), true, Some(Reason::Widened)),
            (more, Some(("bb", db)), false, Some(Reason::Widened)),
            (db, Some(("bb", db)), false, None),
            (db, Some(("bb", db)), true, Some(Reason::ChangedInPlace)),
            (&[][..], Some(("bb", db)), true, Some(Reason::ChangedInPlace)),
        ] {
            assert_eq!(reason(wanted, agreed, same), expected, "{wanted:?} {agreed:?} {same}");
        }
    }

    #[test]
    fn flags_answer_for_what_they_name_and_no_more() {
        let question = |reason| Question {
            reason,
            wanted: set(&["exec: app", "exec: db"]),
            new: set(&["exec: app"]),
            dropped: BTreeSet::new(),
        };
        assert!(question(Reason::Widened).answered_by(&set(&["exec: app", "secret: x"])));
        assert!(!question(Reason::Widened).answered_by(&set(&["exec: db"])));
        assert!(!question(Reason::ChangedInPlace).answered_by(&set(&["exec: app"])));
    }

    #[test]
    fn a_grant_for_nothing_names_what_is_nearest() {
        let known = Known {
            services: ["app".to_owned(), "database".to_owned()].into(),
            secrets: ["db_password".to_owned()].into(),
        };
        let check = |line: &str| validate(&line.parse().unwrap(), &known);
        for good in ["exec: app", "secret: db_password", "http: https://sso.example.org"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (line, kind, near) in [
            ("exec: databse", "service", Some("database")),
            ("exec: db_password", "service", None),
            ("secret: db_pasword", "secret", Some("db_password")),
            ("secret: app", "secret", None),
        ] {
            let unknown = check(line).unwrap_err();
            assert_eq!((unknown.kind, unknown.nearest.as_deref()), (kind, near), "{line}");
        }
    }
}
