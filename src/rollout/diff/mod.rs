//! Tells whether a live service is what the recipe asks for; pure.
//!
//! Both specs are brought into one comparable form: ids become names, what
//! swarm adds by itself is removed, and Go's zero values count as absent, as they do
//! in swarm's own storage. Whatever compares equal is not sent, so being too
//! strict here costs restarts and being too lax hides changes; the few zeros
//! that mean something are listed in [`MEANINGFUL_ZERO`]. Sources: moby,
//! `daemon/cluster/convert/service.go`; what the raw API returned for specs
//! that the docker client had sent.

pub(crate) mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::engine::api;

/// Names by id, for what specs refer to by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub networks: BTreeMap<String, String>,
    pub configs: BTreeMap<String, String>,
}

/// Keys whose zero differs from their absence: pointers in Docker's API whose
/// default is not zero.
const MEANINGFUL_ZERO: &[&str] = &[
    "Init",
    "StopGracePeriod",
    "RestartPolicy.Delay",
    "Replicas",
    "MaxConcurrent",
    "TotalCompletions",
    "Parallelism",
];

/// Keys of maps from text to text, whose empty values mean something.
const TEXT_MAPS: &[&str] = &["Labels", "Options", "Sysctls", "DriverOpts"];

/// Networks that every engine has; a spec names them, swarm answers with ids
/// that no list shows.
pub(crate) const PREDEFINED_NETWORKS: &[&str] = &["host", "bridge", "none", "default", "ingress"];

/// A service spec without what swarm adds and what potluck does not decide.
pub(crate) fn comparable(spec: &api::ServiceSpec, names: &Names) -> Value {
    let mut value = to_value(spec);
    let older_networks = value.as_object_mut().and_then(|s| s.remove("Networks"));
    normalise_mode(&mut value);
    if let Some(task) = value.get_mut("TaskTemplate").and_then(Value::as_object_mut) {
        if let (false, Some(networks)) = (task.contains_key("Networks"), older_networks) {
            task.insert("Networks".into(), networks);
        }
        normalise_task(task, Some(names));
    }
    for block in ["UpdateConfig", "RollbackConfig"] {
        if let Some(config) = value.get_mut(block).and_then(Value::as_object_mut) {
            drop_default(config, "FailureAction", "pause");
            drop_default(config, "Order", "stop-first");
            config.entry("Parallelism").or_insert(json!(0));
        }
    }
    if let Some(endpoint) = value.get_mut("EndpointSpec").and_then(Value::as_object_mut) {
        drop_default(endpoint, "Mode", "vip");
        if let Some(ports) = endpoint.get_mut("Ports").and_then(Value::as_array_mut) {
            for port in ports.iter_mut().filter_map(Value::as_object_mut) {
                drop_default(port, "Protocol", "tcp");
                drop_default(port, "PublishMode", "ingress");
            }
            ports.sort_by_cached_key(Value::to_string);
        }
    }
    prune(&mut value, "");
    value
}

/// A task spec in the same form, to tell whether a task is of a service's
/// present spec.
pub(crate) fn comparable_task(spec: &api::TaskSpec) -> Value {
    let mut value = to_value(spec);
    if let Some(task) = value.as_object_mut() {
        // Swarm leaves a task alone when only the placement changed and its
        // node still fits (swarmkit, `orchestrator/task.go`, `IsTaskDirty`).
        task.remove("Placement");
        let force = task.get("ForceUpdate").cloned();
        normalise_task(task, None);
        if let Some(force) = force {
            task.insert("ForceUpdate".into(), force);
        }
    }
    prune(&mut value, "");
    value
}

fn to_value<T: serde::Serialize>(spec: &T) -> Value {
    serde_json::to_value(spec).unwrap_or(Value::Null)
}

