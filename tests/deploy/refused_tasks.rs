//! What swarm takes and every node refuses is found by lint, and nothing else is: each
//! case is deployed with docker, and its tasks are looked at.

use crate::support::common;

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Instant};

use common::{BUSYBOX, Cleanup, PATIENCE, endpoint, real_engine, unique_stack};
use potluck::{
    compose::{self, Files, LoadOptions, Source, lint::LintOptions},
    engine::{Scope, api},
};

/// Keys of a service whose tasks no node takes.
const REFUSED: &[&str] = &[
    "cap_add: [NONESUCH]",
    "cap_drop: [CHOWN, NET_NONESUCH]",
    "configs: [{source: page, uid: root}]",
    "configs: [{source: page, gid: root}]",
    "secrets: [{source: page, uid: root}]",
    "configs: [filled]",
    "environment: ['=x']",
    "extra_hosts: ['db:notip']",
    "hostname: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "working_dir: srv/app",
    "stop_signal: SIGNONESUCH",
    "ulimits: {nonesuch: 5}",
    "ulimits: {nofile: {soft: 20, hard: 10}}",
    "sysctls: {vm.max_map_count: '262144'}",
    "deploy: {resources: {limits: {memory: 5M}}}",
    "logging: {driver: json-file, options: {nonesuch: x}}",
    "logging: {driver: json-file, options: {max-size: ten}}",
    "logging: {driver: json-file, options: {max-file: '0'}}",
    "logging: {driver: json-file, options: {mode: nonesuch}}",
    "logging: {driver: local, options: {compress: sure}}",
    "networks: [default, host]",
    "networks: [host]\n    ports: ['PORT:80']",
    "volumes: [{type: volume, source: data, target: data}]",
    "volumes: [{type: volume, source: data, target: /}]",
    "volumes: [{type: tmpfs, target: /x/..}]",
    "volumes: ['v:/x']",
    "volumes: ['named:/x']",
    "volumes: ['option:/x']",
    "volumes: ['half:/x']",
];

/// And one whose tasks start, but are never healthy.
const NEVER_HEALTHY: &str = "healthcheck: {test: [curl, -f, localhost]}";

/// What every node takes although it looks odd.
const TAKEN: &[&str] = &[
    "cap_add: [net_admin, CAP_CHOWN, ' SYS_TIME ']",
    "cap_drop: [ALL, NONESUCH]",
    "configs: [{source: page, uid: '65534', gid: '7'}]",
    "environment: {A: '', B: }",
    "extra_hosts: ['db:host-gateway', 'six:::1']",
    "hostname: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "hostname: '{{.Node.Hostname}}-{{.Task.Slot}}'",
    "working_dir: /srv/none",
    "stop_signal: rtmin+3",
    "stop_signal: '9'",
    "ulimits: {nofile: {soft: 1000, hard: 2000}, core: 0}",
    "sysctls: {net.core.somaxconn: '512', net/ipv4/ip_forward: '1'}",
    "logging: {driver: json-file, options: {max-size: 10m, max-file: '3', compress: 'true', tag: \
     x, mode: non-blocking, max-buffer-size: 1m, cache-disabled: 'true'}}",
    "logging: {driver: local, options: {max-size: 10m, max-file: '3', compress: 'false'}}",
    "networks: [host]",
    "networks: [host]\n    ports: [{target: 80, published: OTHER, mode: host}]",
    "volumes: [{type: volume, source: data, target: /x/../data}]",
    "volumes: ['/x']",
    "healthcheck: {test: ['NONE']}",
    "healthcheck: {test: ['CMD', 'true'], interval: 1s}",
];

const BELOW: &str = "\
networks: {host: {external: true, name: host}}
secrets: {page: {file: ./page}}
configs: {page: {file: ./page}, filled: {file: ./page, template_driver: nonesuch}}
volumes:
  data: {}
  v: {}
  named: {name: 'no/name'}
  option: {driver_opts: {nonesuch: x}}
  half: {driver_opts: {type: none}}
