//! What a compose file may hold: the rules of docker's JSON schemas 3.0 to 3.13
//! (docker/cli, `compose/schema/data`) as tables, with all problems in one run,
//! each at its place, and the nearest valid key.

mod foreign;
mod tables;

use std::{borrow::Cow, collections::HashMap};

use super::{
    problem::{Path, Sink, Spot},
    read::{
        interpolate::{Note, NoteKind},
        yaml::{Entry, Map, Node, Value},
    },
    value::{duration, ports},
};
use crate::hint::nearest;

/// The newest version, and what a file without one gets.
pub const NEWEST: u8 = 13;

/// What a value must be.
pub enum Rule {
    Any,
    Text,
    Flag,
    Null,
    /// A number without fraction.
    Whole,
    /// The same, not below zero.
    Natural,
    Number,
    Duration,
    /// A short port, as a string or a number.
    Port,
    Words(&'static [&'static str]),
    OneOf(&'static [Rule]),
    List(&'static Rule, Unique),
    /// Known keys.
    Object(&'static Object),
    /// Keys that the author chooses.
    Dict(Keys, &'static Rule, Others),
    /// Only from this minor version on.
    Since(u8, &'static Rule),
    /// Of the Compose specification: docker refuses it, but potluck accepts it
    /// because its meaning for swarm is clear. Listed after docker's own alternatives.
    Beyond(&'static Rule),
}

/// Whether a list may hold the same item twice.
#[derive(Clone, Copy)]
pub enum Unique {
    Always,
    Never,
    /// Checked in versions below this one only.
    Below(u8),
}

/// Which keys a [`Rule::Dict`] is about.
#[derive(Clone, Copy)]
pub enum Keys {
    /// `^[a-zA-Z0-9._-]+$`
    Names,
    /// `^[a-z]+$`
    Lower,
    /// Anything but the empty string.
    Filled,
}

/// What happens to keys that the table does not know.
#[derive(Clone, Copy)]
pub enum Others {
    Refused,
    Ignored,
    /// Ignored from this minor version on.
    IgnoredSince(u8),
}

pub struct Object {
    pub fields: &'static [Field],
    pub others: Others,
    /// `x-…` is allowed from this minor version on.
    pub extensions: Option<u8>,
    pub required: &'static [&'static str],
}

pub struct Field {
    pub name: &'static str,
    pub since: u8,
    pub rule: Rule,
}

/// A version of the format, `3.8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u8);

impl Version {
    /// The version of a file, read before interpolation as docker does.
    pub fn of(root: &Map) -> Result<Self, (Spot, String)> {
        let Some(entry) = root.entry("version") else { return Ok(Self(NEWEST)) };
        let shown = entry.value.value.print().unwrap_or_default();
        match shown.as_str() {
            "" | "3" if !matches!(entry.value.value, Value::List(_) | Value::Map(_)) => {
                Ok(Self(NEWEST))
            }
            _ => shown
                .strip_prefix("3.")
                .filter(|minor| *minor == "0" || !minor.starts_with('0'))
                .filter(|minor| minor.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|minor| minor.parse().ok())
                .filter(|minor| *minor <= NEWEST)
                .map(Self)
                .ok_or((entry.value.at, shown)),
        }
    }
}

/// A version of the format before 3, which had the keys of today's Compose
/// specification.
pub fn is_before_3(shown: &str) -> bool {
    matches!(shown, "2" | "2.0" | "2.1" | "2.2" | "2.3" | "2.4")
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "3.{}", self.0)
    }
}

/// Checks for keys that are refused whatever the version.
pub fn check_forbidden(root: &Map, sink: &mut Sink) {
    let Some(Node { value: Value::Map(services), .. }) = root.get("services") else { return };
    for service in &services.0 {
        let Value::Map(keys) = &service.value.value else { continue };
        for entry in &keys.0 {
            if let Some((_, instead)) = foreign::FORBIDDEN.iter().find(|(key, _)| *key == entry.key)
            {
                let services = Path::Root.key("services");
                let service = services.key(&service.key);
                let path = service.key(&entry.key);
                sink.hint(entry.at, path, "swarm has no such setting", *instead);
            }
        }
    }
}

/// Checks a file against the schema of its version. Notes what docker would
/// refuse; returns the positions of duplicate items in lists.
pub fn check(
    root: &Map,
    at: Spot,
    version: Version,
    sink: &mut Sink,
    notes: &mut Vec<Note>,
) -> Vec<Spot> {
    let mut checker = Checker { version, sink, notes, twice: vec![] };
    checker.object(root, at, &tables::ROOT, Path::Root);
    checker.twice
}

/// Removes duplicate items from lists: the same item twice means the same as once.
pub fn drop_twice(root: &mut Map, twice: &[Spot]) {
    if !twice.is_empty() {
        drop_items(root, twice);
    }
}

fn drop_items(map: &mut Map, twice: &[Spot]) {
    for entry in &mut map.0 {
        match &mut entry.value.value {
            Value::List(items) => items.retain(|item| !twice.contains(&item.at)),
            Value::Map(inner) => drop_items(inner, twice),
            _ => {}
        }
    }
}

struct Checker<'s> {
    version: Version,
    sink: &'s mut Sink,
    notes: &'s mut Vec<Note>,
    /// Items to leave out.
    twice: Vec<Spot>,
}

impl Checker<'_> {
    fn check(&mut self, node: &Node, rule: &Rule, path: Path<'_>) {
        match (rule, &node.value) {
            (Rule::Since(_, rule), _) => self.check(node, rule, path),
            (Rule::Beyond(rule), _) => {
                self.beyond(node.at, path);
                self.check(node, rule, path);
            }
            (Rule::OneOf(rules), _) => {
                match rules.iter().find(|rule| self.allows(rule) && fits(rule, &node.value)) {
                    Some(rule) => self.check(node, rule, path),
                    None => self.wrong_kind(node, rule, path),
                }
            }
            _ if !fits(rule, &node.value) => self.wrong_kind(node, rule, path),
            (Rule::Object(object), Value::Map(map)) => self.object(map, node.at, object, path),
            (Rule::Dict(keys, value, others), Value::Map(map)) => {
                self.dict(map, *keys, value, *others, path);
            }
            (Rule::List(item, unique), Value::List(items)) => {
                self.list(items, item, *unique, path);
            }
            (Rule::Duration, Value::Str(text)) => {
                if let Err(why) = duration::parse(text) {
                    self.sink.hint(node.at, path, why, "write a duration like `30s` or `1m30s`");
                }
            }
            (Rule::Natural, value) if is_negative(value) => {
                self.sink.push(node.at, path, "must not be below zero");
            }
            (Rule::Words(words), Value::Str(text)) if !words.contains(&text.as_str()) => {
                self.sink.hint(
                    node.at,
                    path,
                    format!("unknown value `{text}`"),
                    format!("use one of {}", list(words)),
                );
            }
            (Rule::Port, value) => {
                let text = value.print().unwrap_or_default();
                if let Err(why) = ports::parse_short(&text) {
                    self.sink.hint(
                        node.at,
                        path,
                        why,
                        "write `[published:]target[/protocol]`, like \"8080:80\" or \"53:53/udp\"",
                    );
                }
            }
            _ => {}
        }
    }

    fn beyond(&mut self, at: Spot, path: Path<'_>) {
        self.notes.push(Note { at, path: path.to_string(), kind: NoteKind::BeyondDocker });
    }

    fn allows(&self, rule: &Rule) -> bool {
        !matches!(rule, Rule::Since(since, _) if self.version.0 < *since)
    }

    fn wrong_kind(&mut self, node: &Node, rule: &Rule, path: Path<'_>) {
        let wanted = self.describe(rule);
        let given = node.value.kind();
        let hint = match (&node.value, rule) {
            (Value::Int(_) | Value::Float(_) | Value::Bool(_), _) if accepts(rule, is_text) => {
                // The value is no longer as it was written: 0123 is 83.
                Some("write it in quotes".into())
            }
            (Value::Int(seconds), Rule::Duration) => Some(format!("write `{seconds}s`")),
            (Value::Str(text), _) if accepts(rule, |r| matches!(r, Rule::Flag)) => {
                let flag = match text.to_lowercase().as_str() {
                    "true" | "yes" | "on" | "y" | "1" => "true",
                    _ => "false",
                };
                Some(format!("write `{flag}` without quotes"))
            }
            (Value::Str(text), _)
                if accepts(rule, is_number) && text.parse::<f64>().is_ok_and(f64::is_finite) =>
            {
                Some(format!("write `{text}` without quotes"))
            }
            (Value::Str(text), Rule::List(..)) => Some(format!("write `[{text}]`")),
            (Value::Null, _) => Some("remove the key or give it a value".into()),
            _ => None,
        };
        self.sink.fault(node.at, path, format!("must be {wanted}, not {given}"), hint);
    }

    fn object(&mut self, map: &Map, at: Spot, object: &Object, path: Path<'_>) {
        for entry in &map.0 {
            let below = path.key(&entry.key);
            match object.fields.iter().find(|f| f.name == entry.key) {
                Some(field) if field.since <= self.version.0 => {
                    if is_unset(entry, below) && !fits(&field.rule, &Value::Null) {
                        self.beyond(entry.at, below);
                    } else {
                        self.check(&entry.value, &field.rule, below);
                    }
                }
                _ if object.extensions.is_some_and(|since| since <= self.version.0)
                    && entry.key.starts_with("x-") => {}
                _ if self.ignores(object.others) => {}
                Some(field) => self.sink.hint(
                    entry.at,
                    below,
                    format!("needs version 3.{} of the format", field.since),
                    "remove the top-level `version`, or raise it",
                ),
                None if object.extensions.is_some() && entry.key.starts_with("x-") => {
                    let since = object.extensions.unwrap_or_default();
                    self.sink.hint(
                        entry.at,
                        below,
                        format!("keys of your own need version 3.{since} of the format"),
                        "remove the top-level `version`, or raise it",
                    );
                }
                None => self.unknown(entry.at, &entry.key, object, below),
            }
        }
        for required in object.required {
            if map.get(required).is_none() {
                self.sink.push(at, path, format!("`{required}` is missing"));
            }
        }
    }

    fn ignores(&self, others: Others) -> bool {
        match others {
            Others::Refused => false,
            Others::Ignored => true,
            Others::IgnoredSince(since) => since <= self.version.0,
        }
    }

    fn unknown(&mut self, at: Spot, key: &str, object: &Object, path: Path<'_>) {
        let known = object.fields.iter().filter(|f| f.since <= self.version.0).map(|f| f.name);
        let hint = foreign::instead(key)
            .map(str::to_owned)
            .or_else(|| nearest(key, known).map(|near| format!("did you mean `{near}`?")));
        self.sink.fault(at, path, "unknown key".into(), hint);
    }

    fn dict(&mut self, map: &Map, keys: Keys, rule: &Rule, others: Others, path: Path<'_>) {
        for entry in &map.0 {
            let below = path.key(&entry.key);
            if keys.fit(&entry.key) {
                self.check(&entry.value, rule, below);
            } else if matches!(others, Others::Refused) {
                let message = if entry.key.is_empty() {
                    "a name must not be empty".to_owned()
                } else {
                    format!("`{}` is not a name: use letters, digits, `.`, `_` and `-`", entry.key)
                };
                self.sink.push(entry.at, below, message);
            }
        }
    }

    fn list(&mut self, items: &[Node], rule: &Rule, unique: Unique, path: Path<'_>) {
        for (index, item) in items.iter().enumerate() {
            self.check(item, rule, path.index(index));
        }
        match unique {
            Unique::Always if items.len() > 1 => self.twice(items, path, true),
            Unique::Below(version) if self.version.0 < version => self.twice(items, path, false),
            _ => {}
        }
    }

    /// Docker refuses a duplicate item in a list; here it counts once, if it may be
    /// left out.
    fn twice(&mut self, items: &[Node], path: Path<'_>, may_go: bool) {
        // Of variables and files of variables the last one counts.
        let last = matches!(path, Path::Key(_, "environment" | "env_file"));
        let mut seen: HashMap<Cow<'_, str>, Spot> = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(earlier) = seen.insert(canonical(item), item.at) {
                let below = path.index(index);
                // Copies by an alias have one place: they cannot be told apart.
                if !may_go || earlier == item.at {
                    self.sink.push(item.at, below, "this item is in the list twice");
                    continue;
                }
                self.beyond(item.at, below);
                self.twice.push(if last { earlier } else { item.at });
                if !last {
                    seen.insert(canonical(item), earlier);
                }
            }
        }
    }

    fn describe(&self, rule: &Rule) -> String {
        match rule {
            Rule::Any => "anything".into(),
            Rule::Text | Rule::Words(_) => "a string".into(),
            Rule::Flag => "true or false".into(),
            Rule::Null => "nothing".into(),
            Rule::Whole | Rule::Natural => "a whole number".into(),
            Rule::Number => "a number".into(),
            Rule::Duration => "a duration like `30s`".into(),
            Rule::Port => "a port like `8080:80`".into(),
            Rule::List(..) => "a list".into(),
            Rule::Object(_) | Rule::Dict(..) => "a mapping".into(),
            Rule::Since(_, rule) | Rule::Beyond(rule) => self.describe(rule),
            Rule::OneOf(rules) => {
                let mut words: Vec<String> = rules
                    .iter()
                    .filter(|r| self.allows(r) && !matches!(r, Rule::Null))
                    .map(|r| self.describe(r))
                    .collect();
                words.dedup();
                match words.split_last() {
                    Some((last, [])) => last.clone(),
                    Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                    None => "nothing".into(),
                }
            }
        }
    }
}

