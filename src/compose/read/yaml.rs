//! Parses text to a tree in which every node knows its position.
//!
//! Scalars follow yaml.v3 ([`crate::compose::value::scalar`]). Only the first document counts,
//! as in docker. Duplicate keys are errors, merge keys (`<<`) are applied, and
//! everything is limited: bytes, depth, and the expansion of aliases, so that no
//! file can exhaust memory.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};

use crate::compose::{
    problem::{Path, Sink, Spot},
    value::scalar::{self, Scalar, Time},
};

/// Largest compose file, in bytes. The largest seen in public is below 100 kB.
const LARGEST_FILE: usize = 4 << 20;
/// Deepest nesting, aliases included. Compose files need about ten levels; the
/// code below recurses over the tree.
const DEEPEST: usize = 100;
/// What all aliases of a file may expand to, in bytes of tree.
const LARGEST_EXPANSION: usize = 64 << 20;
/// Bytes that one node costs besides its text.
const NODE_WEIGHT: usize = 96;

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    pub at: Spot,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// A date or time: JSON schema takes it for a string, docker's decoder does
    /// not.
    Time(Time),
    Str(String),
    List(Vec<Node>),
    Map(Map),
}

/// Keys in the order of the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map(pub Vec<Entry>);

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub at: Spot,
    pub value: Node,
}

impl Map {
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|e| &e.value)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|e| e.key == key)
    }
}

impl Value {
    /// What the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Float(f) if f.fract() != 0.0 => "a fraction",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Time(_) => "a date",
            Value::Str(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value as Go's `%v` prints it; none for lists and mappings.
    pub fn print(&self) -> Option<String> {
        Some(match self {
            Value::Null => "<nil>".into(),
            Value::Bool(b) => b.to_string(),
            Value::Int(i) => i.to_string(),
            Value::Float(f) => scalar::format_float(*f),
            Value::Time(time) => time.printed.clone(),
            Value::Str(s) => s.clone(),
            Value::List(_) | Value::Map(_) => return None,
        })
    }
}

/// A node under construction or finished, with what it costs to copy.
struct Built {
    node: Node,
    /// Plain `<<`.
    merge: bool,
    weight: usize,
    depth: usize,
}

enum Frame {
    List {
        at: Spot,
        anchor: usize,
        items: Vec<Node>,
        weight: usize,
        depth: usize,
    },
    Map {
        at: Spot,
        anchor: usize,
        pairs: Vec<(Built, Node)>,
        key: Option<Built>,
        weight: usize,
        depth: usize,
    },
}

struct Reader<'s> {
    file: u32,
    sink: &'s mut Sink,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize, usize)>,
    expanded: usize,
    root: Option<Node>,
    /// Tags that YAML does not know, `!reset`, which change nothing but the type
    /// of a scalar.
    tags: Vec<(Spot, String)>,
    /// Numbers, dates and booleans that are printed differently than they are written.
    changed: HashMap<Spot, String>,
    /// Where the root ended, counted in characters.
    ended: Option<usize>,
}

/// Whether there is something between the end of the root and a later place.
fn leads_on(text: &str, end: usize, place: usize) -> bool {
    text.chars().take(place).skip(end).any(|c| !c.is_whitespace())
}

/// Reads the first document, without notes about its tags.
#[cfg(test)]
pub fn read(text: &str, file: u32, sink: &mut Sink) -> Option<Node> {
    read_with_marks(text, file, sink).map(|(root, _)| root)
}

/// Properties of the text that a tree does not contain.
pub struct Marks {
    /// Tags of a kind that YAML does not know.
    pub tags: Vec<(Spot, String)>,
    /// As they are written, numbers, dates and booleans that print otherwise.
    pub changed: HashMap<Spot, String>,
}

