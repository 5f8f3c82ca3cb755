//! Compares expected with actual results.

use serde_json::{Map, Value};
use similar::TextDiff;

use super::file::{Expect, Texts, text};
use crate::engine::simulated::pattern::fits;

/// Lines around a difference.
const CONTEXT: usize = 4;

/// Which keys of a map are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Omitted keys are not compared.
    Said,
    All,
}

/// A readable difference, if there is one. `actual` is what [`super::play()`]
/// puts together: `result` or `failure`, `calls`, `log`, `memory`, `secrets`.
pub fn difference(expect: &Expect, actual: &Map<String, Value>) -> Option<String> {
    let (wanted, found) = sides(expect, actual);
    if wanted == found {
        return None;
    }
    let (wanted, found) = (show(&wanted), show(&found));
    let diff = TextDiff::from_lines(wanted.as_str(), found.as_str());
    let shown = diff.unified_diff().context_radius(CONTEXT).to_string();
    // Line numbers of a text that stands nowhere say nothing.
    let shown = shown.lines().filter(|line| !line.starts_with("@@"));
    Some(shown.map(|line| format!("{line}\n")).collect())
}

/// Both sides, without what is not compared and with matching parts made equal.
fn sides(expect: &Expect, actual: &Map<String, Value>) -> (Value, Value) {
    let mut wanted = Map::new();
    let mut found = Map::new();
    let mut compare = |key: &str, expected: Option<Value>, extent: Extent| {
        let was = actual.get(key).cloned();
        let (expected, was) = match (expected, was) {
            (Some(expected), Some(was)) => {
                let (expected, was) = settle(&expected, &was, extent);
                (Some(expected), Some(was))
            }
            other => other,
        };
        if let Some(expected) = expected {
            wanted.insert(key.into(), expected);
        }
        if let Some(was) = was {
            found.insert(key.into(), was);
        }
    };
    let result = expect.changes.clone().or_else(|| expect.result.clone());
    let failure = expect.failure.clone().map(|failure| match failure {
        Value::String(message) => {
            Value::Object([("message".to_owned(), message.into())].into_iter().collect())
        }
        said => said,
    });
    if result.is_some() || failure.is_some() {
        compare("result", result, Extent::Said);
    }
    // One that was not expected is always shown.
    compare("failure", failure, Extent::Said);
    if let Some(calls) = &expect.calls {
        compare("calls", Some(calls.clone().into()), Extent::Said);
    }
    if let Some(log) = &expect.log {
        compare("log", Some(log.clone().into()), Extent::All);
    }
    for (key, kept) in [("memory", &expect.memory), ("secrets", &expect.secrets)] {
        if let Some(kept) = kept {
            compare(key, Some(texts(kept)), Extent::All);
        }
    }
    (Value::Object(wanted), Value::Object(found))
}

/// Puts what was found in place of the patterns that it fits, and leaves out
/// what was not asked about.
fn settle(expected: &Value, found: &Value, extent: Extent) -> (Value, Value) {
    match (expected, found) {
        (Value::Object(wanted), Value::Object(was)) => {
            let (mut left, mut right) = (Map::new(), Map::new());
            for (key, value) in was {
                match wanted.get(key) {
                    Some(expected) => {
                        let (expected, value) = settle(expected, value, extent);
                        left.insert(key.clone(), expected);
                        right.insert(key.clone(), value);
                    }
                    None if extent == Extent::All => {
                        right.insert(key.clone(), value.clone());
                    }
                    None => {}
                }
            }
            for (key, value) in wanted {
                if !was.contains_key(key) {
                    left.insert(key.clone(), value.clone());
                }
            }
            (Value::Object(left), Value::Object(right))
        }
        (Value::Array(wanted), Value::Array(was)) => {
            let both = wanted.iter().zip(was).map(|(e, f)| settle(e, f, extent));
            let (mut left, mut right): (Vec<_>, Vec<_>) = both.unzip();
            let pairs = left.len();
            left.extend(wanted[pairs..].iter().cloned());
            right.extend(was[pairs..].iter().cloned());
            (left.into(), right.into())
        }
        (Value::Object(_) | Value::Array(_), _) => (expected.clone(), found.clone()),
        // `PORT: 80` and `PORT: "80"` are meant alike.
        (expected, Value::String(was)) if fits(&text(expected), was) => {
            (found.clone(), found.clone())
        }
        _ => (expected.clone(), found.clone()),
    }
}

/// As a scenario would write it.
fn show(value: &Value) -> String {
    if value.as_object().is_some_and(Map::is_empty) {
        return String::new();
    }
    // What cannot be written as YAML is shown nevertheless.
    serde_saphyr::to_string(value).unwrap_or_else(|_| format!("{value:#}\n"))
}

/// The updated expectation: the written one where it matches, else the actual
/// value. If nothing was expected, everything is written.
pub fn corrected(expect: &Expect, actual: &Map<String, Value>) -> Map<String, Value> {
    let said = said(expect);
    let outcome = |key: &str| matches!(key, "result" | "failure");
    let mut corrected = Map::new();
    for (key, was) in actual {
        if said.is_empty() || said.contains_key(key) || outcome(key) {
            let value = said.get(key).map_or_else(|| was.clone(), |expected| keep(expected, was));
            let says_nothing = match key.as_str() {
                "result" => value.is_null(),
                _ => said.is_empty() && is_nothing(&value),
            };
            if !says_nothing {
                corrected.insert(key.clone(), value);
            }
        }
    }
    corrected
}

