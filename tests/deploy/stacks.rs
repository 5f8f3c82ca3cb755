//! `potluck stack` on a real swarm, beside docker: the swarm keeps the same
//! specs, and each takes over what the other deployed without ending a task.

use crate::support::common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Command, Output},
};

use common::{
    BUSYBOX, Cleanup, endpoint, eventually, ports, real_engine, remove_stack, subnet, unique_stack,
};
use potluck::{
    engine::{Engine, Scope, api},
    home::StackName,
};
use serde_json::{Value, json};

/// Stacks by what they are about. Most have no tasks, so that nothing has to be
/// pulled or mounted that this machine lacks.
const STACKS: &[(&str, &str)] = &[
    ("the smallest", "services: {a: {image: BUSYBOX, deploy: {replicas: 0}}}"),
    (
        "a container's settings",
        "
version: '3.13'
services:
  a:
    image: BUSYBOX
    entrypoint: [sh, -c]
    command: sleep 1000
    user: '1000:1000'
    working_dir: /work
    hostname: host
    domainname: ignored
    init: true
    tty: true
    stdin_open: true
    read_only: true
    stop_grace_period: 3s
    stop_signal: SIGINT
    environment: {B: '2', A: '', C: 'x=y', D: }
    labels: {container: label, empty: ''}
    extra_hosts: ['somehost:10.0.0.1', 'six:[::1]']
    dns: [10.0.0.2]
    dns_search: [example.org]
    cap_add: [NET_ADMIN, sys_time]
    cap_drop: [MKNOD]
    sysctls: {net.core.somaxconn: '1024'}
    ulimits: {nofile: {soft: 1024, hard: 2048}, nproc: 65535}
    healthcheck: {test: 'true', interval: 1s, timeout: 2s, retries: 3, start_period: 1s}
    logging: {driver: json-file, options: {max-size: 1m}}
    deploy: {replicas: 0}
  b:
    image: BUSYBOX
    healthcheck: {disable: true}
    isolation: default
    deploy: {replicas: 0}
",
    ),
    (
        "deploy settings",
        "
version: '3.9'
services:
  a:
    image: BUSYBOX
    deploy:
      replicas: 0
      endpoint_mode: dnsrr
      labels: {traefik.enable: 'true', empty: ''}
      update_config: {parallelism: 0, delay: 1s, order: start-first, monitor: 1s,
        max_failure_ratio: 0.3, failure_action: rollback}
      rollback_config: {parallelism: 2, failure_action: continue, order: stop-first}
      restart_policy: {condition: on-failure, delay: 2s, max_attempts: 3, window: 10s}
      resources: {limits: {cpus: '0.5', memory: 64M, pids: 50}, reservations: {cpus: '0.1',
        memory: 8M, generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]}}
      placement: {constraints: [node.role == worker, node.labels.x != y],
        preferences: [{spread: node.labels.zone}], max_replicas_per_node: 2}
  b:
    image: BUSYBOX
    restart: on-failure:3
    deploy: {replicas: 0, update_config: {}}
  c:
    image: BUSYBOX
    restart: unless-stopped
    deploy: {replicas: 0}
",
    ),
    (
        "modes",
        "
version: '3.9'
services:
  global: {image: BUSYBOX, deploy: {mode: global, placement: {constraints: [node.labels.no == x]}}}
  job: {image: BUSYBOX, deploy: {mode: replicated-job, replicas: 2,
    placement: {constraints: [node.labels.no == x]}}}
  each: {image: BUSYBOX, deploy: {mode: global-job, placement: {constraints: [node.labels.no == x]}}}
  none: {image: BUSYBOX, deploy: {mode: replicated, replicas: 0}}
",
    ),
    (
        "configs and secrets",
        "
version: '3.8'
services:
  a:
    image: BUSYBOX
    configs: [page, {source: page, target: /page, mode: 0440, uid: '7', gid: '8'}, named]
    secrets: [file, {source: file2, target: other, mode: 0400, uid: '7', gid: '8'}]
    deploy: {replicas: 0}
configs:
  page: {file: ./page, labels: {a: b}}
  named: {file: ./page, name: STACK-named, template_driver: golang}
secrets:
  file: {file: ./page, labels: {a: b}}
  file2: {file: ./page, name: STACK-other}
",
    ),
    (
        "networks",
        "
version: '3.13'
services:
  a:
    image: BUSYBOX
    networks: {inner: {aliases: [site, other]}, outer: , named: {}}
    deploy: {replicas: 0}
  b: {image: BUSYBOX, networks: [inner], deploy: {replicas: 0, endpoint_mode: dnsrr}}
  c: {image: BUSYBOX, deploy: {replicas: 0}}
networks:
  inner: {driver: overlay, attachable: true, internal: true, labels: {a: b}}
  outer: {driver_opts: {com.docker.network.driver.mtu: '1400'}, ipam: {config: [{subnet: SUBNET.0/24}]}}
  named: {name: STACK-named}
",
    ),
    (
        "ports",
        "
version: '3.8'
services:
  a:
    image: BUSYBOX
    ports: ['PORT0-PORT1:80-81', 'PORT2:53/udp', {target: 90, published: PORT3, protocol: tcp, mode: host}, '99']
    deploy: {replicas: 0}
",
    ),
    (
        "mounts",
        "
version: '3.8'
services:
  a:
    image: BUSYBOX
    volumes:
      - data:/data
      - data:/ro:ro,nocopy
      - /anonymous
      - ./page:/page:ro
      - outside:/outside
      - optioned:/optioned
      - {type: bind, source: /etc/hostname, target: /host-name, read_only: true, bind: {propagation: rslave}}
      - {type: tmpfs, target: /scratch, tmpfs: {size: 1000000}}
      - {type: volume, source: labelled, target: /labelled, volume: {nocopy: true}, consistency: cached}
      - {type: volume, target: /unnamed}
      - {type: npipe, source: '\\\\\\\\.\\\\pipe\\\\x', target: '\\\\\\\\.\\\\pipe\\\\y'}
    deploy: {replicas: 0}
volumes:
  data: {}
  outside: {external: true, name: somewhere}
  optioned: {driver: local, driver_opts: {type: tmpfs, device: tmpfs}}
  labelled: {labels: {a: b}, name: STACK-labelled}
",
    ),
];

