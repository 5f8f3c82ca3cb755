//! Requests to authentik's API, made inside the service.

use std::time::Duration;

use potluck_sdk::{Command, Context, Failure, Result, services};
use serde::Deserialize;
use serde_json::Value;

use crate::Options;

const TIME: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize)]
struct Answer {
    status: u16,
    body: Value,
}

/// Sends a request, with a document where there is one. What is refused is a failure, with
/// authentik's words.
pub(crate) fn request(method: &str, path: &str, document: Option<&Value>) -> Result<Value> {
    let options: Options = potluck_sdk::options()?;
    let command = Command::new(["python3", "/potluck/api.py", method, path]).timeout(TIME);
    let input = document.map(Value::to_string).unwrap_or_default();
    let output = services::feed(&options.app, command, input).context("authentik")?;
    if output.truncated {
        return Err(Failure::new("authentik answered more than potluck takes in"));
    }
    let answer: Answer =
        serde_json::from_slice(&output.stdout).context("authentik's answer is not understood")?;
    let said = words(&answer.body);
    match answer.status {
        200..300 => Ok(answer.body),
        // Which of both it is depends on the way that a token is wrong.
        401 | 403 => Err(Failure::new(format!("authentik refuses the token: {said}")).hint(
            "the secret `api_token` counts on the first start: make a token of this text in \
             authentik, for an administrator, under \"Tokens and App passwords\"",
        )),
        502..=504 => Err(Failure::new(format!("authentik does not serve yet: {said}")).retryable()),
        status => Err(Failure::new(format!("authentik refuses {method} {path}: {status}: {said}"))),
    }
}

/// What an error says: `detail`, or a list of texts for each field that is wrong.
fn words(body: &Value) -> String {
    match body {
        Value::Null => "no reason".into(),
        Value::String(text) => text.trim().into(),
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => match fields.get("detail") {
            Some(detail) => words(detail),
            None => {
                let fields = fields.iter().map(|(key, value)| format!("{key}: {}", words(value)));
                fields.collect::<Vec<_>>().join("; ")
            }
        },
        other => other.to_string(),
    }
}

/// What follows the question mark of an address (RFC 3986).
pub(crate) fn query(search: &[(&str, &str)]) -> String {
    let pairs = search.iter().map(|(key, value)| format!("{key}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}
