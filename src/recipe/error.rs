//! What goes wrong with recipes.

use crate::{hint::Hint, home::RecipeName};

/// What goes wrong with recipes. Every variant names the recipe, the file or
/// the address that it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("no recipe is called `{0}`")]
    Unknown(RecipeName),
    #[error("the recipe `{recipe}` has no version `{version}`")]
    UnknownVersion { recipe: RecipeName, version: String, nearest: Option<String> },
    /// The name is taken by a recipe from elsewhere.
    #[error("a recipe called `{recipe}` is here already, from {origin}")]
    Exists { recipe: RecipeName, origin: String },
    #[error("`{given}` is no place to get a recipe from: {reason}")]
    Source { given: String, reason: String },
    #[error("{action}: {message}")]
    Git { action: String, message: String },
    #[error("`{path}` leaves the recipe's folder")]
    Outside { path: String },
    #[error("the recipe `{recipe}` is too large: {reason}")]
    TooLarge { recipe: RecipeName, reason: String },
    #[error("reading {path}: {source}")]
    Io {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("recipe.yml: {0}")]
    Manifest(String),
    #[error("potluck has no plugin `std:{given}`")]
    NotStandard { given: String, nearest: Option<&'static str> },
    #[error("this potluck was built without its plugin `std:{name}`")]
    NotBuilt { name: &'static str },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::Unknown(_) => Some(
                "`potluck recipe ls` lists the recipes here; a new one is named by its git URL or \
                 its folder"
                    .into(),
            ),
            Error::UnknownVersion { recipe, nearest, .. } => {
                let meant = nearest.as_ref().map(|version| format!("did you mean `{version}`? "));
                Some(format!(
                    "{}`git -C recipes/{recipe} fetch --tags`, in potluck's folder, gets what is new",
                    meant.unwrap_or_default()
                ))
            }
            Error::Exists { recipe, .. } => {
                Some(format!("remove or rename the folder `recipes/{recipe}` first"))
            }
            Error::Source { .. } => Some(
                "a recipe comes from an `https://`, `ssh://` or `file://` URL, `user@host:path`, \
                 or a folder written with a slash, `./wordpress`"
                    .into(),
            ),
            Error::Git { message, .. } if message.contains("dubious ownership") => Some(
                "the clone belongs to another user: `git config --global --add safe.directory \
                 FOLDER` trusts it"
                    .into(),
            ),
            Error::Outside { .. } => {
                Some("paths in a recipe are relative and stay below its folder".into())
            }
            Error::NotStandard { nearest: Some(name), .. } => {
                Some(format!("did you mean `std:{name}`?"))
            }
            Error::NotStandard { nearest: None, .. } => {
                Some("`potluck plugin ls` lists those that come with it".into())
            }
            Error::NotBuilt { .. } => Some(
                "in potluck's source, `make plugins` builds its plugins; then build potluck again"
                    .into(),
            ),
            _ => None,
        }
    }
}
