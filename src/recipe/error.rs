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
    /// A repository that is not read as data.
    #[error("the git repository in {path} is not read: {why}")]
    Repository { path: String, why: Unreadable },
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

/// Why a repository that somebody else made is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("`.git` points to another folder, as in a worktree or a submodule; it is not followed")]
    Pointer,
    #[error("`.git` is a link or no folder; it is not followed")]
    Link,
    #[error("it keeps its objects in another repository (`objects/info/alternates`)")]
    Alternates,
    #[error("it stores its references as a reftable")]
    Reftable,
    #[error("its ids are SHA-256; potluck reads repositories with SHA-1 ids, git's default")]
    Sha256,
    #[error("it has {0}")]
    TooLarge(String),
    #[error("objects are missing or damaged: {0}")]
    Damaged(String),
    #[error("{0}")]
    Odd(String),
}

impl Unreadable {
    /// With the folder it is about.
    pub(super) fn at(self, path: &std::path::Path) -> Error {
        Error::Repository { path: path.display().to_string(), why: self }
    }

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Unreadable::Pointer | Unreadable::Link => {
                "name the repository that it belongs to, or its URL; the working files of a linked \
                 folder deploy without a version"
            }
            Unreadable::Alternates | Unreadable::Damaged(_) => {
                "clone it anew from its URL, whole: without --shared, --reference and --filter"
            }
            Unreadable::Reftable => {
                "name its URL instead; in a repository of your own, `git refs migrate \
                 --ref-format=files` changes how references are stored"
            }
            Unreadable::Sha256 => "name a repository that was made with `--object-format=sha1`",
            Unreadable::TooLarge(_) | Unreadable::Odd(_) => return None,
        })
    }
}

impl From<std::io::Error> for Unreadable {
    fn from(error: std::io::Error) -> Self {
        // What opening a link ends in when links are not followed.
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            return Unreadable::Odd("it holds a link in place of a file or a folder".into());
        }
        Unreadable::Odd(error.to_string())
    }
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
            Error::Repository { why, .. } => why.hint().map(str::to_owned),
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
