//! Several apps on several servers: what is common to them is done once, and a server that
//! does not answer hides nothing of the others.

use serde_json::{Value, json};

use crate::support::cli::Lab;

const SERVERS: [&str; 3] = ["one", "two", "three"];

/// Two apps of one recipe, whose second release is not fetched yet, on each server.
fn fleet() -> Lab {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", "services: {app: {image: example/app:1}}\n");
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=\n");
    lab.release("1.0.0+1");
    for server in SERVERS {
        done(&lab, &["server", "add", server, "simulated"]);
        for app in apps(server) {
            done(&lab, &["app", "new", "./tiny", "--domain", &app, "--server", server]);
            done(&lab, &["app", "deploy", &app, "--yes"]);
        }
    }
    lab.write("tiny/compose.yml", "services: {app: {image: example/app:2}}\n");
    lab.release("2.0.0+2");
    lab
}

fn apps(server: &str) -> [String; 2] {
    ["a", "b"].map(|app| format!("{app}.{server}.example"))
}

fn done(lab: &Lab, arguments: &[&str]) {
    let run = lab.run(arguments);
    assert_eq!(run.code, 0, "{run}");
}

/// A field of each app's row.
fn field(rows: &str, name: &str) -> Vec<(String, Value)> {
    let rows: Value = serde_json::from_str(rows).unwrap();
    let of = |row: &Value| (row["app"].as_str().unwrap().to_owned(), row[name].clone());
    rows.as_array().unwrap().iter().map(of).collect()
}

#[test]
fn a_recipe_is_fetched_once_for_all_of_its_apps() {
    let lab = fleet();
    let run = lab.run(&["app", "upgrade", "--all", "--dry-run", "--json"]);
    assert_eq!(run.code, 0, "{run}");
    for (app, after) in field(&run.stdout, "after") {
        assert_eq!(after, "2.0.0+2", "{app}: {run}");
    }
    for (app, outcome) in field(&run.stdout, "outcome") {
        assert_eq!(outcome, "planned", "{app}: {run}");
    }

    std::fs::rename(lab.path("tiny"), lab.path("moved")).unwrap();
    let run = lab.run(&["app", "upgrade", "--all", "--dry-run", "--json"]);
    assert_eq!(run.code, 0, "{run}");
    let told = "continuing with the copy of `tiny` that is here";
    assert_eq!(run.stderr.matches(told).count(), 1, "{run}");
    assert_eq!(field(&run.stdout, "after").len(), 6);
}

#[test]
fn a_server_that_does_not_answer_hides_nothing_of_the_others() {
    let lab = fleet();
    lab.write("potluck/state/simulated/two/script.yml", "unreachable: true\n");
    let run = lab.run(&["app", "ls", "--status", "--json"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("warning: "), "{run}");
    for (app, status) in field(&run.stdout, "status") {
        let expected = if app.contains(".two.") { "unknown" } else { "deployed" };
        assert_eq!(status, expected, "{app}: {run}");
    }

    let run = lab.run(&["app", "drift", "--all", "--json"]);
    assert_eq!(run.code, 3, "{run}");
    assert!(run.stderr.contains("2 of 6 apps could not be looked at"), "{run}");
    let errors = field(&run.stdout, "error");
    let order: Vec<&str> = errors.iter().map(|(app, _)| app.as_str()).collect();
    let expected = ["one", "three", "two"].map(apps).concat();
    assert_eq!(order, expected, "by server, then by name");
    for (app, error) in errors {
        assert_eq!(error.is_null(), !app.contains(".two."), "{app}: {run}");
    }
    for (app, changes) in field(&run.stdout, "changes") {
        assert_eq!(changes, json!([]), "{app}");
    }
}

#[test]
fn each_server_is_checked_and_one_that_does_not_answer_is_named() {
    let lab = fleet();
    let run = lab.run(&["server", "check", "--all", "--json"]);
    // A simulated server lacks the network of a proxy, which is no fault.
    assert_eq!(run.code, 0, "{run}");
    let rows: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(rows[0]["findings"][0]["check"], "network", "{rows:#}");

    lab.write("potluck/state/simulated/two/script.yml", "unreachable: true\n");
    let run = lab.run(&["server", "check", "--all", "--json"]);
    assert_eq!(run.code, 3, "{run}");
    assert!(run.stderr.contains("1 of 3 servers could not be looked at"), "{run}");
    let rows: Value = serde_json::from_str(&run.stdout).unwrap();
    let error = |server: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["server"] == server).unwrap();
        row["error"].as_str().map(str::to_owned)
    };
    assert!(error("two").unwrap().starts_with("cannot reach the Docker engine"), "{rows:#}");
    assert_eq!((error("one"), error("three")), (None, None));

    let run = lab.run(&["server", "check", "two"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("warning: two: cannot reach the Docker engine"), "{run}");
    let run = lab.run(&["server", "check", "four"]);
    assert_eq!(run.code, 1, "{run}");
    let run = lab.run(&["server", "check"]);
    assert_eq!(run.code, 2, "{run}");
    let run = lab.run(&["server", "check", "one", "--good"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("ok[engine]: simulated answers"), "{run}");
}
