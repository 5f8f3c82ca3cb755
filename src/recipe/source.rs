//! Where a recipe comes from, as a person writes it.

use std::path::{Path, PathBuf};

use super::Error;
use crate::home::RecipeName;

/// A place to get a recipe from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// What git understands: a URL, or `user@host:path`.
    Git(String),
    /// A folder on this machine.
    Folder(PathBuf),
    /// A recipe that exists here already.
    Name(RecipeName),
}

impl Source {
    /// Tells the kinds apart without looking at the disk: `https:`, `ssh:` and
    /// `file:` URLs and `host:path` are git's; whatever holds a slash, `.` and
    /// `..` are folders; the rest are names.
    ///
    /// # Errors
    /// [`Error::Source`] for another kind of URL, and for what could be taken
    /// for an option.
    pub fn parse(given: &str) -> Result<Self, Error> {
        let refused = |reason: &str| Error::Source { given: given.into(), reason: reason.into() };
        if given.is_empty() {
            return Err(refused("it is empty"));
        }
        if given.starts_with('-') {
            return Err(refused("it begins with a dash"));
        }
        if given.chars().any(char::is_control) {
            return Err(refused("it holds control characters"));
        }
        if let Some((scheme, _)) = given.split_once("://") {
            if !matches!(scheme, "https" | "ssh" | "file") {
                return Err(refused("only https, ssh and file URLs are fetched"));
            }
            let url = url::Url::parse(given).map_err(|e| refused(&e.to_string()))?;
            // ssh would take such a host for an option.
            if url.host_str().is_some_and(|host| host.starts_with('-'))
                || url.username().starts_with('-')
            {
                return Err(refused("its host or user begins with a dash"));
            }
            if url.password().is_some() {
                return Err(refused("a URL must not hold a password"));
            }
            return Ok(Source::Git(given.into()));
        }
        let slash = given.find('/').unwrap_or(given.len());
        if let Some(colon) = given[..slash].find(':') {
            if given[..colon].contains("@-") || given[colon + 1..].starts_with([':', '-']) {
                return Err(refused("it could be taken for an option"));
            }
            return Ok(Source::Git(given.into()));
        }
        if given.contains('/') || given == "." || given == ".." {
            return Ok(Source::Folder(given.into()));
        }
        RecipeName::new(given).map(Source::Name).map_err(|e| refused(e.reason))
    }

    /// The name to keep it under: the last part, without `.git`.
    ///
    /// # Errors
    /// [`Error::Source`] when that cannot be a name.
    pub fn name(&self) -> Result<RecipeName, Error> {
        let (given, last) = match self {
            Source::Name(name) => return Ok(name.clone()),
            Source::Git(url) => {
                let path = url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/');
                (url.clone(), path.rsplit(['/', ':']).next().unwrap_or(path).to_owned())
            }
            Source::Folder(folder) => (
                folder.display().to_string(),
                folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            ),
        };
        let name = last.strip_suffix(".git").unwrap_or(&last);
        RecipeName::new(name).map_err(|e| Error::Source { given, reason: e.to_string() })
    }

    /// The folder with its links resolved; `/x/..` has no name of its own.
    pub(super) fn canonical(folder: &Path) -> Result<PathBuf, Error> {
        let folder = folder.canonicalize().map_err(|source| Error::Source {
            given: folder.display().to_string(),
            reason: source.to_string(),
        })?;
        if folder.is_dir() {
            return Ok(folder);
        }
        let given = folder.display().to_string();
        Err(Error::Source { given, reason: "it is not a folder".into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        for (given, expected) in [
            ("https://git.example.org/org/wiki.git", "git wiki"),
            ("https://git.example.org/org/wiki/", "git wiki"),
            ("ssh://git@git.example.org:2222/org/wiki", "git wiki"),
            ("file:///srv/wiki", "git wiki"),
            ("git@git.example.org:org/wiki.git", "git wiki"),
            ("host:wiki", "git wiki"),
            ("./wiki", "folder wiki"),
            ("/srv/a:b/wiki", "folder wiki"),
            ("wiki", "name wiki"),
        ] {
            let source = Source::parse(given).unwrap();
            let kind = match &source {
                Source::Git(_) => "git",
                Source::Folder(_) => "folder",
                Source::Name(_) => "name",
            };
            assert_eq!(format!("{kind} {}", source.name().unwrap()), expected, "{given}");
        }
    }

    #[test]
    fn hostile_sources_are_refused() {
        for given in [
            "",
            "-uhelper",
            "--upload-pack=x",
            "ext::sh -c x",
            "ext:://x",
            "http://example.org/x",
            "git://example.org/x",
            "ssh://-oProxyCommand=x/y",
            "ssh://-oProxyCommand=x@h/y",
            "git@-oProxyCommand=x:y",
            "h:-x",
            "https://u:p@example.org/x",
            "a b",
            "a\nb",
            "~wiki",
        ] {
            assert!(Source::parse(given).is_err(), "{given:?} was accepted");
        }
        for given in ["https://h/..", "file:///", "h:x/.git"] {
            assert!(Source::parse(given).unwrap().name().is_err(), "{given:?} has a name");
        }
    }
}
