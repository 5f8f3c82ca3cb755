//! Entries of lists and mappings that docker drops, or takes for a name that was
//! not meant: `- "KEY: value"`, `- KEY = value`, a host without its address.

use crate::compose::problem::{Path, Spot};

use super::{
    interpolate::{Lookup, Note, NoteKind},
    yaml::{Map, Node, Value},
};

/// Keys of services with pairs in them.
const PAIRS: &[&str] = &["environment", "labels", "sysctls"];
/// Sections whose members have labels.
const SECTIONS: &[&str] = &["networks", "volumes", "secrets", "configs"];

/// Notes what a file's entries lose. Its values are filled in and fit the schema.
pub fn find(root: &Map, lookup: Lookup<'_>, notes: &mut Vec<Note>) {
    each(root, "services", |service, path| {
        passed(service, lookup, path, notes);
        for key in PAIRS {
            pairs(service, key, path, notes);
        }
        if let Some(Value::Map(deploy)) = service.get("deploy").map(|node| &node.value) {
            pairs(deploy, "labels", path.key("deploy"), notes);
        }
        hosts(service, path, notes);
    });
    for section in SECTIONS {
        each(root, section, |member, path| pairs(member, "labels", path, notes));
    }
}

fn each(root: &Map, section: &str, mut look: impl FnMut(&Map, Path<'_>)) {
    let Some(Node { value: Value::Map(members), .. }) = root.get(section) else { return };
    let path = Path::Root.key(section);
    for member in &members.0 {
        if let Value::Map(map) = &member.value.value {
            look(map, path.key(&member.key));
        }
    }
}

fn pairs(map: &Map, key: &str, path: Path<'_>, notes: &mut Vec<Note>) {
    let path = path.key(key);
    let mut push = |at: Spot, path: Path<'_>, found: Option<(String, String)>| {
        let Some((what, instead)) = found else { return };
        let kind = NoteKind::EntryMisread { what, instead };
        notes.push(Note { at, path: path.to_string(), kind });
    };
    match map.get(key).map(|node| &node.value) {
        Some(Value::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                if let Value::Str(text) = &item.value {
                    push(item.at, path.index(index), misread(text));
                }
            }
        }
        Some(Value::Map(map)) => {
            for entry in map.0.iter().filter(|entry| is_padded(&entry.key)) {
                let what = format!("the name is `{}`, blanks included", entry.key);
                push(entry.at, path.key(&entry.key), Some((what, entry.key.trim().to_owned())));
            }
        }
        _ => {}
    }
}

/// `- NAME`, which passes on a variable that does not exist.
fn passed(service: &Map, lookup: Lookup<'_>, path: Path<'_>, notes: &mut Vec<Note>) {
    let path = path.key("environment");
    let Some(Node { value: Value::List(items), .. }) = service.get("environment") else { return };
    for (index, item) in items.iter().enumerate() {
        if let Value::Str(name) = &item.value
            && !name.is_empty()
            && misread(name).is_none()
            && !name.contains('=')
            && lookup(name).is_none()
        {
            let kind = NoteKind::PassedUnset(name.clone());
            notes.push(Note { at: item.at, path: path.index(index).to_string(), kind });
        }
    }
}

/// How docker reads an item that looks like something else; and how to write
/// it.
fn misread(text: &str) -> Option<(String, String)> {
    if let Some((name, value)) = text.split_once('=') {
        return is_padded(name).then(|| {
            let value =
                if name.ends_with(char::is_whitespace) { value.trim_start() } else { value };
            let what = format!("the name is `{name}`, blanks included");
            (what, format!("{}={value}", name.trim()))
        });
    }
    let what = || format!("`{text}` is a name without a value: only `=` parts them");
    match text.split_once(':') {
        Some((name, value)) => Some((what(), format!("{}={}", name.trim(), value.trim()))),
        None if is_padded(text) => {
            Some((format!("the name is `{text}`, blanks included"), text.trim().to_owned()))
        }
        None => None,
    }
}

fn is_padded(name: &str) -> bool {
    name.trim() != name
}

/// Docker drops what names no address.
fn hosts(service: &Map, path: Path<'_>, notes: &mut Vec<Note>) {
    let path = path.key("extra_hosts");
    let mut dropped = |at: Spot, path: Path<'_>, host: &str| {
        let what = format!("docker drops `{host}`: it names no address");
        let kind = NoteKind::EntryMisread { what, instead: format!("{host}:ADDRESS") };
        notes.push(Note { at, path: path.to_string(), kind });
    };
    match service.get("extra_hosts").map(|node| &node.value) {
        Some(Value::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                match &item.value {
                    // An empty one is said of its variable.
                    Value::Str(text) if !text.is_empty() && !text.contains([':', '=']) => {
                        dropped(item.at, path.index(index), text);
                    }
                    _ => {}
                }
            }
        }
        Some(Value::Map(map)) => {
            for entry in map.0.iter().filter(|entry| entry.value.value == Value::Null) {
                dropped(entry.at, path.key(&entry.key), &entry.key);
            }
        }
        _ => {}
    }
}
