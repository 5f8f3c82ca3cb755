use std::path::Path;

use super::LintOptions;
use crate::{
    compose::{Files, LoadOptions, Source, load},
    lint::Finding,
};

/// Only an environment file.
struct OneFile;

impl Files for OneFile {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        match path.ends_with("app.env") {
            true => Ok(b"A=1\nB=\"api\"\nC=x # why\n".to_vec()),
            false => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    fn shown(&self, path: &Path) -> String {
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
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
        environment: &|name| (name == "NET").then(|| "proxy ".to_owned()),
        files: &OneFile,
        interpolate: true,
        profiles: &std::collections::BTreeSet::new(),
    };
    let (config, _) = load(&sources, &options).unwrap();
    let stack = crate::home::StackName::new("app_example_org").unwrap();
    let checkout = Path::new("/recipe");
    let options =
        LintOptions { stack: Some(&stack), checkout: Some(checkout), ..LintOptions::default() };
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
        (deploy("restart_policy: {condition: none}"), "end-rolled-back"),
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
        (two("ports: [{target: 80, published: 80, mode: host}]"), "replicas-share-port"),
        (good("ports: [{target: 80, published: 99999}]"), "swarm-refuses"),
        (good("ports: [{target: 99999, published: 80, mode: host}]"), "target-invalid"),
        (good("environment: [ROOT_PASSWORD=hunter2]"), "plain-secret"),
        (good("environment: {URL: 'redis://:hunter2@db:6379'}"), "plain-secret"),
        (good("ports: ['5432:5432']"), "database-published"),
        (good("ports: ['127.0.0.1:80:80']"), "compose-odd"),
        (good("user: '${V:?set me - now}'"), "required-never-fails"),
        (keys_and("ports: ['80:80']", &format!("{UPDATE}, endpoint_mode: dnsrr")), "dnsrr-ingress"),
        (good("ports: ['80:80', '80:81']"), "port-taken"),
        (good("volumes: ['/srv/a:/d', '/srv/b:/d/']"), "mount-taken"),
        (good("environment: {A: '{{len .}}'}"), "template-unknown"),
        (good("environment: {A: '{{.Foo}}'}"), "swarm-refuses"),
        (good("hostname: '{{name}}'"), "swarm-refuses"),
        (good("volumes: [{type: bind, source: '/{{', target: /tmp}]"), "swarm-refuses"),
        (deploy("restart_policy: {delay: -1s}"), "swarm-refuses"),
        (deploy("replicas: 10001"), "too-many-replicas"),
        (good("working_dir: srv"), "task-refused"),
        (good("ports: [{target: 80, published: 70000}]"), "swarm-refuses"),
        (good("ports: [{target: 70000, published: 80}]"), "target-invalid"),
        (good("ports: ['80:0']"), "target-invalid"),
        (good("mem_swappiness: 0"), "ignored-key"),
        (good("command: [x, '{{.Task.Slot}}']"), "template-unread"),
        (good("labels: {a: '{{ .Node.Hostname }}'}"), "template-unread"),
        (good("labels: {traefik.enable: 'true'}"), "label-unread"),
        (good("labels: {caddy: x, caddy_1.tls: y}"), "label-unread"),
        (good("labels: [backupbot.backup=true]"), "label-unread"),
        (deploy("labels: {com.centurylinklabs.watchtower.enable: 'false'}"), "label-unread"),
        (good("pull_policy: always"), "ignored-key"),
    ] {
        let text = format!("services: {{a: {{{service}}}}}\nvolumes: {{data: }}");
        let mut found = codes(&[&text]);
        // What is taken beyond docker is always told; the volume is not for all.
        found.retain(|code| !matches!(*code, "beyond-docker" | "unused-definition"));
        assert_eq!(found, [expected], "{service}");
    }
}

