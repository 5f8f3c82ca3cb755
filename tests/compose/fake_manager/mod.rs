//! A swarm manager on a unix socket that keeps what it is sent and runs
//! nothing, so that two programs can be told apart by their requests. It holds
//! state enough for deploying, updating, pruning and removing stacks, and
//! behaves as the engine does where the programs rely on it: versions must be
//! the newest, contents of secrets and configs never change, names are unique.
//!
//! Ids are made from names, so that they are the same for both programs.

#![allow(dead_code, reason = "each test uses its part")]

mod bodies;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

pub use bodies::normal;

/// One request that changes something, or asks a registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `POST`, `DELETE`, `GET`.
    pub method: String,
    /// Without the version: `/services/id-st_web/update`.
    pub path: String,
    /// The name of what it is about.
    pub name: String,
    /// The header `X-Registry-Auth`.
    pub auth: Option<String>,
    pub body: Value,
}

/// What a swarm holds, by kind and name.
type Objects = BTreeMap<&'static str, BTreeMap<String, Value>>;

#[derive(Default)]
struct State {
    objects: Objects,
    log: Vec<Request>,
    index: u64,
    /// What a registry answers; it cannot be reached when none.
    digest: Option<String>,
}

/// A manager that listens until the test ends.
pub struct Manager {
    state: Arc<Mutex<State>>,
    folder: tempfile::TempDir,
}

const KINDS: [&str; 4] = ["networks", "secrets", "configs", "services"];

impl Manager {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("sock")).unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &state));
            }
        });
        Self { state, folder }
    }

    pub fn host(&self) -> String {
        format!("unix://{}/sock", self.folder.path().display())
    }

    /// A folder for docker's configuration.
    pub fn docker_config(&self) -> &Path {
        self.folder.path()
    }

    /// Makes an object that no stack owns.
    pub fn put(&self, kind: &'static str, name: &str) {
        let mut state = self.state.lock().unwrap();
        let spec = json!({"Name": name, "Scope": "swarm", "Driver": "overlay"});
        state.create(kind, spec).unwrap();
    }

    /// Lets the registry answer, with this word in every digest.
    pub fn registry(&self, digest: &str) {
        self.state.lock().unwrap().digest = Some(digest.repeat(64)[..64].to_owned());
    }

    /// Takes the registry away.
    pub fn no_registry(&self) {
        self.state.lock().unwrap().digest = None;
    }

    /// Requests since the last time that changed something, and questions to
    /// registries.
    pub fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    /// Specs as they are kept, by kind and name.
    pub fn specs(&self) -> BTreeMap<(String, String), Value> {
        let state = self.state.lock().unwrap();
        let mut specs = BTreeMap::new();
        for (kind, objects) in &state.objects {
            for (name, object) in objects {
                let spec = object.get("Spec").unwrap_or(object).clone();
                specs.insert(((*kind).to_owned(), name.clone()), spec);
            }
        }
        specs
    }
}

impl State {
    fn create(&mut self, kind: &'static str, spec: Value) -> Result<String, String> {
        let name = spec["Name"].as_str().unwrap_or_default().to_owned();
        let id = format!("id-{name}");
        let objects = self.objects.entry(kind).or_default();
        if objects.contains_key(&name) {
            return Err(format!("{kind} {name} already exists"));
        }
        self.index += 1;
        let object = if kind == "networks" {
            let mut object = spec;
            object["Id"] = json!(id);
            object["Scope"] = json!("swarm");
            object
        } else {
            json!({"ID": id, "Version": {"Index": self.index}, "Spec": spec})
        };
        objects.insert(name, object);
        Ok(id)
    }

    fn find(&self, kind: &str, word: &str) -> Option<(String, Value)> {
        let objects = self.objects.get(kind)?;
        let name = word.strip_prefix("id-").unwrap_or(word);
        objects.get(name).map(|object| (name.to_owned(), object.clone()))
    }

