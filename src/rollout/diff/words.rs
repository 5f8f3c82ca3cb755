//! Fields of a service spec and their values, in a compose file's words where these are
//! short; pure. An omitted value is shown as the default that it stands for (swarmkit,
//! `api/defaults/service.go`), never as nothing.

use serde_json::Value;

use crate::compose::value::duration;

/// The meaning of an absent value, by the end of a field's path; the first match counts.
const DEFAULTS: &[(&str, &str)] = &[
    ("FailureAction", "pause"),
    ("Config.Order", "stop-first"),
    ("Config.Parallelism", "1"),
    ("Config.Monitor", "5s"),
    ("Config.Delay", "0s"),
    ("RestartPolicy.Condition", "any"),
    ("RestartPolicy.Delay", "5s"),
    ("RestartPolicy.MaxAttempts", "no limit"),
    ("RestartPolicy.Window", "no limit"),
    ("EndpointSpec.Mode", "vip"),
    ("StopGracePeriod", "10s"),
    ("Runtime", "container"),
    ("Isolation", "default"),
    ("Init", "as the engine has it"),
    ("LogDriver.Name", "as the engine has it"),
    ("Hostname", "the container's id"),
    ("ContainerSpec.User", "the image's"),
    ("ContainerSpec.Dir", "the image's"),
    ("StopSignal", "the image's"),
    ("HealthCheck.Interval", "the image's, or 30s"),
    ("HealthCheck.Timeout", "the image's, or 30s"),
    ("HealthCheck.Retries", "the image's, or 3"),
    ("HealthCheck.StartPeriod", "the image's, or 0s"),
    ("HealthCheck.StartInterval", "the image's, or 5s"),
    ("Limits.NanoCPUs", "no limit"),
    ("Limits.MemoryBytes", "no limit"),
    ("Limits.Pids", "no limit"),
    ("Placement.MaxReplicas", "no limit"),
];
/// Fields in nanoseconds.
const DURATIONS: [&str; 8] = [
    "Delay",
    "Monitor",
    "Window",
    "StopGracePeriod",
    "Interval",
    "Timeout",
    "StartPeriod",
    "StartInterval",
];

/// A field as a compose file calls it.
pub(in crate::rollout) fn title(path: &str) -> String {
    match path {
        "TaskTemplate.ContainerSpec.Image" => "image".into(),
        "TaskTemplate.ContainerSpec.Command" => "entrypoint".into(),
        "TaskTemplate.ContainerSpec.Args" => "command".into(),
        "TaskTemplate.ContainerSpec.Dir" => "working_dir".into(),
        "TaskTemplate.ContainerSpec.OpenStdin" => "stdin_open".into(),
        "TaskTemplate.ContainerSpec.HealthCheck" => "healthcheck".into(),
        "TaskTemplate.Placement.Constraints" => "placement constraints".into(),
        "Mode.Replicated.Replicas" => "replicas".into(),
        "EndpointSpec.Mode" => "endpoint_mode".into(),
        _ => {
            let path =
                path.trim_start_matches("TaskTemplate.").trim_start_matches("ContainerSpec.");
            path.split('.').map(key).collect::<Vec<_>>().join(".")
        }
    }
}

/// `FailureAction` → `failure_action`
fn key(name: &str) -> String {
    match name {
        "NanoCPUs" => return "cpus".into(),
        "MemoryBytes" => return "memory".into(),
        "HealthCheck" => return "healthcheck".into(),
        "LogDriver" => return "logging".into(),
        "DNSConfig" => return "dns".into(),
        "TTY" => return "tty".into(),
        "MaxReplicas" => return "max_replicas_per_node".into(),
        _ => {}
    }
    let mut key = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && key.ends_with(|last: char| last.is_ascii_lowercase()) {
            key.push('_');
        }
        key.push(letter.to_ascii_lowercase());
    }
    key
}

