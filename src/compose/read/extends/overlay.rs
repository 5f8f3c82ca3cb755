//! One service over another, by the rules of the Compose specification
//! (`13-merge.md`), which are kinder than docker's for overlay files: `false`
//! and zero replace, and a health check's test is replaced, not appended to.
//!
//! Mappings merge, lists are appended, everything else is replaced. Commands are
//! replaced; lists of `KEY=value` merge as mappings; mounts, secrets and configs
//! are told apart by where they end up.

use super::super::yaml::{Entry, Map, Node, Value};
use crate::compose::{problem::Spot, value::volumes};

/// How the values of a key merge.
#[derive(Clone, Copy)]
enum Way {
    Replace,
    /// Mappings, or lists of `key=value`.
    Pairs,
    /// Lists of names, or mappings whose values may be left out.
    Attached,
    /// Lists of names, or mappings whose values swarm ignores.
    Names,
    /// Lists whose items are told apart by this.
    Keyed(fn(&Node) -> Option<String>),
    /// One value or a list of them.
    Listed,
    Deep,
}

fn way(key: &str) -> Way {
    match key {
        "command" | "entrypoint" => Way::Replace,
        "environment" | "labels" | "sysctls" => Way::Pairs,
        "networks" => Way::Attached,
        "depends_on" => Way::Names,
        "volumes" => Way::Keyed(volume_target),
        "secrets" | "configs" => Way::Keyed(reference_target),
        "dns" | "dns_search" | "env_file" | "tmpfs" => Way::Listed,
        _ => Way::Deep,
    }
}

/// The base with what the other service says.
pub fn service(mut base: Map, over: Map) -> Map {
    for entry in over.0 {
        match base.0.iter_mut().find(|present| present.key == entry.key) {
            None => base.0.push(entry),
            Some(present) => {
                let way = way(&entry.key);
                // Another driver's options mean nothing to this one.
                let way = match entry.key.as_str() {
                    "logging" if driver(&present.value) != driver(&entry.value) => Way::Replace,
                    _ => way,
                };
                present.at = entry.at;
                merge(&mut present.value, entry.value, way);
            }
        }
    }
    base
}

fn merge(base: &mut Node, over: Node, way: Way) {
    let at = over.at;
    let old = std::mem::replace(&mut base.value, Value::Null);
    base.value = match (way, old, over.value) {
        // Nothing is "not given".
        (_, old, Value::Null) => old,
        (Way::Replace, _, value) => value,
        (Way::Pairs, old, value) => both(pairs(old), pairs(value), Way::Replace),
        (Way::Names | Way::Attached, Value::List(old), Value::List(value)) => append(old, value),
        (Way::Names, Value::Map(old), Value::List(value)) => append(keys(old), value),
        (Way::Names, Value::List(old), Value::Map(value)) => append(old, keys(value)),
        (Way::Attached, old, value) => both(names(old), names(value), Way::Deep),
        (Way::Keyed(key), Value::List(old), Value::List(value)) => keyed(old, value, key),
        (Way::Listed, old, value) => append(items(old, at), items(value, at)),
        (Way::Deep | Way::Names, Value::Map(old), Value::Map(value)) => {
            both(Value::Map(old), Value::Map(value), Way::Deep)
        }
        (Way::Deep, Value::List(old), Value::List(value)) => append(old, value),
        (_, _, value) => value,
    };
    base.at = at;
}

/// Merges two mappings. Anything else is kept, and the schema refuses it.
fn both(base: Value, over: Value, below: Way) -> Value {
    let (mut base, over) = match (base, over) {
        (Value::Map(base), Value::Map(over)) => (base, over),
        (Value::Map(_), wrong) | (wrong, _) => return wrong,
    };
    for entry in over.0 {
        match base.0.iter_mut().find(|present| present.key == entry.key) {
            None => base.0.push(entry),
            Some(present) => {
                let way = match (below, entry.key.as_str()) {
                    (Way::Replace, _) | (_, "test") => Way::Replace,
                    (_, "labels" | "args") => Way::Pairs,
                    _ => Way::Deep,
                };
                present.at = entry.at;
                if matches!(way, Way::Replace) {
                    present.value = entry.value;
                } else {
                    merge(&mut present.value, entry.value, way);
                }
            }
        }
    }
    Value::Map(base)
}

/// A list with another one behind it, each item once.
fn append(mut base: Vec<Node>, over: Vec<Node>) -> Value {
    for item in over {
        if !base.iter().any(|present| same(present, &item)) {
            base.push(item);
        }
    }
    Value::List(base)
}

/// The items of the base, each replaced by the one that has its key.
fn keyed(mut base: Vec<Node>, over: Vec<Node>, key: fn(&Node) -> Option<String>) -> Value {
    for item in over {
        let present = key(&item)
            .and_then(|wanted| base.iter().position(|b| key(b).as_ref() == Some(&wanted)));
        match present {
            Some(index) => base[index] = item,
            None => base.push(item),
        }
    }
    Value::List(base)
}

/// Whether two nodes hold the same, wherever they stand.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.0.len() == b.0.len()
                && a.0.iter().all(|e| b.get(&e.key).is_some_and(|b| same(&e.value, b)))
        }
        (a, b) => a == b,
    }
}

/// `[A=1, B]` as `{A: 1, B: }`. A list of anything else is kept.
fn pairs(value: Value) -> Value {
    let Value::List(list) = value else { return value };
    if !list.iter().all(|item| matches!(item.value, Value::Str(_))) {
        return Value::List(list);
    }
    let mut map = Map::default();
    for Node { value, at } in list {
        let Value::Str(text) = value else { continue };
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Value::Str(value.to_owned())),
            None => (text, Value::Null),
        };
        map.0.retain(|entry| entry.key != key);
        map.0.push(Entry { key, at, value: Node { value, at } });
    }
    Value::Map(map)
}

/// The keys of a mapping as a list.
fn keys(map: Map) -> Vec<Node> {
    map.0.into_iter().map(|entry| Node { value: Value::Str(entry.key), at: entry.at }).collect()
}

/// `[a, b]` as `{a: , b: }`.
fn names(value: Value) -> Value {
    let Value::List(list) = value else { return value };
    if !list.iter().all(|item| matches!(item.value, Value::Str(_))) {
        return Value::List(list);
    }
    let named = list.into_iter().filter_map(|Node { value, at }| match value {
        Value::Str(key) => Some(Entry { key, at, value: Node { value: Value::Null, at } }),
        _ => None,
    });
    Value::Map(Map(named.collect()))
}

fn items(value: Value, at: Spot) -> Vec<Node> {
    match value {
        Value::List(items) => items,
        value => vec![Node { value, at }],
    }
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    let Value::Map(map) = &node.value else { return None };
    match map.get(key) {
        Some(Node { value: Value::Str(text), .. }) => Some(text),
        _ => None,
    }
}

fn driver(node: &Node) -> Option<&str> {
    text(node, "driver")
}

fn volume_target(node: &Node) -> Option<String> {
    match &node.value {
        Value::Str(short) => volumes::parse_short(short).ok().map(|mount| mount.target),
        _ => text(node, "target").map(str::to_owned),
    }
}

fn reference_target(node: &Node) -> Option<String> {
    match &node.value {
        Value::Str(source) => Some(source.clone()),
        _ => text(node, "target").or_else(|| text(node, "source")).map(str::to_owned),
    }
}
