//! One service of the upstream, read: names in all the forms that Compose allows for them.

use crate::compose::{
    tree::{Map, Node, Value},
    value::{ports, size},
};

use super::{
    draft::{Port, Variable, Words},
    inside::{Named, local},
    project::{Project, settings, split_mount},
    reference,
    yaml::{Item, Pair, Yaml, pair},
};

/// A mount, whichever way it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Empty for a volume without a name.
    pub source: String,
    /// As it is written, for a name.
    pub written: String,
    pub target: String,
    pub read_only: bool,
    pub is_tmpfs: bool,
    /// Bytes of memory at most, of one that is.
    pub size: Option<i64>,
    pub position: Option<String>,
}

/// A scalar as a text.
pub fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::Null | Value::List(_) | Value::Map(_) => None,
        value => value.print(),
    }
}

pub fn text(map: &Map, key: &str) -> Option<String> {
    map.get(key).and_then(scalar)
}

/// A list of texts, or one text.
pub fn list(node: Option<&Node>) -> Vec<String> {
    match node.map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().filter_map(scalar).collect(),
        Some(Value::Map(map)) => map.0.iter().map(|entry| entry.key.clone()).collect(),
        Some(_) => node.and_then(scalar).into_iter().collect(),
        None => vec![],
    }
}

/// `KEY=value` in a list, or a mapping.
pub fn pairs(node: Option<&Node>) -> Vec<(String, Option<String>, &Node)> {
    match node.map(|node| &node.value) {
        Some(Value::List(items)) => items
            .iter()
            .filter_map(|item| {
                let written = scalar(item)?;
                Some(match written.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned()), item),
                    None => (written, None, item),
                })
            })
            .collect(),
        Some(Value::Map(map)) => map
            .0
            .iter()
            .map(|entry| (entry.key.clone(), scalar(&entry.value), &entry.value))
            .collect(),
        _ => vec![],
    }
}

pub fn words(node: Option<&Node>) -> Option<Words> {
    match node.map(|node| &node.value) {
        Some(Value::List(items)) => Some(Words::List(items.iter().filter_map(scalar).collect())),
        Some(_) => node.and_then(scalar).map(Words::Line),
        None => None,
    }
}

/// The environment: files first, then what the compose file says.
pub fn environment(map: &Map, project: &Project, missing: &mut Vec<String>) -> Vec<Variable> {
    let mut found: Vec<Variable> = vec![];
    let mut put = |variable: Variable| match found.iter_mut().find(|it| it.key == variable.key) {
        Some(present) => *present = variable,
        None => found.push(variable),
    };
    for (file, required) in env_files(map) {
        let path = local(&project.resolved(&file));
        let Some((name, text)) = path.and_then(|path| env_text(project, &path)) else {
            if required {
                missing.push(file);
            }
            continue;
        };
        for setting in settings(&text) {
            put(Variable {
                position: Some(format!("{name}:{}", setting.line)),
                key: setting.key,
                value: Some(reference::mended(&setting.value)),
                comment: setting.comment,
                file: Some(name.clone()),
            });
        }
    }
    for (key, value, node) in pairs(map.get("environment")) {
        let position = project.outline.line(node.at);
        let is_nothing = matches!(node.value, Value::Null);
        let value = value.filter(|_| !is_nothing);
        put(Variable { key, value, position, comment: vec![], file: None });
    }
    found
}

/// Files of variables, and whether they have to exist.
fn env_files(map: &Map) -> Vec<(String, bool)> {
    let one = |node: &Node| match &node.value {
        Value::Map(map) => {
            let required =
                !matches!(map.get("required"), Some(Node { value: Value::Bool(false), .. }));
            text(map, "path").map(|path| (path, required))
        }
        _ => scalar(node).map(|path| (path, true)),
    };
    match map.get("env_file") {
        Some(Node { value: Value::List(items), .. }) => items.iter().filter_map(one).collect(),
        Some(node) => one(node).into_iter().collect(),
        None => vec![],
    }
}

/// The file, or an example of it.
fn env_text(project: &Project, path: &str) -> Option<(String, String)> {
    for ending in ["", ".example", ".sample", ".dist", ".template"] {
        let name = format!("{path}{ending}");
        if let Some(Named::Text(text)) = project.named.get(&name) {
            return Some((name, text.clone()));
        }
    }
    // `.env` may only exist as the example that the settings were read from.
    let name = project.env_name.as_ref().filter(|_| path == ".env")?;
    let lines = project.env.iter().map(|it| format!("{}={}\n", it.key, it.value));
    Some((name.clone(), lines.collect()))
}