/// A value that is no list and no map; `other` is the one that it is compared with.
pub(in crate::rollout) fn value(path: &str, value: &Value, other: &Value) -> Option<String> {
    match value {
        Value::Null => absent(path, other),
        Value::Bool(set) => Some(set.to_string()),
        Value::Number(number) => Some(match (path.rsplit('.').next(), number.as_i64()) {
            (Some(key), Some(nanoseconds)) if DURATIONS.contains(&key) => {
                duration::format(nanoseconds)
            }
            (Some("NanoCPUs"), Some(nanos)) => (nanos as f64 / 1e9).to_string(),
            (Some("MemoryBytes"), Some(bytes)) => size(bytes),
            (Some("MaxAttempts"), Some(0)) => "no limit".into(),
            _ if path.ends_with("Config.Parallelism") && number.as_i64() == Some(0) => {
                "all at once".into()
            }
            _ => number.to_string(),
        }),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn absent(path: &str, other: &Value) -> Option<String> {
    if let Some((_, meaning)) = DEFAULTS.iter().find(|(end, _)| is_end(path, end)) {
        return Some((*meaning).into());
    }
    Some(match other {
        Value::Bool(_) => "false".into(),
        Value::Number(_) if path.contains(".Reservations.") => "none".into(),
        Value::Number(_) => "0".into(),
        _ => "none".into(),
    })
}

/// Whether a path ends with these keys; the first of them may be the end of a key.
fn is_end(path: &str, end: &str) -> bool {
    let whole = |before: &str| before.is_empty() || before.ends_with('.');
    path.strip_suffix(end).is_some_and(|before| end.starts_with("Config.") || whole(before))
}

/// As compose files write it, if it is a whole number of a unit.
fn size(bytes: i64) -> String {
    for (unit, name) in [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")] {
        if bytes != 0 && bytes % unit == 0 {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

/// The one key of a spec's mode, as a compose file calls it.
pub(in crate::rollout) fn mode(mode: &Value) -> Option<&'static str> {
    let mode = mode.as_object()?;
    [
        ("Replicated", "replicated"),
        ("Global", "global"),
        ("ReplicatedJob", "replicated-job"),
        ("GlobalJob", "global-job"),
    ]
    .into_iter()
    .find(|(key, _)| mode.contains_key(*key))
    .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_have_the_names_of_compose_files() {
        for (path, name) in [
            ("UpdateConfig.FailureAction", "update_config.failure_action"),
            ("TaskTemplate.RestartPolicy.MaxAttempts", "restart_policy.max_attempts"),
            ("TaskTemplate.ContainerSpec.StopGracePeriod", "stop_grace_period"),
            ("TaskTemplate.Resources.Limits.NanoCPUs", "resources.limits.cpus"),
            ("TaskTemplate.ContainerSpec.HealthCheck.Test", "healthcheck.test"),
            ("TaskTemplate.Placement.MaxReplicas", "placement.max_replicas_per_node"),
            ("EndpointSpec.Mode", "endpoint_mode"),
        ] {
            assert_eq!(title(path), name);
        }
    }

    #[test]
    fn values_read_as_in_compose_files() {
        for (path, given, text) in [
            ("UpdateConfig.Delay", json!(90_000_000_000_i64), "1m30s"),
            ("TaskTemplate.Resources.Limits.MemoryBytes", json!(536_870_912), "512M"),
            ("TaskTemplate.Resources.Limits.MemoryBytes", json!(1000), "1000"),
            ("TaskTemplate.Resources.Limits.NanoCPUs", json!(500_000_000), "0.5"),
            ("UpdateConfig.Parallelism", json!(0), "all at once"),
            ("Mode.Replicated.Replicas", json!(0), "0"),
        ] {
            assert_eq!(value(path, &given, &Value::Null).unwrap(), text, "{path}");
        }
    }

    #[test]
    fn what_is_left_out_is_named_by_what_it_means() {
        for (path, other, text) in [
            ("UpdateConfig.FailureAction", json!("rollback"), "pause"),
            ("RollbackConfig.FailureAction", json!("continue"), "pause"),
            ("RollbackConfig.Order", json!("start-first"), "stop-first"),
            ("UpdateConfig.Parallelism", json!(2), "1"),
            ("UpdateConfig.Monitor", json!(1), "5s"),
            ("UpdateConfig.MaxFailureRatio", json!(0.5), "0"),
            ("TaskTemplate.RestartPolicy.Condition", json!("none"), "any"),
            ("TaskTemplate.RestartPolicy.Delay", json!(0), "5s"),
            ("TaskTemplate.RestartPolicy.MaxAttempts", json!(3), "no limit"),
            ("TaskTemplate.Resources.Limits.MemoryBytes", json!(1), "no limit"),
            ("TaskTemplate.Resources.Reservations.MemoryBytes", json!(1), "none"),
            ("TaskTemplate.ContainerSpec.Init", json!(false), "as the engine has it"),
            ("TaskTemplate.ContainerSpec.ReadOnly", json!(true), "false"),
            ("TaskTemplate.ContainerSpec.User", json!("root"), "the image's"),
            ("TaskTemplate.ContainerSpec.StopGracePeriod", json!(1), "10s"),
            ("TaskTemplate.LogDriver.Name", json!("none"), "as the engine has it"),
            ("EndpointSpec.Mode", json!("dnsrr"), "vip"),
        ] {
            assert_eq!(value(path, &Value::Null, &other).as_deref(), Some(text), "{path}");
        }
    }
}
