use std::{io, path::Path as FilePath};

use crate::{
    compose::{Files, LoadOptions, Problems, Source, Stack, load},
    home::StackName,
};

/// One file of the recipe, of a size.
struct OneFile(usize);

impl Files for OneFile {
    fn read(&self, path: &FilePath) -> io::Result<Vec<u8>> {
        if path == FilePath::new("/recipe/file") {
            return Ok(vec![b'x'; self.0]);
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

fn convert(text: &str, size: usize) -> Result<Stack, Problems> {
    let files = OneFile(size);
    let options = LoadOptions {
        working_dir: FilePath::new("/recipe"),
        home_dir: None,
        environment: &|_| None,
        files: &files,
        interpolate: true,
        profiles: &std::collections::BTreeSet::new(),
    };
    let source = Source { name: "compose.yml".into(), text: text.into() };
    let (config, _) = load(&[source], &options)?;
    config.to_stack(&StackName::new("wiki_example_org").unwrap(), &files)
}

/// Messages of all problems.
fn refused(text: &str, size: usize) -> Vec<String> {
    convert(text, size).unwrap_err().0.into_iter().map(|problem| problem.message).collect()
}

#[test]
fn contents_up_to_what_swarm_takes() {
    let secret = "services: {a: {image: b}}\nsecrets: {s: {file: file}}";
    let config = "services: {a: {image: b}}\nconfigs: {s: {file: file}}";
    assert!(convert(secret, 511_999).is_ok());
    assert_eq!(
        refused(secret, 512_000),
        ["the file /recipe/file of this secret has 512000 bytes; swarm allows 511999"]
    );
    assert!(convert(config, 1_023_999).is_ok());
    assert_eq!(refused(config, 1_024_000).len(), 1);
    for (text, kind) in [(secret, "secret"), (config, "config")] {
        let empty = format!("the file /recipe/file of this {kind} is empty, which swarm refuses");
        assert_eq!(refused(text, 0), [empty]);
    }
    let data = convert(secret, 3).unwrap().secrets["wiki_example_org_s"].data.clone();
    assert_eq!(data.as_deref(), Some("eHh4"));
}

#[test]
fn networks_of_one_node_are_refused_where_services_use_them() {
    for driver in ["bridge", "host", "macvlan", "ipvlan", "none"] {
        let networks = format!("networks: {{n: {{driver: {driver}}}}}");
        let used = format!("services: {{a: {{image: b, networks: [n]}}}}\n{networks}");
        let message = format!(
            "a network of the driver `{driver}` is of one node: swarm refuses services on it"
        );
        assert_eq!(refused(&used, 1), [message]);
        // It is not made at all.
        assert!(convert(&format!("services: {{a: {{image: b}}}}\n{networks}"), 1).is_ok());
    }
    let own = "services: {a: {image: b, networks: [n]}}\nnetworks: {n: {driver: weave}}";
    assert!(convert(own, 1).is_ok());
}

#[test]
fn names_are_measured_with_their_prefix() {
    // `wiki_example_org_` has 17 bytes.
    let service = |length| format!("services: {{{}: {{image: b}}}}", "a".repeat(length));
    assert!(convert(&service(46), 0).is_ok());
    assert_eq!(refused(&service(47), 0).len(), 1);
    let secret = |length| {
        format!(
            "services: {{a: {{image: b}}}}\nsecrets: {{{}: {{file: file}}}}",
            "a".repeat(length)
        )
    };
    assert!(convert(&secret(47), 1).is_ok());
    assert_eq!(refused(&secret(48), 1).len(), 1);
    assert_eq!(refused("services: {a.b: {image: b}}", 0).len(), 1);
}

#[test]
fn all_that_is_missing_is_named_at_once() {
    let text = "services: {a: {image: b, networks: [x], volumes: ['data:/d'], secrets: [s], configs: [c]}}\n\
                volumes: {date: }\nsecrets: {t: {file: nope}}";
    let problems = convert(text, 0).unwrap_err();
    let mut messages: Vec<&str> = problems.0.iter().map(|p| p.message.as_str()).collect();
    messages.sort_unstable();
    assert_eq!(
        messages,
        [
            "the config `c` is not defined",
            "the file /recipe/nope cannot be read: entity not found",
            "the network `x` is not defined",
            "the secret `s` is not defined",
            "the volume `data` is not defined",
        ]
    );
    let hints: Vec<_> = problems.0.iter().filter_map(|p| p.hint.as_deref()).collect();
    assert!(hints.contains(&"did you mean `date`?"), "{hints:?}");
}

#[test]
fn a_stack_knows_its_volumes_and_what_must_be_there() {
    let text = "
services:
  app: {image: b, volumes: ['data:/d', 'shared:/s', /x], secrets: [mine, theirs], networks: [proxy]}
  db: {image: b, volumes: ['data:/d:ro'], depends_on: [app]}
volumes: {data: {driver: local, labels: {a: b}}, shared: {external: true}, unused: }
secrets: {mine: {file: file}, theirs: {external: true, name: outside}, other: {external: true}}
networks: {proxy: {external: true}}
";
    let stack = convert(text, 1).unwrap();
    let volumes: Vec<_> =
        stack.volumes.iter().map(|v| (v.name.as_str(), v.external, v.services.join(" "))).collect();
    assert_eq!(
        volumes,
        [("wiki_example_org_data", false, "app db".to_owned()), ("shared", true, "app".to_owned())]
    );
    assert_eq!(stack.external_secrets, ["outside"]);
    assert_eq!(stack.external_networks, ["proxy"]);
    assert_eq!(stack.networks.keys().collect::<Vec<_>>(), ["wiki_example_org_default"]);
    assert_eq!(stack.services[1].depends_on, ["app"]);
}

#[test]
fn addresses_of_a_network_are_asked_for() {
    let text = "services: {a: {image: b, networks: [n]}}\nnetworks: {n: {ipam: {config: [{subnet: \
                10.9.0.0/16, gateway: 10.9.0.1, ip_range: 10.9.5.0/24, aux_addresses: {h: \
                10.9.0.9}}]}}}";
    let stack = convert(text, 1).unwrap();
    let ipam = stack.networks["wiki_example_org_n"].ipam.clone().unwrap();
    let config = &ipam.config.unwrap()[0];
    assert_eq!(config.gateway.as_deref(), Some("10.9.0.1"));
    assert_eq!(config.ip_range.as_deref(), Some("10.9.5.0/24"));
    assert_eq!(config.auxiliary_addresses.as_ref().unwrap()["h"], "10.9.0.9");
}

#[test]
fn numbers_that_do_not_fit_are_never_another_number() {
    let beyond = "9223372036854775808";
    for (keys, path, most) in [
        ("deploy: {replicas: N}", "deploy.replicas", i64::MAX),
        ("deploy: {mode: replicated-job, replicas: N}", "deploy.replicas", i64::MAX),
        ("deploy: {update_config: {parallelism: N}}", "deploy.update_config.parallelism", i64::MAX),
        (
            "deploy: {rollback_config: {parallelism: N}}",
            "deploy.rollback_config.parallelism",
            i64::MAX,
        ),
        (
            "deploy: {restart_policy: {max_attempts: N}}",
            "deploy.restart_policy.max_attempts",
            i64::MAX,
        ),
        (
            "deploy: {placement: {max_replicas_per_node: N}}",
            "deploy.placement.max_replicas_per_node",
            i64::MAX,
        ),
        ("healthcheck: {test: x, retries: N}", "healthcheck.retries", i32::MAX.into()),
    ] {
        let text = |number: &str| {
            format!("services:\n  a:\n    image: b\n    {}", keys.replace('N', number))
        };
        let problems = convert(&text(beyond), 0).unwrap_err().0;
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert_eq!(problem.path, format!("services.a.{path}"));
        assert_eq!((problem.file.as_str(), problem.line), ("compose.yml", 4), "{path}");
        assert_eq!(problem.message, format!("{beyond} is out of range: at most {most}"), "{path}");
        assert!(convert(&text(&most.to_string()), 0).is_ok(), "{path}");
    }
    // Sizes, durations and what has 32 bits are told where they are read.
    for keys in [
        "deploy: {resources: {limits: {memory: 9999999p}}}",
        "deploy: {resources: {limits: {pids: 9223372036854775808}}}",
        "stop_grace_period: 9999999h",
        "ports: [{target: 4294967296}]",
        "ulimits: {nofile: 9223372036854775808}",
        "deploy: {replicas: 99999999999999999999}",
        "deploy: {replicas: -1}",
    ] {
        let text = format!("services: {{a: {{image: b, {keys}}}}}");
        assert!(convert(&text, 0).is_err(), "{keys}");
    }
}
