//! Single fields: one function per kind of value.

use std::collections::BTreeMap;

use super::Decoder;
use crate::compose::{
    model::{Dict, Extras},
    problem::Path,
};
use crate::compose::{
    read::yaml::{Map, Node, Value},
    value::{duration, shell_words, size},
};

/// The `x-…` keys of a mapping.
pub fn extras(map: &Map) -> Extras {
    map.0
        .iter()
        .filter(|e| e.key.starts_with("x-"))
        .map(|e| (e.key.clone(), e.value.clone()))
        .collect()
}

/// `key: value`, as docker prints the value where it wants text.
fn printed(node: &Node) -> String {
    match &node.value {
        Value::Null => String::new(),
        value => value.print().unwrap_or_default(),
    }
}

impl Decoder<'_> {
    /// Text; dates are not text, though the schema accepts them as such.
    pub fn text(&mut self, node: &Node, path: Path<'_>) -> String {
        match &node.value {
            Value::Str(text) => text.clone(),
            Value::Null => String::new(),
            other => {
                let message = format!("must be a string, not {}", other.kind());
                match other {
                    Value::List(_) | Value::Map(_) => self.sink.push(node.at, path, message),
                    _ => self.sink.hint(node.at, path, message, "write it in quotes"),
                }
                String::new()
            }
        }
    }

    /// The text of a key, empty if it is missing.
    pub fn text_at(&mut self, map: &Map, key: &str, path: Path<'_>) -> String {
        map.get(key).map_or_else(String::new, |node| self.text(node, path.key(key)))
    }

    pub fn flag_at(&mut self, map: &Map, key: &str, path: Path<'_>) -> bool {
        match map.get(key) {
            Some(Node { value: Value::Bool(flag), .. }) => *flag,
            None | Some(Node { value: Value::Null, .. }) => false,
            Some(node) => {
                let message = format!("must be true or false, not {}", node.value.kind());
                self.sink.push(node.at, path.key(key), message);
                false
            }
        }
    }

    /// A whole number within the bounds of `T`; fractions are cut off, as
    /// docker does where the schema lets them pass.
    pub fn number<T: TryFrom<i128>>(&mut self, node: &Node, path: Path<'_>) -> Option<T> {
        let value = match &node.value {
            Value::Int(i) => *i,
            #[allow(clippy::cast_possible_truncation, reason = "saturates, then out of range")]
            Value::Float(f) => *f as i128,
            Value::Null => return None,
            other => {
                let message = format!("must be a number, not {}", other.kind());
                self.sink.push(node.at, path, message);
                return None;
            }
        };
        let converted = T::try_from(value).ok();
        if converted.is_none() {
            self.sink.push(node.at, path, format!("{value} is out of range"));
        }
        converted
    }

    pub fn number_at<T: TryFrom<i128>>(
        &mut self,
        map: &Map,
        key: &str,
        path: Path<'_>,
    ) -> Option<T> {
        map.get(key).and_then(|node| self.number(node, path.key(key)))
    }

    /// Nanoseconds.
    pub fn duration_at(&mut self, map: &Map, key: &str, path: Path<'_>) -> Option<i64> {
        let node = map.get(key)?;
        let text = self.text(node, path.key(key));
        match duration::parse(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.sink.push(node.at, path.key(key), why);
                None
            }
        }
    }

    /// Bytes; 0 when not given.
    pub fn size_at(&mut self, map: &Map, key: &str, path: Path<'_>) -> i64 {
        let Some(node) = map.get(key) else { return 0 };
        let text = self.text(node, path.key(key));
        size::parse(&text).unwrap_or_else(|why| {
            self.sink.push(node.at, path.key(key), why);
            0
        })
    }

    /// A list of texts, or one text.
    pub fn texts_at(&mut self, map: &Map, key: &str, path: Path<'_>) -> Vec<String> {
        let path = path.key(key);
        match map.get(key) {
            Some(Node { value: Value::List(items), .. }) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.text(item, path.index(index)))
                .collect(),
            Some(node) if node.value != Value::Null => vec![self.text(node, path)],
            _ => vec![],
        }
    }

    /// A command: a list, or a line split into words.
    pub fn command_at(&mut self, map: &Map, key: &str, path: Path<'_>) -> Vec<String> {
        match map.get(key) {
            Some(Node { value: Value::Str(line), at }) => {
                shell_words::split(line).unwrap_or_else(|why| {
                    self.sink.push(*at, path.key(key), why);
                    vec![]
                })
            }
            _ => self.texts_at(map, key, path),
        }
    }

    /// `k=v` pairs as a mapping or a list; a key alone has no value.
    pub fn pairs_at(
        &mut self,
        map: &Map,
        key: &str,
        path: Path<'_>,
    ) -> BTreeMap<String, Option<String>> {
        let path = path.key(key);
        match map.get(key).map(|node| &node.value) {
            Some(Value::Map(pairs)) => pairs
                .0
                .iter()
                .map(|e| (e.key.clone(), (e.value.value != Value::Null).then(|| printed(&e.value))))
                .collect(),
            Some(Value::List(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let text = self.text(item, path.index(index));
                    match text.split_once('=') {
                        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                        None => (text, None),
                    }
                })
                .collect(),
            _ => BTreeMap::new(),
        }
    }

    /// The same, where a missing value is empty.
    pub fn dict_at(&mut self, map: &Map, key: &str, path: Path<'_>) -> Dict {
        self.pairs_at(map, key, path)
            .into_iter()
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .collect()
    }

    /// `host:ip`. A list keeps its order, `=` is tried before `:`, and brackets
    /// around IPv6 addresses go; a mapping is sorted.
    pub fn hosts_at(&mut self, map: &Map, key: &str, path: Path<'_>) -> Vec<String> {
        let path = path.key(key);
        let mut hosts: Vec<String> = match map.get(key).map(|node| &node.value) {
            Some(Value::Map(pairs)) => {
                let mut hosts: Vec<String> = pairs
                    .0
                    .iter()
                    .filter(|e| e.value.value != Value::Null)
                    .map(|e| format!("{}:{}", e.key, printed(&e.value)))
                    .collect();
                hosts.sort();
                hosts
            }
            Some(Value::List(items)) => {
                let mut hosts = vec![];
                for (index, item) in items.iter().enumerate() {
                    let text = self.text(item, path.index(index));
                    let pair = text.split_once('=').or_else(|| text.split_once(':'));
                    hosts.extend(pair.map(|(host, ip)| format!("{host}:{ip}")));
                }
                hosts
            }
            _ => vec![],
        };
        for host in &mut hosts {
            let (name, ip) = host.split_once(':').unwrap_or((host, ""));
            if let Some(bare) = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'))
                && !bare.is_empty()
            {
                *host = format!("{name}:{bare}");
            }
        }
        hosts
    }
}
