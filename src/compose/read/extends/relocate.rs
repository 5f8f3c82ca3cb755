//! Relative paths of a service that comes from another folder.

use std::path::Path;

use super::super::yaml::{Map, Node, Value};
use crate::compose::{decode::clean, value::volumes};

/// Makes the service's relative paths absolute: sources of bind mounts and
/// environment files.
pub fn relocate(service: &mut Map, folder: &Path) {
    for entry in &mut service.0 {
        match entry.key.as_str() {
            "volumes" => each(&mut entry.value, &mut |node| volume(node, folder)),
            "env_file" => each(&mut entry.value, &mut |node| env_file(node, folder)),
            _ => {}
        }
    }
}

/// A list's items, or the one value.
fn each(node: &mut Node, change: &mut impl FnMut(&mut Node)) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(change),
        _ => change(node),
    }
}

fn volume(node: &mut Node, folder: &Path) {
    match &mut node.value {
        Value::Str(text) => {
            let Ok(mount) = volumes::parse_short(text) else { return };
            if mount.kind == "bind"
                && is_relative(&mount.source)
                && let Some(rest) = text.strip_prefix(&mount.source)
            {
                *text = absolute(folder, &mount.source) + rest;
            }
        }
        Value::Map(map) => {
            let binds = matches!(map.get("type"), Some(Node { value: Value::Str(kind), .. }) if kind == "bind");
            if binds {
                text_at(map, "source", folder);
            }
        }
        _ => {}
    }
}

fn env_file(node: &mut Node, folder: &Path) {
    match &mut node.value {
        Value::Str(path) if is_relative(path) => *path = absolute(folder, path),
        Value::Map(map) => text_at(map, "path", folder),
        _ => {}
    }
}

fn text_at(map: &mut Map, key: &str, folder: &Path) {
    let node = map.0.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value.value);
    if let Some(Value::Str(path)) = node
        && is_relative(path)
    {
        *path = absolute(folder, path);
    }
}

fn is_relative(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('~') && !volumes::is_absolute(path)
}

fn absolute(folder: &Path, path: &str) -> String {
    clean(&folder.join(path)).to_string_lossy().into_owned()
}
