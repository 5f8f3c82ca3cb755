use std::path::Path;

use super::LintOptions;
use crate::{
    compose::{Files, LoadOptions, Source, load},
    lint::Finding,
};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn found(files: &[&str]) -> Vec<Finding> {
    let sources: Vec<Source> = files
        .iter()
        .enumerate()
        .map(|(i, text)| Source { name: format!("{i}.yml"), text: (*text).to_owned() })
        .collect();
    let options = LoadOptions {
        working_dir: Path::new("/recipe"),
        home_dir: None,
        environment: &|_| None,
        files: &NoFiles,
        interpolate: true,
        profiles: &std::collections::BTreeSet::new(),
    };
    let (config, _) = load(&sources, &options).unwrap();
    let stack = crate::home::StackName::new("app_example_org").unwrap();
    let checkout = Path::new("/recipe");
    let options = LintOptions { stack: Some(&stack), checkout: Some(checkout) };
    config.lint(&options)
}

fn codes(files: &[&str]) -> Vec<&'static str> {
    found(files).iter().map(|finding| finding.code).collect()
}

/// A service about which there is nothing to say, but for its `deploy`.
const GOOD: &str = "image: nginx:1.27, healthcheck: {test: x}";
/// And that, without its last brace.
const DEPLOY: &str =
    "resources: {limits: {memory: 1G}}, placement: {constraints: [node.hostname == a]}";
const UPDATE: &str = "update_config: {failure_action: rollback}";

#[test]
fn a_good_service_has_no_findings() {
    let mounts = "['/srv/a:/a', 'data:/d', '/etc/localtime:/etc/localtime:ro']";
    let text = format!(
        "services: {{a: {{{GOOD}, volumes: {mounts}, deploy: {{{DEPLOY}, {UPDATE}}}}}}}\nvolumes: {{data: }}"
    );
    assert_eq!(codes(&[&text]), Vec::<&str>::new());
}

#[test]
fn each_finding_has_its_rule() {
    let good = |keys: &str| format!("{GOOD}, {keys}, deploy: {{{DEPLOY}, {UPDATE}}}");
    let image = |image: &str| {
        format!("image: '{image}', healthcheck: {{test: x}}, deploy: {{{DEPLOY}, {UPDATE}}}")
    };
    let deploy = |deploy: &str| format!("{GOOD}, deploy: {{{DEPLOY}, {UPDATE}, {deploy}}}");
    let keys_and =
        |keys: &str, deploy: &str| format!("{GOOD}, {keys}, deploy: {{{DEPLOY}, {deploy}}}");
    let start_first = "update_config: {failure_action: rollback, order: start-first}";
    let unpinned = "resources: {limits: {memory: 1G}}";
    let place = |c: &str| {
        format!("{GOOD}, deploy: {{{unpinned}, {UPDATE}, placement: {{constraints: ['{c}']}}}}")
    };
    let two = |keys: &str| format!("{GOOD}, {keys}, deploy: {{{DEPLOY}, {UPDATE}, replicas: 2}}");
    let anywhere = |keys: &str| format!("{GOOD}, {keys}, deploy: {{{unpinned}, {UPDATE}}}");
    for (service, expected) in [
        (image("nginx"), "unpinned-image"),
        (image("nginx:latest"), "unpinned-image"),
        (image("nginx:stable"), "unpinned-image"),
        (keys_and("volumes: ['data:/d']", start_first), "start-first-volume"),
        (keys_and("volumes: ['/srv/d:/d']", start_first), "start-first-volume"),
        (
            keys_and("ports: [{target: 80, published: 80, mode: host}]", start_first),
            "start-first-host-port",
        ),
        (format!("image: 'n:1', deploy: {{{DEPLOY}, {UPDATE}}}"), "no-healthcheck"),
        (format!("{GOOD}, deploy: {{{DEPLOY}}}"), "update-pauses-by-default"),
        (
            format!("{GOOD}, deploy: {{{DEPLOY}, update_config: {{failure_action: pause}}}}"),
            "update-pauses",
        ),
        (format!("{GOOD}, deploy: {{{UPDATE}}}"), "no-memory-limit"),
        (deploy("restart_policy: {max_attempts: 3}"), "restart-gives-up"),
        (
            keys_and("restart: always", &format!("{UPDATE}, restart_policy: {{delay: 5s}}")),
            "restart-twice",
        ),
        (place("node.role = manager"), "bad-constraint"),
        (place("node.name == a"), "bad-constraint"),
        (place("node.hostname == "), "bad-constraint"),
        (good("depends_on: [b]"), "depends-on"),
        (good("privileged: true"), "ignored-key"),
        (good("container_name: x"), "ignored-key"),
        (good("volumes: ['/var/run/docker.sock:/s']"), "docker-socket"),
        (good("volumes: ['/var/run/docker.sock:/s:ro'], ports: [80]"), "docker-socket-exposed"),
        (good("volumes: ['d:/d']"), "one-letter-volume"),
        (good("volumes: ['/var/lib/data']"), "anonymous-volume"),
        (good("volumes: ['./data:/data']"), "bind-inside-recipe"),
        (anywhere("volumes: ['/srv/data:/data']"), "bind-not-pinned"),
        (anywhere("volumes: ['data:/data']"), "volume-not-pinned"),
        (two("volumes: ['data:/data']"), "replicas-share-volume"),
        (good("environment: [ROOT_PASSWORD=hunter2]"), "plain-secret"),
        (good("environment: {URL: 'redis://:hunter2@db:6379'}"), "plain-secret"),
        (good("ports: ['5432:5432']"), "database-published"),
        (good("ports: ['127.0.0.1:80:80']"), "compose-odd"),
        (good("user: '${V:?set me - now}'"), "required-never-fails"),
        (keys_and("ports: ['80:80']", &format!("{UPDATE}, endpoint_mode: dnsrr")), "dnsrr-ingress"),
    ] {
        let text = format!("services: {{a: {{{service}}}}}\nvolumes: {{data: }}");
        assert_eq!(codes(&[&text]), [expected], "{service}");
    }
}