#[test]
fn what_is_fine_is_left_alone() {
    let shared = "volumes: {data: {driver_opts: {type: nfs, device: ':/x'}}, slot: {name: 'x-{{.Task.Slot}}'}}";
    let services = [
        // Every node has its own task and its own volume.
        "volumes: ['data:/d'], deploy: {mode: global, X}",
        // Written by one task at a time, or by none.
        "volumes: ['data:/d:ro'], deploy: {X, update_config: {order: start-first, failure_action: rollback}}",
        "volumes: ['data:/d'], deploy: {X, replicas: 3}",
        "environment: {PASSWORD_FILE: /run/secrets/x, DB_PASSWORD_MIN: 8, TOKEN: }, deploy: {X}",
        "deploy: {mode: replicated-job, X}",
        // Each task has its own volume.
        "volumes: ['slot:/d'], deploy: {X, replicas: 3, placement: {constraints: [node.role == manager]}}",
        // Both read, each where it stands.
        "labels: {traefik.enable: x, caddyshack: y}, deploy: {labels: {traefik.enable: x}, X}",
        "environment: {A: '{{.Task.Slot}}', B: '{{ index .Service.Labels \"x\" }}'}, hostname: '{{.Node.Hostname}}', deploy: {X}",
        "command: ['--format', '{{.Names}}'], deploy: {X}",
    ];
    for service in services {
        let service = service.replace('X', "resources: {limits: {memory: 1G}}");
        let text = format!("services: {{a: {{{GOOD}, {service}}}}}\n{shared}");
        let found = codes(&[&text]);
        assert!(
            found
                .iter()
                .all(|code| matches!(*code, "update-pauses-by-default" | "unused-definition")),
            "{service}: {found:?}"
        );
    }
}

#[test]
fn replicas_that_would_take_the_swarm_down_are_never_sent() {
    for (replicas, expected) in [
        ("10000", None),
        ("10001", Some(false)),
        ("1000000", Some(false)),
        ("1000001", Some(true)),
        ("9223372036854775807", Some(true)),
    ] {
        for mode in ["replicated", "replicated-job"] {
            let text = format!(
                "services: {{a: {{{GOOD}, deploy: {{mode: {mode}, replicas: {replicas}}}}}}}"
            );
            let all = found(&[&text]);
            let finding = all.iter().find(|finding| finding.code == "too-many-replicas");
            assert_eq!(finding.map(|finding| finding.certain), expected, "{replicas}");
        }
    }
}

#[test]
fn services_of_windows_nodes_are_not_measured_as_those_of_linux() {
    let windows =
        "working_dir: srv, deploy: {placement: {constraints: [node.platform.os == windows]}}";
    let text = format!("services: {{a: {{{GOOD}, {windows}}}}}");
    assert_eq!(of(&["task-refused"], &[&text]), Vec::<String>::new());
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
    let of_nodes = |a: &str, b: &str| {
        let port = |mode| format!("ports: [{{target: 80, published: 80, mode: {mode}}}]");
        format!("services: {{a: {{{good}, {}}}, b: {{{good}, {}}}}}", port(a), port(b))
    };
    assert_eq!(codes(&[&of_nodes("host", "ingress")]), ["port-taken"]);
    assert_eq!(codes(&[&of_nodes("ingress", "host")]), ["port-taken"]);
    assert_eq!(codes(&[&of_nodes("host", "host")]), Vec::<&str>::new());
    // It takes the manager's answer down, so it is never sent.
    let counted = "resources: {reservations: {generic_resources: [{}]}}";
    let text = format!("services: {{a: {{{GOOD}, deploy: {{{counted}}}}}}}");
    assert!(found(&[&text]).iter().any(|it| it.code == "swarm-refuses" && it.certain));
    let long = format!("services: {{{}: {{{good}}}}}", "a".repeat(50));
    assert_eq!(codes(&[&long]), ["name-too-long"]);
    let base = format!("services: {{a: {{{good}, logging: {{driver: x}}}}}}");
    let over = "services: {a: {healthcheck: {test: y}, logging: {options: {a: b}}}}";
    assert_eq!(codes(&[&base, over]), ["healthcheck-appended", "logging-options-lost"]);
}