impl Keys {
    fn fit(self, key: &str) -> bool {
        !key.is_empty()
            && match self {
                Keys::Names => key
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')),
                Keys::Lower => key.bytes().all(|b| b.is_ascii_lowercase()),
                Keys::Filled => true,
            }
    }
}

/// Whether a key without a value means the same as a missing one, because
/// `docker compose config` writes `command: null` for every service. A service
/// without its image has no meaning, and neither has a mount without its target; in
/// maps whose keys the file chooses, a key without a value means an empty value.
fn is_unset(entry: &Entry, path: Path<'_>) -> bool {
    if entry.value.value != Value::Null || entry.key.starts_with("x-") || entry.key == "image" {
        return false;
    }
    let pattern = path.pattern();
    let keys: Vec<&str> = pattern.split('.').collect();
    let fixed = |between: &[&str]| !between.iter().any(|key| OWN_KEYS.contains(key));
    match keys[..] {
        [section] => matches!(section, "networks" | "volumes" | "secrets" | "configs"),
        ["services" | "networks" | "volumes", _, _] => true,
        ["secrets" | "configs", _, key] => key != "file",
        ["services", _, "build" | "deploy" | "healthcheck" | "logging", ref below @ .., _]
        | ["networks", _, "ipam", ref below @ .., _] => fixed(below),
        ["services", _, "credential_spec", _] | ["services", _, "networks", _, _] => true,
        ["services", _, "ports" | "volumes" | "secrets" | "configs", "[]", .., key] => {
            !matches!(key, "target" | "type" | "source")
        }
        _ => false,
    }
}

