//! Keys of a service that newer files write below `deploy`: `mem_limit` and its like.
//! Docker refuses them in a stack; they mean the same for a swarm as the newer keys, so
//! they are moved there, with their position, before anything else reads the file. If a
//! file has both, their values must be equal.

use crate::compose::problem::{Path, Spot};

use super::{
    interpolate::{Note, NoteKind},
    yaml::{Entry, Map, Node, Value},
};

/// What a value has to be in its new place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    /// As it is written.
    Written,
    /// Bytes, which the newer key takes as a text.
    Size,
}

const QUOTA: &str = "cpu_quota";
const PERIOD: &str = "cpu_period";
/// In microseconds, as the engine has it.
const USUAL_PERIOD: i128 = 100_000;

const MOVED: &[(&str, &[&str], As)] = &[
    ("cpus", &["deploy", "resources", "limits", "cpus"], As::Written),
    ("mem_limit", &["deploy", "resources", "limits", "memory"], As::Size),
    ("mem_reservation", &["deploy", "resources", "reservations", "memory"], As::Size),
    ("pids_limit", &["deploy", "resources", "limits", "pids"], As::Written),
    ("scale", &["deploy", "replicas"], As::Written),
];

/// Moves the older keys of all services. One that contradicts its newer form stays,
/// and is refused.
pub fn move_keys(root: &mut Map, notes: &mut Vec<Note>) {
    let services = root.0.iter_mut().find(|entry| entry.key == "services");
    let Some(Value::Map(services)) = services.map(|entry| &mut entry.value.value) else { return };
    for service in &mut services.0 {
        let Value::Map(keys) = &mut service.value.value else { continue };
        let is_older = |entry: &Entry| {
            entry.key == QUOTA || MOVED.iter().any(|(older, ..)| *older == entry.key)
        };
        if !keys.0.iter().any(is_older) {
            continue;
        }
        quota(keys);
        for (older, newer, as_) in MOVED {
            let Some(index) = keys.0.iter().position(|entry| entry.key == *older) else { continue };
            let entry = keys.0[index].clone();
            let value = converted(&entry.value, *as_);
            // None or no limit is what there is without the key.
            let moved = is_unlimited(&entry.value) || put(keys, entry.at, newer, value);
            if !moved {
                continue;
            }
            keys.0.retain(|entry| entry.key != *older);
            let services = Path::Root.key("services");
            let path = services.key(&service.key);
            let path = path.key(older).to_string();
            notes.push(Note { at: entry.at, path, kind: NoteKind::BeyondDocker });
        }
    }
}

/// Computes `cpus` from the time that a container may run in each period, if the
/// quotient is exact.
fn quota(keys: &mut Map) {
    let number = |key: &str| match keys.get(key).map(|node| &node.value) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    let period = if keys.get(PERIOD).is_some() { number(PERIOD) } else { Some(USUAL_PERIOD) };
    let (Some(quota), Some(period)) = (number(QUOTA), period) else { return };
    if quota <= 0 || period <= 0 || keys.get("cpus").is_some() {
        return;
    }
    let Some(nano) = quota.checked_mul(1_000_000_000).filter(|nano| nano % period == 0) else {
        return;
    };
    let nano = nano / period;
    let cpus = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    let cpus = Value::Str(cpus.trim_end_matches('0').trim_end_matches('.').to_owned());
    keys.0.retain(|entry| entry.key != PERIOD);
    if let Some(entry) = keys.0.iter_mut().find(|entry| entry.key == QUOTA) {
        entry.key = "cpus".into();
        entry.value.value = cpus;
    }
}

fn converted(node: &Node, as_: As) -> Node {
    let value = match (&node.value, as_) {
        (Value::Int(bytes), As::Size) => Value::Str(bytes.to_string()),
        (value, _) => value.clone(),
    };
    Node { value, at: node.at }
}

fn is_unlimited(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Int(number) => *number == -1,
        _ => false,
    }
}

/// Whether the value is in its new place: it was put there now or before.
fn put(keys: &mut Map, at: Spot, path: &[&str], value: Node) -> bool {
    let Some((key, below)) = path.split_first() else { return false };
    if below.is_empty() {
        return match keys.get(key) {
            Some(there) => there.value.print() == value.value.print(),
            None => {
                keys.0.push(Entry { key: (*key).to_owned(), at, value });
                true
            }
        };
    }
    let index = keys.0.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
        let value = Node { value: Value::Map(Map::default()), at };
        keys.0.push(Entry { key: (*key).to_owned(), at, value });
        keys.0.len() - 1
    });
    let node = &mut keys.0[index].value;
    if node.value == Value::Null {
        node.value = Value::Map(Map::default());
    }
    match &mut node.value {
        Value::Map(inner) => put(inner, at, below, value),
        _ => false,
    }
}
