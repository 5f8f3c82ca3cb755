//! Servers as a whole: what is looked at, and what of them is said.

use serde_json::Value;

use crate::support::{
    cli::Lab,
    common::{endpoint, real_engine},
    nodes::Three,
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
        &format!(
            "endpoint: {}\nbackup: {{helper-image: \"{}\"}}\n",
            sshd.endpoint(),
            crate::support::common::BUSYBOX
        ),
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
    let all = checked(&lab, &["three"], &[0, 7]);
    let managers = found(&all[0], "managers");
    assert!(managers.iter().any(|it| it.0 == "note" && it.1.starts_with("2 managers")), "{all:#}");
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