/// One that runs, with a bit of everything.
const RUNNING: &str = "
version: '3.8'
services:
  web:
    image: BUSYBOX
    command: [sleep, '1000']
    init: true
    stop_grace_period: 1s
    environment: {B: '2', A: ''}
    configs: [{source: page, target: /page}]
    secrets: [{source: file, target: secret}]
    volumes: [data:/data, {type: tmpfs, target: /scratch}]
    networks: {inner: {aliases: [site]}, default: {}}
    healthcheck: {test: [CMD, 'true'], interval: 1s, timeout: 60s, retries: 30}
    deploy: {endpoint_mode: dnsrr, replicas: 2, update_config: {monitor: 1s}}
  every:
    image: BUSYBOX
    command: sleep 1000
    stop_grace_period: 1s
    deploy: {mode: global, endpoint_mode: dnsrr, update_config: {monitor: 1s}}
  once:
    image: BUSYBOX
    command: 'true'
    deploy: {mode: replicated-job, endpoint_mode: dnsrr}
networks: {inner: {attachable: true}}
volumes: {data: {}}
configs: {page: {file: ./page}}
secrets: {file: {file: ./page}}
";

struct Bench {
    folder: tempfile::TempDir,
    stack: StackName,
    ports: u16,
    subnet: String,
    engine: std::sync::Arc<dyn Engine>,
    _cleanup: Cleanup,
}

