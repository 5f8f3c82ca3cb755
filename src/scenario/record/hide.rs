//! Replaces secrets in a recording by placeholders.

use serde_json::{Map, Value};

/// Values this short are part of too much ordinary text to be replaced in it.
const SHORT: usize = 4;

/// Puts a placeholder in place of every secret, in values and in keys.
pub(super) fn hide(value: &Value, hidden: &[(String, String)]) -> Value {
    let text = |text: &str| {
        hidden.iter().fold(text.to_owned(), |text, (name, secret)| {
            let bare = secret.trim_end_matches('\n');
            if text == *secret || text == bare {
                return placeholder(name);
            }
            match bare.len() {
                0..SHORT => text,
                _ => text.replace(bare, &placeholder(name)),
            }
        })
    };
    match value {
        Value::String(string) => text(string).into(),
        Value::Array(items) => items.iter().map(|item| hide(item, hidden)).collect(),
        Value::Object(items) => {
            items.iter().map(|(k, v)| (text(k), hide(v, hidden))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

pub(super) fn placeholder(name: &str) -> String {
    format!("<{name}>")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_secret_is_left_in_a_document() {
        let document = json!({
            "given": {"secrets": {"db": "hunter22"}, "services": [{"command": ["x", "--p=hunter22"]}]},
            "expect": {"log": ["info: ***"], "result": "hunter22 and hunter2233"},
        });
        let hidden = [
            ("long".to_owned(), "hunter2233".to_owned()),
            ("db".to_owned(), "hunter22".to_owned()),
        ];
        let text = hide(&document, &hidden).to_string();
        assert!(!text.contains("hunter"), "{text}");
        assert!(text.contains("--p=<db>") && text.contains("<db> and <long>"), "{text}");
        let short = [("pin".to_owned(), "12\n".to_owned())];
        assert_eq!(hide(&json!(["12", "12\n", "112"]), &short), json!(["<pin>", "<pin>", "112"]));
    }
}