/// What is found of these codes, as `CODE POSITION PATH: MESSAGE`.
fn of(wanted: &[&str], files: &[&str]) -> Vec<String> {
    let all = found(files).into_iter().filter(|finding| wanted.contains(&finding.code));
    all.map(|finding| format!("{} {finding}", finding.code)).collect()
}

#[test]
fn what_a_merge_loses_is_told_with_both_places() {
    let wanted = ["merge-loses", "overlay-without-effect"];
    let touch = "services: {a: {user: x}}";
    for (base, over, expected) in [
        // One secret or config at two targets.
        (
            "services: {a: {secrets: [{source: s, target: c.pem}, {source: s, target: k.pem}]}}\nsecrets: {s: {external: true}}",
            touch,
            vec![
                "merge-loses 0.yml:1:26: services.a.secrets: docker loses `s` at `c.pem` when it merges the files: 0.yml:1:54 takes its place",
            ],
        ),
        (
            "services: {a: {configs: [{source: s, target: /a}, {source: s, target: /b}]}}\nconfigs: {s: {external: true}}",
            touch,
            vec![
                "merge-loses 0.yml:1:26: services.a.configs: docker loses `s` at `/a` when it merges the files: 0.yml:1:51 takes its place",
            ],
        ),
        // An overlay that mounts it elsewhere.
        (
            "services: {a: {secrets: [s]}}\nsecrets: {s: {external: true}}",
            "services: {a: {secrets: [{source: s, target: t}]}}",
            vec![
                "merge-loses 0.yml:1:26: services.a.secrets: docker loses `s` at `s` when it merges the files: 1.yml:1:26 takes its place",
            ],
        ),
        // The same port twice.
        (
            "services: {a: {ports: ['53:53/tcp', '53:53/udp']}}",
            touch,
            vec![
                "merge-loses 0.yml:1:24: services.a.ports: docker loses port 53:53/tcp when it merges the files: 0.yml:1:37 takes its place",
            ],
        ),
        (
            "services: {a: {ports: ['443:443']}}",
            "services: {a: {ports: [{target: 443, published: 443, protocol: udp}]}}",
            vec![
                "merge-loses 0.yml:1:24: services.a.ports: docker loses port 443:443/tcp when it merges the files: 1.yml:1:24 takes its place",
            ],
        ),
        // Swarm is to choose what they are published as.
        (
            "services: {a: {ports: ['80', '81']}}",
            touch,
            vec![
                "merge-loses 0.yml:1:24: services.a.ports: docker loses port 80/tcp when it merges the files: 0.yml:1:30 takes its place",
            ],
        ),
        // Aliases.
        (
            "services: {a: {networks: {n: {aliases: [x, y]}}}}\nnetworks: {n: }",
            "services: {a: {networks: {n: {aliases: [y]}}}}",
            vec![
                "merge-loses 0.yml:1:16: services.a.networks.n: docker loses the alias `x` when it merges the files: 1.yml:1:16 takes its place",
            ],
        ),
        // Definitions.
        (
            "networks: {n: {attachable: true, driver_opts: {encrypted: ''}}}",
            "networks: {n: {internal: true}}",
            vec![
                "merge-loses 1.yml:1:12: networks.n: this replaces the definition at 0.yml:1:12 as a whole and loses `driver_opts`, `attachable`",
            ],
        ),
        (
            "secrets: {s: {external: true, name: x_v1}}",
            "secrets: {s: {external: true}}",
            vec![
                "merge-loses 1.yml:1:11: secrets.s: this replaces the definition at 0.yml:1:11 as a whole and loses `name`",
            ],
        ),
        // What replaces nothing.
        (
            "services: {a: {read_only: true, environment: {A: x}, command: [c], ports: [80]}}",
            "services: {a: {read_only: false, environment: {A: ''}, command: [], ports: []}}",
            vec![
                "overlay-without-effect 1.yml:1:16: services.a.read_only: false, zero and empty \
                 values replace nothing: the value in 0.yml:1:16 is kept",
                "overlay-without-effect 1.yml:1:48: services.a.environment.A: false, zero and \
                 empty values replace nothing: the value in 0.yml:1:47 is kept",
                "overlay-without-effect 1.yml:1:56: services.a.command: false, zero and empty \
                 values replace nothing: the value in 0.yml:1:54 is kept",
                "overlay-without-effect 1.yml:1:69: services.a.ports: false, zero and empty \
                 values replace nothing: the value in 0.yml:1:68 is kept",
            ],
        ),
        (
            "services: {a: {deploy: {update_config: {delay: 5s}}}}",
            "services: {a: {deploy: {update_config: {delay: 0s}}}}",
            vec![
                "overlay-without-effect 1.yml:1:41: services.a.deploy.update_config.delay: false, \
                 zero and empty values replace nothing: the value in 0.yml:1:41 is kept",
            ],
        ),
        // What is replaced as it looks.
        (
            "services: {a: {ports: ['80:80'], secrets: [s], read_only: false, environment: {A: x}, deploy: {replicas: 2}}}\nsecrets: {s: {external: true}}\nvolumes: {v: {labels: {a: b}}}",
            "services: {a: {ports: ['80:8080', '81:81'], secrets: [{source: s, target: s, mode: 0400}], read_only: true, environment: {A: y}, deploy: {replicas: 0}}}\nvolumes: {v: {external: true}}",
            vec![],
        ),
    ] {
        assert_eq!(of(&wanted, &[base, over]), expected, "{base}\n{over}");
    }
}