    fn list(&self, kind: &str, query: &str) -> Value {
        let filters = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("filters="))
            .map_or(Value::Null, |text| serde_json::from_str(&decode(text)).unwrap_or_default());
        // Docker writes sets, others lists.
        let wanted = |key: &str| -> Vec<String> {
            match &filters[key] {
                Value::Object(set) => set.keys().cloned().collect(),
                Value::Array(list) => {
                    list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
                }
                _ => Vec::new(),
            }
        };
        let (labels, names) = (wanted("label"), wanted("name"));
        let fits = |object: &&Value| {
            let spec = object.get("Spec").unwrap_or(object);
            let name = spec["Name"].as_str().unwrap_or_default();
            let has = |label: &String| {
                let (key, value) = label.split_once('=').unwrap_or((label, ""));
                spec["Labels"][key].as_str() == Some(value)
            };
            labels.iter().all(has)
                && (names.is_empty() || names.iter().any(|n| name.starts_with(n.as_str())))
        };
        self.objects
            .get(kind)
            .into_iter()
            .flat_map(|all| all.values())
            .filter(fits)
            .cloned()
            .collect()
    }

    fn update(&mut self, kind: &str, word: &str, query: &str, spec: Value) -> (u16, Value) {
        let refuse = |message: &str| (400, json!({"message": message}));
        let Some((name, mut object)) = self.find(kind, word) else {
            return (404, json!({"message": format!("{kind} {word} not found")}));
        };
        let data = |spec: &Value| spec["Data"].as_str().unwrap_or_default().to_owned();
        if kind != "services" && !data(&spec).is_empty() && data(&spec) != data(&object["Spec"]) {
            return refuse(
                "rpc error: code = InvalidArgument desc = only updates to Labels are allowed",
            );
        }
        let version = query.split('&').find_map(|pair| pair.strip_prefix("version="));
        if version.map(str::to_owned) != Some(object["Version"]["Index"].to_string()) {
            return refuse("rpc error: code = Unknown desc = update out of sequence");
        }
        self.index += 1;
        object["Version"]["Index"] = json!(self.index);
        if kind == "services" {
            object["Spec"] = spec;
        } else {
            object["Spec"]["Labels"] = spec["Labels"].clone();
        }
        if let Some(objects) =
            KINDS.iter().find(|known| **known == kind).and_then(|kind| self.objects.get_mut(kind))
        {
            objects.insert(name, object);
        }
        (200, json!({"Warnings": null}))
    }

    fn answer(&mut self, request: &Request, query: &str) -> (u16, Value) {
        let missing = |what: &str| (404, json!({"message": format!("{what} not found")}));
        let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        let known = |kind: &str| KINDS.into_iter().find(|known| *known == kind);
        match (request.method.as_str(), parts.as_slice()) {
            (_, ["_ping"]) => (200, json!("OK")),
            ("GET", ["version"]) => {
                (200, json!({"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}))
            }
            ("GET", ["info"]) => {
                let swarm =
                    json!({"NodeID": "n", "LocalNodeState": "active", "ControlAvailable": true});
                (200, json!({"ID": "x", "OSType": "linux", "Swarm": swarm}))
            }
            ("GET", ["volumes"]) => (200, json!({"Volumes": [], "Warnings": null})),
            ("GET", ["tasks" | "nodes"]) | ("GET", ["containers", "json"]) => (200, json!([])),
            ("GET", ["distribution", ..]) => match &self.digest {
                Some(digest) => (
                    200,
                    json!({
                        "Descriptor": {"mediaType": "x", "digest": format!("sha256:{digest}"), "size": 1},
                        "Platforms": [
                            {"architecture": "amd64", "os": "linux"},
                            {"architecture": "arm", "os": "linux", "variant": "v7"},
                            {"architecture": "arm", "os": "linux", "variant": "v6"},
                            {"architecture": "unknown", "os": "unknown"},
                        ],
                    }),
                ),
                None => missing("the registry"),
            },
            ("GET", [kind]) if known(kind).is_some() => (200, self.list(kind, query)),
            ("GET", [kind, word]) if known(kind).is_some() => {
                match self.find(kind, &decode(word)) {
                    Some((_, object)) => (200, object),
                    None => missing(word),
                }
            }
            ("POST", [kind, "create"]) if known(kind).is_some() => {
                match self.create(known(kind).unwrap(), request.body.clone()) {
                    Ok(id) if *kind == "networks" => (201, json!({"Id": id, "Warning": ""})),
                    Ok(id) => (201, json!({"ID": id})),
                    Err(message) => (409, json!({"message": message})),
                }
            }
            ("POST", [kind, word, "update"]) if known(kind).is_some() => {
                self.update(kind, word, query, request.body.clone())
            }
            ("DELETE", [kind, word]) => match self.find(kind, word) {
                Some((name, _)) => {
                    self.objects.get_mut(*kind).unwrap().remove(&name);
                    (if *kind == "services" { 200 } else { 204 }, json!({}))
                }
                None => missing(word),
            },
            _ => missing(&format!("{} {}", request.method, request.path)),
        }
    }
}

/// Answers one connection until it closes.
fn serve(stream: &UnixStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (mut length, mut auth, mut chunked) = (0, None, false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim().split_once(':') else { break };
            match name.to_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "transfer-encoding" => chunked = value.trim() == "chunked",
                "x-registry-auth" => auth = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if chunked {
            body = chunks(&mut reader)?;
        }
        let (path, query) = target.split_once('?').unwrap_or((target.as_str(), ""));
        let path = path.strip_prefix("/v1.41").unwrap_or(path).to_owned();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let by_path = || path.split('/').nth(2).unwrap_or_default().to_owned();
        let name = match body["Name"].as_str() {
            Some(name) => name.to_owned(),
            None if path.starts_with("/distribution") => path.clone(),
            None => by_path().trim_start_matches("id-").to_owned(),
        };
        let request = Request { method, path, name, auth, body };
        let mut state = state.lock().unwrap();
        let (status, answer) = state.answer(&request, query);
        let method = request.method.clone();
        let asks = matches!(method.as_str(), "POST" | "DELETE");
        // What is refused changes nothing: potluck asks so whether a secret holds
        // what its file holds.
        if (asks && status < 400) || request.path.starts_with("/distribution") {
            state.log.push(request);
        }
        drop(state);
        let answer =
            if method == "HEAD" || status == 204 { String::new() } else { answer.to_string() };
        let length = if status == 204 {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", answer.len())
        };
        write!(
            writer,
            "HTTP/1.1 {status} x\r\nApi-Version: 1.41\r\nOstype: linux\r\nSwarm: active/manager\r\n\
             Content-Type: application/json\r\n{length}\r\n{answer}"
        )
        .ok()?;
    }
}

fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut piece = vec![0; length + 2];
        reader.read_exact(&mut piece).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&piece[..length]);
    }
}

/// What stands behind `%2F` and `+` in an address.
fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    let (mut decoded, mut bytes) = (vec![], text.bytes());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let hex = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
            u8::from_str_radix(&String::from_utf8_lossy(&hex), 16).unwrap_or(b'?')
        } else {
            byte
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
