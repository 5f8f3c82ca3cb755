//! The files of a recipe's folder as they are, committed or not: what abra calls chaos.
//!
//! What is not committed is found in the private copy, by git in a repository of ours.

use std::path::Path;

use super::{
    Error,
    git::{self, LOCAL, Repository},
};

/// Files of a recipe's folder that no version stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chaos {
    /// The commit that they were changed from, in full; none without git.
    pub head: Option<String>,
    /// Paths that differ from it, sorted; git ignores none of them.
    pub changed: Vec<String>,
}

/// Digits of a commit's id in the label, as abra writes them.
const DIGITS: usize = 8;

impl Chaos {
    /// `0a1b2c3d+U` as abra writes it: the commit, and `+U` where something is not committed.
    pub fn version(&self) -> Option<String> {
        let head = self.head.as_deref()?;
        let changed = if self.changed.is_empty() { "" } else { "+U" };
        Some(format!("{}{changed}", head.get(..DIGITS).unwrap_or(head)))
    }
}

/// What a copy of a folder's files holds that its last commit does not.
///
/// # Errors
/// [`Error::Git`].
pub(super) fn of(repository: &Repository, copy: &Path) -> Result<Chaos, Error> {
    let Some(head) = repository.commit("HEAD") else {
        return Ok(Chaos { head: None, changed: Vec::new() });
    };
    let index = git::private()?;
    let status = git::in_copy(repository, copy, &index.path().join("index"));
    let action = "comparing the recipe's files with its last commit";
    let mut read = status();
    read.args(["read-tree", &head]);
    git::run(read, action, LOCAL)?;
    let mut compare = status();
    compare.args([
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=all",
        "--no-renames",
        "--ignore-submodules=all",
    ]);
    let said = git::run(compare, action, LOCAL)?;
    let mut changed: Vec<String> =
        said.split_terminator('\0').filter_map(|line| Some(line.get(3..)?.to_owned())).collect();
    changed.sort();
    Ok(Chaos { head: Some(head), changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_called_as_abra_calls_it() {
        let head = || Some("0a1b2c3d4e5f60718293a4b5c6d7e8f901234567".to_owned());
        let chaos = |head, changed: &[&str]| {
            let changed = changed.iter().map(|&path| path.to_owned()).collect();
            Chaos { head, changed }.version()
        };
        assert_eq!(chaos(head(), &[]).as_deref(), Some("0a1b2c3d"));
        assert_eq!(chaos(head(), &["compose.yml"]).as_deref(), Some("0a1b2c3d+U"));
        assert_eq!(chaos(None, &["compose.yml"]), None);
    }
}
