//! Why a registry did not tell.

use reqwest::StatusCode;

use crate::{hint::Hint, text};

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{host} does not answer: {why}")]
    Silent { host: String, why: String },
    #[error("{host} refuses {what} of {repository}: {status}")]
    Refused {
        host: String,
        repository: String,
        /// `the tags`, `the manifest of 1.27`
        what: String,
        status: StatusCode,
        /// Whether docker's configuration has credentials for it.
        is_known: bool,
    },
    #[error("{host} answers with something unexpected: {why}")]
    Odd { host: String, why: String },
}

impl RegistryError {
    pub(super) fn odd(host: &str, why: impl Into<String>) -> Self {
        RegistryError::Odd { host: host.into(), why: why.into() }
    }

    /// With the innermost cause, which says most.
    pub(super) fn silent(host: &str, error: &reqwest::Error) -> Self {
        let mut why = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            why = error.to_string();
            cause = error.source();
        }
        RegistryError::Silent { host: host.into(), why: text::line_of(&why, 300).into_owned() }
    }
}

impl Hint for RegistryError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            RegistryError::Refused { host, is_known: false, .. } => {
                format!("`docker login {host}` makes a private image readable")
            }
            RegistryError::Refused { is_known: true, .. } => {
                "the credentials in docker's configuration may be wrong, or the image is missing"
                    .into()
            }
            RegistryError::Silent { .. } | RegistryError::Odd { .. } => {
                "try again later, or look up the tags yourself".into()
            }
        })
    }
}
