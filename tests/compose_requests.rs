//! What docker sends for a stack and what `to_stack` makes of it are the same:
//! `docker stack deploy` runs against a manager that only records, for every file
//! of the corpus and every case of our own.

mod compose_support;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
};

use compose_support::{
    Case, Disk, cases, corpus, difference, docker, docker_is_missing, is_beyond, load,
};
use potluck::{compose::Stack, home::StackName};
use serde_json::{Map, Value, json};

/// Bodies of POST requests by path and name.
type Bodies = BTreeMap<(String, String), Value>;

/// A manager on a unix socket that knows every external object, holds nothing
/// and takes everything.
struct Recorder {
    bodies: Arc<Mutex<Bodies>>,
    folder: tempfile::TempDir,
}

impl Recorder {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("sock")).unwrap();
        let bodies = Arc::new(Mutex::new(Bodies::new()));
        let shared = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bodies = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &bodies));
            }
        });
        Self { bodies, folder }
    }

    fn host(&self) -> String {
        format!("unix://{}/sock", self.folder.path().display())
    }
}

/// Answers one connection until it closes.
fn serve(stream: &UnixStream, bodies: &Mutex<Bodies>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (status, answer) = answer(&method, &target, &body, bodies);
        let answer = if method == "HEAD" { String::new() } else { answer.to_string() };
        write!(
            writer,
            "HTTP/1.1 {status} x\r\nApi-Version: 1.41\r\nOstype: linux\r\nSwarm: active/manager\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        )
        .ok()?;
    }
}

fn answer(method: &str, target: &str, body: &[u8], bodies: &Mutex<Bodies>) -> (u16, Value) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.strip_prefix("/v1.41").unwrap_or(path);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        ("HEAD" | "GET", ["_ping"]) => (200, json!("OK")),
        ("GET", ["info"]) => {
            let swarm =
                json!({"NodeID": "n", "LocalNodeState": "active", "ControlAvailable": true});
            (200, json!({"ID": "x", "OSType": "linux", "Swarm": swarm}))
        }
        ("GET", ["networks", name]) => (200, json!({"Id": name, "Name": name, "Scope": "swarm"})),
        ("GET", ["secrets" | "configs"]) => (200, found(query)),
        ("GET", ["secrets" | "configs", _]) => (404, json!({"message": "not found"})),
        ("GET", ["networks" | "services"]) => (200, json!([])),
        ("POST", [kind, "create"]) => {
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            let name = body["Name"].as_str().unwrap_or_default().to_owned();
            bodies.lock().unwrap().insert(((*kind).to_owned(), name), body);
            (201, json!({"ID": "id", "Id": "id"}))
        }
        _ => (404, json!({"message": format!("not expected: {method} {target}")})),
    }
}

/// Every object that the name filter asks for.
fn found(query: &str) -> Value {
    let text = query.strip_prefix("filters=").unwrap_or_default().replace('+', " ");
    let mut decoded = vec![];
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let hex = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
            u8::from_str_radix(&String::from_utf8_lossy(&hex), 16).unwrap_or(b'?')
        } else {
            byte
        });
    }
    let filters: Value = serde_json::from_slice(&decoded).unwrap_or_default();
    let names = filters["name"].as_object().cloned().unwrap_or_default();
    names.keys().map(|name| json!({"ID": format!("id-{name}"), "Spec": {"Name": name}})).collect()
}

/// Pointers in docker's types: there, zero is not the same as nothing.
const POINTERS: &[&str] = &[
    "Replicas",
    "MaxAttempts",
    "MaxConcurrent",
    "TotalCompletions",
    "Init",
    "Parallelism",
    "StopGracePeriod",
    "Window",
    "Delay",
];

/// Leaves out what Go leaves out, and ids.
fn normal(key: &str, value: Value) -> Option<Value> {
    let value = match value {
        Value::Object(map) => {
            let kept: Map<String, Value> = map
                .into_iter()
                .filter(|(key, _)| {
                    !matches!(key.as_str(), "SecretID" | "ConfigID" | "CheckDuplicate")
                })
                .filter_map(|(key, value)| normal(&key, value).map(|value| (key, value)))
                // Some empty objects choose something.
                .collect();
            if kept.is_empty() && !matches!(key, "Global" | "GlobalJob" | "Runtime" | "LogDriver") {
                return None;
            }
            Value::Object(kept)
        }
        Value::Array(items) => {
            let mut items: Vec<Value> =
                items.into_iter().map(|item| normal("item", item).unwrap_or_default()).collect();
            if matches!(key, "Secrets" | "Configs") {
                items.sort_by_key(ToString::to_string);
            }
            if items.is_empty() {
                return None;
            }
            Value::Array(items)
        }
        Value::Number(number) if number.as_f64() == Some(0.0) && !POINTERS.contains(&key) => {
            return None;
        }
        Value::Bool(false) if !POINTERS.contains(&key) => return None,
        Value::Null => return None,
        Value::String(text) if text.is_empty() => return None,
        // A credential spec's config: its id for docker, its name for us.
        Value::String(text) if key == "Config" => {
            Value::String(text.strip_prefix("id-").unwrap_or(&text).to_owned())
        }
        other => other,
    };
    Some(value)
}

