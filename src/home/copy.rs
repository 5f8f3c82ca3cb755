//! Further repositories of a server: `backup: copies:` in `server.yml`, each by a name.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::keep::Keep;

/// The longest name.
const LONGEST: usize = 40;

/// The name of a copy: lower-case letters, digits and `-`. It is part of file names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CopyName(String);

impl CopyName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CopyName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_name = (1..=LONGEST).contains(&text.len())
            && text.chars().all(plain)
            && !text.starts_with('-');
        match is_name {
            true => Ok(CopyName(text.to_owned())),
            false => Err(format!(
                "`{}` cannot name a copy: use up to {LONGEST} lower-case letters, digits and `-`",
                crate::text::line(text)
            )),
        }
    }
}

impl TryFrom<String> for CopyName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<CopyName> for String {
    fn from(name: CopyName) -> String {
        name.0
    }
}

impl fmt::Display for CopyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository to which each backup is copied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CopySettings {
    /// As that of the server.
    pub repository: String,
    #[serde(default, skip_serializing_if = "is_unnamed")]
    pub password_file: PathBuf,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub password_command: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_file: Option<PathBuf>,
    /// Its own rules: a copy may keep backups for longer, or all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub append_only: bool,
}

/// Whether a setting names no file.
pub(super) fn is_unnamed(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_copy_can_be_part_of_a_file_name() {
        for good in ["vault", "s3-paris", "2"] {
            assert_eq!(good.parse::<CopyName>().unwrap().to_string(), good);
        }
        for bad in ["", "-x", "A", "a/b", "a.b", "ä", "a b", &"x".repeat(41)] {
            assert!(bad.parse::<CopyName>().is_err(), "{bad:?} was accepted");
        }
    }
}