fn normalise_mode(spec: &mut Value) {
    let Some(spec) = spec.as_object_mut() else { return };
    let mode = spec.entry("Mode").or_insert_with(|| json!({}));
    let Some(mode) = mode.as_object_mut() else { return };
    if mode.contains_key("Global") {
        *mode = Map::from_iter([("Global".to_owned(), json!(true))]);
    } else if mode.contains_key("GlobalJob") {
        *mode = Map::from_iter([("GlobalJob".to_owned(), json!(true))]);
    } else if let Some(job) = mode.get_mut("ReplicatedJob").and_then(Value::as_object_mut) {
        job.entry("MaxConcurrent").or_insert(json!(1));
        job.entry("TotalCompletions").or_insert(json!(1));
    } else {
        let replicated = mode.entry("Replicated").or_insert_with(|| json!({}));
        if let Some(replicated) = replicated.as_object_mut() {
            replicated.entry("Replicas").or_insert(json!(1));
        }
    }
}

/// Without names, ids stay: both sides are the swarm's own.
fn normalise_task(task: &mut Map<String, Value>, names: Option<&Names>) {
    task.remove("ForceUpdate");
    drop_default(task, "Runtime", "container");
    if let Some(policy) = task.get_mut("RestartPolicy").and_then(Value::as_object_mut) {
        drop_default(policy, "Condition", "any");
    }
    if let Some(networks) = task.get_mut("Networks").and_then(Value::as_array_mut) {
        for network in networks.iter_mut().filter_map(Value::as_object_mut) {
            if let (Some(names), Some(target)) =
                (names, network.get("Target").and_then(Value::as_str))
            {
                let name = names.networks.get(target).map_or(target, String::as_str);
                let name = if is_predefined(name, names) { "(predefined)" } else { name };
                let name = json!(name);
                network.insert("Target".into(), name);
            }
            if let Some(aliases) = network.get_mut("Aliases").and_then(Value::as_array_mut) {
                aliases.sort_by_cached_key(Value::to_string);
            }
        }
        networks.sort_by_cached_key(Value::to_string);
    }
    let Some(container) = task.get_mut("ContainerSpec").and_then(Value::as_object_mut) else {
        return;
    };
    drop_default(container, "Isolation", "default");
    for (list, id) in [("Secrets", "SecretID"), ("Configs", "ConfigID")] {
        if let Some(references) = container.get_mut(list).and_then(Value::as_array_mut) {
            for reference in references.iter_mut().filter_map(Value::as_object_mut) {
                reference.remove(id);
                if reference.remove("Runtime").is_some_and(|runtime| !runtime.is_null()) {
                    reference.insert("Runtime".into(), json!(true));
                }
            }
            references.sort_by_cached_key(Value::to_string);
        }
    }
    if let Some(mounts) = container.get_mut("Mounts").and_then(Value::as_array_mut) {
        for mount in mounts.iter_mut().filter_map(Value::as_object_mut) {
            // Swarm takes it and keeps nothing of it.
            mount.remove("Consistency");
        }
    }
    if let Some(names) = names
        && let Some(config) = container
            .get_mut("Privileges")
            .and_then(|p| p.get_mut("CredentialSpec"))
            .and_then(|c| c.get_mut("Config"))
        && let Some(name) = config.as_str().and_then(|id| names.configs.get(id))
    {
        *config = json!(name);
    }
}

/// An id that no network list shows belongs to a predefined network.
fn is_predefined(name: &str, names: &Names) -> bool {
    PREDEFINED_NETWORKS.contains(&name)
        || (looks_like_id(name) && !names.networks.values().any(|known| known == name))
}

