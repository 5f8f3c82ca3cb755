//! What looks like something else in the text of a file: YAML tags that docker
//! ignores, and characters that nobody sees.

use crate::compose::problem::{Path, Spot};

use super::{
    blanks::is_invisible,
    interpolate::{Note, NoteKind},
    yaml::{Map, Node, Value},
};

/// Keys of services whose lists an overlay appends to; what stays there stays
/// open, granted or mounted.
const UNSAFE: &[&str] = &["ports", "cap_add", "devices", "networks", "privileged", "volumes"];

/// Notes what is odd in a file. `tags` are those of a kind that YAML does not
/// know; `overlays` says whether the file is an overlay over another one.
pub fn find(
    root: &Map,
    text: &str,
    mut tags: Vec<(Spot, String)>,
    overlays: bool,
    notes: &mut Vec<Note>,
) {
    let marks = !text.is_ascii() && text.chars().any(is_invisible);
    if marks || !tags.is_empty() {
        map(root, Path::Root, &mut Seen { marks, tags: &mut tags, overlays, notes });
    }
}

struct Seen<'s> {
    marks: bool,
    tags: &'s mut Vec<(Spot, String)>,
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
        let text = match &node_.value {
            Value::Str(text) => Some(text.clone()),
            _ => None,
        };
        let kind = NoteKind::TagIgnored { tag, is_unsafe, text };
        seen.notes.push(Note { at, path: path.to_string(), kind });
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
    let mut path = path;
    loop {
        match path {
            Path::Key(Path::Key(Path::Key(Path::Root, "services"), _), key) => {
                return UNSAFE.contains(&key);
            }
            Path::Key(above, _) | Path::Index(above, _) => path = *above,
            Path::Root => return false,
        }
    }
}
