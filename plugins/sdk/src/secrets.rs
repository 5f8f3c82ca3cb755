//! The app's secrets. Each must be granted in `recipe.yml`: `- secret: NAME`.

use std::fmt;

use crate::{bindings::recipe::secrets as wit, host};

/// Why a secret could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The grant that is missing, as `recipe.yml` would have it.
    Denied(String),
    /// The app has no secret of that name.
    UnknownSecret(String),
    /// Potluck keeps no copy: only services that use the secret can read it.
    Unavailable(String),
    /// The call made no sense; says why.
    Invalid(String),
    /// A secret of that name is there already.
    Exists(String),
    /// The engine's own words.
    Engine(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied(grant) => write!(f, "the plugin was not granted `{grant}`"),
            Error::UnknownSecret(name) => write!(f, "the app has no secret `{name}`"),
            Error::Exists(name) => write!(f, "the secret `{name}` exists already"),
            Error::Unavailable(message) | Error::Invalid(message) | Error::Engine(message) => {
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
            wit::Error::UnknownSecret(name) => Error::UnknownSecret(name),
            wit::Error::Unavailable(message) => Error::Unavailable(message),
            wit::Error::Exists(name) => Error::Exists(name),
            wit::Error::Invalid(message) => Error::Invalid(message),
            wit::Error::Engine(message) => Error::Engine(message),
        }
    }
}

/// The value of a secret that potluck keeps.
///
/// # Errors
/// [`Error`]: not granted, not known, or not kept.
pub fn reveal(name: &str) -> Result<String, Error> {
    Ok(host!(secrets::reveal(name))?)
}

/// Stores a new version; services pick it up at the next deploy.
///
/// # Errors
/// [`Error`]: not granted, or the engine refused.
pub fn put(name: &str, value: &str) -> Result<(), Error> {
    Ok(host!(secrets::put(name, value))?)
}
