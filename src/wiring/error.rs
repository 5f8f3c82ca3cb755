//! Why a provider could not be asked, or what is wrong with its answer.

use crate::{hint::Hint, text::line};

/// Why a provider could not be asked, or what is wrong with its answer. No variant holds a
/// secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("`{}` is not an address that can be asked: {reason}", line(.url))]
    Address { url: String, reason: String },
    #[error("{} gives no answer: {}", line(.url), line(.reason))]
    Silent { url: String, reason: String },
    #[error("{} answers {status}{}", line(.url), colon(.said))]
    Status { url: String, status: u16, said: String },
    #[error("{} answers something else than {expected}: {}", line(.url), line(.reason))]
    Odd { url: String, expected: &'static str, reason: String },
    /// OpenID Connect Discovery 1.0, 4.3: they must be the same to the letter.
    #[error("the provider calls itself `{}`, and was asked as `{}`", line(.found), line(.asked))]
    OtherIssuer { asked: String, found: String },
    #[error("{} registers no clients: its discovery document has no `registration_endpoint`", line(.issuer))]
    NoRegistration { issuer: String },
    /// It would get a token that was given for the issuer.
    #[error("{} names {} as the place to register clients, which is another one's", line(.issuer), line(.url))]
    RegistersElsewhere { issuer: String, url: String },
    /// RFC 7591, 3.2.2.
    #[error("the provider refuses the registration: {}{}", line(.error), colon(.said))]
    NotRegistered { error: String, said: String },
    #[error("{} does not accept the token that it was asked with", line(.url))]
    Token { url: String },
    #[error("a request to a provider cannot be made on this machine: {0}")]
    NoClient(String),
}

fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {}", line(text)) }
}

impl Error {
    /// Whether the provider was not reached, so that nothing is known of it.
    pub fn is_silence(&self) -> bool {
        match self {
            Error::Silent { .. } => true,
            Error::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::OtherIssuer { found, .. } => Some(format!(
                "the issuer is compared to the letter, `http` and slashes at its end included: \
                 write `{}`, or correct the address that the provider has in its own settings",
                line(found)
            )),
            Error::Silent { reason, .. } if reason.contains("ertificate") => Some(
                "its certificate is not trusted here; apps will not trust it either".into(),
            ),
            Error::Status { status: 500.., .. } | Error::Silent { .. } => {
                Some("look whether it runs, and whether its name leads to it".into())
            }
            Error::NoRegistration { .. } => Some(
                "switch dynamic registration on at the provider, or make the client there by hand: \
                 `--client-id` and `--client-secret-file`"
                    .into(),
            ),
            Error::RegistersElsewhere { .. } => Some(
                "correct `registration_endpoint` at the provider, or make the client there by hand: \
                 `--client-id` and `--client-secret-file`"
                    .into(),
            ),
            Error::Token { .. } => Some(
                "an initial access token may have expired, or have been used as often as it may: \
                 make a new one at the provider"
                    .into(),
            ),
            _ => None,
        }
    }
}
