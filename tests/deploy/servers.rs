//! Servers as a whole: what is looked at, and what of them is said.

use serde_json::Value;

use crate::support::{
    cli::Lab,
    common::{BUSYBOX, endpoint, real_engine},
    nodes::{Alone, Three},
    sshd::sshd,
};

/// The findings of a check of these servers, which ends with this code.
fn checked(lab: &Lab, arguments: &[&str], code: &[i32]) -> Value {
    let arguments = [&["server", "check", "--json"], arguments].concat();
    let run = lab.run(&arguments);
    assert!(code.contains(&run.code), "{run}");
    serde_json::from_str(&run.stdout).unwrap()
}

/// Level and message of what was found by a check.
fn found<'a>(row: &'a Value, check: &str) -> Vec<(&'a str, &'a str)> {
    let all = row["findings"].as_array().unwrap().iter().filter(|it| it["check"] == check);
    all.map(|it| (it["level"].as_str().unwrap(), it["message"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_real_server_is_looked_at_as_a_whole() {
    let Some(_) = real_engine().await else { return };
    let lab = Lab::new();
    let run = lab.run(&["server", "add", "here", &endpoint()]);
    assert_eq!(run.code, 0, "{run}");
    let rows = checked(&lab, &["here"], &[0, 7]);
    let row = &rows[0];
    assert_eq!(row["error"], Value::Null);
    for (check, part) in [
        ("engine", "runs Docker"),
        ("clock", "agrees with this machine's"),
        ("swarm", "it is a manager of its swarm"),
        ("managers", "only manager"),
        ("nodes", "ready"),
        ("certificates", "authority ends on 20"),
        ("security", "system calls of containers are filtered"),
    ] {
        let all = found(row, check);
        assert!(all.iter().any(|it| it.0 == "good" && it.1.contains(part)), "{check}: {row:#}");
    }
    // On this machine it is looked up directly, whatever there is.
    let disk = found(row, "disk");
    assert!(disk.len() == 1 && disk[0].1.contains("of the engine's disk are free"), "{row:#}");
}

#[tokio::test]
async fn the_disk_of_another_machine_is_seen_from_within() {
    let Some(sshd) = sshd().await else { return };
    let lab = Lab::new();
    lab.write(
        "potluck/servers/far/server.yml",
        &format!("endpoint: {}\nbackup: {{helper-image: \"{}\"}}\n", sshd.endpoint(), BUSYBOX),
    );
    let mut command = lab.command();
    let output = command.env("PATH", sshd.path()).args(["server", "check", "far", "--json"]);
    let run = lab.tidy(&output.output().unwrap());
    assert!([0, 7].contains(&run.code), "{run}");
    let rows: Value = serde_json::from_str(&run.stdout).unwrap();
    let disk = found(&rows[0], "disk");
    assert!(disk.len() == 1 && disk[0].1.contains("of the engine's disk are free"), "{run}");

    // Nothing is fetched for it.
    lab.write(
        "potluck/servers/far/server.yml",
        &format!("endpoint: {}\nbackup: {{helper-image: \"x.invalid/none:1\"}}\n", sshd.endpoint()),
    );
    let mut command = lab.command();
    let output = command.env("PATH", sshd.path()).args(["server", "check", "far", "--json"]);
    let run = lab.tidy(&output.output().unwrap());
    let rows: Value = serde_json::from_str(&run.stdout).unwrap();
    let disk = found(&rows[0], "disk");
    assert!(disk.len() == 1 && disk[0].1.contains("not looked at"), "{run}");
}

#[tokio::test]
async fn a_manager_that_is_lost_and_a_node_that_is_down_are_named() {
    let Some(mut three) = Three::start().await else { return };
    let endpoint = three.nodes[0].endpoint();
    let lab = Lab::new();
    lab.write("potluck/servers/three/server.yml", &format!("endpoint: {endpoint}\n"));
    let worker = three.nodes[1].name.clone();
    three.nodes[0].docker(&["node", "promote", &worker]);
    let all = crate::support::common::eventually("the manager to be known", || async {
        let all = checked(&lab, &["three"], &[0, 7]);
        let managers = found(&all[0], "managers");
        let is_even = managers.iter().any(|it| it.0 == "note" && it.1.starts_with("2 managers"));
        is_even.then_some(all)
    })
    .await;
    // Of the other nodes no endpoint is known.
    let unseen = found(&all[0], "engine");
    assert!(unseen.iter().any(|it| it.1.contains(&worker)), "{all:#}");

    let gone = three.nodes[2].name.clone();
    three.nodes[2].lose();
    crate::support::common::eventually("the node to be down", || async {
        let rows = checked(&lab, &["three"], &[0, 7]);
        let nodes = found(&rows[0], "nodes");
        let told = format!("the node {gone} is down");
        nodes.iter().any(|it| it.0 == "bad" && it.1.starts_with(&told)).then_some(())
    })
    .await;
}

/// Kind and name of what a run of `server prune` tells of, with its outcome.
fn pruned(run: &crate::support::cli::Run) -> Vec<(String, String, String)> {
    let rows: Value = serde_json::from_str(&run.stdout).unwrap();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let row = |row: &Value| (text(row, "kind"), text(row, "name"), text(row, "outcome"));
    rows.as_array().unwrap().iter().map(row).collect()
}

#[tokio::test]
async fn what_apps_and_their_releases_need_is_never_pruned() {
    let Some(alone) = Alone::start().await else { return };
    let node = &alone.manager;
    let lab = Lab::new();
    lab.write("potluck/servers/alone/server.yml", &format!("endpoint: {}\n", node.endpoint()));
    node.docker(&["run", "--name", "ended", BUSYBOX, "true"]);
    let images =
        ["apps.invalid/old:1", "apps.invalid/new:2", "apps.invalid/later:3", "extra.invalid/x:1"];
    for name in images {
        node.docker(&["commit", "--change", &format!("LABEL of={name}"), "ended", name]);
    }
    let recipe = |image: &str| {
        lab.write(
            "tiny/compose.yml",
            &format!(
                "services:\n  app:\n    image: {image}\n    command: sh -c 'trap exit TERM; \
                 while :; do sleep 1; done'\n    volumes: [\"data:/data\"]\nvolumes: {{data: {{}}}}\n"
            ),
        );
    };
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=\n");
    recipe("apps.invalid/old:1");
    let done = |arguments: &[&str]| {
        let run = lab.run(arguments);
        assert_eq!(run.code, 0, "{run}");
        run
    };
    for app in ["a.example", "later.example"] {
        done(&["app", "new", "./tiny", "--domain", app, "--server", "alone"]);
    }
    done(&["app", "deploy", "a.example", "--yes"]);
    recipe("apps.invalid/new:2");
    done(&["app", "deploy", "a.example", "--yes"]);
    // Of an app that is not deployed, the recipe alone knows the image.
    recipe("apps.invalid/later:3");
    node.docker(&["volume", "create", "later_example_data"]);
    node.docker(&["volume", "create", "nobodys"]);
    node.docker(&["network", "create", "free"]);
    node.docker(&["network", "create", "-d", "overlay", "proxy"]);

    let run = done(&["server", "prune", "alone", "-a", "--volumes", "--dry-run", "--json"]);
    let planned = pruned(&run);
    let mut names: Vec<(&str, &str)> = planned.iter().map(|it| (&*it.0, &*it.1)).collect();
    names.sort_unstable();
    let expected = [
        ("container", "ended"),
        ("image", "extra.invalid/x:1"),
        ("image", BUSYBOX),
        ("network", "free"),
        ("volume", "nobodys"),
    ];
    assert_eq!(names, expected, "{run}");

    let run = lab.run(&["server", "prune", "alone", "-a", "--volumes", "-n"]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("volume nobodys") && run.stderr.contains("--yes"), "{run}");
    let run = done(&["server", "prune", "-a", "--volumes", "--yes", "--json"]);
    assert!(pruned(&run).iter().all(|it| it.2 == "removed"), "{run}");
    let volumes = node.docker(&["volume", "ls", "-q"]);
    let volumes: Vec<&str> = volumes.lines().collect();
    assert_eq!(volumes, ["a_example_data", "later_example_data"]);
    assert!(!node.docker(&["ps", "-a", "--format", "{{.Names}}"]).contains("ended"));
    assert!(node.docker(&["network", "ls", "--format", "{{.Name}}"]).contains("proxy"));
    let run = done(&["server", "prune", "alone", "-a", "--volumes", "--yes"]);
    assert!(run.stderr.contains("There is nothing to remove from alone."), "{run}");
    // What came before can come back.
    done(&["app", "rollback", "a.example", "--yes"]);
    // With a broken recipe nobody knows what its app needs.
    lab.write("tiny/compose.yml", "services: [\n");
    let run = lab.run(&["server", "prune", "alone", "-a", "--dry-run"]);
    assert_eq!(run.code, 1, "{run}");
    done(&["server", "prune", "alone", "--dry-run"]);
}

#[tokio::test]
async fn a_machine_that_is_a_server_needs_nothing_more_to_become_one() {
    let Some(sshd) = sshd().await else { return };
    let lab = Lab::new();
    let mut command = lab.command();
    let arguments =
        ["server", "provision", &sshd.endpoint(), "--name", "far", "--dry-run", "--json"];
    let output = command.env("PATH", sshd.path()).args(arguments).output().unwrap();
    let run = lab.tidy(&output);
    assert_eq!(run.code, 0, "{run}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["address"], "127.0.0.1", "{run}");
    for step in report["steps"].as_array().unwrap() {
        if ["engine", "start", "swarm"].contains(&step["step"].as_str().unwrap()) {
            assert_eq!(step["standing"], "done", "{run}");
        }
    }
}
