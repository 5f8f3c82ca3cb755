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

/// What is wrong, as `potluck status --json` has it.
fn wrong(lab: &Lab) -> (i32, Value) {
    let run = lab.run(&["status", "--json"]);
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}")))
}

fn codes(rows: &Value, name: &str) -> Vec<(String, Vec<String>)> {
    let of = |row: &Value| {
        let findings = row["findings"].as_array().unwrap().iter();
        let codes = findings.map(|finding| finding["code"].as_str().unwrap().to_owned());
        (row[name].as_str().unwrap().to_owned(), codes.collect())
    };
    rows.as_array().unwrap().iter().map(of).collect()
}

#[test]
fn one_screen_says_how_all_servers_and_apps_are() {
    let lab = fleet();
    let (code, all) = wrong(&lab);
    assert_eq!((code, &all["ok"]), (0, &json!(true)), "a backup is not due yet: {all}");
    assert_eq!(all["servers"].as_array().unwrap().len(), 3);
    for row in all["apps"].as_array().unwrap() {
        assert_eq!((&row["status"], &row["severity"]), (&json!("deployed"), &json!("warning")));
        assert_eq!(row["findings"][0]["code"], "backup-never", "{row}");
        // Its second release is not fetched yet.
        assert_eq!((&row["deployed"], &row["behind"]), (&json!("1.0.0+1"), &json!(false)));
    }
    done(&lab, &["recipe", "fetch", "tiny"]);
    lab.write("potluck/state/simulated/two/script.yml", "unreachable: true\n");
    lab.write("potluck/backup.yml", "except: ['*']\n");
    let (code, all) = wrong(&lab);
    assert_eq!((code, &all["ok"]), (1, &json!(false)), "{all}");
    let [first, second, third] = ["one", "three", "two"].map(str::to_owned);
    let expected = [(first, vec![]), (second, vec![]), (third, vec!["unreachable".to_owned()])];
    assert_eq!(codes(&all["servers"], "server"), expected);
    assert!(codes(&all["apps"], "app").iter().all(|(_, codes)| codes.is_empty()), "{all}");
    assert_eq!(
        (&all["apps"][0]["newest"], &all["apps"][0]["behind"]),
        (&json!("2.0.0+2"), &json!(true))
    );

    let shown = lab.run(&["status", "--bad"]);
    assert_eq!(shown.code, 1, "{shown}");
    assert!(!shown.stdout.contains("a.one.example"), "{shown}");
    assert!(shown.stdout.contains("wrong: two: "), "{shown}");
    assert!(shown.stderr.contains("1 of 3 servers and 0 of 6 apps"), "{shown}");
    let one = lab.run(&["status", "a.one.example"]);
    assert_eq!(one.code, 0, "{one}");
    assert!(one.stdout.contains("a.one.example") && !one.stdout.contains("b.one"), "{one}");
    let none = lab.run(&["status", "c.one.example"]);
    assert!(none.code == 1 && none.stderr.contains("no app"), "{none}");
}

#[test]
fn people_are_told_of_what_is_news_and_of_nothing_twice() {
    let lab = fleet();
    lab.write("potluck/backup.yml", "except: ['*']\n");
    let nobody = lab.run(&["status", "--notify"]);
    assert!(nobody.code == 0 && nobody.stderr.contains("notify.yml"), "{nobody}");
    let told = lab.path("told");
    let command = format!("command: [/bin/sh, -c, \"cat > '{}'\"]\n", told.display());
    lab.write("potluck/notify.yml", &command);
    let reported = || {
        let text = std::fs::read_to_string(&told).unwrap_or_default();
        let _ = std::fs::remove_file(&told);
        text
    };
    done(&lab, &["status", "--notify"]);
    assert_eq!(reported(), "", "all is well");
    let script = |server: &str, text: &str| {
        lab.write(&format!("potluck/state/simulated/{server}/script.yml"), text);
    };
    script("two", "unreachable: true\n");
    assert_eq!(lab.run(&["status", "--notify"]).code, 1);
    let first = reported();
    assert!(first.contains("two: ") && !first.contains("known before"), "{first}");
    assert_eq!(lab.run(&["status", "--notify"]).code, 1);
    assert_eq!(reported(), "", "they know");
    script("one", "unreachable: true\n");
    assert_eq!(lab.run(&["status", "--notify"]).code, 1);
    let second = reported();
    let (new, known) = second.split_once("known before").unwrap();
    assert!(new.contains("one: ") && known.contains("two: "), "{second}");
    script("one", "");
    script("two", "");
    done(&lab, &["status", "--notify"]);
    assert!(reported().contains("as they should be"));
    // What could not be told is told the next time.
    script("one", "unreachable: true\n");
    lab.write("potluck/notify.yml", "command: [/no/such]\n");
    let failed = lab.run(&["status", "--notify"]);
    assert!(failed.code == 1 && failed.stderr.contains("/no/such"), "{failed}");
    lab.write("potluck/notify.yml", &command);
    assert_eq!(lab.run(&["status", "--notify"]).code, 1);
    assert!(reported().contains("one: "));
}

