//! The positions of a service's keys.

use std::collections::BTreeMap;

use crate::compose::problem::Spot;
use crate::compose::read::yaml::{Map, Value};

/// The places of a service's keys, and of what findings are about within them.
pub fn of(service: &Map) -> BTreeMap<String, Spot> {
    let mut keys = BTreeMap::new();
    for entry in &service.0 {
        keys.insert(entry.key.clone(), entry.at);
        match (entry.key.as_str(), &entry.value.value) {
            ("deploy", Value::Map(inner)) => below("deploy", inner, &mut keys),
            ("environment", Value::Map(inner)) => {
                let names = inner.0.iter().map(|entry| (&*entry.key, entry.at));
                keys.extend(names.map(|(name, at)| (format!("environment.{name}"), at)));
            }
            ("environment", Value::List(items)) => {
                for item in items {
                    let text = item.value.print().unwrap_or_default();
                    let name = text.split('=').next().unwrap_or_default();
                    keys.insert(format!("environment.{name}"), item.at);
                }
            }
            _ => {}
        }
    }
    keys
}

fn below(path: &str, map: &Map, keys: &mut BTreeMap<String, Spot>) {
    for entry in &map.0 {
        let path = format!("{path}.{}", entry.key);
        if let Value::Map(inner) = &entry.value.value {
            below(&path, inner, keys);
        }
        keys.insert(path, entry.at);
    }
}
