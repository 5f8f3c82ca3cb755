//! What the engine refuses is known before anything is made, or leaves nothing
//! behind. Each case is tried with docker, too: an engine that takes it one day makes
//! the check too strict.

use crate::support::common;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use common::{BUSYBOX, Cleanup, endpoint, real_engine, unique_stack};
use potluck::{
    engine::{Engine, Scope},
    home::StackName,
};

const POTLUCK: &str = env!("CARGO_BIN_EXE_potluck");

/// Parts of a service and of the file below it, by what is wrong with them.
const CASES: &[(&str, &str, &str)] = &[
    ("cpu limit", "deploy: {replicas: 0, resources: {limits: {cpus: '0.0001'}}}", ""),
    ("cpu reservation", "deploy: {replicas: 0, resources: {reservations: {cpus: '0.0001'}}}", ""),
    ("memory limit", "deploy: {replicas: 0, resources: {limits: {memory: 1M}}}", ""),
    ("memory reservation", "deploy: {replicas: 0, resources: {reservations: {memory: 1M}}}", ""),
    ("restart delay", "deploy: {replicas: 0, restart_policy: {delay: -5s}}", ""),
    ("restart window", "deploy: {replicas: 0, restart_policy: {window: -5s}}", ""),
    ("update delay", "deploy: {replicas: 0, update_config: {delay: -5s}}", ""),
    ("update monitor", "deploy: {replicas: 0, update_config: {monitor: -5s}}", ""),
    ("failure ratio", "deploy: {replicas: 0, update_config: {max_failure_ratio: 1.5}}", ""),
    (
        "a job that is updated",
        "deploy: {mode: replicated-job, replicas: 0, update_config: {parallelism: 1}}",
        "",
    ),
    (
        "a constraint without operator",
        "deploy: {replicas: 0, placement: {constraints: [node.role = worker]}}",
        "",
    ),
    (
        "a constraint without value",
        "deploy: {replicas: 0, placement: {constraints: ['node.role == ']}}",
        "",
    ),
    (
        "dnsrr with a port",
        "deploy: {replicas: 0, endpoint_mode: dnsrr}\n    ports: ['PORT:80']",
        "",
    ),
    ("a port twice", "deploy: {replicas: 0}\n    ports: ['PORT:80', 'PORT:81']", ""),
    (
        "a host's port twice",
        "deploy: {replicas: 0}\n    ports: [{target: 80, published: PORT, mode: host}, {target: \
         81, published: PORT, mode: host}]",
        "",
    ),
    (
        "a port of a node and of the swarm",
        "deploy: {replicas: 0}\n    ports: [{target: 80, published: PORT, mode: host}]",
        "  b: {image: BUSYBOX, ports: ['PORT:80'], deploy: {replicas: 0}}\n",
    ),
    (
        "a port of the swarm and of a node",
        "deploy: {replicas: 0}\n    ports: ['PORT:80']",
        "  b: {image: BUSYBOX, ports: [{target: 80, published: PORT, mode: host}], deploy: \
         {replicas: 0}}\n",
    ),
    (
        "a port of two services",
        "deploy: {replicas: 0}\n    ports: ['PORT:80']",
        "  b: {image: BUSYBOX, ports: ['PORT:80'], deploy: {replicas: 0}}\n",
    ),
    ("interval", "deploy: {replicas: 0}\n    healthcheck: {test: 'true', interval: 1us}", ""),
    ("timeout", "deploy: {replicas: 0}\n    healthcheck: {test: 'true', timeout: -1s}", ""),
    (
        "start period",
        "deploy: {replicas: 0}\n    healthcheck: {test: 'true', start_period: 1us}",
        "",
    ),
    ("a template in a host name", "deploy: {replicas: 0}\n    hostname: '{{.Foo}}'", ""),
    (
        "a template in a variable",
        "deploy: {replicas: 0}\n    environment: {A: '{{.Task.Foo}}'}",
        "",
    ),
    ("a word in a template", "deploy: {replicas: 0}\n    environment: {A: '{{ secret }}'}", ""),
    ("a template without end", "deploy: {replicas: 0}\n    environment: {A: '{{'}", ""),
    ("a template in a mount", "deploy: {replicas: 0}\n    volumes: ['/{{.Foo}}:/x']", ""),
    ("two mounts", "deploy: {replicas: 0}\n    volumes: ['/a:/x', '/b:/x']", ""),
    (
        "no subnet",
        "deploy: {replicas: 0}\n    networks: [default, z]",
        "networks: {z: {ipam: {config: [{subnet: 10.999.0.0/24}]}}}\n",
    ),
    (
        "the network of ports",
        "deploy: {replicas: 0}\n    networks: [default, z]",
        "networks: {z: {external: true, name: ingress}}\n",
    ),
    (
        "the network `none`",
        "deploy: {replicas: 0}\n    networks: [z]",
        "networks: {z: {external: true, name: none}}\n",
    ),
    (
        "the network `default`",
        "deploy: {replicas: 0}\n    networks: [z]",
        "networks: {z: {external: true, name: default}}\n",
    ),
    (
        "the network of a container",
        "deploy: {replicas: 0}\n    networks: [z]",
        "networks: {z: {external: true, name: 'container:x'}}\n",
    ),
    (
        "a network called `host`",
        "deploy: {replicas: 0}\n    networks: [z]",
        "networks: {z: {name: host}}\n",
    ),
    (
        "a network called `none`",
        "deploy: {replicas: 0}\n    networks: [z]",
        "networks: {z: {name: none}}\n",
    ),
    (
        "a network called `ingress`",
        "deploy: {replicas: 0}\n    networks: [z]",
        "networks: {z: {name: ingress}}\n",
    ),
    (
        "the label of networks of the engine's own",
        "deploy: {replicas: 0}\n    networks: [z]",
        "networks: {z: {labels: {com.docker.swarm.predefined: x}}}\n",
    ),
    // Only the engine knows its plugins: what was made is taken away again.
    (
        "a driver that is not there",
        "deploy: {replicas: 0}\n    networks: [default, z]",
        "networks: {z: {driver: nonesuch}}\n",
    ),
    (
        "a driver for addresses",
        "deploy: {replicas: 0}\n    networks: [default, z]",
        "networks: {z: {ipam: {driver: nonesuch}}}\n",
    ),
    (
        "a driver for secrets",
        "deploy: {replicas: 0}\n    secrets: [z]",
        "secrets: {a: {file: ./page}, z: {driver: nonesuch}}\n",
    ),
];