/// Maps in which the file chooses the keys.
const OWN_KEYS: &[&str] = &["labels", "options", "args", "additional_contexts", "extra_hosts"];

/// Removes the keys without a value, once they are checked: they count as not
/// given.
pub fn drop_unset(root: &mut Map) {
    drop_below(root, Path::Root);
}

fn drop_below(map: &mut Map, path: Path<'_>) {
    map.0.retain(|entry| !is_unset(entry, path.key(&entry.key)));
    for Entry { key, value, .. } in &mut map.0 {
        drop_within(&mut value.value, path.key(key));
    }
}

fn drop_within(value: &mut Value, path: Path<'_>) {
    match value {
        Value::Map(inner) => drop_below(inner, path),
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                drop_within(&mut item.value, path.index(index));
            }
        }
        _ => {}
    }
}

/// Whether the value is of the rule's kind, contents left aside.
fn fits(rule: &Rule, value: &Value) -> bool {
    let whole = || match value {
        Value::Int(_) => true,
        Value::Float(f) => f.fract() == 0.0,
        _ => false,
    };
    match rule {
        Rule::Any => true,
        Rule::Text | Rule::Words(_) | Rule::Duration => {
            matches!(value, Value::Str(_) | Value::Time(_))
        }
        Rule::Flag => matches!(value, Value::Bool(_)),
        Rule::Null => matches!(value, Value::Null),
        Rule::Whole | Rule::Natural => whole(),
        Rule::Number => matches!(value, Value::Int(_) | Value::Float(_)),
        Rule::Port => matches!(value, Value::Str(_) | Value::Int(_)),
        Rule::List(..) => matches!(value, Value::List(_)),
        Rule::Object(_) | Rule::Dict(..) => matches!(value, Value::Map(_)),
        Rule::OneOf(rules) => rules.iter().any(|rule| fits(rule, value)),
        Rule::Since(_, rule) | Rule::Beyond(rule) => fits(rule, value),
    }
}