#[test]
fn what_was_done_everywhere_is_read_in_one_list() {
    let lab = fleet();
    let read = |arguments: &[&str]| -> (i32, Value) {
        let run = lab.run(&[&["log", "--json"], arguments].concat());
        (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}")))
    };
    let (code, all) = read(&[]);
    let names: Vec<&str> = all["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["app"].as_str().unwrap())
        .collect();
    assert_eq!((code, names), (0, SERVERS.map(apps).concat().iter().map(String::as_str).collect()));
    assert_eq!((&all["operations"][0]["what"], &all["unread"]), (&json!("deploy"), &json!([])));
    let (_, last) = read(&["--last", "1"]);
    assert_eq!(last["operations"][0]["app"], "b.three.example");
    let (_, failed) = read(&["--failed"]);
    assert_eq!(failed["operations"], json!([]));
    let (_, none) = read(&["--since", "0s"]);
    assert_eq!(none["operations"], json!([]));

    lab.write("potluck/state/simulated/two/script.yml", "unreachable: true\n");
    let (code, some) = read(&["*.example"]);
    assert_eq!((code, some["operations"].as_array().unwrap().len()), (3, 4));
    assert_eq!(
        (&some["unread"][0]["server"], &some["unread"][0]["app"]),
        (&json!("two"), &json!(null))
    );
    let shown = lab.run(&["log", "a.one.example"]);
    assert!(shown.code == 0 && shown.stdout.contains("1.0.0+1"), "{shown}");
}

#[test]
fn what_is_gone_and_whoever_took_it_is_in_the_log() {
    let lab = Lab::with_tiny_app();
    let app = "t.example";
    done(&lab, &["app", "secret", "generate", app]);
    assert_eq!(lab.run_with(&["app", "secret", "insert", app, "mail_password"], b"x\n").code, 0);
    done(&lab, &["app", "secret", "rm", app, "token", "--yes"]);
    let all = |arguments: &[&str]| {
        let log = lab.json(&[&["log", "--json"], arguments].concat());
        log["operations"].as_array().unwrap().clone()
    };
    let of_secrets: Vec<_> =
        all(&[]).iter().map(|it| json!([it["what"], it["before"], it["after"]])).collect();
    assert_eq!(
        of_secrets,
        [
            json!(["secrets", null, "t_example_token_v1"]),
            json!(["secrets", null, "t_example_mail_password_v1"]),
            json!(["secrets", "t_example_token_v1", null]),
        ]
    );
    done(&lab, &["app", "rm", app, "--yes"]);
    for names in [&[][..], &[app], &["t.*"]] {
        let left = all(names);
        assert_eq!(left.len(), 1, "{left:?}");
        let it = &left[0];
        assert_eq!(
            (&it["app"], &it["server"], &it["what"], &it["outcome"]),
            (&json!(app), &json!("simulated"), &json!("remove"), &json!("done"))
        );
        assert!(!it["user"].as_str().unwrap().is_empty(), "{it}");
    }
    let shown = lab.run(&["log"]);
    assert!(shown.code == 0 && shown.stdout.contains("removal"), "{shown}");
    let none = lab.run(&["log", "other.example"]);
    assert!(none.code == 1 && none.stderr.contains("none that was removed"), "{none}");
}

#[test]
fn apps_are_upgraded_by_themselves_as_far_as_their_policy_lets_them() {
    let lab = Lab::new();
    let version = |number: &str| {
        let tag = number.replace('+', "-");
        let image = format!("services: {{app: {{image: 'example/app:{tag}'}}}}\n");
        lab.write("tiny/compose.yml", &image);
        lab.write(&format!("tiny/release/{number}"), &format!("Notes of {number}.\n"));
        lab.release(number);
    };
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=\n");
    version("1.0.0+1");
    done(&lab, &["server", "add", "one", "simulated"]);
    for app in ["none", "patch", "minor", "never"] {
        let domain = format!("{app}.one.example");
        done(&lab, &["app", "new", "./tiny", "--domain", &domain, "--server", "one"]);
        if app != "never" {
            done(&lab, &["app", "deploy", &domain, "--yes"]);
        }
    }
    for number in ["1.0.1+1", "1.1.0+2", "2.0.0-rc1+3", "2.0.0+3"] {
        version(number);
    }
    let without = lab.run(&["upgrade", "run"]);
    assert!(without.code == 1 && without.stderr.contains("upgrades.yml"), "{without}");
    let told = lab.path("told");
    let command = format!("command: [/bin/sh, -c, \"cat > '{}'\"]\n", told.display());
    lab.write("potluck/notify.yml", &command);
    let upgrades = "apps:\n  patch.one.example: patch\n  minor.one.example: minor\n  \
                    never.one.example: minor\n";
    // In a window that is closed now, whenever that is, nothing is done.
    let hour = |add: i64| {
        let at = jiff::Zoned::now() + jiff::SignedDuration::from_hours(add);
        at.strftime("%H:00").to_string()
    };
    let closed = format!("window: '{}-{}'\n{upgrades}", hour(3), hour(5));
    lab.write("potluck/upgrades.yml", &closed);
    let run = lab.run(&["upgrade", "run", "patch.*", "none.*", "--json"]);
    let outcomes = |stdout: &str| -> Vec<(String, Value)> { field(stdout, "outcome") };
    let of = |app: &str, outcomes: &[(String, Value)]| -> String {
        let domain = format!("{app}.one.example");
        let found = outcomes.iter().find(|(name, _)| *name == domain).unwrap();
        found.1.as_str().unwrap().to_owned()
    };
    let found = outcomes(&run.stdout);
    assert_eq!(of("patch", &found), "outside-window", "{run}");
    assert!(!told.exists());

    lab.write("potluck/upgrades.yml", upgrades);
    let listed = lab.run(&["upgrade", "ls", "--json"]);
    let after = field(&listed.stdout, "after");
    assert_eq!(after.iter().find(|(app, _)| app.starts_with("minor")).unwrap().1, "1.1.0+2");
    assert_eq!(of("none", &outcomes(&listed.stdout)), "left", "{listed}");
    let planned = lab.run(&["upgrade", "run", "--dry-run", "--json"]);
    assert_eq!(of("patch", &outcomes(&planned.stdout)), "planned", "{planned}");
    assert!(!told.exists());

    let run = lab.run(&["upgrade", "run", "--json"]);
    assert_eq!(run.code, 3, "{run}");
    let found = outcomes(&run.stdout);
    let found: Vec<String> =
        ["none", "patch", "minor", "never"].iter().map(|app| of(app, &found)).collect();
    assert_eq!(found, ["left", "upgraded", "upgraded", "failed"], "{run}");
    let said = std::fs::read_to_string(&told).unwrap();
    assert!(said.contains("patch.one.example: 1.0.0+1 → 1.0.1+1, upgraded"), "{said}");
    assert!(said.contains("Notes of 1.1.0+2.") && !said.contains("2.0.0"), "{said}");
    let versions = lab.run(&["app", "ls", "--json"]);
    let deployed = field(&versions.stdout, "deployed");
    let expected = [("minor", "1.1.0+2"), ("none", "1.0.0+1"), ("patch", "1.0.1+1")];
    for (app, version) in expected {
        let (_, found) = deployed.iter().find(|(name, _)| name.starts_with(app)).unwrap();
        assert_eq!(found, version, "{app}");
    }
    let again = lab.run(&["upgrade", "run", "patch.one.example", "--json"]);
    assert!(again.code == 0 && again.stdout.contains("\"newest\""), "{again}");
}

#[test]
fn a_version_that_failed_is_not_tried_each_night() {
    let lab = Lab::new();
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=\n");
    lab.write("tiny/compose.yml", "services: {app: {image: 'example/app:1'}}\n");
    lab.release("1.0.0+1");
    done(&lab, &["server", "add", "one", "simulated"]);
    done(&lab, &["app", "new", "./tiny", "--domain", "a.example", "--server", "one"]);
    done(&lab, &["app", "deploy", "a.example", "--yes"]);
    lab.write("tiny/compose.yml", "services: {app: {image: 'example/app:2'}}\n");
    lab.release("1.0.1+2");
    lab.write("potluck/upgrades.yml", "policy: patch\n");
    let outcome = |arguments: &[&str]| {
        let run = lab.run(&[&["upgrade", "run", "--json"], arguments].concat());
        let outcome = field(&run.stdout, "outcome")[0].1.as_str().unwrap().to_owned();
        (run.code, outcome)
    };
    let fails = "tasks: [{image: '*app:2*', exit_code: 1}]\n";
    lab.write("potluck/state/simulated/one/script.yml", fails);
    assert_eq!(outcome(&[]), (1, "undone".to_owned()));
    lab.write("potluck/state/simulated/one/script.yml", "");
    assert_eq!(outcome(&[]), (0, "failed-before".to_owned()), "not again by itself");
    assert_eq!(outcome(&["--again"]), (0, "upgraded".to_owned()));
    assert_eq!(outcome(&[]), (0, "newest".to_owned()));
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