/// Reads the first document, and what is odd in its text. None after a problem that
/// prevented a tree; other problems (duplicate keys) are reported and reading continues.
pub fn read_with_marks(text: &str, file: u32, sink: &mut Sink) -> Option<(Node, Marks)> {
    let start = Spot { file, line: 1, column: 1 };
    if text.len() > LARGEST_FILE {
        sink.push(start, "", format!("the file is larger than {LARGEST_FILE} bytes"));
        return None;
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = DEEPEST;
    options.block_nesting_limit = DEEPEST;
    let mut reader = Reader {
        file,
        sink,
        frames: vec![],
        anchors: HashMap::new(),
        expanded: 0,
        root: None,
        tags: vec![],
        changed: HashMap::new(),
        ended: None,
    };
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((Event::DocumentEnd, _)) => break,
            Ok((event, span)) => {
                if !reader.take(event, span) {
                    return None;
                }
                if reader.root.is_some() && reader.ended.is_none() {
                    reader.ended = Some(span.end.index());
                }
            }
            Err(error) => {
                let mark = error.marker();
                // This parser looks further ahead than docker's, which never
                // sees what comes after the first document.
                if reader.ended.is_some_and(|end| leads_on(text, end, mark.index())) {
                    break;
                }
                let at = reader.spot(mark.line(), mark.col());
                reader.sink.push(at, "", format!("invalid YAML: {}", error.info()));
                return None;
            }
        }
    }
    let root = reader.root.unwrap_or(Node { value: Value::Null, at: start });
    if !matches!(root.value, Value::Map(_)) {
        let message = format!("the file must hold a mapping, not {}", root.value.kind());
        sink.push(root.at, "", message);
        return None;
    }
    Some((root, Marks { tags: reader.tags, changed: reader.changed }))
}