#[test]
fn tags_that_docker_ignores_are_told() {
    let wanted = ["tag-ignored", "tag-unsafe", "overlay-without-effect"];
    let base = "services: {a: {ports: ['80:80'], command: [c], environment: {P: x}, user: y}}";
    for (over, expected) in [
        (
            "services: {a: {ports: !reset []}}",
            "tag-unsafe 1.yml:1:30: services.a.ports: docker ignores `!reset`: the value is \
             merged into that of the earlier files",
        ),
        (
            "services: {a: {ports: !override ['81:80']}}",
            "tag-unsafe 1.yml:1:33: services.a.ports: docker ignores `!override`: the value is \
             merged into that of the earlier files",
        ),
        (
            "services: {a: {environment: {P: !reset null}}}",
            "tag-unsafe 1.yml:1:40: services.a.environment.P: docker ignores `!reset`: the value is the text `null`",
        ),
        (
            "services: {a: {command: !override [d]}}",
            "tag-ignored 1.yml:1:35: services.a.command: docker ignores `!override`: the value \
             replaces that of the earlier files, as it would without the tag",
        ),
        (
            "services: {a: {command: !reset []}}",
            "tag-ignored 1.yml:1:32: services.a.command: docker ignores `!reset`: an empty value \
             replaces nothing: the value of the earlier files is kept",
        ),
        (
            "services: {a: {environment: !override {Q: x}}}",
            "tag-ignored 1.yml:1:39: services.a.environment: docker ignores `!override`: the \
             value is merged into that of the earlier files",
        ),
        (
            "services: {a: {dns: !override [1.1.1.1]}}",
            "tag-ignored 1.yml:1:31: services.a.dns: docker ignores `!override`: the value is \
             merged into that of the earlier files",
        ),
        (
            "services: {a: {networks: {n: {aliases: !override [x]}}}}",
            "tag-unsafe 1.yml:1:50: services.a.networks.n.aliases: docker ignores `!override`: \
             the value replaces that of the earlier files, as it would without the tag",
        ),
        (
            "networks: {n: !override {internal: true}}",
            "tag-ignored 1.yml:1:25: networks.n: docker ignores `!override`: the value replaces \
             that of the earlier files, as it would without the tag",
        ),
        (
            "services: {a: {user: !env z}}",
            "tag-ignored 1.yml:1:27: services.a.user: docker ignores `!env`: the value is the text `z`",
        ),
    ] {
        assert_eq!(of(&wanted, &[base, over]), [expected], "{over}");
    }
    let alone = "services: {a: {ports: !override ['80:80'], user: !!str y}}";
    assert_eq!(
        of(&["tag-ignored", "tag-unsafe"], &[alone]),
        ["tag-ignored 0.yml:1:33: services.a.ports: docker ignores `!override`: the value is \
             taken literally"],
    );
}