fn is_negative(value: &Value) -> bool {
    matches!(value, Value::Int(i) if *i < 0) || matches!(value, Value::Float(f) if *f < 0.0)
}

/// Whether the rule, or one of its alternatives, is of that kind.
fn accepts(rule: &Rule, kind: fn(&Rule) -> bool) -> bool {
    match rule {
        Rule::OneOf(rules) => rules.iter().any(|rule| accepts(rule, kind)),
        Rule::Since(_, rule) | Rule::Beyond(rule) => accepts(rule, kind),
        rule => kind(rule),
    }
}

fn is_text(rule: &Rule) -> bool {
    matches!(rule, Rule::Text)
}

fn is_number(rule: &Rule) -> bool {
    matches!(rule, Rule::Whole | Rule::Natural | Rule::Number)
}

fn list(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

/// Equal for values that are equal as JSON.
fn canonical(node: &Node) -> Cow<'_, str> {
    match &node.value {
        // A text that begins like what is written below is written like it.
        Value::Str(s)
            if !s.starts_with(['"', '[', '{', '<'])
                && !matches!(s.as_str(), "true" | "false")
                && s.parse::<f64>().is_err() =>
        {
            Cow::Borrowed(s)
        }
        Value::Str(s) => Cow::Owned(format!("{s:?}")),
        Value::Time(time) => Cow::Owned(format!("{:?}", time.rfc3339)),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(canonical).collect();
            Cow::Owned(format!("[{}]", items.join(",")))
        }
        Value::Map(map) => {
            let mut pairs: Vec<String> =
                map.0.iter().map(|e| format!("{:?}:{}", e.key, canonical(&e.value))).collect();
            pairs.sort();
            Cow::Owned(format!("{{{}}}", pairs.join(",")))
        }
        value => Cow::Owned(value.print().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests;
