//! Bodies of requests in one form: what Go leaves out is left out, keys that Go
//! reads in any case are written in one.

use serde_json::{Map, Value};

/// Pointers in docker's types: there, zero is not the same as nothing.
const POINTERS: &[&str] = &[
    "Replicas",
    "MaxAttempts",
    "MaxConcurrent",
    "TotalCompletions",
    "Init",
    "Parallelism",
    "StopGracePeriod",
    "Window",
    "Delay",
];

/// A body, comparable.
pub fn normal(body: &Value) -> Value {
    normalised("body", body.clone()).unwrap_or_default()
}

fn normalised(key: &str, value: Value) -> Option<Value> {
    let value = match value {
        Value::Object(map) => {
            let kept: Map<String, Value> = map
                .into_iter()
                // For older engines; potluck looks before it creates.
                .filter(|(key, _)| key != "CheckDuplicate")
                .map(|(key, value)| {
                    (if key == "HealthCheck" { "Healthcheck".to_owned() } else { key }, value)
                })
                .filter_map(|(key, value)| normalised(&key, value).map(|value| (key, value)))
                .collect();
            // Some empty objects choose something.
            if kept.is_empty() && !matches!(key, "Global" | "GlobalJob" | "Runtime" | "LogDriver") {
                return None;
            }
            Value::Object(kept)
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items
                .into_iter()
                .map(|item| normalised("item", item).unwrap_or_default())
                .collect();
            // Docker's own order among references to one secret is random.
            if matches!(key, "Secrets" | "Configs") {
                items.sort_by_key(ToString::to_string);
            }
            if items.is_empty() {
                return None;
            }
            Value::Array(items)
        }
        Value::Number(number) if number.as_f64() == Some(0.0) && !POINTERS.contains(&key) => {
            return None;
        }
        // `1` and `1.0` are one number.
        Value::Number(number) if number.is_f64() => whole(number),
        Value::Bool(false) if !POINTERS.contains(&key) => return None,
        Value::Null => return None,
        Value::String(text) if text.is_empty() => return None,
        // Docker names networks, which the engine then looks up.
        Value::String(text) if key == "Target" => {
            Value::String(text.strip_prefix("id-").unwrap_or(&text).to_owned())
        }
        other => other,
    };
    Some(value)
}

#[allow(clippy::cast_possible_truncation, reason = "within bounds")]
fn whole(number: serde_json::Number) -> Value {
    match number.as_f64() {
        Some(value) if value.fract() == 0.0 && value.abs() < 1e15 => (value as i64).into(),
        _ => number.into(),
    }
}
