//! Clones, for the folder of recipes: with a work tree, as people and abra expect.

use std::path::{Path, PathBuf};

use super::{
    LOCAL, REMOTE, cloning, local,
    repository::{Repository, look},
    run,
};
use crate::recipe::error::{Error, Unreadable};

/// A clone that is to be made.
#[derive(Debug)]
pub(in crate::recipe) struct NewClone<'a> {
    /// What `origin` is going to be.
    pub address: &'a str,
    /// The folder of this machine that it means, if it means one.
    pub folder: Option<PathBuf>,
    /// A private folder to work in.
    pub beside: &'a Path,
}

impl NewClone<'_> {
    /// Creates it, without any files, and returns the commit of HEAD.
    ///
    /// # Errors
    /// [`Error::Repository`] for a folder that is not read; [`Error::Git`].
    pub fn make(&self, target: &Path) -> Result<Option<String>, Error> {
        let NewClone { address, folder, beside } = self;
        let action = format!("cloning {address}");
        match folder {
            Some(folder) => {
                let copy = Repository::copied(folder).map_err(|error| match error {
                    Error::Repository { why: Unreadable::Odd(message), .. } => {
                        Error::Git { action: action.clone(), message }
                    }
                    error => error,
                })?;
                let mut clone = local(copy.path());
                clone.args(OPTIONS).arg("--").arg(copy.path()).arg(target);
                run(clone, &action, REMOTE)?;
                let mut named = local(&target.join(".git"));
                named.args(["config", "remote.origin.url", address]);
                run(named, &action, LOCAL)?;
            }
            None => {
                let mut clone = cloning(beside);
                clone.args(OPTIONS).arg("--").arg(address).arg(target);
                run(clone, &action, REMOTE)?;
            }
        }
        Ok(look(target)?.1.head().map(str::to_owned))
    }
}

/// Without files: filters are the user's own programs, and files of the recipe
/// would control them.
const OPTIONS: [&str; 7] = [
    "clone",
    "--quiet",
    "--no-checkout",
    "--no-recurse-submodules",
    "--no-local",
    "--template=",
    "--origin=origin",
];

/// Writes a clone's files, without any configuration.
///
/// # Errors
/// [`Error::Git`].
pub(in crate::recipe) fn write_files(git_dir: &Path, folder: &Path) -> Result<(), Error> {
    let mut files = local(git_dir);
    files.arg("--work-tree").arg(folder).args(["reset", "--quiet", "--hard"]);
    run(files, "writing the files of a clone", REMOTE).map(drop)
}
