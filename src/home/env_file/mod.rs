//! An app's environment file: `KEY=value # length=32 charset=hex`.
//!
//! Later keys see earlier ones (`COMPOSE_FILE="$COMPOSE_FILE:compose.smtp.yml"`),
//! single and double quotes, comments, `export`. Modifiers behind `#` belong to
//! the key. Writing a file back keeps comments, order and quoting: the text is
//! kept as it was read, and an assignment replaces only the bytes of one value.
//! Rules from abra: `pkg/envfile`, and the recipes it was read with.
//!
//! - An assignment is on one line. `'…'` is literal; `"…"` knows `\n \r \t
//!   \" \\ \$` and expands; a bare value expands, and ends at ` #`.
//! - `$KEY`, `${KEY}`, `${KEY-default}` and `${KEY:-default}` take the value
//!   that the key has *so far*; a key without one is empty, with a warning. A
//!   `$` before anything else is itself.
//! - A file, a value and all values together are limited, so that doubling
//!   lines (`A=$A$A`) end in an error instead of exhausting memory.

mod edit;
mod recipe;
mod syntax;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
};

use crate::{hint::Hint, lint::Position};

/// Longest file, in bytes.
pub const MAX_FILE: usize = 1 << 20;
/// Longest value after expansion, in bytes.
pub const MAX_VALUE: usize = 64 << 10;
/// All values together, after expansion, in bytes.
pub const MAX_TOTAL: usize = 4 << 20;

/// More than anyone reads.
const MAX_WARNINGS: usize = 100;

/// Modifiers that mean something; others are warned of.
const KNOWN_MODIFIERS: [&str; 3] = ["length", "charset", "generate"];

/// An environment file as text and as meaning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvFile {
    /// For messages.
    name: String,
    text: String,
    entries: Vec<Entry>,
    /// With their lines.
    oddities: Vec<(usize, String)>,
}

/// One assignment, active or commented out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: String,
    /// Counted from 1.
    line: usize,
    /// From the `#` to the key when it is commented out, else empty.
    marker: Range<usize>,
    /// The value as written, quotes included.
    raw: Range<usize>,
    quoting: Quoting,
    /// After expansion; empty when commented out.
    value: String,
    commented: bool,
    modifiers: BTreeMap<String, String>,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    Bare,
    Single,
    Double,
}

/// Something wrong at a line of an environment file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct ParseError {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

/// What to do about a file that cannot be read.
pub(super) fn correct(file: &str, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("correct line {line} of {file}"),
        None => format!("correct {file}"),
    }
}

impl Hint for ParseError {
    fn hint(&self) -> Option<String> {
        let correct = correct(&self.file, Some(self.line));
        Some(match self.message.contains("quote") {
            true => format!(
                "{correct}: a `'…'` value is taken as it is; in `\"…\"` write `\\\"` and `\\$`"
            ),
            false => correct,
        })
    }
}

impl EnvFile {
    /// `name` is for messages.
    ///
    /// # Errors
    /// [`ParseError`] at the first line that is neither blank, a comment nor an
    /// assignment, or whose value is longer than [`MAX_VALUE`].
    pub fn parse(name: &str, text: &str) -> Result<Self, ParseError> {
        Self::read(name, text, |_, error| Err(error))
    }

    /// Reads the valid lines and skips the others, for commands that have to
    /// work with a broken file; also returns the errors.
    ///
    /// # Errors
    /// [`ParseError`] where the value of `needed` depends on a line that is left
    /// out.
    pub fn salvage(
        name: &str,
        text: &str,
        needed: &str,
    ) -> Result<(Self, Vec<ParseError>), ParseError> {
        let mut left_out: Vec<ParseError> = Vec::new();
        let file = Self::read(name, text, |line, error| {
            if syntax::begins_with_key(line, needed) {
                return Err(error);
            }
            if left_out.len() < MAX_WARNINGS {
                left_out.push(error);
            }
            Ok(())
        })?;
        match left_out.first() {
            Some(error) if file.refers(needed) => Err(error.clone()),
            _ => Ok((file, left_out)),
        }
    }

    /// `wrong` is called for each invalid line, and says whether to continue
    /// without it.
    fn read(
        name: &str,
        text: &str,
        mut wrong: impl FnMut(&str, ParseError) -> Result<(), ParseError>,
    ) -> Result<Self, ParseError> {
        let failed = |line, message: String| ParseError { file: name.to_owned(), line, message };
        if text.len() > MAX_FILE {
            return Err(failed(1, format!("the file is longer than {MAX_FILE} bytes")));
        }
        let mut file = EnvFile { name: name.into(), text: text.into(), ..EnvFile::default() };
        // The entry that holds each key's newest value.
        let mut newest: HashMap<String, usize> = HashMap::new();
        let mut total = 0;
        for (number, line) in syntax::lines(text) {
            let found = match syntax::assignment(text, line.clone()) {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(message) => {
                    wrong(&text[line], failed(number, message))?;
                    continue;
                }
            };
            let modifiers = file.read_modifiers(number, &found);
            let mut value = String::new();
            if !found.commented {
                let mut unset = Vec::new();
                let lookup = |key: &str| newest.get(key).map(|&i| file.entries[i].value.as_str());
                let expanded = syntax::expand(&text[found.raw.clone()], lookup, &mut unset)
                    .and_then(|value| match total + value.len() {
                        sum if sum > MAX_TOTAL => {
                            Err(format!("all values together are longer than {MAX_TOTAL} bytes"))
                        }
                        _ => Ok(value),
                    });
                value = match expanded {
                    Ok(value) => value,
                    Err(message) => {
                        wrong(&text[line], failed(number, message))?;
                        continue;
                    }
                };
                total += value.len();
                for other in unset {
                    file.warn(
                        number,
                        format!(
                            "`{}` refers to `{other}`, which has no value before it",
                            found.key
                        ),
                    );
                }
                if let Some(before) = newest.get(&found.key)
                    && !syntax::mentions(&text[found.raw.clone()], &found.key)
                {
                    let before = file.entries[*before].line;
                    file.warn(
                        number,
                        format!("`{}` replaces the value of line {before}", found.key),
                    );
                }
                newest.insert(found.key.clone(), file.entries.len());
            }
            file.entries.push(Entry {
                key: found.key,
                line: number,
                marker: found.marker,
                raw: found.raw,
                quoting: found.quoting,
                value,
                commented: found.commented,
                modifiers,
            });
        }
        if let Some((number, rivals)) = file.rivals() {
            file.warn(number, rivals);
        }
        Ok(file)
    }