/// Swarm's ids: 25 characters of base 36.
fn looks_like_id(text: &str) -> bool {
    text.len() == 25 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

fn drop_default(object: &mut Map<String, Value>, key: &str, default: &str) {
    if object.get(key).and_then(Value::as_str) == Some(default) {
        object.remove(key);
    }
}

fn prune(value: &mut Value, path: &str) {
    match value {
        Value::Object(object) => {
            for (key, child) in object.iter_mut() {
                if !TEXT_MAPS.contains(&key.as_str()) {
                    prune(child, &format!("{path}.{key}"));
                }
            }
            object.retain(|key, child| !is_absent(child, &format!("{path}.{key}")));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| prune(item, path)),
        _ => {}
    }
}

fn is_absent(value: &Value, path: &str) -> bool {
    let zero_counts = MEANINGFUL_ZERO.iter().any(|key| {
        path.strip_suffix(key).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    });
    match value {
        Value::Null => true,
        Value::Bool(set) => !set && !zero_counts,
        Value::Number(number) => number.as_f64() == Some(0.0) && !zero_counts,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}

/// What differs between two comparable forms, one line each. Values of
/// variables, labels, commands and health checks are not shown: settings end
/// up in them, and settings may hold secrets.
pub(crate) fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    walk(before, after, "", &mut lines);
    lines
}

fn walk(before: &Value, after: &Value, path: &str, lines: &mut Vec<String>) {
    if before == after {
        return;
    }
    let key = path.rsplit('.').next().unwrap_or_default();
    match key {
        "Env" => return named(before, after, "variable", variable_name, lines),
        "Secrets" => {
            return named(before, after, "secret", |v| text_of(v, "SecretName"), lines);
        }
        "Configs" => {
            return named(before, after, "config", |v| text_of(v, "ConfigName"), lines);
        }
        "Mounts" => return shown(before, after, "mount", mount_text, lines),
        "CapabilityAdd" => return shown(before, after, "capability", capability_text, lines),
        "Networks" => return shown(before, after, "network", network_text, lines),
        "Ports" => return shown(before, after, "port", port_name, lines),
        "Mode" if path == key => {
            if let (Some(b), Some(a)) = (words::mode(before), words::mode(after))
                && b != a
            {
                lines.push(format!("mode: {b} → {a}"));
                return;
            }
        }
        _ => {}
    }
    let word = if TEXT_MAPS.contains(&key) { text_map_word(path) } else { None };
    if let (Some(word), Some(b), Some(a)) = (word, as_object(before), as_object(after)) {
        for name in union(&b, &a) {
            match (b.get(name), a.get(name)) {
                (None, _) => lines.push(format!("{word} {name}: added")),
                (_, None) => lines.push(format!("{word} {name}: removed")),
                (Some(x), Some(y)) if x != y => lines.push(format!("{word} {name}: changed")),
                _ => {}
            }
        }
        return;
    }
    if let (Some(b), Some(a)) = (as_object(before), as_object(after)) {
        for name in union(&b, &a) {
            let child = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let null = Value::Null;
            walk(b.get(name).unwrap_or(&null), a.get(name).unwrap_or(&null), &child, lines);
        }
        return;
    }
    let title = words::title(path);
    let shown = |one, other| words::value(path, one, other);
    lines.push(match (shown(before, after), shown(after, before)) {
        // What is left out means just that.
        (Some(b), Some(a)) if b == a && (before.is_null() || after.is_null()) => return,
        (Some(b), Some(a)) => format!("{title}: {b} → {a}"),
        _ => format!("{title}: changed"),
    });
}

/// Absent counts as empty, so that a block which appears is shown by its keys.
fn as_object(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object.clone()),
        Value::Null => Some(Map::new()),
        _ => None,
    }
}

fn union<'a>(a: &'a Map<String, Value>, b: &'a Map<String, Value>) -> BTreeSet<&'a String> {
    a.keys().chain(b.keys()).collect()
}

fn text_map_word(path: &str) -> Option<&'static str> {
    match path {
        "Labels" => Some("label"),
        "TaskTemplate.ContainerSpec.Labels" => Some("container label"),
        "TaskTemplate.ContainerSpec.Sysctls" => Some("sysctl"),
        "TaskTemplate.LogDriver.Options" => Some("log option"),
        _ => Some("option"),
    }
}

