//! What was changed, and what a person has to decide: one line each, with its place.

use serde::Serialize;

use crate::text::line;

/// Something that is another way in the recipe than in the upstream's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As the upstream calls it; empty for what concerns all.
    pub service: String,
    pub what: String,
    pub why: String,
    /// `compose.yml:12` of the upstream.
    pub position: Option<String>,
}

/// Something that only a person can say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    pub service: String,
    pub what: String,
    /// What to do, in words that can be followed.
    pub todo: String,
    pub position: Option<String>,
}

/// Both, in the order in which they came up. All texts are one line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    pub changes: Vec<Change>,
    pub decisions: Vec<Decision>,
}

impl Log {
    pub fn change(
        &mut self,
        service: &str,
        position: Option<String>,
        what: impl AsRef<str>,
        why: impl AsRef<str>,
    ) {
        let change = Change {
            service: clean(service),
            what: clean(what.as_ref()),
            why: clean(why.as_ref()),
            position: position.as_deref().map(clean),
        };
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    pub fn decision(
        &mut self,
        service: &str,
        position: Option<String>,
        what: impl AsRef<str>,
        todo: impl AsRef<str>,
    ) {
        let decision = Decision {
            service: clean(service),
            what: clean(what.as_ref()),
            todo: clean(todo.as_ref()),
            position: position.as_deref().map(clean),
        };
        if !self.decisions.contains(&decision) {
            self.decisions.push(decision);
        }
    }
}

fn clean(text: &str) -> String {
    line(text).into_owned()
}
