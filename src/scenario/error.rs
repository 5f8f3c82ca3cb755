//! Errors in a scenario itself, as opposed to the failures that it finds.

use std::path::PathBuf;

use crate::{hint::Hint, plugin};

/// What is wrong with a scenario.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// It is not a valid scenario.
    #[error("{0}")]
    Invalid(String),
    /// No hook of the plugin has this name.
    #[error("the plugin has no hook `{name}`")]
    UnknownHook { name: String, hint: String },
    /// Two roles of the plugin have a hook of that name.
    #[error("the plugin has two hooks `{name}`")]
    AmbiguousHook { name: String, hint: String },
    /// The hook takes other arguments.
    #[error("wrong arguments for `{hook}`: {message}")]
    Arguments { hook: String, message: String },
    #[error("{} cannot be read: {source}", path.display())]
    Recipe {
        path: PathBuf,
        #[source]
        source: crate::recipe::Error,
    },
    #[error("there are no scenarios in {}", folder.display())]
    NothingFound { folder: PathBuf },
    #[error("there is no component for the scenarios in {}", folder.display())]
    NoComponent { folder: PathBuf },
    /// What is wrong with a recipe's component: no such plugin comes with potluck,
    /// or not with this one; a link leads out of the recipe.
    #[error(transparent)]
    OfRecipe(#[from] crate::recipe::Error),
    #[error(transparent)]
    Plugin(#[from] plugin::Error),
    #[error(transparent)]
    Limit(#[from] plugin::limits::InvalidLimit),
}

impl Hint for Error {
    fn is_laid_out(&self) -> bool {
        matches!(self, Error::Plugin(error) if error.is_laid_out())
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::UnknownHook { hint, .. } | Error::AmbiguousHook { hint, .. } => {
                Some(hint.clone())
            }
            Error::NothingFound { .. } => {
                Some("scenarios are `tests/*.yml` in a plugin's folder".into())
            }
            Error::NoComponent { .. } => {
                Some("build it with `potluck plugin build`, or name it with `--component`".into())
            }
            Error::Recipe { source, .. } | Error::OfRecipe(source) => source.hint(),
            Error::Plugin(error) => error.hint(),
            Error::Limit(error) => error.hint(),
            Error::Io { .. } | Error::Invalid(_) | Error::Arguments { .. } => None,
        }
    }
}
