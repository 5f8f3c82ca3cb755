//! Which version runs, which is pinned, and going back.

use crate::support::cli;

use cli::{Lab, Run};

const COMPOSE: &str = r#"
services:
  app:
    image: potluck-test/busybox:1
    command: ["sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]
    environment: {TITLE: "${TITLE}", RELEASE: "RELEASE"}
    deploy: {endpoint_mode: dnsrr}
"#;

/// A recipe in git with two releases, an app of the first one, deployed.
fn lab() -> Lab {
    let lab = Lab::new();
    for release in ["1.0.0+1.36", "2.0.0+1.37"] {
        lab.write("tiny/compose.yml", &COMPOSE.replace("RELEASE", release));
        lab.write("tiny/.env.sample", "# the recipe\nTYPE=tiny # of a wiki\nDOMAIN=\nTITLE=x\n");
        lab.write(&format!("tiny/release/{release}"), &format!("Notes of {release}.\n"));
        lab.release(release);
    }
    good(&lab.run(&[
        "app",
        "new",
        "./tiny",
        "--version",
        "1.0.0+1.36",
        "--domain",
        "d.example",
        "--server=simulated",
    ]));
    good(&lab.run(&["app", "deploy", "d.example", "-n"]));
    lab
}

fn good(run: &Run) {
    assert_eq!(run.code, 0, "{run}");
}

fn app(lab: &Lab) -> serde_json::Value {
    lab.json(&["app", "ls", "--json"])[0].clone()
}

fn settings(lab: &Lab) -> String {
    std::fs::read_to_string(lab.path("potluck/servers/simulated/d.example.env")).unwrap()
}

#[test]
fn the_version_that_was_deployed_is_the_one_that_is_pinned() {
    let lab = lab();
    assert_eq!(app(&lab)["version"], "1.0.0+1.36");
    assert_eq!(app(&lab)["deployed"], "1.0.0+1.36");
    assert_eq!(app(&lab)["newest"], "2.0.0+1.37");

    let shown = lab.run(&["app", "deploy", "d.example", "2.0.0+1.37", "--dry-run"]);
    assert!(shown.stderr.contains("version: 1.0.0+1.36 → 2.0.0+1.37"), "{shown}");
    assert!(shown.stderr.contains("note of 2.0.0+1.37: Notes of 2.0.0+1.37."), "{shown}");
    assert!(settings(&lab).contains("TYPE=tiny:1.0.0+1.36"), "a dry run wrote");

    good(&lab.run(&["app", "deploy", "d.example", "2.0.0+1.37", "-n"]));
    let text = settings(&lab);
    assert!(text.contains("# the recipe\nTYPE=tiny:2.0.0+1.37 # of a wiki\n"), "{text}");
    assert_eq!(app(&lab)["deployed"], "2.0.0+1.37");

    // The next plain deploy stays there.
    good(&lab.run(&["app", "config", "d.example", "--set", "TITLE=y"]));
    let run = lab.run(&["app", "deploy", "d.example", "-n"]);
    good(&run);
    assert!(!run.stderr.contains("version:"), "{run}");
    assert_eq!(app(&lab)["version"], "2.0.0+1.37");
}

#[test]
fn going_back_is_asked_for() {
    let lab = lab();
    good(&lab.run(&["app", "deploy", "d.example", "2.0.0+1.37", "-n"]));
    let run = lab.run(&["app", "deploy", "d.example", "1.0.0+1.36", "-n"]);
    assert_eq!(run.code, 6, "{run}");
    for words in
        ["2.0.0+1.37 of d.example was deployed last, and 1.0.0+1.36 is older", "--downgrade"]
    {
        assert!(run.stderr.contains(words), "{words}: {run}");
    }
    assert_eq!(app(&lab)["deployed"], "2.0.0+1.37");
    // Also where the settings were put back by hand.
    good(&lab.run(&["app", "config", "d.example", "--set", "TYPE=tiny:1.0.0+1.36"]));
    assert_eq!(lab.run(&["app", "deploy", "d.example", "-n"]).code, 6);
    let run = lab.run(&["app", "deploy", "d.example", "-n", "--downgrade"]);
    good(&run);
    assert!(run.stderr.contains("1.0.0+1.36 is older than 2.0.0+1.37"), "{run}");
    assert_eq!(app(&lab)["deployed"], "1.0.0+1.36");
}

/// What the lock file says of the app.
fn lock(lab: &Lab) -> String {
    std::fs::read_to_string(lab.path("potluck/servers/simulated/d.example.lock.yml")).unwrap()
}

#[test]
fn an_upgrade_that_was_cut_off_is_not_gone_back_from_by_itself() {
    let lab = lab();
    assert!(!lock(&lab).contains("begun"), "{}", lock(&lab));
    // As a process leaves it that was killed after the swarm had the new version.
    let cut_off = format!("{}begun:\n  version: 2.0.0+1.37\n", lock(&lab));
    lab.write("potluck/servers/simulated/d.example.lock.yml", &cut_off);
    let run = lab.run(&["app", "deploy", "d.example", "-n"]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("2.0.0+1.37 of d.example was deployed last"), "{run}");

    // Going on with it is no question, and ends it.
    let shown = lab.run(&["app", "deploy", "d.example", "2.0.0+1.37", "--dry-run"]);
    assert!(shown.stderr.contains("version: 1.0.0+1.36 → 2.0.0+1.37"), "{shown}");
    good(&lab.run(&["app", "deploy", "d.example", "2.0.0+1.37", "-n"]));
    assert!(!lock(&lab).contains("begun"), "{}", lock(&lab));
    assert_eq!(app(&lab)["deployed"], "2.0.0+1.37");
}

#[test]
fn what_nobody_waited_for_is_what_runs_and_what_was_taken_off_is_not() {
    let lab = lab();
    good(&lab.run(&["app", "deploy", "d.example", "2.0.0+1.37", "-n", "--detach"]));
    assert_eq!(app(&lab)["deployed"], "2.0.0+1.37");
    good(&lab.run(&["app", "undeploy", "d.example", "--yes"]));
    let row = lab.json(&["app", "ls", "--status", "--json"])[0].clone();
    assert_eq!(row["status"], "not deployed", "{row}");
    assert_eq!(row["deployed"], serde_json::Value::Null, "{row}");
    // Its data is there still.
    let run = lab.run(&["app", "deploy", "d.example", "1.0.0+1.36", "-n"]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("was deployed last"), "{run}");
    assert!(!run.stderr.contains(" runs "), "{run}");
}

#[test]
fn settings_without_a_version_follow_the_newest() {
    let lab = lab();
    good(&lab.run(&["app", "config", "d.example", "--set", "TYPE=tiny"]));
    good(&lab.run(&["app", "deploy", "d.example", "-n"]));
    assert_eq!(app(&lab)["deployed"], "2.0.0+1.37");
    assert!(settings(&lab).contains("TYPE=tiny #"), "{}", settings(&lab));
    assert_eq!(app(&lab)["version"], serde_json::Value::Null);
}
