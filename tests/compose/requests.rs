//! What docker asks of a manager for a stack, and what potluck asks, are the
//! same: both programs deploy, deploy again, update, prune and remove stacks on
//! managers that only keep what they are sent, for every file of the corpus and
//! every case of our own. Docker also sends what has not changed; potluck need
//! not.

use crate::changes;
use crate::fake_manager;
use crate::support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use changes::{CHANGES, Change};
use fake_manager::{Manager, Request, normal};
use potluck::home::StackName;
use serde_json::{Value, json};
use support::{
    Case, Disk, cases, check_table, corpus, difference, docker, docker_is_missing, is_beyond, load,
};

/// What a request does to what.
type Key = (String, String, String);

fn potluck(case: &Case, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck"));
    command.args(words).current_dir(&case.folder).env_clear().envs(&case.env);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for file in &case.files {
        command.args(["-c", file]);
    }
    command
}

fn on(manager: &Manager, mut command: Command) -> Output {
    let mut path = manager.docker_config().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    command
        .env("DOCKER_HOST", manager.host())
        .env("DOCKER_CONFIG", manager.docker_config())
        .env("PATH", path)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Requests by what they do, with the body and, decoded, the credentials.
fn by_key(log: &[Request]) -> BTreeMap<Key, Value> {
    log.iter()
        .map(|request| {
            let mut parts = request.path.trim_start_matches('/').split('/');
            let kind = parts.next().unwrap_or_default().to_owned();
            let verb = match (request.method.as_str(), parts.next_back()) {
                ("POST", Some(verb)) => verb.to_owned(),
                (method, _) => method.to_owned(),
            };
            let auth = request.auth.as_ref().map(|header| {
                use base64::Engine;
                let bytes = base64::engine::general_purpose::URL_SAFE.decode(header).unwrap();
                serde_json::from_slice::<Value>(&bytes).unwrap()
            });
            let value = json!({"auth": auth, "body": normal(&request.body)});
            ((verb, kind, request.name.clone()), value)
        })
        .collect()
}

/// Docker's and ours are equal, except for updates that change nothing.
fn same_requests(
    theirs: &[Request],
    ours: &[Request],
    before: &BTreeMap<(String, String), Value>,
) -> Result<(), String> {
    let (theirs, ours) = (by_key(theirs), by_key(ours));
    let needless = |key: &Key, value: &Value| {
        let stored = before.get(&(key.1.clone(), key.2.clone()));
        key.0 == "update"
            && value["auth"].is_null()
            && stored.is_some_and(|stored| same_object(&key.1, stored, &value["body"]))
    };
    let shown = |requests: &BTreeMap<Key, Value>, other: &BTreeMap<Key, Value>| -> Value {
        requests
            .iter()
            .filter(|(key, value)| other.contains_key(*key) || !needless(key, value))
            .map(|((verb, kind, name), value)| (format!("{verb} {kind} {name}"), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let (theirs, ours) = (shown(&theirs, &ours), shown(&ours, &ours));
    if theirs == ours { Ok(()) } else { Err(difference(&theirs, &ours)) }
}

/// Of secrets and configs only labels can be updated.
fn same_object(kind: &str, stored: &Value, sent: &Value) -> bool {
    let stored = normal(stored);
    if kind == "services" { stored == *sent } else { stored["Labels"] == sent["Labels"] }
}

/// What potluck refuses and docker's client does not, because swarm would.
const REFUSED_BY_SWARM: &[&str] = &[
    "is not a port: expected a number up to",
    "is of one node",
    "is empty, which swarm refuses",
    "is not a name that swarm allows",
    "unknown value `",
    "is not a propagation",
    "is out of range: at most",
    "no service of a swarm can be on the network",
    "is a network of the engine's own",
    "is for networks of the engine's own",
    "an entry has no `discrete_resource_spec`",
];

const DEPLOY: [&str; 5] = ["stack", "deploy", "--resolve-image", "never", "--detach"];

/// Deploys a case twice and removes it, with both programs.
fn compare(case: &Case) -> Result<&'static str, String> {
    let (theirs, ours) = (Manager::start(), Manager::start());
    let stack =
        load(case).and_then(|(config, _)| config.to_stack(&StackName::new("st").unwrap(), &Disk));
    if let Ok(stack) = &stack {
        for manager in [&theirs, &ours] {
            let external = [
                ("networks", &stack.external_networks),
                ("secrets", &stack.external_secrets),
                ("configs", &stack.external_configs),
            ];
            for (kind, names) in external {
                names.iter().for_each(|name| manager.put(kind, name));
            }
        }
    }
    let deploy = || {
        let mut by_docker = docker(case, &DEPLOY);
        by_docker.arg("st");
        let mut by_potluck = potluck(case, &DEPLOY);
        by_potluck.arg("st");
        (on(&theirs, by_docker), on(&ours, by_potluck))
    };
    let (by_docker, by_potluck) = deploy();
    match (by_docker.status.success(), by_potluck.status.success()) {
        (true, true) => {}
        (false, false) => return Ok("refused by both"),
        (true, false) => {
            let reasons = text(&by_potluck);
            if REFUSED_BY_SWARM.iter().any(|reason| reasons.contains(reason)) {
                return Ok("refused before swarm would");
            }
            return Err(format!("only potluck refuses it:\n{reasons}"));
        }
        (false, true) => return accepted_beyond(case, &text(&by_docker)),
    }
    same_requests(&theirs.take_log(), &ours.take_log(), &BTreeMap::new())?;

    let before = theirs.specs();
    let (by_docker, by_potluck) = deploy();
    if !by_docker.status.success() || !by_potluck.status.success() {
        return Err(format!("again: {}{}", text(&by_docker), text(&by_potluck)));
    }
    let again = ours.take_log();
    same_requests(&theirs.take_log(), &again, &before)
        .map_err(|difference| format!("again:\n{difference}"))?;
    // Only jobs, which docker runs again, are sent again.
    let is_job = |body: &Value| {
        ["ReplicatedJob", "GlobalJob"].iter().any(|mode| !body["Mode"][mode].is_null())
    };
    if let Some(needless) = again.iter().find(|request| !is_job(&request.body)) {
        return Err(format!("sent again without need: {} {}", needless.method, needless.path));
    }

    let words = ["stack", "rm", "--detach", "st"];
    let mut by_docker = Command::new("docker");
    by_docker.args(words);
    let mut by_potluck = Command::new(env!("CARGO_BIN_EXE_potluck"));
    by_potluck.args(words);
    let (by_docker, by_potluck) = (on(&theirs, by_docker), on(&ours, by_potluck));
    if !by_docker.status.success() || !by_potluck.status.success() {
        return Err(format!("removing: {}{}", text(&by_docker), text(&by_potluck)));
    }
    same_requests(&theirs.take_log(), &ours.take_log(), &BTreeMap::new())
        .map_err(|difference| format!("removing:\n{difference}"))?;
    Ok("equal")
}

/// Extensions of potluck, which lint says of themselves.
fn accepted_beyond(case: &Case, stderr: &str) -> Result<&'static str, String> {
    if load(case).is_ok_and(|(config, _)| is_beyond(&config)) {
        return Ok("beyond docker");
    }
    Err(format!("only docker refuses it:\n{stderr}"))
}

fn run(all: &[Case], level: &str) {
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
    eprintln!("requests of {} stacks: {counts:?}, {} different", all.len(), different.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
    let count = |outcome| counts.get(outcome).copied().unwrap_or_default();
    let numbers = ["equal", "refused by both", "beyond docker"].map(count);
    check_table(level, &[&[all.len()], numbers.as_slice(), &[0]].concat());
}

#[test]
fn docker_and_potluck_ask_the_same_for_the_corpus() {
    run(&corpus(), "requests: files found in public");
}

#[test]
fn docker_and_potluck_ask_the_same_for_our_own_cases() {
    run(cases(), "requests: cases of our own");
}

/// What `docker login` writes, with and without a helper.
fn log_in(folder: &Path) {
    let config = json!({
        "auths": {
            // user:pass/word?
            "https://index.docker.io/v1/": {"auth": "dXNlcjpwYXNzL3dvcmQ/"},
            "r.example:5000": {"auth": "dTpw"},
            "https://old.example/v1/": {"auth": "bzpw"},
        },
        "credHelpers": {"helped.example": "fake", "token.example": "token", "none.example": "none"},
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let helper = |name: &str, script: &str| {
        let path = folder.join(format!("docker-credential-{name}"));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    helper(
        "fake",
        r#"read -r url; echo "{\"ServerURL\":\"$url\",\"Username\":\"h\",\"Secret\":\"$url\"}""#,
    );
    helper("token", r#"echo '{"Username":"<token>","Secret":"tok"}'"#);
    helper("none", "echo 'credentials not found in native keychain'; exit 1");
}

fn compare_change(change: &Change) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), "k").unwrap();
    let (theirs, ours) = (Manager::start(), Manager::start());
    log_in(theirs.docker_config());
    log_in(ours.docker_config());
    let mut before = BTreeMap::new();
    let steps = [(change.before, &[][..]), (change.after, change.flags)];
    for ((yaml, flags), registry) in steps.into_iter().zip(change.registry) {
        fs::write(folder.path().join("compose.yml"), yaml).unwrap();
        let case = Case {
            name: change.title.into(),
            folder: folder.path().into(),
            files: vec!["compose.yml".into()],
            env: BTreeMap::new(),
            same_as: None,
        };
        for manager in [&theirs, &ours] {
            if let Some(digest) = registry {
                manager.registry(digest);
            } else {
                manager.no_registry();
            }
        }
        let words: Vec<&str> =
            ["stack", "deploy", "--detach", "st"].iter().chain(flags).copied().collect();
        let (by_docker, by_potluck) =
            (on(&theirs, docker(&case, &words)), on(&ours, potluck(&case, &words)));
        if !by_docker.status.success() || !by_potluck.status.success() {
            return Err(format!("{}{}", text(&by_docker), text(&by_potluck)));
        }
        same_requests(&theirs.take_log(), &ours.take_log(), &before)?;
        before = theirs.specs();
    }
    let specs = |manager: &Manager| -> Value {
        let specs = manager.specs();
        let named =
            specs.iter().map(|((kind, name), spec)| (format!("{kind} {name}"), normal(spec)));
        named.collect::<serde_json::Map<_, _>>().into()
    };
    let (theirs, ours) = (specs(&theirs), specs(&ours));
    if theirs == ours { Ok(()) } else { Err(difference(&theirs, &ours)) }
}

#[test]
fn docker_and_potluck_ask_the_same_for_changes() {
    if docker_is_missing() {
        return;
    }
    let different: Vec<String> = CHANGES
        .iter()
        .filter_map(|change| {
            let difference = compare_change(change).err()?;
            Some(format!("== {}\n{difference}", change.title))
        })
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
    check_table("requests: changes to a stack", &[CHANGES.len(), CHANGES.len(), 0, 0, 0]);
}

/// Docker ends such a deploy with "only updates to Labels are allowed".
#[test]
fn a_changed_file_gets_a_successor_and_the_old_one_goes_when_nothing_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "services: {a: {image: a, configs: [c], secrets: [s]}}\n\
                configs: {c: {file: conf}}\nsecrets: {s: {file: key}}";
    fs::write(folder.path().join("compose.yml"), yaml).unwrap();
    let case = Case {
        name: "successors".into(),
        folder: folder.path().into(),
        files: vec!["compose.yml".into()],
        env: BTreeMap::new(),
        same_as: None,
    };
    let manager = Manager::start();
    let deploy = |content: &str| -> BTreeSet<String> {
        fs::write(folder.path().join("conf"), content).unwrap();
        fs::write(folder.path().join("key"), content).unwrap();
        let mut command = potluck(&case, &DEPLOY);
        command.arg("st");
        let output = on(&manager, command);
        assert!(output.status.success(), "{}", text(&output));
        let specs = manager.specs();
        let kinds = ["configs", "secrets"];
        specs.into_keys().filter(|(kind, _)| kinds.contains(&kind.as_str())).map(|k| k.1).collect()
    };
    let names = |all: &[&str]| all.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(deploy("one"), names(&["st_c", "st_s"]));
    // sha256 of `two` begins with 3fc4ccfe; tasks that leave may need the first.
    assert_eq!(deploy("two"), names(&["st_c", "st_s", "st_c_3fc4ccfe", "st_s_3fc4ccfe"]));
    assert_eq!(deploy("two"), names(&["st_c_3fc4ccfe", "st_s_3fc4ccfe"]));
    assert_eq!(deploy("one"), names(&["st_c", "st_s", "st_c_3fc4ccfe", "st_s_3fc4ccfe"]));
}

#[test]
fn what_is_missing_is_said_before_anything_changes() {
    let folder = tempfile::tempdir().unwrap();
    for (yaml, expected) in [
        ("networks: [n]", &["network st_n: the external network does not exist"][..]),
        ("secrets: [s]", &["secret st_s: the external secret does not exist"]),
        ("configs: [c]", &["config st_c: the external config does not exist"]),
        // All at once.
        (
            "networks: [n], secrets: [s], configs: [c]",
            &["network st_n: ", "secret st_s: ", "config st_c: "],
        ),
    ] {
        let external = "networks: {n: {external: true, name: st_n}}\n\
                        secrets: {s: {external: true, name: st_s}}\n\
                        configs: {c: {external: true, name: st_c}}\n";
        let text_of = format!(
            "version: '3.8'\nservices: {{a: {{image: a, {yaml}}}, b: {{image: b}}}}\n{external}"
        );
        fs::write(folder.path().join("compose.yml"), text_of).unwrap();
        let case = Case {
            name: yaml.into(),
            folder: folder.path().into(),
            files: vec!["compose.yml".into()],
            env: BTreeMap::new(),
            same_as: None,
        };
        let manager = Manager::start();
        let mut command = potluck(&case, &DEPLOY);
        command.arg("st");
        let output = on(&manager, command);
        assert_eq!(output.status.code(), Some(1));
        for words in expected {
            assert!(text(&output).contains(words), "{}", text(&output));
        }
        assert_eq!(manager.take_log(), []);
    }
}