/// Reports additions, removals and changes of a list whose items have names.
fn named(
    before: &Value,
    after: &Value,
    word: &str,
    name: impl Fn(&Value) -> String,
    lines: &mut Vec<String>,
) {
    let by_name = |list: &Value| -> BTreeMap<String, Vec<Value>> {
        let mut map: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for item in list.as_array().into_iter().flatten() {
            map.entry(name(item)).or_default().push(item.clone());
        }
        map
    };
    let (b, a) = (by_name(before), by_name(after));
    let names: BTreeSet<_> = b.keys().chain(a.keys()).collect();
    let start = lines.len();
    for name in names {
        match (b.get(name), a.get(name)) {
            (None, _) => lines.push(format!("{word} {name}: added")),
            (_, None) => lines.push(format!("{word} {name}: removed")),
            (Some(x), Some(y)) if x != y => lines.push(format!("{word} {name}: changed")),
            _ => {}
        }
    }
    if lines.len() == start {
        lines.push(format!("{word}s: order changed"));
    }
}

/// Added and removed items of a list whose items can be shown. Items that differ
/// only in hidden parts are shown as changed.
fn shown(
    before: &Value,
    after: &Value,
    word: &str,
    text: impl Fn(&Value) -> String,
    lines: &mut Vec<String>,
) {
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let (b, a) = (items(before), items(after));
    let texts = |items: &[Value]| -> BTreeSet<String> { items.iter().map(&text).collect() };
    let (before, after) = (texts(&b), texts(&a));
    let start = lines.len();
    lines.extend(before.difference(&after).map(|item| format!("{word}: - {item}")));
    lines.extend(after.difference(&before).map(|item| format!("{word}: + {item}")));
    let same = a.iter().filter(|item| !b.contains(item));
    let same = same.map(&text).filter(|text| before.contains(text));
    lines.extend(same.map(|text| format!("{word} {text}: changed")));
    if lines.len() == start {
        lines.push(format!("{word}s: order changed"));
    }
}

/// What a first deploy brings beside the image: mounts,
/// capabilities, networks, secrets, configs and ports, one line each.
pub(crate) fn contents(spec: &api::ServiceSpec, names: &Names) -> Vec<String> {
    const TOLD: &[&str] = &["mount", "capability", "network", "secret", "config", "port"];
    let mut lines = differences(&Value::Null, &comparable(spec, names));
    lines.retain(|line| line.split([':', ' ']).next().is_some_and(|word| TOLD.contains(&word)));
    lines
}

/// As a compose file writes it: `/srv/x:/x:ro`.
fn mount_text(mount: &Value) -> String {
    let source = mount.get("Source").and_then(Value::as_str);
    let mut text = match (source, mount.get("Type").and_then(Value::as_str)) {
        (Some(source), _) => format!("{source}:"),
        (None, Some(kind @ "tmpfs")) => format!("{kind}:"),
        (None, _) => String::new(),
    };
    text.push_str(&text_of(mount, "Target"));
    if mount.get("ReadOnly").and_then(Value::as_bool) == Some(true) {
        text.push_str(":ro");
    }
    text
}

fn capability_text(name: &Value) -> String {
    let name = name.as_str().unwrap_or("?");
    name.strip_prefix("CAP_").unwrap_or(name).to_owned()
}

fn network_text(network: &Value) -> String {
    text_of(network, "Target")
}

fn text_of(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or("?").to_owned()
}

fn variable_name(value: &Value) -> String {
    let text = value.as_str().unwrap_or("?");
    text.split_once('=').map_or(text, |(name, _)| name).to_owned()
}

fn port_name(value: &Value) -> String {
    let number = |key| value.get(key).and_then(Value::as_u64).unwrap_or(0);
    let protocol = value.get("Protocol").and_then(Value::as_str).unwrap_or("tcp");
    let published = match number("PublishedPort") {
        0 => "any free port".to_owned(),
        port => port.to_string(),
    };
    format!("{published}:{}/{protocol}", number("TargetPort"))
}

#[cfg(test)]
mod tests;
