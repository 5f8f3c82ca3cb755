//! Setting apps up and looking at them, on the simulated server.

mod cli_support;

use cli_support::Lab;
use insta::{assert_json_snapshot, assert_snapshot};

#[test]
fn servers_come_and_go() {
    let lab = Lab::new();
    assert_snapshot!(lab.run(&["server", "ls"]), @"");
    assert_snapshot!(lab.run(&["server", "add", "practice", "simulated"]), @"");
    // Twice is once.
    assert_snapshot!(lab.run(&["server", "add", "practice", "simulated"]), @"");
    assert_snapshot!(lab.run(&["server", "add", "practice", "ssh://other"]), @"");
    assert_snapshot!(lab.run(&["server", "ls"]), @"");
    assert_json_snapshot!(lab.json(&["server", "ls", "--json"]), @"");
    assert_snapshot!(lab.run(&["server", "rm", "practice"]), @"");
    assert_snapshot!(lab.run(&["server", "rm", "practice"]), @"");
}

#[test]
fn a_server_with_apps_stays() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["server", "rm", "simulated"]), @"");
}

#[test]
fn a_new_app_gets_the_sample_with_its_values() {
    let lab = Lab::new();
    lab.tiny_recipe();
    let new = ["app", "new", "./tiny", "--domain", "t.example", "--server", "simulated"];
    let run =
        lab.run(&[&new[..], &["--set", "TITLE=Soup for \"everyone\"", "--set", "NEW=1"]].concat());
    assert_snapshot!(run, @"");
    let env = std::fs::read_to_string(lab.path("potluck/servers/simulated/t.example.env")).unwrap();
    assert_snapshot!(env, @"");
    assert_snapshot!(lab.run(&new), @"");
    assert_snapshot!(lab.run(&["app", "ls"]), @"");
    assert_json_snapshot!(lab.json(&["app", "ls", "--json"]), @"");
    assert_snapshot!(lab.run(&["recipe", "ls"]), @"");
}

#[test]
fn a_new_app_can_be_json() {
    let lab = Lab::new();
    lab.tiny_recipe();
    let new = ["app", "new", "./tiny", "--domain", "t.example", "--server", "simulated", "--json"];
    let made = lab.run(&new);
    assert_snapshot!(made, @"");
}

#[test]
fn an_unknown_recipe_is_named() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "new", "tinny", "--domain", "x.org", "--server=simulated"]), @"");
    assert_snapshot!(lab.run(&["app", "new", "./none", "--domain", "x.org", "--server=simulated"]), @"");
}

#[test]
fn settings_are_read_and_written_by_scripts() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "config", "t.example", "--get", "DOMAIN"]), @"");
    assert_snapshot!(lab.run(&["app", "config", "t.example", "--get", "NONE"]), @"");
    assert_snapshot!(lab.run(&["app", "config", "t.example", "--set", "TITLE=a b"]), @"");
    assert_snapshot!(lab.run(&["app", "config", "t.example", "--get", "TITLE"]), @"");
    assert_json_snapshot!(lab.json(&["app", "config", "t.example", "--json"]), @"");
}

#[test]
fn check_finds_what_is_missing() {
    let lab = Lab::with_tiny_app();
    let file = lab.path("potluck/servers/simulated/t.example.env");
    let env = std::fs::read_to_string(&file).unwrap().replace("TITLE=\n", "");
    std::fs::write(&file, env).unwrap();
    assert_snapshot!(lab.run(&["app", "check", "t.example"]), @"");

    lab.run(&["app", "config", "t.example", "--set", "TITLE=x", "-q"]);
    lab.run(&["app", "secret", "generate", "t.example", "-q"]);
    lab.run_with(&["app", "secret", "insert", "t.example", "mail_password"], b"x\n");
    assert_snapshot!(lab.run(&["app", "check", "t.example"]), @"");
    assert_json_snapshot!(lab.json(&["app", "check", "t.example", "--json"]), @"");
}

#[test]
fn an_app_lives_and_dies_on_the_simulated_server() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "deploy", "t.example", "-n"]), @"");
    lab.run(&["app", "secret", "generate", "t.example", "-q"]);
    lab.run_with(&["app", "secret", "insert", "t.example", "mail_password", "-q"], b"x\n");
    assert_snapshot!(lab.run(&["app", "deploy", "t.example", "--dry-run"]), @"");
    let run = lab.run(&["app", "deploy", "t.example", "-n"]);
    assert_eq!(run.code, 0, "{run}");
    let report = lab.json(&["app", "deploy", "t.example", "-n", "--json"]);
    assert_json_snapshot!(report, {".seconds" => "[seconds]"}, @"");
    let services = lab.json(&["app", "ps", "t.example", "--json"]);
    assert_json_snapshot!(services, {
        "[].task" => "[id]", "[].node" => "[node]", "[].since" => "[time]",
    }, @"");
    let list = lab.run(&["app", "ls", "--status"]);
    assert!(list.stdout.contains("deployed"), "{list}");
    assert_snapshot!(lab.run(&["app", "rm", "t.example", "--yes"]), @"");
    assert_snapshot!(lab.run(&["app", "undeploy", "t.example", "--yes", "-q"]), @"");
    assert_snapshot!(lab.run(&["app", "ps", "t.example"]), @"");
    assert_snapshot!(lab.run(&["app", "rm", "t.example", "--yes", "-q"]), @"");
    assert_snapshot!(lab.run(&["app", "ls"]), @"");
}