fn ours(stack: &Stack) -> Bodies {
    let mut bodies = Bodies::new();
    let mut put = |kind: &str, name: &str, value: Value| {
        bodies.insert((kind.to_owned(), name.to_owned()), value);
    };
    for (name, network) in &stack.networks {
        put("networks", name, serde_json::to_value(network).unwrap());
    }
    for (name, secret) in &stack.secrets {
        put("secrets", name, serde_json::to_value(secret).unwrap());
    }
    for (name, config) in &stack.configs {
        put("configs", name, serde_json::to_value(config).unwrap());
    }
    for service in &stack.services {
        let name = service.spec.name.clone().unwrap();
        put("services", &name, serde_json::to_value(&service.spec).unwrap());
    }
    bodies
}

fn compared(bodies: Bodies) -> Value {
    bodies
        .into_iter()
        .map(|((kind, name), body)| {
            let body = normal("body", body).unwrap_or_default();
            (format!("{kind} {name}"), rename(body))
        })
        .collect::<Map<String, Value>>()
        .into()
}

/// Go reads names of keys in any case; the API's models write one differently.
fn rename(mut body: Value) -> Value {
    if let Some(container) = body.pointer_mut("/TaskTemplate/ContainerSpec")
        && let Some(container) = container.as_object_mut()
        && let Some(check) = container.remove("HealthCheck")
    {
        container.insert("Healthcheck".into(), check);
    }
    body
}

/// What potluck refuses and docker's client does not, because swarm would.
const REFUSED_BY_SWARM: &[&str] = &[
    "is not a name that swarm allows",
    "is not known here",
    "is not a propagation",
    "`cluster` are not supported yet",
];

fn compare(case: &Case) -> Result<&'static str, String> {
    let recorder = Recorder::start();
    let theirs = docker(case, &["stack", "deploy", "--resolve-image", "never", "--detach", "st"])
        .env("DOCKER_HOST", recorder.host())
        .env("DOCKER_CONFIG", recorder.folder.path())
        .output()
        .unwrap();
    let name = StackName::new("st").unwrap();
    let ours_stack = load(case).and_then(|(config, _)| config.to_stack(&name, &Disk));
    let stderr = String::from_utf8_lossy(&theirs.stderr);
    match (theirs.status.success(), ours_stack) {
        (true, Ok(stack)) => {
            let theirs = compared(recorder.bodies.lock().unwrap().clone());
            let ours = compared(ours(&stack));
            if theirs == ours { Ok("equal") } else { Err(difference(&theirs, &ours)) }
        }
        (false, Err(problems)) => {
            if std::env::var_os("SHOW_REFUSALS").is_some() {
                eprintln!("== {}\n{stderr}-- potluck\n{problems}\n", case.name);
            }
            Ok("refused by both")
        }
        (true, Err(problems)) => {
            let text = problems.to_string();
            if REFUSED_BY_SWARM.iter().any(|reason| text.contains(reason)) {
                return Ok("refused before swarm would");
            }
            Err(format!("only potluck refuses it:\n{text}"))
        }
        (false, Ok(_)) if load(case).is_ok_and(|(config, _)| is_beyond(&config)) => {
            Ok("refused by docker only")
        }
        (false, Ok(_)) => Err(format!("only docker refuses it:\n{stderr}")),
    }
}

fn run(all: &[Case]) {
    if docker_is_missing() {
        return;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut different = vec![];
    for case in all {
        match compare(case) {
            Ok(outcome) => *counts.entry(outcome).or_default() += 1,
            Err(difference) => different.push(format!("== {}\n{difference}", case.name)),
        }
    }
    eprintln!("sent {} stacks: {counts:?}, {} different", all.len(), different.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn docker_sends_what_we_would_for_the_corpus() {
    run(&corpus());
}

#[test]
fn docker_sends_what_we_would_for_our_own_cases() {
    run(&cases());
}

#[test]
fn the_parts_whose_absence_hurts_are_always_sent() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(Path::new(folder.path()).join("compose.yml"), "services: {a: {image: b}}").unwrap();
    let case = Case {
        name: "smallest".into(),
        folder: folder.path().into(),
        files: vec!["compose.yml".into()],
        env: BTreeMap::new(),
    };
    let (config, _) = load(&case).unwrap();
    let stack = config.to_stack(&StackName::new("st").unwrap(), &Disk).unwrap();
    let spec = serde_json::to_value(&stack.services[0].spec).unwrap();
    for pointer in [
        "/TaskTemplate/Placement",
        "/TaskTemplate/Resources",
        "/TaskTemplate/ContainerSpec/Privileges",
        "/EndpointSpec",
    ] {
        assert_eq!(spec.pointer(pointer), Some(&json!({})), "{pointer}");
    }
}
