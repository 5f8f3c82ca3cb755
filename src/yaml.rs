//! Errors of the YAML reader, in words for the author of the file: its own
//! words are partly for programmers that use the library.

use std::borrow::Cow;

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// The sentence with its line, without an excerpt of the file.
pub fn message(error: &Error) -> String {
    error.without_snippet().render_with_formatter(&Plain)
}

/// A document whose plain texts stay texts, so that they can be written back: `y`
/// and `no` are not booleans.
///
/// # Errors
/// The sentence with its line.
pub fn document(text: &str) -> Result<serde_json::Value, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| message(&error))
}

struct Plain;

impl MessageFormatter for Plain {
    fn format_message<'a>(&self, error: &'a Error) -> Cow<'a, str> {
        match error {
            Error::DuplicateMappingKey { key: Some(key), .. } => {
                format!("duplicate key `{key}`").into()
            }
            Error::DuplicateMappingKey { key: None, .. } => "duplicate key".into(),
            Error::RecursiveReferencesRequireWeakTypes { .. } => {
                "an anchor holds an alias of itself".into()
            }
            Error::InvalidScalar { ty, .. } => match *ty {
                "u8" | "u16" | "u32" | "u64" => "expected a non-negative integer",
                "i8" | "i16" | "i32" | "i64" => "expected an integer",
                "f32" | "f64" => "expected a number",
                _ => return UserMessageFormatter.format_message(error),
            }
            .into(),
            Error::Unexpected { expected, .. } => match *expected {
                "mapping start" => "expected keys with values, `key: value`",
                "sequence start" => "expected a list, `- item`",
                "string scalar" => "expected a text",
                _ => return UserMessageFormatter.format_message(error),
            }
            .into(),
            Error::NullIntoString { .. } => "expected a text".into(),
            Error::SerdeUnknownField { field, expected, .. } => {
                format!("unknown key `{field}`: expected {}", listed(expected)).into()
            }
            Error::SerdeUnknownVariant { variant, expected, .. } => {
                format!("unknown value `{variant}`: expected {}", listed(expected)).into()
            }
            Error::SerdeMissingField { field, .. } => {
                format!("the key `{field}` is missing").into()
            }
            // What is expected is said by readers of our own.
            Error::SerdeInvalidType { expected, .. }
            | Error::SerdeInvalidValue { expected, .. } => format!("expected {expected}").into(),
            Error::MultipleDocuments { .. } => {
                "the file ends here, before a second document".into()
            }
            Error::UnknownAnchor { .. } => {
                "there is no anchor of this name; put text that begins with `*` in quotes".into()
            }
            Error::MergeValueNotMapOrSeqOfMaps { .. } => {
                "keys with values are merged with `<<`".into()
            }
            other => UserMessageFormatter.format_message(other),
        }
    }
}

/// `a`, `b`
fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn keys_are_named() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "lowercase")]
        struct Keys {
            #[serde(rename = "one")]
            _one: Option<Kind>,
            #[serde(rename = "two")]
            _two: u32,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Kind {
            First,
            Second,
        }
        for (text, expected) in [
            ("three: 1\n", "unknown key `three`: expected `one`, `two`"),
            ("one: first\n", "the key `two` is missing"),
            ("one: third\n", "unknown value `third`: expected `first`, `second`"),
            ("two: 1\n---\ntwo: 1\n", "a second document"),
            ("two: *a\n", "in quotes"),
        ] {
            let error = message(&serde_saphyr::from_str::<Keys>(text).unwrap_err());
            assert!(error.contains(expected) && error.contains("line"), "{text:?}: {error}");
        }
    }

    #[test]
    fn no_word_is_for_programmers() {
        type Lists = BTreeMap<String, Vec<u32>>;
        for (text, expected) in [
            ("a: []\na: []\n", &["line 2", "duplicate key `a`"][..]),
            ("a: &a [*a]\n", &["line 1", "alias of itself"]),
            ("a:\n- -3\n", &["line 2", "expected a non-negative integer"]),
            ("a: 3\n", &["line 1", "a list"]),
            ("3\n", &["line 1", "`key: value`"]),
        ] {
            let error = message(&serde_saphyr::from_str::<Lists>(text).unwrap_err());
            for part in expected {
                assert!(error.contains(part), "{text:?}: {error}");
            }
            for word in ["Policy", "Options", "mapping", "sequence", "u32", "weak"] {
                assert!(!error.contains(word), "{text:?}: {error}");
            }
        }
    }
}
