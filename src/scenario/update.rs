//! Updates the expectations in a scenario's file and keeps the rest.
//!
//! The lines of `expect` are replaced in place, so that comments and the author's
//! formatting are kept. The result is parsed again and must have the intended meaning: in a
//! file with unusual formatting (`steps` on one line, anchors) the whole `steps` are
//! rewritten, or the file is refused.

use serde_json::{Map, Value};

use super::{Error, file::MAX_STEPS};
use crate::yaml;

/// The text with new expectations, one for each step (a scenario without
/// `steps` has one step); none keeps the step's own. An empty one expects nothing.
///
/// # Errors
/// [`Error::Invalid`] when the file is written in a way that cannot be kept.
pub fn update(text: &str, expects: &[Option<Map<String, Value>>]) -> Result<String, Error> {
    let mut meant = read(text)?;
    if let Some(Value::Array(steps)) = meant.get_mut("steps") {
        steps.iter_mut().zip(expects).for_each(|(step, expect)| put(step, expect.as_ref()));
        let says_so = |updated: &String| read(updated).is_ok_and(|read| read == meant);
        let in_place = steps_in_place(text, expects)?.filter(says_so);
        let updated = match (in_place, meant.get("steps")) {
            (None, Some(steps)) => Some(with_key(text, 0, "steps", &written("steps", steps)?)),
            (in_place, _) => in_place,
        };
        return updated.filter(says_so).ok_or_else(refused);
    }
    let [Some(expect)] = expects else { return Err(refused()) };
    put(&mut meant, Some(expect));
    let updated = with_key(text, 0, "expect", &expectation(expect)?);
    if read(&updated).is_ok_and(|read| read == meant) { Ok(updated) } else { Err(refused()) }
}

fn refused() -> Error {
    Error::Invalid("an update would lose the way in which its file is written".into())
}

fn read(text: &str) -> Result<Value, Error> {
    yaml::document(text).map_err(Error::Invalid)
}

/// Puts an expectation into a step that was read.
fn put(step: &mut Value, expect: Option<&Map<String, Value>>) {
    let (Some(step), Some(expect)) = (step.as_object_mut(), expect) else { return };
    if expect.is_empty() {
        step.shift_remove("expect");
    } else {
        step.insert("expect".into(), expect.clone().into());
    }
}

fn expectation(expect: &Map<String, Value>) -> Result<String, Error> {
    if expect.is_empty() { Ok(String::new()) } else { written("expect", &expect.clone().into()) }
}

/// A key and its value as YAML.
fn written(key: &str, value: &Value) -> Result<String, Error> {
    let document = Map::from_iter([(key.to_owned(), value.clone())]);
    serde_saphyr::to_string(&document).map_err(|e| Error::Invalid(e.to_string()))
}

/// The text with each step's expectation exchanged; none where the steps are no
/// list of blocks.
fn steps_in_place(
    text: &str,
    expects: &[Option<Map<String, Value>>],
) -> Result<Option<String>, Error> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(head) = lines.iter().position(|line| is_key(line, 0, "steps")) else {
        return Ok(None);
    };
    let Some(first) = lines[head + 1..].iter().find(|line| !is_aside(line)) else {
        return Ok(None);
    };
    let depth = indent(first);
    let begins = |line: &str| {
        let item = line.get(depth..).and_then(|item| item.strip_prefix('-'));
        indent(line) == depth && item.is_some_and(|rest| rest.trim_start() != rest)
    };
    let mut updated: String = lines[..=head].concat();
    let mut items: Vec<String> = Vec::new();
    let mut rest = &lines[head + 1..];
    while let [line, more @ ..] = rest {
        let ends = !is_aside(line) && indent(line) <= depth && !begins(line);
        if ends || items.len() > MAX_STEPS {
            break;
        }
        match items.last_mut() {
            _ if begins(line) => items.push((*line).to_owned()),
            Some(item) => item.push_str(line),
            None => updated.push_str(line),
        }
        rest = more;
    }
    if items.len() != expects.len() {
        return Ok(None);
    }
    for (item, expect) in items.iter().zip(expects) {
        let Some(expect) = expect else {
            updated.push_str(item);
            continue;
        };
        // Without its `-`, an item is a mapping like any other.
        let mut mapping = item.clone();
        mapping.replace_range(depth..=depth, " ");
        let Some(keys) = mapping.lines().find(|line| !is_aside(line)).map(indent) else {
            return Ok(None);
        };
        let mut mapping = with_key(&mapping, keys, "expect", &expectation(expect)?);
        if mapping.get(depth..=depth) != Some(" ") {
            return Ok(None);
        }
        mapping.replace_range(depth..=depth, "-");
        updated.push_str(&mapping);
    }
    updated.push_str(&rest.concat());
    Ok(Some(updated))
}