#[test]
fn what_looks_like_something_else_is_told() {
    let wanted = ["quotes-kept", "env-file-raw", "invisible-character"];
    for (service, expected) in [
        (
            "env_file: app.env",
            vec![
                "env-file-raw 0.yml:1:26: services.a.env_file: app.env:3: what looks like a comment is part of `C`",
                "quotes-kept 0.yml:1:26: services.a.env_file: `B` in app.env:2 begins and ends with a quote: docker keeps both, as part of the value",
            ],
        ),
        (
            "environment: [A=\"x\", B=y]",
            vec![
                "quotes-kept 0.yml:1:30: services.a.environment[0]: the value of `A` begins and ends with a quote: docker keeps both, as part of the value",
            ],
        ),
        (
            "deploy: {labels: [a='x']}",
            vec![
                "quotes-kept 0.yml:1:34: services.a.deploy.labels[0]: the value of `a` begins and ends with a quote: docker keeps both, as part of the value",
            ],
        ),
        (
            "user: \"x\u{a0}\"",
            vec![
                "invisible-character 0.yml:1:22: services.a.user: it holds the invisible \
                 character U+00A0",
            ],
        ),
        ("environment: {A: '\"x\"', B: größe}", vec![]),
    ] {
        assert_eq!(
            of(&wanted, &[&format!("services: {{a: {{{service}}}}}")]),
            expected,
            "{service}"
        );
    }
}

#[test]
fn a_blank_at_an_end_of_a_name_is_told_with_its_variable() {
    let wanted = ["blank-at-edge", "invisible-character"];
    let kept = "docker keeps it, as part of the value";
    for (text, expected) in [
        (
            "services: {a: {image: x}}\nnetworks: {n: {external: true, name: '${NET}'}}",
            vec![format!(
                "blank-at-edge 0.yml:2:38: networks.n.name: `proxy` ends with a space, which comes from NET: {kept}"
            )],
        ),
        (
            "services: {a: {image: \"x\\r\", user: \" $NET\", hostname: \"h\u{a0}\"}}",
            vec![
                format!(
                    "blank-at-edge 0.yml:1:23: services.a.image: `x` ends with a carriage return, of a file with Windows line ends: {kept}"
                ),
                format!(
                    "blank-at-edge 0.yml:1:36: services.a.user: `proxy` begins with a space and ends with a space, which comes from NET: {kept}"
                ),
                "invisible-character 0.yml:1:55: services.a.hostname: it holds the invisible \
                 character U+00A0"
                    .to_owned(),
            ],
        ),
        (
            "services: {a: {image: x, command: ['$NET'], environment: [A=$NET], labels: {l: $NET}, entrypoint: ' x '}}",
            vec![],
        ),
    ] {
        assert_eq!(of(&wanted, &[text]), expected, "{text}");
    }
    let text = "services: {a: {image: x}}\nnetworks: {n: {external: true, name: $NET}}";
    let found = found(&[text]);
    let finding = found.iter().find(|finding| finding.code == "blank-at-edge").unwrap();
    assert_eq!(finding.fix.as_deref(), Some("remove the blank where NET is set"));
}

