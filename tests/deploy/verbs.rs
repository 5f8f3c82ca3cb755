//! The verbs that an operator knows from abra: what an app's services are called, how many
//! tasks they have, its volumes, and settings taken over from what runs.

use crate::support::{
    cli::Lab,
    common::{BUSYBOX, Cleanup, endpoint, real_engine},
    operator::{SLEEP, docker, domain, folder, good},
};

use serde_json::{Value, json};

/// An app with two services and a volume.
struct World {
    lab: Lab,
    domain: String,
    stack: String,
    _cleanup: Cleanup,
}

impl World {
    async fn new(room: &str) -> Option<Self> {
        real_engine().await?;
        let (domain, stack) = domain(room);
        let (lab, cleanup) = (folder(), Cleanup::new(&stack));
        let stack = stack.to_string();
        lab.write("tiny/.env.sample", "TYPE=tiny\nTITLE=Ours\n#MOTTO=\n");
        lab.write(
            "tiny/compose.yml",
            &format!(
                "services:
  app:
    image: {BUSYBOX}
    command: {SLEEP}
    environment: [TITLE, MOTTO]
    volumes: [data:/data]
    deploy: {{endpoint_mode: dnsrr, labels: {{shown: \"${{TITLE}}\"}}}}
  worker:
    image: {BUSYBOX}
    # A second task of it ends at once.
    command: [sh, -c, 'trap exit TERM; while [ $$SLOT = 1 ]; do sleep 0.2; done; exit 3']
    environment: {{SLOT: '{{{{.Task.Slot}}}}'}}
    deploy: {{endpoint_mode: dnsrr, restart_policy: {{max_attempts: 1, delay: 0s}}}}
  everywhere:
    image: {BUSYBOX}
    command: {SLEEP}
    deploy: {{endpoint_mode: dnsrr, mode: global}}
volumes:
  data:
"
            ),
        );
        good(&lab.run(&["server", "add", "lab", &endpoint()]));
        good(&lab.run(&["app", "new", "./tiny", "-D", &domain, "-s", "lab"]));
        good(&lab.run(&["app", "deploy", &domain, "-n"]));
        Some(World { lab, domain, stack, _cleanup: cleanup })
    }

    fn json(&self, words: &[&str]) -> Value {
        let run = self.lab.run(&[&["app"], words, &[&self.domain, "-m"]].concat());
        good(&run);
        serde_json::from_str(&run.stdout).unwrap()
    }

    fn replicas(&self, service: &str) -> String {
        let format = "{{.Spec.Mode.Replicated.Replicas}}";
        let name = format!("{}_{service}", self.stack);
        docker(&["service", "inspect", "--format", format, &name]).trim().to_owned()
    }
}

#[tokio::test]
async fn services_have_another_number_of_tasks_or_the_one_they_had() {
    let Some(world) = World::new("scale").await else { return };
    let World { lab, domain, .. } = &world;
    let run = lab.run(&["app", "scale", domain, "app=2", "worker=1", "--json"]);
    good(&run);
    assert_eq!(
        serde_json::from_str::<Value>(&run.stdout).unwrap(),
        json!({"app": domain, "services": [{"service": "app", "before": 1, "replicas": 2}]})
    );
    assert_eq!(world.replicas("app"), "2");
    let drift = lab.run(&["app", "drift", domain, "--exit-code"]);
    assert_eq!(drift.code, 7, "{drift}");
    // The second task does not come up: both are as they were, and the first stays.
    let failed = lab.run(&["app", "scale", domain, "app=1", "worker=2"]);
    assert_eq!(failed.code, 4, "{failed}");
    assert!(failed.stderr.contains("the previous version is running again"), "{failed}");
    assert_eq!((world.replicas("app"), world.replicas("worker")), ("2".into(), "1".into()));
    for (wrong, said, code) in [
        ("everywhere=2", "has no number of replicas", 1),
        ("wrker=2", "the app has no service `wrker`", 1),
        ("worker=-1", "`SERVICE=NUMBER` is needed", 2),
    ] {
        let run = lab.run(&["app", "scale", domain, wrong]);
        assert_eq!(run.code, code, "{run}");
        assert!(run.stderr.contains(said), "{run}");
    }
    let history = world.json(&["history"]);
    let operations = history["operations"].as_array().unwrap();
    let ended: Vec<_> =
        operations.iter().map(|it| (it["what"].as_str(), it["outcome"].as_str())).collect();
    let expected = [("scale", "failed-and-undone"), ("scale", "done"), ("deploy", "done")];
    assert_eq!(ended, expected.map(|(what, outcome)| (Some(what), Some(outcome))));
    // The next deploy brings what the files say.
    good(&lab.run(&["app", "deploy", domain, "-n"]));
    assert_eq!(world.replicas("app"), "1");
}

#[tokio::test]
async fn an_app_shows_what_swarm_calls_its_services_and_what_labels_they_have() {
    let Some(world) = World::new("labels").await else { return };
    let World { lab, domain, stack, .. } = &world;
    let services = world.json(&["services"]);
    let names: Vec<_> = services.as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(
        json!(names),
        json!(["app", "everywhere", "worker"].map(|it| format!("{stack}_{it}")))
    );
    good(&lab.run(&["app", "env", "set", domain, "TITLE=Theirs"]));
    let labels = world.json(&["labels"]);
    let shown = labels.as_array().unwrap().iter().find(|it| it["label"] == "shown").unwrap();
    let expected =
        json!({"service": "app", "label": "shown", "here": "Theirs", "deployed": "Ours"});
    assert_eq!(*shown, expected);
    let changed = world.json(&["labels", "--changed"]);
    assert_eq!(changed, json!([expected]));
    // Without its recipe only what the server has is known.
    std::fs::remove_file(lab.path("tiny/compose.yml")).unwrap();
    let run = lab.run(&["app", "labels", domain]);
    good(&run);
    assert!(run.stdout.contains("Ours") && !run.stdout.contains("Theirs"), "{run}");
}

#[tokio::test]
async fn settings_that_were_lost_come_from_what_runs() {
    let Some(world) = World::new("pull").await else { return };
    let World { lab, domain, .. } = &world;
    good(&lab.run(&["app", "env", "set", domain, "MOTTO=a=b # no comment"]));
    good(&lab.run(&["app", "deploy", domain, "-n"]));
    let same = lab.run(&["app", "env", "pull", domain]);
    good(&same);
    assert!(same.stderr.contains("The settings are those that the app runs with."), "{same}");
    let path = format!("potluck/servers/lab/{domain}.env");
    let read = || std::fs::read_to_string(lab.path(&path)).unwrap();
    lab.write(&path, "TYPE=tiny\nTITLE=Old\n# kept\n");
    let asked = lab.run(&["app", "env", "pull", domain]);
    assert_eq!(asked.code, 6, "{asked}");
    assert!(read().contains("TITLE=Old"));
    let dry = world.json(&["env", "pull", "--dry-run"]);
    assert_eq!(
        dry["settings"],
        json!([
            {"key": "MOTTO", "here": null, "deployed": "a=b # no comment"},
            {"key": "TITLE", "here": "Old", "deployed": "Ours"},
        ])
    );
    good(&lab.run(&["app", "env", "pull", domain, "TITLE", "--yes"]));
    assert_eq!(read(), "TYPE=tiny\nTITLE=Ours\n# kept\n");
    good(&lab.run(&["app", "env", "pull", domain, "--yes"]));
    let listed = world.json(&["env", "ls"]);
    let motto = json!({"key": "MOTTO", "value": "a=b # no comment"});
    assert!(listed.as_array().unwrap().contains(&motto), "{listed}");
    good(&lab.run(&["app", "deploy", domain, "-n"]));
}

#[tokio::test]
async fn a_volume_goes_only_with_a_backup_or_a_word() {
    let Some(world) = World::new("volume").await else { return };
    let World { lab, domain, stack, .. } = &world;
    let node = docker(&["node", "ls", "--format", "{{if .Self}}{{.Hostname}}{{end}}"]);
    let name = format!("{stack}_data");
    let row = |services: &[&str]| {
        let mount =
            |service: &&str| json!({"service": service, "path": "/data", "read_only": false});
        let mounts: Vec<Value> = services.iter().map(mount).collect();
        json!([{"volume": "data", "name": name, "driver": "local", "node": node.trim(),
            "services": services, "mounts": mounts}])
    };
    assert_eq!(world.json(&["volume", "ls"]), row(&["app"]));
    let deployed = lab.run(&["app", "volume", "rm", domain, "data", "--yes", "--no-backup"]);
    assert_eq!(deployed.code, 1, "{deployed}");
    assert!(deployed.stderr.contains("still deployed"), "{deployed}");
    good(&lab.run(&["app", "undeploy", domain, "--yes"]));
    assert_eq!(world.json(&["volume", "ls"]), row(&[]));
    for (words, code) in [
        (&["data", "--yes"][..], 6),
        (&["data", "--no-backup"], 6),
        (&["date", "--yes", "--no-backup"], 1),
    ] {
        let run = lab.run(&[&["app", "volume", "rm", domain], words].concat());
        assert_eq!(run.code, code, "{run}");
    }
    good(&lab.run(&["app", "volume", "rm", domain, "data", "--yes", "--no-backup"]));
    assert_eq!(world.json(&["volume", "ls"]), json!([]));
    assert!(!docker(&["volume", "ls", "-q"]).lines().any(|it| it == name));
    // The rest of the app is there.
    good(&lab.run(&["app", "deploy", domain, "-n"]));
}