    /// The value of a key after expansion; the last assignment wins.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.active(key).map(|entry| entry.value.as_str())
    }

    /// All keys and values after expansion, in order of first appearance.
    pub fn values(&self) -> Vec<(String, String)> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut values: Vec<(String, String)> = Vec::new();
        for entry in self.entries.iter().filter(|entry| !entry.commented) {
            match places.get(entry.key.as_str()) {
                Some(&place) => values[place].1.clone_from(&entry.value),
                None => {
                    places.insert(&entry.key, values.len());
                    values.push((entry.key.clone(), entry.value.clone()));
                }
            }
        }
        values
    }

    /// Modifiers of a key, `{length: 32, charset: hex}`: those of its last
    /// assignment, or of the one that is commented out when it has no other.
    pub fn modifiers(&self, key: &str) -> BTreeMap<String, String> {
        self.active(key)
            .or_else(|| self.entries.iter().find(|entry| entry.key == key))
            .map(|entry| entry.modifiers.clone())
            .unwrap_or_default()
    }

    /// Keys that are commented out (`#KEY=value`) and not assigned anywhere:
    /// optional in a sample.
    pub fn commented_keys(&self) -> Vec<String> {
        let assigned = self.entries.iter().filter(|entry| !entry.commented);
        let mut seen: HashSet<&str> = assigned.map(|entry| entry.key.as_str()).collect();
        let commented = self.entries.iter().filter(|entry| entry.commented);
        commented.map(|entry| &entry.key).filter(|key| seen.insert(key)).cloned().collect()
    }

    /// What [`EnvFile::commented_keys`] would be if they were not commented out;
    /// each key's first value counts.
    pub fn commented_values(&self) -> BTreeMap<String, String> {
        let active: HashMap<String, String> = self.values().into_iter().collect();
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        let mut total = 0;
        for entry in self.entries.iter().filter(|entry| entry.commented) {
            if active.contains_key(&entry.key) || values.contains_key(&entry.key) {
                continue;
            }
            let lookup =
                |key: &str| active.get(key).or_else(|| values.get(key)).map(String::as_str);
            let raw = &self.text[entry.raw.clone()];
            // One that is too long is as good as none.
            let Ok(value) = syntax::expand(raw, lookup, &mut Vec::new()) else { continue };
            total += value.len();
            if total > MAX_TOTAL {
                break;
            }
            values.insert(entry.key.clone(), value);
        }
        values
    }

    /// Whether the value of a key may be built from those of others.
    pub fn refers(&self, key: &str) -> bool {
        self.active(key).is_some_and(|entry| self.text[entry.raw.clone()].contains('$'))
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        self.text.clone()
    }

    /// What is odd but not wrong: unknown modifiers, a key assigned twice
    /// without referring to itself, a reference to a key without a value.
    pub fn warnings(&self) -> Vec<String> {
        let told =
            |(number, message): &(usize, String)| format!("{}:{number}: {message}", self.name);
        self.oddities.iter().map(told).collect()
    }

    /// The same, with the places apart.
    pub fn oddities(&self) -> impl Iterator<Item = (Position, &str)> {
        let place = |number| Position::line(&self.name, number);
        self.oddities.iter().map(move |(number, message)| (place(*number), message.as_str()))
    }

    fn warn(&mut self, number: usize, warning: String) {
        if self.oddities.len() < MAX_WARNINGS {
            self.oddities.push((number, warning));
        }
    }

    /// The assignment that counts.
    fn active(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| !entry.commented && entry.key == key)
    }

    /// `length=32 charset=hex` in the comment behind a value. Prose is
    /// ignored: unknown words count as modifiers only if the whole comment consists of pairs.
    fn read_modifiers(
        &mut self,
        number: usize,
        found: &syntax::Assignment,
    ) -> BTreeMap<String, String> {
        let comment = self.text[found.comment.clone()].to_owned();
        let pairs: Vec<_> = comment.split_whitespace().map(|word| word.split_once('=')).collect();
        let only_pairs = pairs.iter().all(Option::is_some);
        let mut modifiers = BTreeMap::new();
        for (name, value) in pairs.into_iter().flatten() {
            if KNOWN_MODIFIERS.contains(&name) {
                modifiers.insert(name.to_owned(), value.to_owned());
            } else if only_pairs && !found.commented {
                let known = KNOWN_MODIFIERS.join(", ");
                self.warn(
                    number,
                    format!("`{name}` is not a modifier of `{}`; known are {known}", found.key),
                );
            }
        }
        modifiers
    }
}
