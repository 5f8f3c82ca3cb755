//! What a look at a connection finds.

use std::borrow::Cow;

use serde::Serialize;

use crate::hint::Hint;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Good,
    /// Some apps stumble over it, or it could not be looked at.
    Note,
    /// People cannot sign in, or mail does not arrive.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, `issuer`; stable, for programs.
    pub check: &'static str,
    pub level: Level,
    /// What was seen.
    pub message: String,
    /// What to do about it: the line to change, or what to type.
    pub fix: Option<String>,
    /// Whether it was seen from within the app's own network.
    pub inside: bool,
}

impl Finding {
    /// It is as it should be.
    pub fn good(check: &'static str, message: impl Into<String>) -> Self {
        Finding::new(check, Level::Good, message.into())
    }

    /// Worth knowing.
    pub fn note(check: &'static str, message: impl Into<String>) -> Self {
        Finding::new(check, Level::Note, message.into())
    }

    /// It does not work.
    pub fn bad(check: &'static str, message: impl Into<String>) -> Self {
        Finding::new(check, Level::Bad, message.into())
    }

    fn new(check: &'static str, level: Level, message: String) -> Self {
        Finding { check, level, message, fix: None, inside: false }
    }

    /// Seen from within the app's own network.
    #[must_use]
    pub fn inside(mut self) -> Self {
        self.message = format!("inside the app's network: {}", self.message);
        self.inside = true;
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// With what an error says to do about it, where it says that.
    #[must_use]
    pub fn hinted(self, error: &impl Hint) -> Self {
        match error.hint() {
            Some(hint) => self.fix(hint),
            None => self,
        }
    }

    /// For people: what was seen, and what to do.
    pub fn told(&self) -> Cow<'_, str> {
        match &self.fix {
            None => Cow::Borrowed(&self.message),
            Some(fix) => Cow::Owned(format!("{}; {fix}", self.message)),
        }
    }
}