";

/// As docker names them.
fn key(index: usize) -> String {
    format!("s{index}")
}

fn file(services: &[&str]) -> String {
    let mut text = String::from("version: '3.13'\nservices:\n");
    let port = common::ports();
    for (index, service) in services.iter().enumerate() {
        let keys =
            service.replace("PORT", &port.to_string()).replace("OTHER", &(port + 1).to_string());
        let command = "command: [sleep, '1000']";
        let name = key(index);
        text += &format!("  {name}:\n    image: {BUSYBOX}\n    {command}\n    {keys}\n");
    }
    text + BELOW
}

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        fs::read(path)
    }
}

/// Services with a finding that stops them, and what it says.
fn found(text: &str) -> BTreeMap<String, String> {
    let options = LoadOptions {
        working_dir: Path::new("/"),
        home_dir: None,
        environment: &|_| None,
        files: &Disk,
        interpolate: true,
        profiles: &std::collections::BTreeSet::new(),
    };
    let source = Source { name: "compose.yml".into(), text: text.into() };
    let (config, _) = compose::load(&[source], &options).unwrap();
    let findings = config.lint(&LintOptions::default());
    let service = |path: &str| path.split('.').nth(1).unwrap().to_owned();
    findings
        .into_iter()
        .filter(|finding| finding.code == "task-refused")
        .map(|finding| (service(finding.path.as_deref().unwrap()), finding.to_string()))
        .collect()
}

#[test]
fn lint_tells_the_refused_from_the_taken() {
    let mut all = REFUSED.to_vec();
    all.push(NEVER_HEALTHY);
    let told = found(&file(&all));
    for (index, service) in all.iter().enumerate() {
        assert!(told.contains_key(&key(index)), "{service}: {told:#?}");
    }
    assert_eq!(found(&file(TAKEN)), BTreeMap::new());
    // Without tasks, nothing is refused.
    let none = "deploy: {replicas: 0}\n    working_dir: srv";
    assert_eq!(found(&file(&[none])), BTreeMap::new());
}

/// Deploys with docker and waits until each service has a task that `is_so`.
async fn tasks_become(services: &[&str], is_so: impl Fn(&api::Task) -> bool) {
    let Some(engine) = real_engine().await else { return };
    let stack = unique_stack("tasks");
    let _cleanup = Cleanup::new(&stack);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page"), "page").unwrap();
    fs::write(folder.path().join("compose.yml"), file(services)).unwrap();
    let output = Command::new("docker")
        .args(["stack", "deploy", "--detach=true", "--resolve-image=never"])
        .args(["-c", "compose.yml", stack.as_str()])
        .env("DOCKER_HOST", endpoint())
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let since = Instant::now();
    loop {
        let mut others = Vec::new();
        for service in engine.services(Scope::Stack(&stack)).await.unwrap() {
            let name = service.spec.unwrap().name.unwrap();
            let tasks = engine.tasks(&service.id.unwrap()).await.unwrap();
            if !tasks.iter().any(&is_so) {
                let index: usize = name.rsplit_once("_s").unwrap().1.parse().unwrap();
                let states: Vec<_> = tasks.iter().map(|task| &task.status).collect();
                others.push(format!("{}: {states:?}", services[index]));
            }
        }
        if others.is_empty() {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{}", others.join("\n"));
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    common::remove_stack(engine.as_ref(), &stack).await;
}

fn state(task: &api::Task) -> Option<api::TaskState> {
    task.status.as_ref()?.state
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_refuse_what_lint_says_they_refuse() {
    use api::TaskState;
    tasks_become(REFUSED, |task| {
        matches!(state(task), Some(TaskState::REJECTED | TaskState::FAILED))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_take_the_rest() {
    tasks_become(TAKEN, |task| state(task) == Some(api::TaskState::RUNNING)).await;
}