impl Reader<'_> {
    fn spot(&self, line: usize, column: usize) -> Spot {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Spot {
            file: self.file,
            line: narrow(line).max(1),
            column: narrow(column.saturating_add(1)),
        }
    }

    /// False if reading cannot continue.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        let at = self.spot(span.start.line(), span.start.col());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.note(tag.as_deref(), at);
                let Some((value, merge)) = self.scalar(&text, style, tag.as_deref(), at) else {
                    return false;
                };
                if !matches!(value, Value::Str(_) | Value::Null)
                    && value.print().is_some_and(|printed| printed != *text)
                {
                    self.changed.insert(at, text.to_string());
                }
                let weight = NODE_WEIGHT + text.len();
                self.finish(Built { node: Node { value, at }, merge, weight, depth: 1 }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.note(tag.as_deref(), at);
                self.frames.push(Frame::List {
                    at,
                    anchor,
                    items: vec![],
                    weight: NODE_WEIGHT,
                    depth: 0,
                });
                true
            }
            Event::MappingStart(_, anchor, tag) => {
                self.note(tag.as_deref(), at);
                self.frames.push(Frame::Map {
                    at,
                    anchor,
                    pairs: vec![],
                    key: None,
                    weight: NODE_WEIGHT,
                    depth: 0,
                });
                true
            }
            Event::SequenceEnd | Event::MappingEnd => match self.frames.pop() {
                Some(Frame::List { at, anchor, items, weight, depth }) => {
                    let node = Node { value: Value::List(items), at };
                    self.finish(Built { node, merge: false, weight, depth: depth + 1 }, anchor)
                }
                Some(Frame::Map { at, anchor, pairs, weight, depth, .. }) => {
                    let node = Node { value: Value::Map(self.mapping(pairs)), at };
                    self.finish(Built { node, merge: false, weight, depth: depth + 1 }, anchor)
                }
                None => true,
            },
            Event::DocumentStart(_, Some(version)) if (version.major, version.minor) != (1, 1) => {
                let message = "docker reads only files without %YAML, or with %YAML 1.1";
                self.sink.hint(at, "", message, "remove the line");
                false
            }
            Event::Alias(id) => {
                let Some((node, weight, depth)) = self.anchors.get(&id).cloned() else {
                    self.sink.push(at, "", "the alias is inside the value that it refers to");
                    return false;
                };
                self.grow(weight, at) && self.finish(Built { node, merge: false, weight, depth }, 0)
            }
            _ => true,
        }
    }

    /// Accounts for a copy.
    fn grow(&mut self, weight: usize, at: Spot) -> bool {
        self.expanded = self.expanded.saturating_add(weight);
        if self.expanded > LARGEST_EXPANSION {
            self.sink.push(at, "", "the aliases of this file expand to too much");
            return false;
        }
        true
    }

    fn finish(&mut self, built: Built, anchor: usize) -> bool {
        let at = built.node.at;
        if built.depth + self.frames.len() > DEEPEST {
            self.sink.push(at, "", format!("nested more than {DEEPEST} levels deep"));
            return false;
        }
        if anchor > 0 {
            if !self.grow(built.weight, at) {
                return false;
            }
            self.anchors.insert(anchor, (built.node.clone(), built.weight, built.depth));
        }
        match self.frames.last_mut() {
            None => self.root = Some(built.node),
            Some(Frame::List { items, weight, depth, .. }) => {
                *weight = weight.saturating_add(built.weight);
                *depth = (*depth).max(built.depth);
                items.push(built.node);
            }
            Some(Frame::Map { pairs, key, weight, depth, .. }) => {
                *weight = weight.saturating_add(built.weight);
                *depth = (*depth).max(built.depth);
                match key.take() {
                    None => *key = Some(built),
                    Some(k) => pairs.push((k, built.node)),
                }
            }
        }
        true
    }

    fn note(&mut self, tag: Option<&Tag>, at: Spot) {
        let tag = tag.filter(|tag| tag.core_suffix().is_none()).map(ToString::to_string);
        self.tags.extend(tag.filter(|tag| tag.len() > 1).map(|tag| (at, tag)));
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: Spot,
    ) -> Option<(Value, bool)> {
        let plain = style == ScalarStyle::Plain;
        let suffix = tag.and_then(Tag::core_suffix);
        let resolved = match (tag, suffix) {
            (None, _) if plain => scalar::resolve(text),
            (Some(_), Some("int" | "float" | "bool" | "null")) => scalar::resolve(text),
            _ => Scalar::Str,
        };
        let matches = match (suffix, &resolved) {
            (Some("int"), s) => matches!(s, Scalar::Int(_)),
            (Some("float"), s) => matches!(s, Scalar::Int(_) | Scalar::Float(_)),
            (Some("bool"), s) => matches!(s, Scalar::Bool(_)),
            (Some("null"), s) => matches!(s, Scalar::Null),
            _ => true,
        };
        if !matches {
            let wanted = suffix.unwrap_or_default();
            self.sink.push(at, "", format!("`{text}` cannot be read as !!{wanted}"));
            return None;
        }
        Some(match resolved {
            Scalar::Null => (Value::Null, false),
            Scalar::Bool(b) => (Value::Bool(b), false),
            #[allow(clippy::cast_precision_loss, reason = "as Go converts it")]
            Scalar::Int(i) if suffix == Some("float") => (Value::Float(i as f64), false),
            Scalar::Int(i) => (Value::Int(i), false),
            Scalar::Float(f) => (Value::Float(f), false),
            Scalar::Time(s) => (Value::Time(s), false),
            Scalar::Merge => (Value::Str(text.to_owned()), true),
            Scalar::Str => (Value::Str(text.to_owned()), false),
        })
    }

    /// Checks keys and applies merge keys: explicit keys win, then the earlier
    /// of several merged mappings.
    fn mapping(&mut self, pairs: Vec<(Built, Node)>) -> Map {
        let mut map = Map::default();
        let mut seen: HashSet<String> = HashSet::new();
        let mut merged = vec![];
        for (key, value) in pairs {
            let at = key.node.at;
            let Value::Str(name) = key.node.value else {
                let message = format!("a key must be a string, not {}", key.node.value.kind());
                let hint = match &key.node.value {
                    Value::Null | Value::List(_) | Value::Map(_) => None,
                    _ => Some("write it in quotes".into()),
                };
                self.sink.fault(at, "", message, hint);
                continue;
            };
            if !seen.insert(name.clone()) {
                self.sink.push(at, "", format!("duplicate key `{name}`"));
            } else if key.merge {
                merged.push(value);
            } else {
                map.0.push(Entry { key: name, at, value });
            }
        }
        for node in merged {
            let sources = match node.value {
                Value::List(items) => items,
                _ => vec![node],
            };
            for source in sources {
                let Value::Map(source_map) = source.value else {
                    self.sink.push(source.at, "<<", "only mappings can be merged");
                    continue;
                };
                for entry in source_map.0 {
                    if seen.insert(entry.key.clone()) {
                        map.0.push(entry);
                    }
                }
            }
        }
        map
    }
}

