//! The calls of a plugin, as the values that a scenario's `calls` are
//! compared with and that a recording contains.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::plugin::{Command, HttpRequest};

/// Prefix of bytes that are not text.
const BASE64: &str = "base64:";

pub fn run(service: &str, command: &Command, input: &[u8]) -> Value {
    let mut call = Map::new();
    call.insert("service".into(), service.into());
    call.insert("command".into(), json!(command.argv));
    if !command.env.is_empty() {
        let env = command.env.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        call.insert("env".into(), Value::Object(env.collect()));
    }
    for (key, value) in [("user", &command.user), ("workdir", &command.workdir)] {
        if let Some(value) = value {
            call.insert(key.into(), value.as_str().into());
        }
    }
    if let Some(timeout) = command.timeout {
        call.insert("timeout_ms".into(), json!(timeout.as_millis()));
    }
    if !input.is_empty() {
        call.insert("input".into(), text(input).into());
    }
    Value::Object(call)
}

pub fn wait(service: &str) -> Value {
    json!({"service": service, "on": "wait"})
}

pub fn restart(service: &str) -> Value {
    json!({"service": service, "on": "restart"})
}

pub fn put(service: &str, path: &str, content: &[u8], mode: u32) -> Value {
    let mode = format!("{mode:04o}");
    json!({"service": service, "on": "put", "path": path, "mode": mode, "content": text(content)})
}

pub fn get(service: &str, path: &str) -> Value {
    json!({"service": service, "on": "get", "path": path})
}

pub fn logs(service: &str) -> Value {
    json!({"service": service, "on": "logs"})
}

pub fn http(request: &HttpRequest) -> Value {
    let mut call = Map::new();
    call.insert("request".into(), format!("{} {}", request.method, request.url).into());
    if !request.headers.is_empty() {
        let lower = |(name, value): &(String, String)| {
            (name.to_ascii_lowercase(), Value::from(value.as_str()))
        };
        call.insert("headers".into(), Value::Object(request.headers.iter().map(lower).collect()));
    }
    if !request.body.is_empty() {
        call.insert("body".into(), text(&request.body).into());
    }
    Value::Object(call)
}

/// Bytes as a scenario writes them.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("{BASE64}{}", STANDARD.encode(bytes)),
    }
}

/// Parses bytes in a scenario.
pub fn bytes(text: &str) -> Vec<u8> {
    let decoded = text.strip_prefix(BASE64).and_then(|encoded| STANDARD.decode(encoded).ok());
    decoded.unwrap_or_else(|| text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for original in [&b"text\n"[..], b"\xff\x00", b""] {
            assert_eq!(bytes(&text(original)), original);
        }
        assert_eq!(bytes("base64:no!"), b"base64:no!");
    }
}
