//! What the upgrade of a test begins with: the release before, what `--from` names, or, where
//! there is neither, the tested files themselves as an earlier version.

use std::{fs, io, path::Path};

use crate::{
    cli::{failure::Failure, recipe::source, session::Session},
    recipe::{Checkout, Version, author, version::Release},
};

/// The version in the test's repository of what says none that could come before.
const EARLIER: &str = "0.0.0+test";

/// The recipe's own version where it is unknown, after all others.
const LATER: &str = "99.0.0";

/// What an app of the test is upgraded from.
#[derive(Debug)]
pub enum Origin {
    /// Another version, with its name in the test's repository.
    Other { tag: String, files: Box<Checkout> },
    /// Of the same files; why there is no other version.
    Itself(&'static str),
}

impl Origin {
    /// What `--from` names: a version of the recipe, or a folder with one.
    pub fn named(session: &Session, given: &str, from: &str) -> Result<Self, Failure> {
        let folder = Path::new(from);
        let files = match folder.is_dir() {
            // A word alone would be a recipe's name.
            true => source::look(
                session,
                &Path::new(".").join(folder).display().to_string(),
                &Version::Newest,
            )?,
            false => source::look(session, given, &Version::Named(from.to_owned())).map_err(
                |failure| failure.hint("`--from` also takes a folder with an earlier version"),
            )?,
        };
        let named = files.version.clone().filter(|tag| Release::parse(tag).is_some());
        let tag = named.or_else(|| labelled(&files));
        Ok(Origin::Other { tag: tag.unwrap_or_else(|| EARLIER.to_owned()), files: Box::new(files) })
    }

    /// The newest release that comes before the tested files, and differs from them.
    pub fn before(session: &Session, given: &str, tested: &Checkout) -> Result<Self, Failure> {
        let candidate = tested.version.as_deref().and_then(Release::parse);
        let mut same = false;
        for tag in source::releases(session, given)? {
            // A folder's own files may be about to become the release after the newest one.
            let is_before = |tag: &str| match (&candidate, Release::parse(tag)) {
                (Some(candidate), Some(release)) => release < *candidate,
                _ => true,
            };
            if !is_before(&tag) {
                continue;
            }
            let files = source::look(session, given, &Version::Named(tag.clone()))?;
            let is_same = are_same(files.path(), tested.path())
                .map_err(|error| Failure::io("comparing the recipe with its releases", &error))?;
            if !is_same {
                return Ok(Origin::Other { tag, files: Box::new(files) });
            }
            same = true;
        }
        Ok(Origin::Itself(match same {
            true => "no release before has other files",
            false => "there is no release before",
        }))
    }
}

/// The version that the label of a recipe's files says, if it is one.
pub fn labelled(files: &Checkout) -> Option<String> {
    // What is wrong with the files, the first command says.
    let source = files.compose_files("").into_iter().next()?.ok()?;
    let label = author::version(&source.text).ok().flatten();
    label.filter(|label| Release::parse(label).is_some())
}

/// The tag of the tested files: their label where it comes after the version before; otherwise a
/// later one with the label's version of the app, which plugins read.
pub fn tag(label: Option<&str>, before: Option<&str>) -> String {
    let is_after = |label: &&str| {
        before.and_then(Release::parse).is_none_or(|before| Some(before) < Release::parse(label))
    };
    match label {
        Some(label) if is_after(&label) => label.to_owned(),
        _ => {
            let app = label.and_then(|label| label.split_once('+')).map_or("test", |it| it.1);
            format!("{LATER}+{app}")
        }
    }
}

/// The version after one, for the same files.
pub fn after(tag: &str) -> String {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    // A preview's release would be no other number.
    let rest = rest.find(['+', '_']).map_or("", |at| &rest[at..]);
    let (kept, last) = numbers.rsplit_once('.').unwrap_or(("", numbers));
    let next = last.parse::<u64>().unwrap_or_default().saturating_add(1);
    match kept.is_empty() {
        true => format!("{next}{rest}"),
        false => format!("{kept}.{next}{rest}"),
    }
}

/// Whether two folders have the same files, but for what is git's.
fn are_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mine, theirs) = (names(one)?, names(other)?);
    if mine != theirs {
        return Ok(false);
    }
    for name in mine {
        let (one, other) = (one.join(&name), other.join(&name));
        let (kind, other_kind) =
            (fs::symlink_metadata(&one)?.file_type(), fs::symlink_metadata(&other)?.file_type());
        let is_same = kind == other_kind
            && match (kind.is_dir(), kind.is_file()) {
                (true, _) => are_same(&one, &other)?,
                (_, true) => fs::read(&one)? == fs::read(&other)?,
                // A link: only its place is a test's matter.
                _ => fs::read_link(&one)? == fs::read_link(&other)?,
            };
        if !is_same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = vec![];
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if name != ".git" {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_after_is_a_release_that_is_newer() {
        for (tag, expected) in [
            ("1.3.0+6.4.5", "1.3.1+6.4.5"),
            ("99.0.0+test", "99.0.1+test"),
            ("1.13.9_1", "1.13.10_1"),
            ("v2", "3"),
            ("1.0.0-rc1+2", "1.0.1+2"),
        ] {
            assert_eq!(after(tag), expected);
            assert!(Release::parse(tag) < Release::parse(expected), "{tag}");
        }
    }

    #[test]
    fn a_version_says_that_of_the_app_and_comes_after_the_one_before() {
        for (label, before, expected) in [
            (Some("0.2.0+v1.163"), Some("0.1.0+v1.99"), "0.2.0+v1.163"),
            (Some("0.2.0+v1.163"), None, "0.2.0+v1.163"),
            (Some("0.2.0+v1.163"), Some("0.2.0+v1.163"), "99.0.0+v1.163"),
            (Some("0.2.0+v1.163"), Some("1.0.0+v1.99"), "99.0.0+v1.163"),
            (None, Some("1.0.0+1"), "99.0.0+test"),
        ] {
            assert_eq!(super::tag(label, before), expected, "{label:?} {before:?}");
        }
    }

    #[test]
    fn folders_are_compared_by_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let same = || are_same(&folder.path().join("a"), &folder.path().join("b")).unwrap();
        for name in ["a/x/compose.yml", "b/x/compose.yml", "a/.git/head", "b/y"] {
            write(name, "1");
        }
        assert!(!same());
        write("a/y", "1");
        assert!(same());
        write("b/x/compose.yml", "2");
        assert!(!same());
    }
}