fn texts(kept: &Texts) -> Value {
    kept.iter().map(|(k, v)| (k.clone(), Value::from(v.clone().unwrap_or_default()))).collect()
}

fn said(expect: &Expect) -> Map<String, Value> {
    [
        ("result", expect.changes.clone().or_else(|| expect.result.clone())),
        ("failure", expect.failure.clone()),
        ("calls", expect.calls.clone().map(Value::from)),
        ("log", expect.log.clone().map(Value::from)),
        ("memory", expect.memory.as_ref().map(texts)),
        ("secrets", expect.secrets.as_ref().map(texts)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    }
}

/// The expectation where it fits, else what was found.
fn keep(expected: &Value, found: &Value) -> Value {
    match (expected, found) {
        (Value::Object(wanted), Value::Object(was)) => {
            let kept = was
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), keep(wanted.get(key)?, value))));
            let kept: Map<String, Value> = kept.collect();
            // Something else altogether is written whole.
            if kept.len() < wanted.len() { found.clone() } else { kept.into() }
        }
        (Value::Array(wanted), Value::Array(was)) => {
            let kept = was.iter().enumerate().map(|(n, value)| {
                wanted.get(n).map_or_else(|| value.clone(), |expected| keep(expected, value))
            });
            kept.collect()
        }
        (Value::String(pattern), Value::Object(was)) => {
            // A failure by its message alone.
            match was.get("message") {
                Some(Value::String(message)) if fits(pattern, message) => expected.clone(),
                Some(message) => message.clone(),
                None => found.clone(),
            }
        }
        _ => {
            let (left, right) = settle(expected, found, Extent::Said);
            if left == right { expected.clone() } else { found.clone() }
        }
    }
}

/// Writes `*` for every text that differs in the second run.
pub fn loosened(first: &Value, second: &Value) -> Value {
    match (first, second) {
        (Value::Object(a), Value::Object(b)) => a
            .iter()
            .map(|(key, value)| {
                (key.clone(), b.get(key).map_or_else(|| value.clone(), |b| loosened(value, b)))
            })
            .collect::<Map<_, _>>()
            .into(),
        (Value::Array(a), Value::Array(b)) => a
            .iter()
            .enumerate()
            .map(|(n, value)| b.get(n).map_or_else(|| value.clone(), |b| loosened(value, b)))
            .collect(),
        (Value::String(a), Value::String(b)) if a != b => "*".into(),
        _ => first.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// JSON is YAML, too: as a scenario's file has it.
    fn expect(value: Value) -> Expect {
        serde_saphyr::from_str(&value.to_string()).unwrap()
    }

    fn actual(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn only_what_is_said_is_compared() {
        let was = actual(json!({
            "result": {"settings": {"A": "1", "B": "2"}, "overlays_on": ["compose.x.yml"]},
            "calls": [{"service": "app", "command": ["php"], "input": "<?php 1"}],
            "log": ["info: done at 12:00"],
            "memory": {"seen": "1"},
            "secrets": {},
        }));
        for (expected, fits) in [
            (json!({}), true),
            (json!({"changes": {"settings": {"A": 1}}}), true),
            (json!({"changes": {"settings": {"A": 2}}}), false),
            (json!({"changes": {"settings": {"C": "1"}}}), false),
            (json!({"calls": [{"service": "app"}]}), true),
            (json!({"calls": [{"command": ["p*"], "input": "<?php *"}]}), true),
            (json!({"calls": []}), false),
            (json!({"calls": [{"service": "app"}, {"service": "db"}]}), false),
            (json!({"calls": [{"service": "app", "user": "www-data"}]}), false),
            (json!({"log": ["info: done at *"]}), true),
            (json!({"log": []}), false),
            (json!({"memory": {"seen": 1}}), true),
            (json!({"memory": {}}), false),
            (json!({"failure": "x"}), false),
        ] {
            assert_eq!(difference(&expect(expected.clone()), &was).is_none(), fits, "{expected}");
        }
    }

    #[test]
    fn a_failure_that_nobody_expected_is_a_difference() {
        let was = actual(json!({"failure": {"message": "no", "hint": "yes", "retryable": false}}));
        let shown = difference(&expect(json!({})), &was).unwrap();
        assert!(
            shown.contains("+  message: no") || shown.contains("+  message: \"no\""),
            "{shown}"
        );
        for expected in [json!({"failure": "n*"}), json!({"failure": {"hint": "yes"}})] {
            assert_eq!(difference(&expect(expected), &was), None);
        }
    }

    #[test]
    fn a_correction_keeps_the_patterns_that_fit() {
        let was = actual(json!({
            "result": null, "calls": [{"service": "app", "command": ["b"]}], "log": ["info: 12"],
        }));
        let expect = expect(json!({"calls": [{"command": ["a"]}], "log": ["info: *"]}));
        let corrected = corrected(&expect, &was);
        assert_eq!(
            Value::from(corrected),
            json!({"calls": [{"command": ["b"]}], "log": ["info: *"]})
        );
    }
}
