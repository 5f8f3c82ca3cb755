use std::collections::BTreeMap;

use super::*;
use crate::compose::StackVolume;

fn stack(services: Vec<api::ServiceSpec>) -> Stack {
    Stack {
        name: "w".parse().unwrap(),
        networks: BTreeMap::new(),
        external_networks: Vec::new(),
        secrets: BTreeMap::new(),
        external_secrets: Vec::new(),
        configs: BTreeMap::new(),
        external_configs: Vec::new(),
        volumes: Vec::new(),
        services: services
            .into_iter()
            .map(|spec| StackService { key: "app".into(), spec, depends_on: Vec::new() })
            .collect(),
    }
}

fn service(json: serde_json::Value) -> api::ServiceSpec {
    serde_json::from_value(json).unwrap()
}

fn sealed(stack: Stack) -> (serde_json::Value, BTreeSet<String>, Stack) {
    let Sealed { stack, left_out } = seal(stack).unwrap();
    (serde_json::json!(stack.services[0].spec), left_out, stack)
}

fn said(left_out: &BTreeSet<String>) -> Vec<&str> {
    left_out.iter().map(String::as_str).collect()
}

fn mount(typ: &str, source: &str) -> serde_json::Value {
    serde_json::json!({"Type": typ, "Source": source, "Target": "/x"})
}

fn with_mount(mount: serde_json::Value) -> Stack {
    let spec = serde_json::json!({"TaskTemplate": {"ContainerSpec": {"Mounts": [mount]}}});
    let mut stack = stack(vec![service(spec)]);
    let volume = |key: &str, name: &str, external| StackVolume {
        key: key.into(),
        name: name.into(),
        external,
        services: vec!["app".into()],
        driver: Some("local".into()),
        driver_opts: BTreeMap::from([("o".into(), "bind".into()), ("device".into(), "/".into())]),
        labels: BTreeMap::new(),
    };
    stack.volumes = vec![
        volume("data", "w_data", false),
        volume("shared", "shared", true),
        volume("sneaky", "other_app_data", false),
    ];
    stack
}