/// The text of a mapping whose keys stand `depth` deep, with this block in place
/// of the key's lines, or at its end.
fn with_key(text: &str, depth: usize, key: &str, block: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // The text after it, up to the next key, does not belong to it.
    let behind = |lines: &[&str]| {
        let is_own =
            |line: &&str| !is_aside(line) || !line.trim().is_empty() && indent(line) > depth;
        lines.iter().rposition(is_own).map_or(0, |last| last + 1)
    };
    let start = lines.iter().position(|line| is_key(line, depth, key));
    let (start, end) = match start {
        Some(start) => {
            let next = lines[start + 1..].iter().position(|line| is_any_key(line, depth));
            let next = next.map_or(lines.len(), |next| start + 1 + next);
            (start, start + behind(&lines[start..next]))
        }
        None => {
            let is_last =
                |line: &&str| !is_aside(line) || !line.trim().is_empty() && indent(line) >= depth;
            let end = lines.iter().rposition(is_last).map_or(0, |last| last + 1);
            (end, end)
        }
    };
    let mut updated = lines[..start].concat();
    if !updated.is_empty() && !updated.ends_with('\n') {
        updated.push('\n');
    }
    for line in block.split_inclusive('\n') {
        if !line.trim().is_empty() {
            updated.push_str(&" ".repeat(depth));
        }
        updated.push_str(line);
    }
    updated.push_str(&lines[end..].concat());
    updated
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Blank, or a comment.
fn is_aside(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Whether a key of a mapping `depth` deep begins the line.
fn is_any_key(line: &str, depth: usize) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || matches!(c, '"' | '\'');
    indent(line) == depth && line[depth..].starts_with(begins)
}

fn is_key(line: &str, depth: usize, key: &str) -> bool {
    let quote = ['"', '\''];
    is_any_key(line, depth)
        && line[depth..]
            .trim_start_matches(quote)
            .strip_prefix(key)
            .is_some_and(|rest| rest.trim_start_matches(quote).trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expect(value: Value) -> Option<Map<String, Value>> {
        value.as_object().cloned()
    }

    #[test]
    fn only_the_expectation_changes() {
        let block = "expect:\n  log:\n  - \"info: a\"\n";
        for (before, after) in [
            ("# why\ncall: x\nexpect:\n  log: []\n", format!("# why\ncall: x\n{block}")),
            ("expect: {log: []}\ncall: x\n", format!("{block}call: x\n")),
            ("call: x", format!("call: x\n{block}")),
            (
                "expect:\n  # inside\n  log: []\n\n# behind\ncall: x\n",
                format!("{block}\n# behind\ncall: x\n"),
            ),
            ("call: x\n\"expect\": {log: []}\n", format!("call: x\n{block}")),
        ] {
            let updated = update(before, &[expect(json!({"log": ["info: a"]}))]).unwrap();
            assert_eq!(updated, after, "{before}");
        }
        let none = update("call: x\nexpect: {log: []}\n", &[expect(json!({}))]).unwrap();
        assert_eq!(none, "call: x\n");
    }

    #[test]
    fn each_step_has_an_expectation_of_its_own() {
        let first = expect(json!({"calls": []}));
        let last = expect(json!({"log": ["info: a"]}));
        for (before, after) in [
            (
                "steps:\n  # one\n  - call: x\n    expect: {log: []}\n  # two\n  - call: y\n  - call: z\n\n# end\nabout: a\n",
                "steps:\n  # one\n  - call: x\n    expect:\n      calls: []\n  # two\n  - call: y\n  - call: z\n    expect:\n      log:\n      - \"info: a\"\n\n# end\nabout: a\n",
            ),
            (
                "steps:\n- expect:\n    calls:\n    - {service: app}\n  call: x\n-\n  call: y\n- call: z",
                "steps:\n- expect:\n    calls: []\n  call: x\n-\n  call: y\n- call: z\n  expect:\n    log:\n    - \"info: a\"\n",
            ),
            // What is no list of blocks is written anew.
            (
                "# a\nsteps: [{call: x}, {call: y}, {call: z, expect: {failure: no}}]\nabout: a\n",
                "# a\nsteps:\n- call: x\n  expect:\n    calls: []\n- call: \"y\"\n- call: z\n  expect:\n    log:\n    - \"info: a\"\nabout: a\n",
            ),
            (
                "steps:\n  - {call: x}\n  - call: y\n  - {call: z}\n",
                "steps:\n- call: x\n  expect:\n    calls: []\n- call: \"y\"\n- call: z\n  expect:\n    log:\n    - \"info: a\"\n",
            ),
        ] {
            let updated = update(before, &[first.clone(), None, last.clone()]).unwrap();
            assert_eq!(updated, after, "{before}");
            assert_eq!(read(&updated).unwrap()["steps"][1], json!({"call": "y"}));
        }
    }

    #[test]
    fn text_that_looks_like_a_key_is_none() {
        let before = "steps:\n  - call: x\n    with:\n      contents: |\n        - call: a\n        expect: b\n    expect: {log: []}\n";
        let updated = update(before, &[expect(json!({"log": ["expect: |"]}))]).unwrap();
        assert!(updated.contains("        expect: b\n    expect:\n      log:\n"), "{updated}");
    }

    #[test]
    fn what_an_update_would_lose_is_refused() {
        for before in [
            "expect: &a {log: [x]}\ncall: x\nwith: *a\n",
            "? expect\n: {log: []}\ncall: x\n",
            "{call: x, expect: {log: []}}\n",
        ] {
            let updated = update(before, &[expect(json!({"log": []}))]);
            assert!(matches!(updated, Err(Error::Invalid(_))), "{before}: {updated:?}");
        }
        assert!(update("steps: [", &[None]).is_err());
    }
}
