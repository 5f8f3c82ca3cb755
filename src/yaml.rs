//! What the reader of YAML says, in words for who wrote the file: its own are
//! partly for programmers that use the library.

use std::borrow::Cow;

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// The sentence with its line, without an excerpt of the file.
pub fn message(error: &Error) -> String {
    error.without_snippet().render_with_formatter(&Plain)
}

struct Plain;

impl MessageFormatter for Plain {
    fn format_message<'a>(&self, error: &'a Error) -> Cow<'a, str> {
        match error {
            Error::DuplicateMappingKey { key: Some(key), .. } => {
                format!("the key `{key}` stands there twice").into()
            }
            Error::DuplicateMappingKey { key: None, .. } => "a key stands there twice".into(),
            Error::RecursiveReferencesRequireWeakTypes { .. } => {
                "an anchor holds an alias of itself".into()
            }
            Error::InvalidScalar { ty, .. } => match *ty {
                "u8" | "u16" | "u32" | "u64" => "a whole number that is not negative belongs here",
                "i8" | "i16" | "i32" | "i64" => "a whole number belongs here",
                "f32" | "f64" => "a number belongs here",
                _ => return UserMessageFormatter.format_message(error),
            }
            .into(),
            Error::Unexpected { expected, .. } => match *expected {
                "mapping start" => "keys with values, `key: value`, belong here",
                "sequence start" => "a list, `- item`, belongs here",
                "string scalar" => "a text belongs here",
                _ => return UserMessageFormatter.format_message(error),
            }
            .into(),
            Error::NullIntoString { .. } => "a text belongs here".into(),
            other => UserMessageFormatter.format_message(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_word_is_for_programmers() {
        type Lists = BTreeMap<String, Vec<u32>>;
        for (text, expected) in [
            ("a: []\na: []\n", &["line 2", "`a` stands there twice"][..]),
            ("a: &a [*a]\n", &["line 1", "alias of itself"]),
            ("a:\n- -3\n", &["line 2", "not negative"]),
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