#[test]
fn a_service_keeps_what_it_needs_on_its_own_and_nothing_else() {
    let everything = service(serde_json::json!({
        "Name": "w_app",
        "Labels": {
            "traefik.enable": "true", "caddy": "w.example", "swarm.cronjob.enable": "true",
            "ofelia.enabled": "true", "coop-cloud.w.auto-update": "true",
            "coop-cloud.w.timeout": "60", "backupbot.backup": "true",
            "com.docker.stack.namespace": "w",
        },
        "Mode": {"Replicated": {"Replicas": 3}},
        "EndpointSpec": {"Mode": "vip", "Ports": [{"TargetPort": 80, "PublishedPort": 80}]},
        "Networks": [{"Target": "proxy"}],
        "TaskTemplate": {
            "LogDriver": {"Name": "gelf", "Options": {"gelf-address": "udp://192.0.2.1:1"}},
            "Networks": [
                {"Target": "host"}, {"Target": "proxy", "Aliases": ["www"]}, {"Target": "w_default"},
            ],
            "Resources": {
                "Limits": {"MemoryBytes": 5},
                "Reservations": {"GenericResources": [{"NamedResourceSpec": {"Kind": "GPU", "Value": "1"}}]},
            },
            "Placement": {"Constraints": ["node.role == manager"]},
            "ContainerSpec": {
                "Image": "a:1", "Env": ["A=b"], "Hosts": ["192.0.2.1 live"], "Hostname": "h",
                "Labels": {"traefik.enable": "true"},
                "DNSConfig": {"Nameservers": ["192.0.2.1"], "Search": ["example.org"]},
                "CapabilityAdd": ["NET_ADMIN"], "CapabilityDrop": ["CHOWN"],
                "Sysctls": {"net.ipv4.ip_forward": "1"},
                "Privileges": {"SELinuxContext": {"Disable": true}},
                "Secrets": [
                    {"SecretName": "w_token", "SecretID": ""}, {"SecretName": "other", "SecretID": ""},
                ],
                "Configs": [
                    {"ConfigName": "w_page", "ConfigID": ""}, {"ConfigName": "others", "ConfigID": ""},
                ],
            },
        },
    }));
    let mut stack = stack(vec![everything]);
    stack.external_networks = vec!["proxy".into(), "host".into()];
    stack.external_secrets = vec!["w_token".into(), "other".into()];
    stack.external_configs = vec!["w_page".into(), "others".into()];
    let (spec, left_out, sealed) = sealed(stack);
    let expected = service(serde_json::json!({
        "Name": "w_app",
        "Labels": {
            "coop-cloud.w.timeout": "60", "backupbot.backup": "true",
            "com.docker.stack.namespace": "w",
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": "dnsrr"},
        "TaskTemplate": {
            "Networks": [{"Target": "w_drill", "Aliases": ["app", "www"]}],
            "Resources": {"Limits": {"MemoryBytes": 5, "NanoCPUs": CPUS, "Pids": PIDS}},
            "Placement": {"Constraints": ["node.role == manager"]},
            "ContainerSpec": {
                "Image": "a:1", "Env": ["A=b"], "Hostname": "h", "Labels": {}, "Mounts": [],
                "DNSConfig": {"Nameservers": ["127.0.0.1"]},
                "CapabilityDrop": ["CHOWN"],
                "Secrets": [{"SecretName": "w_token", "SecretID": ""}],
                "Configs": [{"ConfigName": "w_page", "ConfigID": ""}],
            },
        },
    }));
    assert_eq!(spec, serde_json::json!(expected));
    assert_eq!(
        said(&left_out),
        [
            "app: added capabilities",
            "app: extra hosts",
            "app: labels for other programs",
            "app: privileges",
            "app: published ports",
            "app: sysctls",
            "app: tasks beyond the first",
            "app: the log driver",
            "config others of others",
            "network host",
            "network proxy",
            "secret other of others",
        ]
    );
    assert_eq!(sealed.external_networks, [""; 0]);
    assert_eq!(sealed.external_secrets, ["w_token"]);
    let [(name, network)] = sealed.networks.iter().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((name.as_str(), network.internal), ("w_drill", Some(true)));
    assert_eq!((network.driver.as_deref(), &network.ipam), (Some("overlay"), &None));
}

#[test]
fn at_most_one_task_runs_and_what_rests_rests() {
    for (mode, expected) in [
        (
            serde_json::json!({"Replicated": {"Replicas": 0}}),
            serde_json::json!({"Replicated": {"Replicas": 0}}),
        ),
        (serde_json::json!({"Replicated": {}}), serde_json::json!({"Replicated": {"Replicas": 1}})),
        (serde_json::json!({"Global": {}}), serde_json::json!({"Replicated": {"Replicas": 1}})),
        (
            serde_json::json!({"GlobalJob": {}}),
            serde_json::json!({"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}),
        ),
    ] {
        let spec = service(serde_json::json!({"Mode": mode, "TaskTemplate": {}}));
        assert_eq!(sealed(stack(vec![spec])).0["Mode"], expected, "{mode}");
    }
}

#[test]
fn a_mount_is_its_own_volume_or_an_empty_one() {
    let empty = "w_drill-empty-0";
    for (mounted, source, volumes, words) in [
        (mount("volume", "w_data"), Some("w_data"), 1, None),
        (
            mount("volume", "shared"),
            Some(empty),
            2,
            Some("app: the volume shared of others (empty instead)"),
        ),
        (
            mount("volume", "other_app_data"),
            Some(empty),
            2,
            Some("app: the volume other_app_data of others (empty instead)"),
        ),
        (
            mount("bind", "/srv/media"),
            Some(empty),
            2,
            Some("app: the host's /srv/media (empty instead)"),
        ),
        (mount("bind", "/etc/localtime"), None, 1, Some("app: the host's /etc/localtime")),
    ] {
        let (spec, left_out, stack) = sealed(with_mount(mounted.clone()));
        let mounts = &spec["TaskTemplate"]["ContainerSpec"]["Mounts"];
        assert_eq!(mounts[0]["Source"].as_str(), source, "{mounted}");
        assert_ne!(mounts[0]["Type"], "bind", "{mounted}");
        assert_eq!(said(&left_out), Vec::from_iter(words), "{mounted}");
        assert_eq!(stack.volumes.len(), volumes, "{mounted}");
        for volume in stack.volumes {
            assert!(volume.name.starts_with("w_") && !volume.external, "{volume:?}");
            assert!(volume.driver.is_none() && volume.driver_opts.is_empty(), "{volume:?}");
        }
    }
    // A driver that the mount names itself.
    let mut bind = mount("volume", "w_data");
    bind["VolumeOptions"] = serde_json::json!({
        "NoCopy": true,
        "Labels": {"x": "y"},
        "DriverConfig": {"Name": "local", "Options": {"type": "none", "o": "bind", "device": "/"}},
    });
    let (spec, left_out, _) = sealed(with_mount(bind));
    let options = &spec["TaskTemplate"]["ContainerSpec"]["Mounts"][0]["VolumeOptions"];
    assert_eq!(options, &serde_json::json!({"NoCopy": true}));
    assert_eq!(said(&left_out), ["app: the driver of the volume w_data"]);
}

#[test]
fn the_host_itself_is_refused() {
    for source in [
        "/",
        "/.",
        "//",
        "/srv/..",
        "/var/run/docker.sock",
        "/srv/x/docker.sock",
        "/run/user/0/podman",
        "/srv/../etc/shadow",
        "/var/lib/docker/volumes/live_data/_data",
        "/proc",
        "/dev/kvm",
        "/root",
    ] {
        let refused = seal(with_mount(mount("bind", source))).unwrap_err();
        assert!(refused[0].starts_with("`app` mounts /"), "{source}: {refused:?}");
    }
    for kind in ["npipe", "cluster", "image"] {
        assert!(seal(with_mount(mount(kind, "x"))).is_err(), "{kind} was accepted");
    }
    let plugin = service(serde_json::json!({"TaskTemplate": {"PluginSpec": {"Name": "p"}}}));
    assert!(seal(stack(vec![plugin])).is_err());
}

#[test]
fn what_has_a_name_of_its_own_is_the_live_apps() {
    let mut stack = stack(vec![service(serde_json::json!({"TaskTemplate": {}}))]);
    stack.configs.insert("page".into(), api::ConfigSpec::default());
    assert_eq!(seal(stack).unwrap_err(), ["`page` has a name that the live app has, too"]);
}
