//! What people were told of, so that they are told of each thing once, and once that all is
//! well again: `state/told`.

use std::{collections::BTreeSet, path::PathBuf};

use crate::home::{
    Error, Home,
    write::{read_state, write_state},
};

/// What is wrong, each thing by a name that stays the same.
pub type Wrong = BTreeSet<String>;

/// What is news.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing changed, or it only became less.
    None,
    /// Of these nobody was told yet.
    Of(Wrong),
    /// All is well, after people were told otherwise.
    Well,
}

fn path(home: &Home) -> PathBuf {
    home.state().join("told")
}

/// What people were told last. A file that cannot be understood is as none: they are told again.
///
/// # Errors
/// [`Error::Io`].
pub fn read(home: &Home) -> Result<Wrong, Error> {
    let bytes = read_state(&path(home))?.unwrap_or_default();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Compares what is wrong now with what people were told.
pub fn news(told: &Wrong, wrong: &Wrong) -> News {
    let new: Wrong = wrong.difference(told).cloned().collect();
    match (new.is_empty(), wrong.is_empty() && !told.is_empty()) {
        (false, _) => News::Of(new),
        (true, true) => News::Well,
        (true, false) => News::None,
    }
}

/// Remembers what people know now.
///
/// # Errors
/// [`Error::Io`].
pub fn remember(home: &Home, wrong: &Wrong) -> Result<(), Error> {
    write_state(&path(home), serde_json::json!(wrong).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_of_each_thing_once() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Wrong>();
        for (wrong, expected) in [
            (of(&[]), News::None),
            (of(&["a"]), News::Of(of(&["a"]))),
            (of(&["a"]), News::None),
            (of(&["a", "b"]), News::Of(of(&["b"]))),
            (of(&["b"]), News::None),
            (of(&["a", "b"]), News::Of(of(&["a"]))),
            (of(&[]), News::Well),
            (of(&[]), News::None),
        ] {
            assert_eq!(news(&read(&home).unwrap(), &wrong), expected, "{wrong:?}");
            remember(&home, &wrong).unwrap();
        }
        std::fs::write(path(&home), "x").unwrap();
        assert_eq!(news(&read(&home).unwrap(), &of(&["a"])), News::Of(of(&["a"])));
    }
}