/// Finds numbers that JSON cannot express; docker's schema check fails on them
/// everywhere.
pub fn reject_odd_numbers(root: &Map, sink: &mut Sink) {
    for entry in &root.0 {
        odd_numbers(&entry.value, Path::Root.key(&entry.key), sink);
    }
}

fn odd_numbers(node: &Node, path: Path<'_>, sink: &mut Sink) {
    match &node.value {
        Value::Float(f) if !f.is_finite() => {
            sink.push(node.at, path, "infinite numbers are not allowed");
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                odd_numbers(item, path.index(index), sink);
            }
        }
        Value::Map(map) => {
            for entry in &map.0 {
                odd_numbers(&entry.value, path.key(&entry.key), sink);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str) -> Node {
        let mut sink = Sink::default();
        let node = read(text, 0, &mut sink);
        assert!(sink.is_empty(), "{text}: {sink:?}");
        node.unwrap()
    }

    fn fails(text: &str) -> bool {
        let mut sink = Sink::default();
        read(text, 0, &mut sink);
        !sink.is_empty()
    }

    #[test]
    fn nodes_know_their_place() {
        let node = ok("a:\n  b: 1\n");
        let Value::Map(map) = &node.value else { panic!() };
        let Value::Map(inner) = &map.0[0].value.value else { panic!() };
        assert_eq!(inner.0[0].at, Spot { file: 0, line: 2, column: 3 });
        assert_eq!(inner.0[0].value.at, Spot { file: 0, line: 2, column: 6 });
    }

    #[test]
    fn merge_keys_give_way_to_explicit_ones() {
        let node = ok("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 0\n");
        let Value::Map(map) = &node.value else { panic!() };
        let Some(Node { value: Value::Map(z), .. }) = map.get("z") else { panic!() };
        let got: Vec<_> = z.0.iter().map(|e| (e.key.as_str(), e.value.value.print())).collect();
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(got, [("a", some("0")), ("b", some("2")), ("c", some("4"))]);
    }

    #[test]
    fn bad_documents_are_problems() {
        for text in [
            "",
            "~",
            "- a",
            "text",
            "a: 1\na: 2",
            "1: x",
            "a: {true: x}",
            "[a]: b",
            "a: [",
            "a: *x",
            "a: &a [*a]",
            "<<: 1",
            "a: !!int x",
            "a: b: c",
        ] {
            assert!(fails(text), "{text:?} was accepted");
        }
    }

    #[test]
    fn only_the_first_document_counts() {
        ok("a: 1\n---\na: [\n");
    }

    #[test]
    fn bombs_do_not_go_off() {
        let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..40 {
            let alias = format!("*a{}", level - 1);
            laughs += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(","));
        }
        assert!(fails(&laughs));
        assert!(fails(&("a: ".to_owned() + &"[".repeat(100_000))));
        let nested: String = (0..1000).map(|i| " ".repeat(i) + "a:\n").collect();
        assert!(fails(&nested));
        // Deep only through aliases.
        let mut deep = "a0: &a0 [x]\n".to_owned();
        for level in 1..60 {
            deep += &format!("a{level}: &a{level} [[[*a{}]]]\n", level - 1);
        }
        assert!(fails(&deep));
    }
}
