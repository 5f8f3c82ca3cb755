//! The one error of a hook: a sentence for people, perhaps a hint, and whether
//! the same call may succeed later.

use std::{any::Any, error::Error, fmt};

use crate::{http, secrets, services};

/// What every function of a plugin returns.
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// Why a hook could not do its work.
///
/// `?` makes one of any error, with the error's causes in its message. It is no
/// [`Error`] itself, which is what allows that conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    retryable: bool,
}

impl Failure {
    /// A failure with one sentence that says what happened.
    pub fn new(message: impl fmt::Display) -> Self {
        Failure { message: message.to_string(), hint: None, retryable: false }
    }

    /// Adds what to try next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Says that the same call may succeed later.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        let (denied, retryable) = refused(&error);
        let hint =
            denied.map(|grant| format!("write `{grant}` under this plugin's grants in recipe.yml"));
        Failure { message, hint, retryable }
    }
}

/// The grant that a host's error says is missing, and whether the call may
/// succeed later.
fn refused(error: &dyn Any) -> (Option<&str>, bool) {
    if let Some(error) = error.downcast_ref::<services::Error>() {
        return match error {
            services::Error::Denied(grant) => (Some(grant), false),
            services::Error::NotRunning(_) | services::Error::TimedOut => (None, true),
            _ => (None, false),
        };
    }
    if let Some(error) = error.downcast_ref::<secrets::Error>() {
        return match error {
            secrets::Error::Denied(grant) => (Some(grant), false),
            _ => (None, false),
        };
    }
    match error.downcast_ref::<http::Error>() {
        // An address that stays closed says why instead of a grant.
        Some(http::Error::Denied(grant)) => {
            (Some(grant.as_str()).filter(|grant| grant.starts_with("http: ")), false)
        }
        Some(http::Error::TimedOut) => (None, true),
        _ => (None, false),
    }
}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// Puts `what` before the message: `cannot read the titles: …`.
    ///
    /// # Errors
    /// The failure that was there, with `what` in front.
    fn context(self, what: impl fmt::Display) -> Result<T>;

    /// Adds what to try next.
    ///
    /// # Errors
    /// The failure that was there, with the hint.
    fn hint(self, hint: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| {
            let failure = error.into();
            Failure { message: format!("{what}: {}", failure.message), ..failure }
        })
    }

    fn hint(self, hint: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().hint(hint))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.ok_or_else(|| Failure::new(what))
    }

    fn hint(self, hint: impl fmt::Display) -> Result<T> {
        self.ok_or_else(|| Failure::new("nothing was found").hint(hint))
    }
}

impl From<Failure> for crate::bindings::recipe::failures::Failure {
    fn from(failure: Failure) -> Self {
        Self { message: failure.message, hint: failure.hint, retryable: failure.retryable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> Result<u8> {
        Ok("many".parse::<u8>()?)
    }

    #[test]
    fn any_error_becomes_a_failure_that_says_what_was_being_done() {
        let failure = broken().context("cannot read PORT").hint("give a number").unwrap_err();
        assert_eq!(failure.message(), "cannot read PORT: invalid digit found in string");
        assert_eq!(failure.hint.as_deref(), Some("give a number"));
        assert!(!failure.retryable);
    }

    #[test]
    fn a_service_that_is_not_running_may_be_tried_again() {
        let failure = Failure::from(services::Error::NotRunning("db".into()));
        assert!(failure.retryable);
    }

    #[test]
    fn a_missing_grant_says_the_line_that_gives_it() {
        for (failure, grant) in [
            (Failure::from(services::Error::Denied("exec: db".into())), "`exec: db`"),
            (Failure::from(secrets::Error::Denied("secret: a".into())), "`secret: a`"),
            (Failure::from(http::Error::Denied("http: https://a".into())), "`http: https://a`"),
        ] {
            assert!(failure.hint.unwrap().contains(grant));
        }
        assert_eq!(Failure::from(http::Error::Denied("a private address".into())).hint, None);
    }
}
