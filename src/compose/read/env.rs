//! Environment files as docker reads them for `env_file` (docker/cli,
//! `pkg/kvfile`): raw values, no quotes, no escapes, no interpolation.

use std::fmt;

use super::{blanks::is_invisible, interpolate::Lookup};

/// Longest line, as in Go's line scanner.
const LONGEST_LINE: usize = 64 * 1024;

/// Reads `KEY=value` lines in order. A key alone takes its value from the
/// environment, and is left out when there is none.
pub fn parse(bytes: &[u8], lookup: Lookup<'_>) -> Result<Vec<(String, String)>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let mut pairs = vec![];
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        if line.len() >= LONGEST_LINE {
            return Err(format!("line {number} is too long"));
        }
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (line, None),
        };
        if key.is_empty() {
            return Err(format!("line {number} has no name before `=`"));
        }
        if key.contains([' ', '\t']) {
            return Err(format!("the name `{key}` on line {number} holds a blank"));
        }
        match value {
            Some(value) => pairs.push((key.to_owned(), value.to_owned())),
            None => pairs.extend(lookup(key).map(|value| (key.to_owned(), value))),
        }
    }
    Ok(pairs)
}

/// What a line holds that looks like something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Odd {
    Quoted(String),
    Blanks(String),
    Comment(String),
    Variable(String),
    Invisible(char),
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Odd::Quoted(name) => write!(f, "`{name}` keeps its quotes"),
            Odd::Blanks(name) => {
                write!(f, "the blanks at an end of `{name}` are part of its value")
            }
            Odd::Comment(name) => write!(f, "what looks like a comment is part of `{name}`"),
            Odd::Variable(name) => write!(f, "`${{…}}` in `{name}` is not replaced"),
            Odd::Invisible(c) => write!(f, "it holds U+{:04X}", u32::from(*c)),
        }
    }
}

/// The lines that are not read as they look, by their number.
pub fn oddities(bytes: &[u8]) -> Vec<(usize, Odd)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return vec![] };
    let mut found = vec![];
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        let pair = line.split_once('=').filter(|_| !line.starts_with('#'));
        let Some((key, value)) = pair else { continue };
        let name = key.to_owned();
        let odd = if let Some(c) = line.chars().find(|c| is_invisible(*c)) {
            Odd::Invisible(c)
        } else if is_quoted(value.trim()) {
            Odd::Quoted(name)
        } else if value.contains(" #") {
            Odd::Comment(name)
        } else if value.trim_matches([' ', '\t']).len() < value.len() {
            Odd::Blanks(name)
        } else if value.contains("${") {
            Odd::Variable(name)
        } else {
            continue;
        };
        found.push((index + 1, odd));
    }
    found
}

/// Whether a value begins and ends with the same quote.
pub fn is_quoted(value: &str) -> bool {
    ['"', '\'']
        .iter()
        .any(|quote| value.len() > 1 && value.starts_with(*quote) && value.ends_with(*quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_raw() {
        let text = "\u{feff}A=1\n  B= x \n# c\n\nC=\"q\"\r\nD=$A#x\nHOME\nNOPE\nE=\n";
        let lookup = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        let got = parse(text.as_bytes(), &lookup).unwrap();
        let got: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            got,
            [("A", "1"), ("B", " x "), ("C", "\"q\""), ("D", "$A#x"), ("HOME", "/root"), ("E", "")]
        );
    }

    #[test]
    fn what_looks_like_something_else_is_found() {
        for (line, expected) in [
            ("A=\"api\"", Some("`A` keeps its quotes")),
            ("A='{\"key\": 1}'\r", Some("`A` keeps its quotes")),
            ("A=x ", Some("the blanks at an end of `A` are part of its value")),
            ("A= x", Some("the blanks at an end of `A` are part of its value")),
            ("A=x # why", Some("what looks like a comment is part of `A`")),
            ("A=${HOME}/x", Some("`${…}` in `A` is not replaced")),
            ("A=x\u{200b}", Some("it holds U+200B")),
            ("A=it's", None),
            ("A=\"", None),
            ("A=a#b$c", None),
            ("# A=\"x\"", None),
            ("A", None),
        ] {
            let found: Vec<_> = oddities(line.as_bytes())
                .iter()
                .map(|(line, odd)| format!("{line} {odd}"))
                .collect();
            let expected: Vec<_> = expected.iter().map(|odd| format!("1 {odd}")).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn broken_files_are_errors() {
        for text in ["=x", "export A=1", "A B=1"] {
            assert!(parse(text.as_bytes(), &|_| None).is_err(), "{text}");
        }
        assert!(parse(&[b'A', b'=', 0xff], &|_| None).is_err());
    }
}