#[test]
fn what_is_fine_is_left_alone() {
    let shared = "volumes: {data: {driver_opts: {type: nfs, device: ':/x'}}}";
    let services = [
        // Every node has its own task and its own volume.
        "volumes: ['data:/d'], deploy: {mode: global, X}",
        // Written by one task at a time, or by none.
        "volumes: ['data:/d:ro'], deploy: {X, update_config: {order: start-first, failure_action: rollback}}",
        "volumes: ['data:/d'], deploy: {X, replicas: 3}",
        "environment: {PASSWORD_FILE: /run/secrets/x, DB_PASSWORD_MIN: 8, TOKEN: }, deploy: {X}",
        "deploy: {mode: replicated-job, X}",
    ];
    for service in services {
        let service = service.replace('X', "resources: {limits: {memory: 1G}}");
        let text = format!("services: {{a: {{{GOOD}, {service}}}}}\n{shared}");
        let found = codes(&[&text]);
        assert!(
            found.iter().all(|code| *code == "update-pauses-by-default"),
            "{service}: {found:?}"
        );
    }
}

#[test]
fn findings_know_their_place() {
    let text = "\
services:
  app:
    image: nginx:1.27
    environment:
      PASSWORD: hunter2
    volumes:
      - data:/data
    deploy:
      update_config:
        order: start-first
volumes:
  data:
";
    let all = found(&[text]);
    let at = |code| {
        let finding = all.iter().find(|f| f.code == code).unwrap();
        (finding.position.as_ref().unwrap().to_string(), finding.path.as_deref().unwrap())
    };
    assert_eq!(
        at("start-first-volume"),
        ("0.yml:10:9".into(), "services.app.deploy.update_config.order")
    );
    assert_eq!(at("plain-secret"), ("0.yml:5:7".into(), "services.app.environment.PASSWORD"));
    assert_eq!(at("volume-not-pinned"), ("0.yml:7:9".into(), "services.app.volumes"));
    assert!(all.iter().all(|f| f.fix.is_some()), "{all:#?}");
    assert!(all.iter().all(|f| !f.message.contains("hunter2")), "{all:#?}");
}

#[test]
fn findings_across_services_and_files() {
    let good = format!("{GOOD}, deploy: {{{DEPLOY}, {UPDATE}}}");
    let two = format!(
        "services: {{a: {{{good}, ports: ['80:80']}}, b: {{{good}, ports: ['80:81', '80:80/udp']}}}}"
    );
    assert_eq!(codes(&[&two]), ["port-taken"]);
    let long = format!("services: {{{}: {{{good}}}}}", "a".repeat(50));
    assert_eq!(codes(&[&long]), ["name-too-long"]);
    let base = format!("services: {{a: {{{good}, logging: {{driver: x}}}}}}");
    let over = "services: {a: {healthcheck: {test: y}, logging: {options: {a: b}}}}";
    assert_eq!(codes(&[&base, over]), ["healthcheck-appended", "logging-options-lost"]);
}
