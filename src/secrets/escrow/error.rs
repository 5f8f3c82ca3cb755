//! Errors of kept secrets. No variant holds a value or a private key.

use std::path::PathBuf;

use crate::{hint::Hint, home, lint::Position};

/// What goes wrong with secrets that are kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Home(#[from] home::Error),
    /// A file or folder that is not what it should be.
    #[error("{path}: {message}", path = .path.display())]
    File { path: PathBuf, message: String },
    /// A line of the file of recipients, counted from 1.
    #[error("{path}, line {line}: {message}", path = .path.display())]
    RecipientsLine { path: PathBuf, line: usize, message: String },
    /// A key that somebody typed.
    #[error("{message}")]
    Recipient { message: String },
    #[error("`{name}` cannot be a person's name: {why}")]
    Name { name: String, why: &'static str },
    #[error("there is no key at {path}", path = .path.display())]
    NoIdentity { path: PathBuf },
    #[error("the key {path} cannot be used: {message}", path = .path.display())]
    Identity { path: PathBuf, message: String, next: Option<String> },
    /// No recipient has this name or key.
    #[error("no recipient is called `{given}`")]
    UnknownRecipient { given: String, nearest: Option<String> },
    #[error("`{name}` is the last one who can read the secrets")]
    LastReader { name: String },
    #[error("your own key {path} is not among those that remain", path = .path.display())]
    NotARemainingReader { path: PathBuf },
    /// What cannot be encrypted anew, each with the reason.
    #[error("{} cannot be encrypted anew; nothing was changed: {}", files(.0.len()), list(.0))]
    CannotReseal(Vec<(PathBuf, String)>),
    #[error("the secret `{name}` is not kept{}", in_versions(.versions))]
    NotKept { name: String, versions: Vec<String> },
    #[error("the secret `{name}` is not kept")]
    NothingKept { name: String, nearest: Option<String> },
    #[error("the secret `{name}` is kept in several versions: {}", .versions.join(", "))]
    SeveralVersions { name: String, versions: Vec<String> },
    #[error("the name of the secret `{stem}` cannot be a file's name")]
    Stem { stem: String },
    /// What somebody gave to be imported.
    #[error("the file of secrets cannot be read: {message}")]
    Document { message: String },
    #[error("encrypting failed: {0}")]
    Seal(String),
    #[error("secrets are not kept: there are no recipients")]
    NoRecipients,
    #[error("the secret `{name}` has no version that can be raised: no setting has it")]
    NoKey { name: String },
}

fn files(number: usize) -> String {
    match number {
        1 => "1 secret".into(),
        number => format!("{number} secrets"),
    }
}

/// At most as many as a person reads.
fn list(all: &[(PathBuf, String)]) -> String {
    const SHOWN: usize = 5;
    let shown = all.iter().take(SHOWN).map(|(path, why)| format!("{} ({why})", path.display()));
    let shown: Vec<_> = shown.collect();
    match all.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn in_versions(versions: &[String]) -> String {
    match versions {
        [] => String::new(),
        versions => format!(" in this version; kept are {}", versions.join(", ")),
    }
}

impl Error {
    /// The place in a file that it is about.
    pub fn position(&self) -> Option<Position> {
        match self {
            Error::Home(error) => error.position(),
            Error::RecipientsLine { path, line, .. } => {
                Some(Position::line(path.display().to_string(), *line))
            }
            Error::File { path, .. } => Some(Position::file(path.display().to_string())),
            _ => None,
        }
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::Home(error) => error.hint(),
            Error::RecipientsLine { path, line, .. } => {
                Some(format!("correct or remove line {line} of {}", path.display()))
            }
            Error::Recipient { .. } => Some(
                "a recipient is `age1…`, as `potluck key new` prints it, or the line of an ssh \
                 public key: `ssh-ed25519 AAAA…`"
                    .into(),
            ),
            Error::NoIdentity { .. } => Some(
                "`potluck key new` makes one; `--identity FILE` (or POTLUCK_IDENTITY) names \
                 another, for example ~/.ssh/id_ed25519"
                    .into(),
            ),
            Error::Identity { next, .. } => next.clone(),
            Error::UnknownRecipient { nearest: Some(name), .. } => {
                Some(format!("did you mean `{name}`?"))
            }
            Error::UnknownRecipient { .. } => Some("`potluck key ls` lists them".into()),
            Error::LastReader { .. } => {
                Some("add another one first, with `potluck key add`".into())
            }
            Error::NotARemainingReader { .. } => Some(
                "someone who remains has to do it, since only they can prove that the secrets \
                 stay readable"
                    .into(),
            ),
            Error::CannotReseal(_) => Some(
                "someone who can read them has to do it; a file that is damaged comes back from \
                 git, or is to be deleted"
                    .into(),
            ),
            Error::NothingKept { nearest: Some(name), .. } => {
                Some(format!("did you mean `{name}`?"))
            }
            Error::NotKept { .. } | Error::NothingKept { .. } => {
                Some("`potluck app secret ls` says which are kept".into())
            }
            Error::SeveralVersions { name, .. } => {
                Some(format!("name the version: `potluck app secret show APP {name} VERSION`"))
            }
            Error::NoRecipients => Some("run `potluck key new`".into()),
            Error::NoKey { name } => Some(format!(
                "if the recipe takes it from one, add `SECRET_{}_VERSION=v1` to the settings",
                name.to_ascii_uppercase().replace('-', "_")
            )),
            _ => None,
        }
    }
}
