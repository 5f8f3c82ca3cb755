use super::*;
use crate::compose::read::yaml;

fn problems(text: &str) -> Vec<String> {
    checked(text).0
}

/// Problems, and the number of forms that docker refuses and we take.
fn checked(text: &str) -> (Vec<String>, usize) {
    let mut notes = vec![];
    let mut sink = Sink::default();
    let root = yaml::read(text, 0, &mut sink).unwrap();
    let Value::Map(map) = &root.value else { panic!() };
    let version = Version::of(map).unwrap();
    check_forbidden(map, &mut sink);
    check(map, root.at, version, &mut sink, &mut notes);
    let problems = match sink.finish(&crate::compose::problem::Texts::default()) {
        Ok(()) => vec![],
        Err(problems) => problems.0.iter().map(|p| format!("{}: {}", p.path, p.message)).collect(),
    };
    (problems, notes.len())
}

#[test]
fn what_docker_accepts_is_accepted() {
    for text in [
        "{}",
        "services: {}",
        "version: '3'\nservices: {a: {image: b}}",
        "services: {a: {image: b, deploy: null, x-y: [1]}}",
        "services: {a: {ports: [80, '81:80', {target: 80}]}}",
        "services: {a: {environment: {A: 1, B: null, C: x}}}",
        "services: {a: {networks: {n: null}}}\nnetworks: {n: null}",
        "services: {a: {secrets: [{source: x, whatever: 1}]}}",
        "services: {a: {volumes: [a:/b, a:/b]}}",
        "services: {a: {build: {anything: 1}}}",
    ] {
        assert_eq!(checked(text), (vec![], 0), "{text}");
    }
}

#[test]
fn what_docker_refuses_is_refused() {
    for text in [
        "include: a",
        "services: null",
        "services: {a: null}",
        "services: {'a b': {image: x}}",
        "services: {a: {depends_on: {b: {condition: x}}}}",
        "services: {a: {depends_on: {b: {}}}}",
        "services: {a: {env_file: [{path: x, format: y}]}}",
        "secrets: {a: {content: x}}",
        "services: {a: {image: null}}",
        "services: {a: {volumes: [{type: bind, source: /b, target: null}]}}",
        "secrets: {a: {file: null}}",
        "services: {a: {environment: [null]}}",
        "services: {a: {stop_grace_period: 10}}",
        "services: {a: {command: [null]}}",
        "services: {a: {extends: {service: b}}}",
        "services: {a: {init: 'true'}}",
        "services: {a: {deploy: {update_config: {order: sideways}}}}",
        "services: {a: {ports: [{target: 80, published: true}]}}",
        "services: {a: {ports: ['http']}}",
        "services: {a: {volumes: [{source: x, target: /y}]}}",
        "services: {a: {ulimits: {nofile: {soft: 1}}}}",
        "secrets: {a: null}",
        "version: '3.2'\nconfigs: {}",
        "version: '3.0'\nservices: {a: {secrets: [a]}}",
        "version: '3.1'\nservices: {a: {volumes: [a:/b, a:/b]}}",
        "version: '3.1'\nservices: {a: {ports: [{target: 80}]}}",
        "version: '3.10'\nservices: {a: {build: {anything: 1}}}",
    ] {
        assert_ne!(problems(text), [""; 0], "{text}");
    }
}

#[test]
fn what_docker_refuses_and_we_take_is_noted() {
    for text in [
        "name: x",
        "services: {a: {profiles: [x]}}",
        "services: {a: {env_file: [{path: x}]}}",
        "services: {a: {environment: {A: true}}}",
        "services: {a: {deploy: {resources: {limits: {cpus: 0.5}}}}}",
        "configs: {a: {content: x}}",
        "services: {a: {depends_on: {b: {condition: service_healthy}}}}",
        "services: {a: {labels: {b: false}}}",
        "services: {a: {ports: [{target: 80, published: '81'}]}}",
        "services: {a: {volumes: [{type: tmpfs, target: /a, tmpfs: {size: 1m}}]}}",
        "configs: {a: {environment: X}}",
        "secrets: {a: {environment: X}}",
        "services: {a: {command: null}}",
        "services: {a: {environment: null}}",
        "services: {a: {init: null}}",
        "services: {a: {healthcheck: {timeout: null}}}",
        "services: {a: {deploy: {resources: null}}}",
        "services: {a: {deploy: {resources: {reservations: null}}}}",
        "services: {a: {deploy: {resources: {limits: {memory: null}}}}}",
        "services: {a: {deploy: {update_config: {parallelism: null}}}}",
        "services: {a: {networks: {n: {aliases: null}}}}",
        "services: {a: {ports: [{target: 80, published: null}]}}",
        "services: {a: {volumes: [{type: bind, source: /b, target: /c, bind: null}]}}",
        "services: {a: {secrets: [{source: s, mode: null}]}}",
        "networks: {a: {ipam: {driver: null}}}",
        "networks: {a: {ipam: {config: [{subnet: null}]}}}",
        "secrets: {a: {file: x, name: null}}",
        "volumes: null",
        "networks: {a: {driver: null}}",
        "networks: {a: {enable_ipv6: true}}",
        "services: {a: {pull_policy: always}}",
        "services: {a: {cgroup: host}}",
        "services: {a: {attach: false}}",
        "services: {a: {develop: {watch: []}}}",
        "services: {a: {shm_size: 1024}}",
        "services: {a: {group_add: [docker, 20]}}",
        "services: {a: {dns_opt: [ndots:1]}}",
        "services: {a: {ports: [{target: 80, name: web}]}}",
        "services: {a: {ports: [{target: 80, app_protocol: http}]}}",
        "services: {a: {cap_add: [A, A]}}",
        "services: {a: {memswap_limit: 1g}}",
        "services: {a: {oom_kill_disable: true}}",
        "version: 3.8\nservices: {a: {image: b}}",
    ] {
        assert_eq!(checked(text), (vec![], 1), "{text}");
    }
}

#[test]
fn versions() {
    for (text, expected) in [
        ("{}", Some(13)),
        ("version: '3'", Some(13)),
        ("version: 3", Some(13)),
        ("version: ''", Some(13)),
        ("version: '3.0'", Some(0)),
        ("version: 3.8", Some(8)),
        ("version: '3.13'", Some(13)),
        ("version: '3.14'", None),
        ("version: '2'", None),
        ("version: '3.08'", None),
        ("version: ~", None),
        ("version: '${V}'", None),
    ] {
        let root = yaml::read(text, 0, &mut Sink::default()).unwrap();
        let Value::Map(map) = &root.value else { panic!() };
        assert_eq!(Version::of(map).ok().map(|v| v.0), expected, "{text}");
    }
}

#[test]
fn all_problems_come_at_once_with_hints() {
    let text = "services:\n  a:\n    imag: x\n    tty: 1\n    enviroment: {}\n";
    assert_eq!(
        problems(text),
        [
            "services.a.imag: unknown key",
            "services.a.tty: must be true or false, not a number",
            "services.a.enviroment: unknown key",
        ]
    );
}