impl Bench {
    async fn new() -> Option<Self> {
        let engine = real_engine().await?;
        let stack = unique_stack("stack");
        let cleanup = Cleanup::new(&stack);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("page"), "content").unwrap();
        Some(Bench { folder, stack, ports: ports(), subnet: subnet(), engine, _cleanup: cleanup })
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("compose.yml");
        let text = text
            .replace("BUSYBOX", BUSYBOX)
            .replace("STACK", self.stack.as_str())
            .replace("PORT", &(self.ports / 10).to_string())
            .replace("SUBNET", &self.subnet);
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, program: &str, words: &[&str]) -> Output {
        let output = Command::new(program)
            .args(words)
            .env("DOCKER_HOST", endpoint())
            .env("DOCKER_CONFIG", self.folder.path())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {words:?}: {stderr}");
        output
    }

    fn deploy(&self, program: &str, flags: &[&str]) -> Output {
        let mut words = vec!["stack", "deploy", "-c", "compose.yml"];
        words.extend(flags);
        words.push(self.stack.as_str());
        self.run(program, &words)
    }

    /// Everything that the swarm keeps of the stack, with names for ids.
    fn kept(&self) -> Value {
        let networks: BTreeMap<String, String> = get("/networks")
            .as_array()
            .unwrap()
            .iter()
            .map(|n| (text(&n["Id"]), text(&n["Name"])))
            .collect();
        let filter =
            format!("%7B%22label%22%3A%5B%22com.docker.stack.namespace%3D{}%22%5D%7D", self.stack);
        let mut kept = BTreeMap::new();
        for kind in ["services", "networks", "secrets", "configs"] {
            for mut object in get(&format!("/{kind}?filters={filter}")).as_array().unwrap().clone()
            {
                if kind == "networks" {
                    let all = object.as_object_mut().unwrap();
                    // What the manager allocates.
                    for key in ["Id", "Created", "IPAM", "Options", "Containers", "Peers"] {
                        let value = all.remove(key);
                        if let ("Options", Some(mut options)) = (key, value) {
                            if let Some(options) = options.as_object_mut() {
                                options.remove("com.docker.network.driver.overlay.vxlanid_list");
                            }
                            all.insert(key.into(), options);
                        }
                    }
                    kept.insert(format!("network {}", text(&object["Name"])), object);
                    continue;
                }
                let mut spec = object["Spec"].take();
                tidy(&mut spec, &networks);
                kept.insert(format!("{kind} {}", text(&spec["Name"])), spec);
            }
        }
        json!(kept)
    }

    async fn remove(&self) {
        remove_stack(self.engine.as_ref(), &self.stack).await;
    }

    /// Ids of all tasks, except those of the job, which docker runs at each
    /// deploy and so does potluck.
    async fn tasks(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        for service in self.engine.services(Scope::Stack(&self.stack)).await.unwrap() {
            if service.spec.as_ref().unwrap().name.as_ref().unwrap().ends_with("_once") {
                continue;
            }
            for task in self.engine.tasks(&service.id.unwrap()).await.unwrap() {
                ids.insert(task.id.unwrap());
            }
        }
        ids
    }

    /// Waits until two replicas and one global task run and the job is done.
    async fn settled(&self) {
        eventually("all tasks", || async {
            let (mut running, mut done) = (0, 0);
            for service in self.engine.services(Scope::Stack(&self.stack)).await.unwrap() {
                for task in self.engine.tasks(&service.id.unwrap()).await.unwrap() {
                    match task.status.and_then(|status| status.state) {
                        Some(api::TaskState::RUNNING) => running += 1,
                        Some(api::TaskState::COMPLETE) => done += 1,
                        _ => {}
                    }
                }
            }
            (running == 3 && done == 1).then_some(())
        })
        .await;
    }
}

/// Ids become names; what differs from one deploy to the next goes.
fn tidy(value: &mut Value, networks: &BTreeMap<String, String>) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| tidy(item, networks));
            // Docker's order of references to one object is random.
            if items.iter().all(|item| item.get("File").is_some()) {
                items.sort_by_key(ToString::to_string);
            }
        }
        Value::Object(map) => {
            map.remove("SecretID");
            map.remove("ConfigID");
            for (key, value) in map.iter_mut() {
                if key == "Target"
                    && let Some(name) = value.as_str().and_then(|id| networks.get(id))
                {
                    *value = json!(name);
                }
                tidy(value, networks);
            }
        }
        _ => {}
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn is_about_jobs(detail: &str) -> bool {
    detail.starts_with("jobs run again")
}