/// What swarm takes although it looks odd: nothing here may be refused.
const TAKEN: &[&str] = &[
    "deploy: {replicas: 0, rollback_config: {max_failure_ratio: 1.5}}",
    "deploy: {replicas: 0, resources: {limits: {cpus: '0', memory: 4M}}}",
    "deploy: {replicas: 0}\n    healthcheck: {test: 'true', interval: 0s, timeout: 1ms}",
    "deploy: {replicas: 0}\n    healthcheck: {disable: true}",
    "deploy: {replicas: 0}\n    environment: {A: '{{if eq .Task.Slot \"1\"}}x{{end}}', B: '}}'}",
    "deploy: {replicas: 0}\n    environment: {A: '{{\"{{\"}}', B: '{{.Service.Labels}}'}",
    "deploy: {replicas: 0}\n    hostname: '{{.Node.Hostname}}-{{.Task.Slot}}'",
    "deploy: {replicas: 0}\n    ports: ['PORT:80/tcp', 'PORT:80/udp']",
    "deploy: {mode: replicated-job, replicas: 0, rollback_config: {parallelism: 1}}",
];

struct Bench {
    engine: std::sync::Arc<dyn Engine>,
    stack: StackName,
    _cleanup: Cleanup,
    folder: tempfile::TempDir,
    port: u16,
}

impl Bench {
    async fn new() -> Option<Self> {
        let engine = real_engine().await?;
        let stack = unique_stack("refused");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("page"), "page").unwrap();
        let _cleanup = Cleanup::new(&stack);
        Some(Bench { engine, stack, _cleanup, folder, port: common::ports() })
    }

    fn write(&self, service: &str, below: &str) {
        // The default network is made first, and a config.
        let configs = "configs: {page: {file: ./page}}\n";
        let text = format!(
            "version: '3.13'\nservices:\n  a:\n    image: BUSYBOX\n    configs: [page]\n    \
             {service}\n{below}{configs}"
        );
        let text = text.replace("BUSYBOX", BUSYBOX).replace("PORT", &self.port.to_string());
        fs::write(self.folder.path().join("compose.yml"), text).unwrap();
    }

    fn deploy(&self, program: &str) -> Output {
        run(
            program,
            self.folder.path(),
            &[
                "stack",
                "deploy",
                "--detach=true",
                "--resolve-image=never",
                "-c",
                "compose.yml",
                self.stack.as_str(),
            ],
        )
    }

    /// What is there of the stack.
    async fn left(&self) -> Vec<String> {
        let scope = Scope::Stack(&self.stack);
        let mut names = Vec::new();
        let services = self.engine.services(scope).await.unwrap().into_iter();
        names.extend(services.filter_map(|it| it.spec?.name));
        names.extend(self.engine.networks(scope).await.unwrap().into_iter().filter_map(|n| n.name));
        let configs = self.engine.configs(scope).await.unwrap().into_iter();
        names.extend(configs.filter_map(|it| it.spec?.name));
        let secrets = self.engine.secrets(scope).await.unwrap().into_iter();
        names.extend(secrets.filter_map(|it| it.spec?.name));
        names
    }
}

fn run(program: &str, folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(words).env("DOCKER_HOST", endpoint()).current_dir(folder);
    command.env("POTLUCK_DIR", folder.join("potluck")).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_refuses_leaves_no_half_a_stack() {
    let Some(bench) = Bench::new().await else { return };
    let mut wrong = Vec::new();
    for (title, service, below) in CASES {
        bench.write(service, below);
        let output = bench.deploy(POTLUCK);
        if output.status.code() != Some(1) {
            wrong.push(format!(
                "{title}: potluck ends with {:?}: {}",
                output.status,
                text(&output)
            ));
        }
        let left = bench.left().await;
        if !left.is_empty() {
            wrong.push(format!("{title}: {left:?} stayed: {}", text(&output)));
            common::remove_stack(bench.engine.as_ref(), &bench.stack).await;
        }
        let docker = bench.deploy("docker");
        if docker.status.success() {
            wrong.push(format!("{title}: the engine takes it, potluck says {}", text(&output)));
        }
        common::remove_stack(bench.engine.as_ref(), &bench.stack).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_takes_is_not_refused() {
    let Some(bench) = Bench::new().await else { return };
    for service in TAKEN {
        bench.write(service, "");
        let output = bench.deploy(POTLUCK);
        assert!(output.status.success(), "{service}: {}", text(&output));
        common::remove_stack(bench.engine.as_ref(), &bench.stack).await;
        let docker = bench.deploy("docker");
        assert!(docker.status.success(), "{service}: {}", text(&docker));
        common::remove_stack(bench.engine.as_ref(), &bench.stack).await;
    }
}