#[test]
fn variables_that_are_set_nowhere_are_told_with_the_name_that_was_meant() {
    let text = "x-all: &all {A: '$ASIDE'}\nservices: {a: {user: '${NOPE:-x}${NOPE-}$$NOPE', \
                environment: {<<: *all, B: 'x ${DB_PASSWROD}', C: '$COMMENTED$ASIDE'}}, \
                b: {environment: *all}, \
                c: {environment: [DB_PASSWROD, COMMENTED, 'X=', DB_PASSWORD]}}";
    let sources = [Source { name: "0.yml".into(), text: text.into() }];
    let options = LoadOptions {
        working_dir: Path::new("/recipe"),
        home_dir: None,
        environment: &|name| (name == "DB_PASSWORD").then(|| "x".into()),
        files: &OneFile,
        interpolate: true,
        profiles: &std::collections::BTreeSet::new(),
    };
    let (config, _) = load(&sources, &options).unwrap();
    let (variables, optional) = (["DB_PASSWORD".to_owned()], ["COMMENTED".to_owned()]);
    let options =
        LintOptions { variables: &variables, optional: &optional, ..LintOptions::default() };
    let mut all = config.lint(&options);
    all.retain(|finding| finding.code == "variable-unset");
    let said: Vec<String> =
        all.iter().map(|it| format!("{it} ({})", it.fix.as_deref().unwrap())).collect();
    let usual = "set it, or write `${ASIDE:-}` where it may be empty";
    assert_eq!(
        said,
        [
            format!(
                "0.yml:1:17: services.a.environment.A: the variable `ASIDE` is set nowhere and has no default: it is empty ({usual})"
            ),
            "0.yml:2:77: services.a.environment.B: the variable `DB_PASSWROD` is set nowhere and has no default: it is empty (did you mean `DB_PASSWORD`?)".to_owned(),
            format!(
                "0.yml:2:100: services.a.environment.C: the variable `ASIDE` is set nowhere and has no default: it is empty ({usual})"
            ),
            "0.yml:2:164: services.c.environment[0]: the variable `DB_PASSWROD` is set nowhere: the service does not get it (did you mean `DB_PASSWORD`?)".to_owned(),
        ]
    );
}