pub fn mounts(map: &Map, project: &Project) -> Vec<Mount> {
    let Some(Node { value: Value::List(items), .. }) = map.get("volumes") else { return vec![] };
    let one = |node: &Node| {
        let position = project.outline.line(node.at);
        match &node.value {
            Value::Map(map) => {
                let kind = text(map, "type").unwrap_or_default();
                let written = text(map, "source").unwrap_or_default();
                let read_only =
                    matches!(map.get("read_only"), Some(Node { value: Value::Bool(true), .. }));
                let target = project.resolved(&text(map, "target")?);
                let source = project.resolved(&written);
                let tmpfs = match map.get("tmpfs").map(|node| &node.value) {
                    Some(Value::Map(options)) => text(options, "size"),
                    _ => None,
                };
                Some(Mount {
                    source,
                    size: tmpfs.and_then(|it| size::parse(&project.resolved(&it)).ok()),
                    written,
                    target,
                    read_only,
                    is_tmpfs: kind == "tmpfs",
                    position,
                })
            }
            _ => {
                let written = scalar(node)?;
                let (source, rest) = split(&written);
                let rest = project.resolved(&rest);
                let (target, options) = rest.split_once(':').unwrap_or((&rest, ""));
                let read_only = options.split(',').any(|option| option == "ro");
                Some(Mount {
                    source: project.resolved(&source),
                    target: target.to_owned(),
                    written: source,
                    read_only,
                    is_tmpfs: false,
                    size: None,
                    position,
                })
            }
        }
    };
    items.iter().filter_map(one).collect()
}

/// Source and rest of a mount whose source may have colons in `${A:-b}`.
fn split(written: &str) -> (String, String) {
    let mut depth = 0_usize;
    for (at, c) in written.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => return (written[..at].to_owned(), written[at + 1..].to_owned()),
            _ => {}
        }
    }
    match split_mount(written).filter(|_| !written.contains("${")) {
        Some(parts) => parts,
        None => (String::new(), written.to_owned()),
    }
}

/// Published ports; the texts that are none go to `odd`.
pub fn published(map: &Map, project: &Project, odd: &mut Vec<String>) -> Vec<Port> {
    let Some(Node { value: Value::List(items), .. }) = map.get("ports") else { return vec![] };
    let mut found = vec![];
    for node in items {
        let position = project.outline.line(node.at);
        if let Value::Map(map) = &node.value {
            let number = |key| text(map, key).and_then(|it| project.resolved(&it).parse().ok());
            let Some(target) = number("target") else { continue };
            let protocol = text(map, "protocol").unwrap_or_else(|| "tcp".into());
            let published = number("published").unwrap_or(target);
            found.push(Port { target, published, protocol, position });
            continue;
        }
        let Some(written) = scalar(node) else { continue };
        let resolved = project.resolved(&written);
        // A variable without a value leaves a port without its outside.
        let resolved = resolved.trim_start_matches(':');
        match ports::parse_short(resolved) {
            // A range is of a service that needs many: all of them are for an overlay.
            Ok(short) if short.count() <= 100 => {
                for port in short.expand() {
                    let number = |port: u32| u16::try_from(port).unwrap_or_default();
                    let target = number(port.target);
                    let published =
                        if port.published == 0 { target } else { number(port.published) };
                    found.push(Port {
                        target,
                        published,
                        protocol: port.protocol,
                        position: position.clone(),
                    });
                }
            }
            _ => odd.push(written),
        }
    }
    found
}

/// A value of the upstream as it is.
pub fn verbatim(node: &Node) -> Yaml {
    match &node.value {
        Value::List(items) => Yaml::List(
            items.iter().map(|it| Item { comment: vec![], value: verbatim(it) }).collect(),
        ),
        Value::Map(map) => Yaml::Map(
            map.0.iter().map(|entry| pair(entry.key.clone(), verbatim(&entry.value))).collect(),
        ),
        Value::Str(text) => Yaml::Text(text.clone()),
        Value::Time(_) => Yaml::Text(node.value.print().unwrap_or_default()),
        Value::Null => Yaml::Raw(String::new()),
        value => Yaml::Raw(value.print().unwrap_or_default()),
    }
}

/// The pairs of a mapping as they are.
pub fn verbatim_pairs(node: &Node) -> Vec<Pair> {
    match verbatim(node) {
        Yaml::Map(pairs) => pairs,
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_may_have_variables() {
        for (written, source, rest) in [
            ("./a:/b:ro", "./a", "/b:ro"),
            ("${A:-./a}:/b", "${A:-./a}", "/b"),
            ("/b", "", "/b"),
            ("${A}", "", "${A}"),
        ] {
            assert_eq!(split(written), (source.to_owned(), rest.to_owned()));
        }
    }
}
