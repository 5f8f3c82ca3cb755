//! A scenario's file with another expectation, the rest as it was.

use serde_json::{Map, Value};

use super::Error;

/// The text with `expect` in place of what it expected, or at its end; none for
/// a scenario with `steps`, which is for a person to change.
///
/// # Errors
/// [`Error::Invalid`] when the expectation cannot be written.
pub fn update(text: &str, expect: &Map<String, Value>) -> Result<Option<String>, Error> {
    let top = |line: &str| line.starts_with(|c: char| c.is_ascii_alphabetic());
    if text.lines().any(|line| line.starts_with("steps:")) {
        return Ok(None);
    }
    let block = if expect.is_empty() {
        String::new()
    } else {
        let document = Map::from_iter([("expect".to_owned(), Value::Object(expect.clone()))]);
        serde_saphyr::to_string(&document).map_err(|e| Error::Invalid(e.to_string()))?
    };
    let mut updated = String::new();
    let mut inside = false;
    let mut written = false;
    for line in text.split_inclusive('\n') {
        if top(line) {
            inside = line.starts_with("expect:");
            if inside && !written {
                updated.push_str(&block);
                written = true;
            }
        }
        if !inside {
            updated.push_str(line);
        }
    }
    if !written {
        if !updated.is_empty() && !updated.ends_with('\n') {
            updated.push('\n');
        }
        updated.push_str(&block);
    }
    Ok(Some(updated))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_expectation_changes() {
        let expect = json!({"log": ["info: a"]});
        let expect = expect.as_object().unwrap();
        let block = "expect:\n  log:\n  - \"info: a\"\n";
        for (before, after) in [
            ("# why\ncall: x\nexpect:\n  log: []\n", format!("# why\ncall: x\n{block}")),
            ("expect: {log: []}\ncall: x\n", format!("{block}call: x\n")),
            ("call: x", format!("call: x\n{block}")),
        ] {
            let updated = update(before, expect).unwrap().unwrap();
            assert_eq!(updated, after, "{before}");
        }
        assert_eq!(update("steps:\n  - call: x\n", expect).unwrap(), None);
    }
}
