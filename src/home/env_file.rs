//! An app's environment file: `KEY=value # length=32 charset=hex`.
//!
//! Later keys see earlier ones (`COMPOSE_FILE="$COMPOSE_FILE:compose.smtp.yml"`),
//! single and double quotes, comments, `export`. Modifiers behind `#` belong to
//! the key. Writing a file back keeps comments, order and quoting.
//! Rules from abra: `pkg/envfile`, and the recipes it was read with.

use std::collections::BTreeMap;

use crate::hint::Hint;

/// An environment file as text and as meaning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvFile {}

/// Something wrong at a line of an environment file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct ParseError {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

impl Hint for ParseError {}

impl EnvFile {
    /// `name` is for messages.
    ///
    /// # Errors
    /// [`ParseError`] at the first line that is neither blank, a comment nor an
    /// assignment.
    pub fn parse(name: &str, text: &str) -> Result<Self, ParseError> {
        let _ = (name, text);
        todo!()
    }

    /// The value of a key after expansion; the last assignment wins.
    pub fn get(&self, key: &str) -> Option<&str> {
        let _ = key;
        todo!()
    }

    /// All keys and values after expansion, in order of first appearance.
    pub fn values(&self) -> Vec<(String, String)> {
        todo!()
    }

    /// Modifiers of a key, `{length: 32, charset: hex}`.
    pub fn modifiers(&self, key: &str) -> BTreeMap<String, String> {
        let _ = key;
        todo!()
    }

    /// Keys that are commented out (`#KEY=value`): optional in a sample.
    pub fn commented_keys(&self) -> Vec<String> {
        todo!()
    }

    /// Assigns a key: in place when it is there (also when commented out),
    /// else at the end. Keeps everything else byte for byte.
    pub fn set(&mut self, key: &str, value: &str) {
        let _ = (key, value);
        todo!()
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        todo!()
    }

    /// What is odd but not wrong: unknown modifiers, a key assigned twice
    /// without referring to itself.
    pub fn warnings(&self) -> Vec<String> {
        todo!()
    }
}
