//! What a plugin may be called.

use std::{fmt, str::FromStr};

/// A plugin's name, which is also its crate's: lower-case letters, digits and
/// `-`, beginning with a letter, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

const LONGEST: usize = 64;

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name most like a text.
    pub fn like(text: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let text: String = text.chars().map(plain).take(LONGEST - "plugin-".len()).collect();
        let text = text.trim_matches('-');
        text.parse().unwrap_or_else(|_| Name(format!("plugin-{text}").trim_matches('-').to_owned()))
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(plain) {
            return Err("a plugin's name is lower-case letters, digits and `-`".into());
        }
        if text.len() > LONGEST {
            return Err(format!("a plugin's name has at most {LONGEST} letters"));
        }
        Ok(Name(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_crates() {
        for (text, good) in [
            ("a", true),
            ("word-press2", true),
            ("", false),
            ("2a", false),
            ("A", false),
            ("a_b", false),
            ("ä", false),
        ] {
            assert_eq!(text.parse::<Name>().is_ok(), good, "{text}");
        }
        for (text, like) in [
            ("Next_Cloud", "next-cloud"),
            ("2fauth", "plugin-2fauth"),
            ("", "plugin"),
            ("ü", "plugin"),
        ] {
            assert_eq!(Name::like(text).as_str(), like);
            assert!(Name::like(text).as_str().parse::<Name>().is_ok());
        }
    }
}
