//! Compose files as a person writes them: keys in the order that was chosen, short lists in
//! brackets, quotes where YAML needs them, comments above what they are about.

use std::fmt::Write as _;

use crate::{
    compose::print::{Dollar, plain_or_quoted, quoted},
    text::{is_hidden, line},
};

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yaml {
    /// A text, quoted if it would be read as anything else.
    Text(String),
    /// A number, a switch or nothing: as it is.
    Raw(String),
    /// `["CMD", "x"]`
    Flow(Vec<String>),
    List(Vec<Item>),
    Map(Vec<Pair>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub comment: Vec<String>,
    pub key: String,
    pub value: Yaml,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub comment: Vec<String>,
    pub value: Yaml,
}

impl Yaml {
    /// Every text in it, to be changed; keys are left alone.
    pub fn each_text(&mut self, change: &mut dyn FnMut(&mut String)) {
        match self {
            Yaml::Text(text) | Yaml::Raw(text) => change(text),
            Yaml::Flow(words) => words.iter_mut().for_each(change),
            Yaml::List(items) => items.iter_mut().for_each(|item| item.value.each_text(change)),
            Yaml::Map(pairs) => pairs.iter_mut().for_each(|pair| pair.value.each_text(change)),
        }
    }

    /// Whether this is true of any text in it.
    pub fn any_text(&self, is: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Yaml::Text(text) | Yaml::Raw(text) => is(text),
            Yaml::Flow(words) => words.iter().any(|word| is(word)),
            Yaml::List(items) => items.iter().any(|item| item.value.any_text(is)),
            Yaml::Map(pairs) => pairs.iter().any(|pair| pair.value.any_text(is)),
        }
    }
}

/// A pair without a comment.
pub fn pair(key: impl Into<String>, value: Yaml) -> Pair {
    Pair { comment: vec![], key: key.into(), value }
}

/// A text.
pub fn text(text: impl Into<String>) -> Yaml {
    Yaml::Text(text.into())
}

/// A list of texts.
pub fn texts<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Yaml {
    Yaml::List(items.into_iter().map(|it| Item { comment: vec![], value: text(it) }).collect())
}

/// Nothing, as in `volumes: {data: }`.
pub fn nothing() -> Yaml {
    Yaml::Raw(String::new())
}

/// A mount of memory, of so many bytes at most.
pub fn memory(target: &str, size: Option<i64>) -> Yaml {
    let mut mount = vec![pair("type", text("tmpfs")), pair("target", text(target))];
    let size = size.map(|it| Yaml::Map(vec![pair("size", Yaml::Raw(it.to_string()))]));
    mount.extend(size.map(|it| pair("tmpfs", it)));
    Yaml::Map(mount)
}

/// The text of a file. Its sections are apart from each other, and so are services.
pub fn emit(pairs: &[Pair]) -> String {
    let mut out = String::new();
    for (index, section) in pairs.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        comment(&mut out, &section.comment, 0);
        let _ = write!(out, "{}:", scalar_text(&section.key));
        match &section.value {
            Yaml::Map(inner) if section.key == "services" && !inner.is_empty() => {
                out.push('\n');
                for (index, service) in inner.iter().enumerate() {
                    if index > 0 {
                        out.push('\n');
                    }
                    write_pair(&mut out, service, 2);
                }
            }
            value => after_key(&mut out, value, 0),
        }
    }
    out
}

