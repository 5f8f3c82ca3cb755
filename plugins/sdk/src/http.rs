//! HTTP requests to granted origins: `- http: https://sso.example.org`.

use std::{fmt, time::Duration};

use crate::{bindings::recipe::http as wit, host};

/// A request, and what came back.
pub use wit::{Request, Response};

impl Request {
    /// A request without headers or body.
    pub fn new(method: &str, url: &str) -> Self {
        Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends this along.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Gives up after this time.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout_ms = Some(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
        self
    }
}

/// Why no response came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The grant that is missing, as `recipe.yml` would have it, or why this
    /// address stays closed.
    Denied(String),
    /// It took longer than was allowed.
    TimedOut,
    /// The call made no sense; says why.
    Invalid(String),
    /// No connection, or no proper answer.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied(grant) if grant.starts_with("http: ") => {
                write!(f, "the plugin was not granted `{grant}`")
            }
            Error::TimedOut => f.write_str("it took longer than was allowed"),
            Error::Denied(message) | Error::Invalid(message) | Error::Failed(message) => {
                f.write_str(message)
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::Denied(grant) => Error::Denied(grant),
            wit::Error::TimedOut => Error::TimedOut,
            wit::Error::Invalid(message) => Error::Invalid(message),
            wit::Error::Failed(message) => Error::Failed(message),
        }
    }
}

/// Sends a request. Every status is an answer, also 500.
///
/// # Errors
/// [`Error`]: not granted, too slow, or no answer.
pub fn send(request: &Request) -> Result<Response, Error> {
    Ok(host!(http::send(request))?)
}
