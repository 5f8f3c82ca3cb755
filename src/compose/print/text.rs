//! One text as a YAML scalar that every reader parses to the same string.

use std::fmt::Write as _;

use crate::{
    compose::value::scalar::{self, Scalar},
    text::is_hidden,
};

/// How a text with `$` or `${…}` in it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dollar {
    /// In quotes, as everything that is not plainly plain.
    Quoted,
    /// Plain where it can be, as people write variables in compose files.
    Plain,
}

/// What YAML 1.1 takes for something else than a string.
const WORDS_OF_YAML_1_1: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Plain where every reader, of YAML 1.1 and 1.2, sees this string, else in double quotes.
pub fn plain_or_quoted(text: &str, dollar: Dollar) -> String {
    let (first, more) = match dollar {
        Dollar::Quoted => ("", ""),
        Dollar::Plain => ("$", "${}()~?;"),
    };
    let begins = |c: char| c.is_ascii_alphanumeric() || "/_.".contains(c) || first.contains(c);
    let inside =
        |c: char| c.is_ascii_alphanumeric() || "_./-@=+ :,".contains(c) || more.contains(c);
    let plain = text.starts_with(begins)
        && text.chars().all(inside)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && scalar::resolve(text) == Scalar::Str
        && !WORDS_OF_YAML_1_1.iter().any(|word| text.eq_ignore_ascii_case(word))
        // A number in base 60.
        && !(text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(':'));
    if plain { text.to_owned() } else { quoted(text) }
}

/// In double quotes, with escapes for what must be parsed back as it is and not look like
/// anything else.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || is_hidden(c) => {
                let _ = match c as u32 {
                    code @ ..=0xffff => write!(out, "\\u{code:04x}"),
                    code => write!(out, "\\U{code:08x}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