fn comment(out: &mut String, lines: &[String], indent: usize) {
    for text in lines {
        pad(out, indent);
        let _ = writeln!(out, "# {}", line(text));
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_pair(out: &mut String, pair: &Pair, indent: usize) {
    comment(out, &pair.comment, indent);
    pad(out, indent);
    let _ = write!(out, "{}:", scalar_text(&pair.key));
    after_key(out, &pair.value, indent);
}

/// What follows a key, and the end of the line.
fn after_key(out: &mut String, value: &Yaml, indent: usize) {
    match value {
        Yaml::Map(pairs) if !pairs.is_empty() => {
            out.push('\n');
            for pair in pairs {
                write_pair(out, pair, indent + 2);
            }
        }
        Yaml::List(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                comment(out, &item.comment, indent + 2);
                pad(out, indent + 2);
                out.push('-');
                after_dash(out, &item.value, indent + 2);
            }
        }
        Yaml::Text(text) if is_block(text) => {
            out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
            for line in text.trim_end_matches('\n').split('\n') {
                if !line.is_empty() {
                    pad(out, indent + 2);
                    out.push_str(line);
                }
                out.push('\n');
            }
        }
        other => leaf_line(out, other),
    }
}

fn after_dash(out: &mut String, value: &Yaml, indent: usize) {
    match value {
        Yaml::Map(pairs) if !pairs.is_empty() => {
            for (index, pair) in pairs.iter().enumerate() {
                if index == 0 {
                    let _ = write!(out, " {}:", scalar_text(&pair.key));
                    after_key(out, &pair.value, indent + 2);
                } else {
                    write_pair(out, pair, indent + 2);
                }
            }
        }
        Yaml::List(items) => {
            let words = items.iter().map(|item| leaf(&item.value)).collect::<Vec<_>>();
            let _ = writeln!(out, " [{}]", words.join(", "));
        }
        other => leaf_line(out, other),
    }
}

fn leaf_line(out: &mut String, value: &Yaml) {
    let leaf = leaf(value);
    if !leaf.is_empty() {
        out.push(' ');
        out.push_str(&leaf);
    }
    out.push('\n');
}

fn leaf(value: &Yaml) -> String {
    match value {
        Yaml::Text(text) => scalar_text(text),
        Yaml::Raw(raw) => raw.clone(),
        Yaml::Flow(items) => {
            let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(", "))
        }
        Yaml::List(_) => "[]".into(),
        Yaml::Map(_) => "{}".into(),
    }
}

/// Whether a text of several lines can be written as it is.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n', '\t'])
        && !text.chars().any(|c| (c.is_control() && c != '\n') || is_hidden(c))
        && body.split('\n').all(|line| !line.ends_with(' '))
}

/// Variables are written as people write them.
fn scalar_text(text: &str) -> String {
    plain_or_quoted(text, Dollar::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_like_one_that_a_person_wrote() {
        let file = [pair(
            "services",
            Yaml::Map(vec![pair(
                "app",
                Yaml::Map(vec![
                    pair("image", text("nginx:1.28")),
                    Pair {
                        comment: vec!["Why\nit is so.".into()],
                        ..pair(
                            "environment",
                            Yaml::Map(vec![
                                pair("A", text("yes")),
                                pair("B", text("${STACK_NAME}_db")),
                                pair("C", text("one\ntwo\n")),
                                pair("D", nothing()),
                            ]),
                        )
                    },
                    pair(
                        "healthcheck",
                        Yaml::Map(vec![pair("test", Yaml::Flow(vec!["CMD".into(), "x".into()]))]),
                    ),
                    pair(
                        "ports",
                        Yaml::List(vec![Item {
                            comment: vec![],
                            value: Yaml::Map(vec![
                                pair("target", Yaml::Raw("80".into())),
                                pair("mode", text("ingress")),
                            ]),
                        }]),
                    ),
                ]),
            )]),
        )];
        assert_eq!(
            emit(&file),
            "services:\n  app:\n    image: nginx:1.28\n    # Why it is so.\n    environment:\n      A: \"yes\"\n      \
             B: ${STACK_NAME}_db\n      C: |\n        one\n        two\n      D:\n    healthcheck:\n      \
             test: [\"CMD\", \"x\"]\n    ports:\n      - target: 80\n        mode: ingress\n"
        );
    }

    #[test]
    fn what_is_written_is_read_as_the_same_texts() {
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
            "a\n\nb\n",
            " a\nb",
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
            "a\u{202e}b",
            "`x`",
            "${A:-b}",
            "$$x",
            "a, b",
            "[a]",
            "x: {y}",
            "'a'",
            "a\tb\nc",
            "a \nb",
            "?",
            "?a",
            "--x",
            "a? b",
            "=",
        ] {
            let file = emit(&[
                pair("k", text(given)),
                pair("l", Yaml::List(vec![Item { comment: vec![], value: text(given) }])),
            ]);
            let read =
                crate::yaml::document(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(read["k"], given, "{file}");
            assert_eq!(read["l"][0], given, "{file}");
        }
    }
}
