//! Writes values as YAML that every reader parses to the same values.

use serde_json::Value;

use super::text::{Dollar, plain_or_quoted};
use crate::compose::value::scalar;

/// Block style, two spaces a level, as docker prints.
pub fn emit(value: &Value) -> String {
    let mut out = String::new();
    node(&mut out, value, 0);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn node(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    pad(out, indent);
                }
                out.push_str(&plain_or_quoted(key, Dollar::Quoted));
                out.push(':');
                child(out, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    pad(out, indent);
                }
                out.push_str("- ");
                node(out, item, indent + 2);
                if !out.ends_with('\n') {
                    out.push('\n');
                }
            }
        }
        other => out.push_str(&leaf(other)),
    }
}

/// A value behind its key.
fn child(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            pad(out, indent + 2);
            node(out, value, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            pad(out, indent);
            node(out, value, indent);
        }
        other => {
            out.push(' ');
            out.push_str(&leaf(other));
            out.push('\n');
        }
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn leaf(value: &Value) -> String {
    match value {
        Value::Object(_) => "{}".into(),
        Value::Array(_) => "[]".into(),
        Value::String(s) => plain_or_quoted(s, Dollar::Quoted),
        Value::Number(number) if number.is_f64() => {
            scalar::format_float(number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn layout() {
        let value = json!({"a": {"b": [1, {"c": "x", "d": []}, [true]], "e": null}, "f": {}});
        assert_eq!(
            emit(&value),
            "a:\n  b:\n  - 1\n  - c: x\n    d: []\n  - - true\n  e: null\nf: {}\n"
        );
    }

    #[test]
    fn strings_stay_strings() {
        for given in [
            "",
            "yes",
            "010",
            "1.0",
            "~",
            "null",
            "a: b",
            "a #b",
            "- a",
            "#a",
            "22:22",
            "é",
            "a\nb",
            "\"",
            "{a}",
            "*a",
            "&a",
            "!a",
            "2020-01-01",
            "<<",
            " a",
            "a ",
            "a:",
            "%a",
            "=",
            "\u{7f}",
        ] {
            let yaml = emit(&json!({ "k": given }));
            let mut sink = crate::compose::problem::Sink::default();
            let node = crate::compose::read::yaml::read(&yaml, 0, &mut sink).unwrap();
            let crate::compose::read::yaml::Value::Map(map) = node.value else { panic!() };
            assert_eq!(
                map.get("k").unwrap().value,
                crate::compose::read::yaml::Value::Str(given.into()),
                "{yaml}"
            );
        }
    }
}
