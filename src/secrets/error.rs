//! Errors of secrets. No variant holds a value.

use crate::hint::Hint;

/// What goes wrong with an app's secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Engine(#[from] crate::engine::Error),
    #[error("the app has no secret `{name}`")]
    Unknown { name: String, nearest: Option<String> },
    /// Secrets cannot be changed.
    #[error("version {version} of the secret `{name}` already exists")]
    Exists { name: String, version: String },
    /// The server lacks it, and a copy of a value exists.
    #[error("a copy of the secret `{name}`{} is kept, which the server lacks", of_version(.version))]
    KeptOnly { name: String, version: String },
    #[error("the secret `{name}` is not on the server{}", in_version(.version, .stored))]
    NotStored {
        name: String,
        version: String,
        /// The versions that are.
        stored: Vec<String>,
    },
    #[error("the secret `{name}` has no version: `{key}` is empty or missing in the settings")]
    NoVersion { name: String, key: String },
    #[error("`{key}`: {message}")]
    Modifier { key: String, message: String },
    #[error("the secret's name `{full_name}` is {} bytes long; Docker allows 64", .full_name.len())]
    NameTooLong { full_name: String },
    #[error("the secret `{name}` cannot be stored: it {}", of_size(*.size, *.max))]
    Size { name: String, size: usize, max: usize },
    #[error("the secret `{name}` is in use by {}", .services.join(", "))]
    InUse { name: String, services: Vec<String> },
    /// Of the encrypted copies.
    #[error(transparent)]
    Escrow(#[from] Box<super::escrow::Error>),
    #[error("the operating system gives no randomness: {0}")]
    Random(String),
}

fn of_version(version: &str) -> String {
    if version.is_empty() { String::new() } else { format!(" in version {version}") }
}

fn in_version(version: &str, stored: &[String]) -> String {
    match (version, stored) {
        (_, []) => String::new(),
        ("", stored) => format!(" as the settings have it; it has {}", stored.join(", ")),
        (version, stored) => format!(" in version {version}; it has {}", stored.join(", ")),
    }
}

/// A longer value was not read completely.
fn of_size(size: usize, max: usize) -> String {
    match size {
        0 => "is empty".into(),
        _ => format!("has more than {max} bytes, the most that swarm takes"),
    }
}

impl From<super::escrow::Error> for Error {
    fn from(error: super::escrow::Error) -> Self {
        Error::Escrow(Box::new(error))
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::Engine(e) => e.hint(),
            Error::Escrow(e) => e.hint(),
            Error::Unknown { nearest: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Error::Unknown { nearest: None, .. } => {
                Some("`potluck app secret ls` lists the app's secrets".into())
            }
            Error::Exists { .. } => Some(
                "a secret cannot be changed: raise its `SECRET_*_VERSION` in the settings, insert \
                 the new value and deploy"
                    .into(),
            ),
            Error::KeptOnly { name, version } => Some(format!(
                "`potluck app secret restore APP` puts it back; `potluck app secret rm APP {name} \
                 {version}` removes the copy, if no data depends on it"
            )),
            Error::NotStored { .. } => Some("`potluck app secret ls` lists all versions".into()),
            Error::NoVersion { key, .. } => Some(format!("add `{key}=v1` to the settings")),
            Error::Modifier { .. } => Some(
                "modifiers are `length=N`, `charset=alnum|hex|digits|special|safespecial` (several \
                 with commas) and `generate=false`"
                    .into(),
            ),
            Error::NameTooLong { .. } => Some("give the app a shorter domain".into()),
            Error::InUse { .. } => Some(
                "undeploy the app, or deploy it with another version of the secret, before \
                 removing this one"
                    .into(),
            ),
            _ => None,
        }
    }
}
