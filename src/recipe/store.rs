//! Recipes on this machine: clones of git repositories and linked folders, and
//! private checkouts of one version of one of them.

use std::path::{Path, PathBuf};

use super::Manifest;
use crate::{hint::Hint, home::RecipeName};

/// The folder of recipes.
#[derive(Debug, Clone)]
pub struct Store {
    pub folder: PathBuf,
}

/// Which version of a recipe is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Version {
    /// The newest release tag, or the newest commit where nothing was released.
    #[default]
    Newest,
    /// A tag, `1.2.0+6.4.3`, or a commit.
    Named(String),
}

/// A private copy of one version of a recipe. Removed when dropped.
#[derive(Debug)]
pub struct Checkout {
    pub recipe: RecipeName,
    /// Release tag, if this is one.
    pub version: Option<String>,
    /// Full commit id; none for a linked folder without git.
    pub commit: Option<String>,
    pub manifest: Manifest,
    // plus: the temporary folder, and the cap-std handle on it
}

/// What goes wrong with recipes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("no recipe is called `{0}`")]
    Unknown(RecipeName),
    #[error("{action}: {message}")]
    Git { action: String, message: String },
    #[error("`{path}` leaves the recipe's folder")]
    Outside { path: String },
    #[error("reading {path}: {source}")]
    Io {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("recipe.yml: {0}")]
    Manifest(String),
}

impl Hint for Error {}

impl Store {
    pub fn list(&self) -> Result<Vec<RecipeName>, Error> {
        todo!()
    }
    /// Clones a git URL, or links a folder, under the recipe's name.
    pub fn add(&self, source: &str) -> Result<RecipeName, Error> {
        let _ = source;
        todo!()
    }
    /// Release tags, newest first.
    pub fn versions(&self, recipe: &RecipeName) -> Result<Vec<String>, Error> {
        let _ = recipe;
        todo!()
    }
    pub fn checkout(&self, recipe: &RecipeName, version: &Version) -> Result<Checkout, Error> {
        let _ = (recipe, version);
        todo!()
    }
}

impl Checkout {
    /// The private folder.
    pub fn path(&self) -> &Path {
        todo!()
    }
    /// A file of the recipe. [`Error::Outside`] for a path that leaves it.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        let _ = path;
        todo!()
    }
    /// `.env.sample`, as text.
    pub fn sample(&self) -> Result<Option<String>, Error> {
        todo!()
    }
    /// `export X_VERSION=v1` lines of `abra.sh`, read as data, never run.
    pub fn abra_exports(&self) -> Result<Vec<(String, String)>, Error> {
        todo!()
    }
}
