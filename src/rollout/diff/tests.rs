use super::*;

fn spec(json: Value) -> api::ServiceSpec {
    serde_json::from_value(json).unwrap()
}

fn names() -> Names {
    Names {
        networks: BTreeMap::from([("n1id".into(), "app_default".into())]),
        configs: BTreeMap::new(),
    }
}

fn desired() -> Value {
    json!({
        "Name": "app_web",
        "Labels": {"com.docker.stack.namespace": "app", "empty": ""},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "nginx:latest", "Privileges": {}, "Env": ["A=1", "B=2"],
                "Secrets": [{"SecretName": "app_pw", "File": {"Name": "pw", "UID": "0", "GID": "0", "Mode": 292}}],
            },
            "Resources": {}, "Placement": {},
            "RestartPolicy": {"Condition": "any"},
            "Networks": [{"Target": "app_default", "Aliases": ["web"]}],
        },
        "Mode": {"Replicated": {}},
        "UpdateConfig": {"Parallelism": 1, "Order": "start-first"},
        "EndpointSpec": {"Ports": [{"TargetPort": 80, "PublishedPort": 8080}]},
    })
}

/// As swarm gives it back: ids, defaults, zero values of Go.
fn live() -> Value {
    json!({
        "Name": "app_web",
        "Labels": {"com.docker.stack.namespace": "app", "empty": ""},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "nginx:latest", "Isolation": "default",
                "Privileges": {"CredentialSpec": null, "SELinuxContext": null},
                "Env": ["A=1", "B=2"], "DNSConfig": {},
                "Secrets": [{"SecretID": "s1", "SecretName": "app_pw", "File": {"Name": "pw", "UID": "0", "GID": "0", "Mode": 292}}],
            },
            "Resources": {}, "ForceUpdate": 3, "Runtime": "container",
            "Placement": {"Constraints": null},
            "RestartPolicy": {"Condition": "any", "MaxAttempts": 0},
            "Networks": [{"Target": "n1id", "Aliases": ["web"]}],
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        "UpdateConfig": {"Parallelism": 1, "FailureAction": "pause", "MaxFailureRatio": 0, "Order": "start-first"},
        "EndpointSpec": {"Mode": "vip", "Ports": [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"}]},
    })
}

fn changes(desired: Value) -> Vec<String> {
    let before = comparable(&spec(live()), &names());
    differences(&before, &comparable(&spec(desired), &names()))
}

#[test]
fn what_swarm_adds_is_no_difference() {
    assert_eq!(changes(desired()), Vec::<String>::new());
}

#[test]
fn a_change_is_named_and_settings_stay_hidden() {
    let cases: [(&str, Value, &str); 12] = [
        (
            "/TaskTemplate/ContainerSpec/Image",
            json!("nginx:1.27"),
            "image: nginx:latest → nginx:1.27",
        ),
        ("/TaskTemplate/ContainerSpec/Env", json!(["A=geheim", "B=2"]), "variable A: changed"),
        ("/TaskTemplate/ContainerSpec/Env", json!(["A=1"]), "variable B: removed"),
        ("/Labels/empty", json!("x"), "label empty: changed"),
        ("/Mode/Replicated", json!({"Replicas": 0}), "replicas: 1 → 0"),
        ("/TaskTemplate/RestartPolicy", json!({"Delay": 0}), "restart_policy.delay: 5s → 0s"),
        ("/EndpointSpec/Ports", json!([]), "port: - 8080:80/tcp"),
        ("/UpdateConfig/Parallelism", json!(0), "update_config.parallelism: 1 → all at once"),
        (
            "/UpdateConfig",
            json!({"Parallelism": 1, "Order": "start-first", "FailureAction": "rollback"}),
            "update_config.failure_action: pause → rollback",
        ),
        (
            "/UpdateConfig",
            json!({"Parallelism": 1}),
            "update_config.order: start-first → stop-first",
        ),
        ("/TaskTemplate/Networks", json!([{"Target": "host"}]), "network: + (predefined)"),
        ("/TaskTemplate/ContainerSpec/Secrets", json!([]), "secret app_pw: removed"),
    ];
    for (pointer, value, line) in cases {
        let mut wanted = desired();
        *wanted.pointer_mut(pointer).unwrap() = value;
        let lines = changes(wanted);
        assert!(lines.contains(&line.to_owned()), "{pointer}: {lines:?}");
        assert!(!lines.join("\n").contains("geheim"));
    }
}

#[test]
fn false_is_a_choice_where_absence_is_not() {
    let mut wanted = desired();
    wanted["TaskTemplate"]["ContainerSpec"]["Init"] = json!(false);
    assert_eq!(changes(wanted), ["init: as the engine has it → false"]);
    let mut wanted = desired();
    wanted["TaskTemplate"]["ContainerSpec"]["ReadOnly"] = json!(false);
    assert_eq!(changes(wanted), Vec::<String>::new());
}

#[test]
fn modes_are_told_apart() {
    let mut wanted = desired();
    wanted["Mode"] = json!({"Global": {}});
    assert_eq!(changes(wanted), ["mode: replicated → global"]);
    let both = json!({"Name": "x", "Mode": {"Global": {}}});
    assert_eq!(comparable(&spec(both.clone()), &names()), comparable(&spec(both), &names()));
}

#[test]
fn tasks_of_another_spec_are_recognised() {
    let task = |json: Value| comparable_task(&serde_json::from_value(json).unwrap());
    let base = task(
        json!({"ContainerSpec": {"Image": "a"}, "ForceUpdate": 0, "Placement": {"Constraints": ["x"]}}),
    );
    assert_eq!(base, task(json!({"ContainerSpec": {"Image": "a", "Isolation": "default"}})));
    assert_ne!(base, task(json!({"ContainerSpec": {"Image": "b"}})));
    assert_ne!(base, task(json!({"ContainerSpec": {"Image": "a"}, "ForceUpdate": 1})));
}