/// The engine's answer as it is, read without any model.
fn get(path: &str) -> Value {
    let host = endpoint();
    let mut stream = UnixStream::connect(host.trim_start_matches("unix://")).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

const POTLUCK: &str = env!("CARGO_BIN_EXE_potluck");
const QUICK: [&str; 3] = ["--detach=true", "--resolve-image", "never"];

#[tokio::test(flavor = "multi_thread")]
async fn the_swarm_keeps_the_same_specs_whoever_deploys() {
    let Some(bench) = Bench::new().await else { return };
    let mut different = Vec::new();
    for (title, stack) in STACKS {
        bench.file(stack);
        bench.deploy("docker", &QUICK);
        let by_docker = bench.kept();
        // Taken over: there is nothing to send.
        let output = bench.deploy(POTLUCK, &["--detach", "--resolve-image=never", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        // Jobs run again, as they do with docker.
        let changes = report["plan"]["changes"].as_array().unwrap();
        if changes.iter().any(|change| !change["details"][0].as_str().is_some_and(is_about_jobs)) {
            different.push(format!("== {title}, taken over\n{:#}", report["plan"]));
        }
        bench.remove().await;
        bench.deploy(POTLUCK, &QUICK);
        let by_potluck = bench.kept();
        if by_docker != by_potluck {
            let lines = |value: &Value| serde_json::to_string_pretty(value).unwrap();
            let (theirs, ours) = (lines(&by_docker), lines(&by_potluck));
            let difference = similar::TextDiff::from_lines(&theirs, &ours)
                .unified_diff()
                .header("docker", "potluck")
                .to_string();
            different.push(format!("== {title}\n{difference}"));
        }
        let words = ["stack", "rm", "-q", bench.stack.as_str()];
        bench.run(POTLUCK, &words);
        assert_eq!(bench.kept(), json!({}), "{title}: something stayed");
    }
    eprintln!("specs of {} stacks, {} different", STACKS.len(), different.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_changes_hands_and_no_task_ends() {
    for order in [["docker", POTLUCK], [POTLUCK, "docker"]] {
        let Some(bench) = Bench::new().await else { return };
        bench.file(RUNNING);
        bench.deploy(order[0], &QUICK);
        bench.settled().await;
        let tasks = bench.tasks().await;
        for program in [order[1], order[0], order[1]] {
            let wait: &[&str] = if program == POTLUCK { &[] } else { &["--detach=true"] };
            let flags: Vec<&str> = wait.iter().chain(&["--resolve-image=never"]).copied().collect();
            bench.deploy(program, &flags);
            assert_eq!(bench.tasks().await, tasks, "{program} after {}", order[0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_docker_made_of_a_file_moves_on_with_it() {
    let Some(bench) = Bench::new().await else { return };
    bench.file(RUNNING);
    bench.deploy("docker", &QUICK);
    fs::write(bench.folder.path().join("page"), "other").unwrap();
    bench.deploy(POTLUCK, &["--resolve-image=never"]);
    let name = |name: Option<String>| name.unwrap_or_default();
    let scope = Scope::Stack(&bench.stack);
    let configs = bench.engine.configs(scope).await.unwrap();
    let configs: Vec<_> = configs.into_iter().map(|c| name(c.spec.unwrap().name)).collect();
    let secrets = bench.engine.secrets(scope).await.unwrap();
    let secrets: Vec<_> = secrets.into_iter().map(|s| name(s.spec.unwrap().name)).collect();
    // sha256 of `other`.
    assert_eq!(configs, [format!("{}_page_d9298a10", bench.stack)]);
    assert_eq!(secrets, [format!("{}_file_d9298a10", bench.stack)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_waits_for_the_rest_to_run() {
    let Some(bench) = Bench::new().await else { return };
    let services = || async {
        let services = bench.engine.services(Scope::Stack(&bench.stack)).await.unwrap();
        services.len()
    };
    let with = |image: &str, more: &str| {
        format!(
            "services: {{a: {{image: '{image}', command: [sleep, '1000'], stop_grace_period: 1s, \
             deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: 1s}}}}}}{more}}}"
        )
    };
    bench.file(&with("BUSYBOX", ", b: {image: BUSYBOX, deploy: {replicas: 0}}"));
    bench.deploy(POTLUCK, &QUICK);
    bench.file(&with("potluck-test/nowhere:1", ""));
    let failed = Command::new(POTLUCK)
        .args(["stack", "deploy", "-c", "compose.yml", "--prune", "--resolve-image=never"])
        .arg(bench.stack.as_str())
        .env("DOCKER_HOST", endpoint())
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("No such image"), "{stderr}");
    assert_eq!(services().await, 2, "pruned although the rest does not run");
    bench.file(&with("BUSYBOX", ""));
    bench.deploy(POTLUCK, &["--prune", "--resolve-image=never"]);
    assert_eq!(services().await, 1);
}

/// As docker has it, nothing is put back; but it is said what was changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_refused_in_part_says_what_stays_changed() {
    let Some(bench) = Bench::new().await else { return };
    let deploy = "endpoint_mode: dnsrr, replicas: 0";
    let stack = |a: &str, b: &str, more: &str| {
        format!(
            "services: {{a: {{image: BUSYBOX, deploy: {{{a}}}}}, \
             b: {{image: BUSYBOX, command: [sleep, '{b}'], deploy: {{{deploy}}}}}{more}}}"
        )
    };
    bench.file(&stack(deploy, "1", ""));
    bench.deploy(POTLUCK, &QUICK);
    let new = format!(", c: {{image: BUSYBOX, deploy: {{{deploy}}}}}");
    bench.file(&stack("mode: global, endpoint_mode: dnsrr", "2", &new));
    let failed = Command::new(POTLUCK)
        .args(["stack", "deploy", "-c", "compose.yml", "--resolve-image=never"])
        .arg(bench.stack.as_str())
        .env("DOCKER_HOST", endpoint())
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("\n  a: the engine refused it: "), "{stderr}");
    assert!(stderr.contains("\n  b: was updated, and stays updated\n"), "{stderr}");
    assert!(stderr.contains("\n  c: was made, and stays\n"), "{stderr}");
    assert!(!stderr.contains("nothing was changed"), "{stderr}");
    let services = bench.engine.services(Scope::Stack(&bench.stack)).await.unwrap();
    assert_eq!(services.len(), 3);
}
