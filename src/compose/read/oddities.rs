//! Misleading text in a file: YAML tags that docker ignores, invisible
//! characters, and values that become another text.

use std::collections::HashMap;

use crate::compose::problem::{Path, Spot};

use super::{
    blanks::is_invisible,
    interpolate::{MOST_NOTES, Note, NoteKind, TagEffect},
    yaml::{Map, Marks, Node, Value},
};

/// Keys of services whose lists an overlay appends to; entries that remain
/// there stay open, granted or mounted.
const UNSAFE: &[&str] = &["ports", "cap_add", "devices", "networks", "privileged", "volumes"];

/// Notes what is odd in a file. `overlays` says whether the file is an overlay over
/// another one.
pub fn find(root: &Map, text: &str, marks: Marks, overlays: bool, notes: &mut Vec<Note>) {
    let Marks { mut tags, changed } = marks;
    let marks = !text.is_ascii() && text.chars().any(is_invisible);
    if marks || !tags.is_empty() || !changed.is_empty() {
        let (tags, changed) = (&mut tags, &changed);
        map(root, Path::Root, &mut Seen { marks, tags, changed, overlays, notes });
    }
}

struct Seen<'s> {
    marks: bool,
    tags: &'s mut Vec<(Spot, String)>,
    changed: &'s HashMap<Spot, String>,
    overlays: bool,
    notes: &'s mut Vec<Note>,
}

fn map(map: &Map, path: Path<'_>, seen: &mut Seen<'_>) {
    for entry in &map.0 {
        let below = path.key(&entry.key);
        mark(&entry.key, entry.at, below, seen);
        node(&entry.value, below, seen);
    }
}

fn node(node_: &Node, path: Path<'_>, seen: &mut Seen<'_>) {
    // A copy by an alias has the place of the original.
    if let Some(index) = seen.tags.iter().position(|(at, _)| *at == node_.at) {
        let (at, tag) = seen.tags.swap_remove(index);
        let is_unsafe = becomes_text(&node_.value) || (seen.overlays && stays(path));
        let effect = effect(&node_.value, &path.keys(), seen.overlays);
        let kind = NoteKind::TagIgnored { tag, is_unsafe, effect };
        seen.notes.push(Note { at, path: path.to_string(), kind });
    }
    if let Some(written) = seen.changed.get(&node_.at)
        && seen.notes.len() < MOST_NOTES
        && is_text(&path.keys())
    {
        let becomes = node_.value.print().unwrap_or_default();
        let kind = NoteKind::ValueChanged { written: written.clone(), becomes };
        seen.notes.push(Note { at: node_.at, path: path.to_string(), kind });
    }
    match &node_.value {
        Value::Str(text) => mark(text, node_.at, path, seen),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                node(item, path.index(index), seen);
            }
        }
        Value::Map(inner) => map(inner, path, seen),
        _ => {}
    }
}

fn mark(text: &str, at: Spot, path: Path<'_>, seen: &mut Seen<'_>) {
    if let Some(c) = seen.marks.then(|| text.chars().find(|c| is_invisible(*c))).flatten() {
        seen.notes.push(Note { at, path: path.to_string(), kind: NoteKind::Invisible(c) });
    }
}

/// `!reset null` is the text `null`.
fn becomes_text(value: &Value) -> bool {
    matches!(value, Value::Str(text) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
}

fn stays(path: Path<'_>) -> bool {
    matches!(path.keys()[..], ["services", _, key, ..] if UNSAFE.contains(&key))
}

/// How docker's merge treats a value whose tag it does not know.
fn effect(value: &Value, keys: &[&str], overlays: bool) -> TagEffect {
    let is_empty = match value {
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.0.is_empty(),
        value => return TagEffect::Text(value.print().unwrap_or_default()),
    };
    let replaces = matches!(
        keys,
        ["services", _, "command" | "entrypoint"]
            | ["services", _, "networks", _, "aliases"]
            | ["services", _, "ulimits", _]
            | ["networks" | "volumes" | "secrets" | "configs", _, ..]
    );
    match (overlays, replaces, is_empty) {
        (false, ..) => TagEffect::Alone,
        (true, true, false) => TagEffect::Replaces,
        (true, true, true) => TagEffect::Nothing,
        (true, false, _) => TagEffect::Joins,
    }
}

/// Whether docker takes numbers there, and makes texts of them.
fn is_text(keys: &[&str]) -> bool {
    match keys {
        ["services", _, below @ ..] => matches!(
            below,
            ["environment" | "extra_hosts" | "labels" | "sysctls", _]
                | ["deploy", "labels", _]
                | ["logging", "options", _]
                | ["networks", _, "driver_opts", _]
        ),
        [_, _, "driver_opts" | "labels", _] => true,
        _ => false,
    }
}