#[test]
fn values_that_become_another_text_are_told() {
    let told = |text: &str| of(&["value-changed"], &[text]);
    for (written, becomes) in [
        ("022", "18"),
        ("1.10", "1.1"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ("0x1F", "31"),
        ("1_000", "1000"),
        ("2024-01-01", "2024-01-01 00:00:00 +0000 UTC"),
    ] {
        for service in ["environment", "labels", "sysctls"] {
            let text = format!("services: {{a: {{{service}: {{K: {written}}}}}}}");
            assert_eq!(
                told(&text),
                [format!(
                    "value-changed 0.yml:1:{}: services.a.{service}.K: without quotes, \
                     `{written}` is not text: it becomes `{becomes}`",
                    22 + service.len()
                )]
            );
        }
    }
    let deploy = "services: {a: {deploy: {labels: {v: 1.10}}}}\nnetworks: {n: {labels: {v: 010}, driver_opts: {o: 08.0}}}";
    assert_eq!(told(deploy).len(), 3, "{:?}", told(deploy));
    for same in ["1000", "-1", "1.5", "yes", "on", "'022'", "\"1.10\"", "1.2.3", "~", "08:30"] {
        let text = format!("services: {{a: {{environment: {{K: {same}}}}}}}");
        assert_eq!(told(&text), Vec::<String>::new());
    }
    // Where docker wants a number.
    let mode =
        "services: {a: {secrets: [{source: s, mode: 0400}]}}\nsecrets: {s: {external: true}}";
    assert_eq!(told(mode), Vec::<String>::new());
    let twice = "x: &e {K: 022}\nservices: {a: {environment: *e}, b: {environment: *e}}";
    assert_eq!(told(&twice.replace("x:", "x-e:")).len(), 1);
}

#[test]
fn decimal_modes_are_told() {
    let told = |mode: &str| {
        let text = format!(
            "services: {{a: {{configs: [{{source: c, mode: {mode}}}]}}}}\nconfigs: {{c: {{external: true}}}}"
        );
        let all = found(&[&text]).into_iter().filter(|it| it.code == "mode-odd");
        all.map(|it| format!("{it} ({})", it.fix.as_deref().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(
        told("440"),
        [
            "0.yml:1:26: services.a.configs: the mode 440 of `c` is a decimal number: in octal, it is 0670, rw-rwx--- (write `mode: 0440`)"
        ]
    );
    assert_eq!(
        told("04444"),
        ["0.yml:1:26: services.a.configs: the mode 04444 of `c` has bits that are not \
             permissions (write a mode up to `0777`)"]
    );
    for right in ["0440", "0o400", "288", "256", "0"] {
        assert_eq!(told(right), Vec::<String>::new(), "{right}");
    }
}

#[test]
fn overlapping_subnets_are_told() {
    let told = |networks: &str, service: &str| {
        let text = format!("services: {{a: {{{service}}}}}\nnetworks: {{{networks}}}");
        of(&["subnets-overlap"], &[&text])
    };
    let net =
        |name: &str, subnet: &str| format!("{name}: {{ipam: {{config: [{{subnet: {subnet}}}]}}}}");
    let two = format!("{}, {}", net("n", "10.199.0.0/24"), net("m", "10.199.0.0/16"));
    assert_eq!(
        told(&two, "networks: [n, m]"),
        [
            "subnets-overlap 0.yml:2:12: networks.n.ipam.config: its subnet 10.199.0.0/24 overlaps 10.199.0.0/16 of the network `m`: swarm gives addresses to one of them, and no task on the other starts"
        ]
    );
    // Docker makes only networks that are used.
    assert_eq!(told(&two, "networks: [n]"), Vec::<String>::new());
    let apart = format!("{}, {}", net("n", "10.199.0.0/24"), net("m", "10.199.1.0/24"));
    assert_eq!(told(&apart, "networks: [n, m]"), Vec::<String>::new());
}

#[test]
fn entries_that_docker_drops_or_misreads_are_told() {
    let told = |service: &str| {
        let all = found(&[&format!("services: {{a: {{{service}}}}}")]);
        let all = all.into_iter().filter(|it| it.code == "entry-misread");
        all.map(|it| format!("{}: {} ({})", it.path.unwrap(), it.message, it.fix.unwrap()))
            .collect::<Vec<_>>()
    };
    let no_value = |text: &str| format!("`{text}` is a name without a value: only `=` parts them");
    for (service, path, message, fix) in [
        ("environment: ['C: d']", "environment[0]", no_value("C: d"), "C=d"),
        ("labels: ['a: b']", "labels[0]", no_value("a: b"), "a=b"),
        ("sysctls: ['net.x: 1']", "sysctls[0]", no_value("net.x: 1"), "net.x=1"),
        (
            "deploy: {labels: ['traefik.enable : true']}",
            "deploy.labels[0]",
            no_value("traefik.enable : true"),
            "traefik.enable=true",
        ),
        (
            "environment: ['A = b']",
            "environment[0]",
            "the name is `A `, blanks included".into(),
            "A=b",
        ),
        (
            "environment: {'A ': b}",
            "environment.A ",
            "the name is `A `, blanks included".into(),
            "A",
        ),
        (
            "extra_hosts: [db.local]",
            "extra_hosts[0]",
            "docker drops `db.local`: it names no address".into(),
            "db.local:ADDRESS",
        ),
        (
            "extra_hosts: {db.local: }",
            "extra_hosts.db.local",
            "docker drops `db.local`: it names no address".into(),
            "db.local:ADDRESS",
        ),
    ] {
        assert_eq!(told(service), [format!("services.a.{path}: {message} (write `{fix}`)")]);
    }
    for right in [
        "environment: [A=b, A, 'A= b', 'A=b: c']",
        "environment: {A: 'b: c'}",
        "labels: ['a.b=Host(`x`) && Path: y']",
        "extra_hosts: ['db:1.2.3.4', 'db=1.2.3.4', 'db:::1']",
    ] {
        assert_eq!(told(right), Vec::<String>::new(), "{right}");
    }
}

#[test]
fn definitions_that_no_service_uses_are_told() {
    let used = "services: {a: {networks: [n], volumes: ['data:/d'], secrets: [s], configs: [c], \
                credential_spec: {config: k}}, b: {profiles: [p], volumes: ['more:/d']}}\n\
                networks: {n: , default: }\nvolumes: {data: , more: }\nsecrets: {s: {external: true}}\n\
                configs: {c: {external: true}, k: {external: true}}";
    assert_eq!(of(&["unused-definition"], &[used]), Vec::<String>::new());
    let unused = "services: {a: {networks: [n]}}\n\
                  networks: {n: , m: {attachable: true}, e: {external: true}, default: }\n\
                  volumes: {data: , out: {external: true}}\nsecrets: {s: {external: true}}\n\
                  configs: {c: {external: true}}";
    assert_eq!(
        of(&["unused-definition"], &[unused]),
        [
            "unused-definition 0.yml:2:17: networks.m: no service uses it: docker does not make it",
            "unused-definition 0.yml:2:61: networks.default: no service uses it: docker does not make it",
            "unused-definition 0.yml:3:11: volumes.data: no service uses it: docker does not make it",
            "unused-definition 0.yml:4:11: secrets.s: no service uses it: no task gets it",
            "unused-definition 0.yml:5:11: configs.c: no service uses it: no task gets it",
        ]
    );
}

#[test]
fn constraints_that_hold_nowhere_are_told() {
    let told = |constraints: &str| {
        let text =
            format!("services: {{a: {{deploy: {{placement: {{constraints: [{constraints}]}}}}}}}}");
        let all = found(&[&text]).into_iter().filter(|it| it.code == "bad-constraint");
        all.map(|it| it.message).collect::<Vec<_>>()
    };
    for (constraints, message) in [
        (
            "node.role == manger",
            "`node.role == manger`: nodes are managers or workers: no node fits, and no task starts",
        ),
        (
            "node.role != manger",
            "`node.role != manger`: nodes are managers or workers: every node fits",
        ),
        (
            "node.platform.arch == amd64",
            "`node.platform.arch == amd64`: nodes call it `x86_64`: no node fits, and no task starts",
        ),
        (
            "node.role == worker, node.role==manager",
            "no node can satisfy both `node.role == worker` and `node.role==manager`: no task \
             starts",
        ),
        ("node.rol == manager", "swarm does not know `node.rol`: no node fits, and no task starts"),
    ] {
        assert_eq!(told(constraints), [message]);
    }
    assert_eq!(told("node.role == Manager, node.hostname != a"), Vec::<String>::new());
    // Only the names of labels keep their case.
    assert_eq!(told("node.labels.Zone == a, node.labels.zone == b"), Vec::<String>::new());
    assert_eq!(told("node.labels.zone == a, Node.Labels.zone == b").len(), 1);
    let severity = |constraint: &str| {
        let text =
            format!("services: {{a: {{deploy: {{placement: {{constraints: [{constraint}]}}}}}}}}");
        let all = found(&[&text]).into_iter().find(|it| it.code == "bad-constraint");
        all.unwrap().severity
    };
    use crate::lint::Severity;
    assert_eq!(severity("node.role == manger"), Severity::Error);
    assert_eq!(severity("node.role != manger"), Severity::Warning);
}

#[test]
fn labels_that_tools_for_services_read_are_told_below_labels() {
    for (label, reader) in [
        ("swarm.cronjob.enable", "swarm-cronjob looks"),
        ("diun.enable", "Diun's provider for swarm looks"),
        ("shepherd.enable", "Shepherd looks"),
        ("sablier.enable", "Sablier looks"),
        ("coop-cloud.x.timeout", "abra and potluck look"),
    ] {
        let text = format!("services: {{a: {{labels: {{{label}: 'true'}}}}}}");
        assert_eq!(
            of(&["label-unread"], &[&text]),
            [format!(
                "label-unread 0.yml:1:16: services.a.labels: nobody reads `{label}` here: in a swarm {reader} at `deploy.labels` only"
            )]
        );
    }
}

#[test]
fn one_cause_is_told_once() {
    let text = "services: {a: {volumes: ['v:/v']}}\nvolumes: {v: }";
    let wanted = ["one-letter-volume", "task-refused", "anonymous-volume", "unused-definition"];
    let told = of(&wanted, &[text]);
    assert!(told.len() == 1 && told[0].starts_with("task-refused"), "{told:?}");
    let stopped = "services: {a: {volumes: ['v:/v'], deploy: {replicas: 0}}}\nvolumes: {v: }";
    let told = of(&wanted, &[stopped]);
    assert!(told.len() == 1 && told[0].starts_with("one-letter-volume"), "{told:?}");
}
