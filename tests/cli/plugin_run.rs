//! `potluck app cmd` and `potluck plugin run`: one hook, in a scenario and for an
//! app, shown and recorded.

use crate::support::cli;
use crate::support::cli::admin;
use crate::support::common::skip;

use std::{fs, path::Path};

use admin::lab;
use cli::Lab;
use insta::assert_snapshot;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn a_command_answers_in_json_and_takes_dashes_behind_two_of_them() {
    let Ok(component) = fs::read(Path::new(ROOT).join("tests/fixtures/every-role.wasm")) else {
        skip::skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
        return;
    };
    let lab = Lab::new();
    lab.tiny_recipe();
    lab.write("tiny/recipe.yml", "plugins:\n  - name: all\n    component: all.wasm\n");
    fs::write(lab.path("tiny/all.wasm"), component).unwrap();
    let run = lab.run(&["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    let counted = lab.json(&["app", "cmd", "t.example", "count", "--json"]);
    assert_eq!(counted, serde_json::json!({"plugin": "all", "name": "count", "output": "1"}));
    let set = ["app", "cmd", "t.example", "set-password"];
    let run = lab.run_with(&[&set[..], &["-n", "--json", "--", "--ada"]].concat(), b"hunter22\n");
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("\"output\": \"8 bytes for --ada\""), "{run}");
    let run = lab.run_with(&[&set[..], &["--ada"]].concat(), b"hunter22\n");
    assert!(run.code == 2 && run.stderr.contains("-- --ada"), "{run}");
    let run = lab.run(&set);
    assert!(run.code == 2 && run.stderr.contains("`set-password` needs USER\n"), "{run}");
    let run = lab.run(&[&set[..], &["ada", "hunter22"]].concat());
    assert!(run.code == 2 && run.stderr.contains("takes one argument: `hunter22` is"), "{run}");
    assert!(run.stderr.contains("is secret: it is asked for"), "{run}");
}

#[test]
fn commands_of_one_name_are_listed_with_their_plugins() {
    let Ok(component) = fs::read(Path::new(ROOT).join("tests/fixtures/every-role.wasm")) else {
        skip::skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
        return;
    };
    let lab = Lab::new();
    lab.tiny_recipe();
    let both =
        "plugins:\n  - {name: one, component: all.wasm}\n  - {name: two, component: all.wasm}\n";
    lab.write("tiny/recipe.yml", both);
    fs::write(lab.path("tiny/all.wasm"), component).unwrap();
    for server in ["simulated", "other"] {
        if server == "other" {
            let run = lab.run(&["server", "add", server, "simulated"]);
            assert_eq!(run.code, 0, "{run}");
        }
        let run = lab.run(&["app", "new", "./tiny", "--domain", "t.example", "--server", server]);
        assert_eq!(run.code, 0, "{run}");
    }
    let run = lab.run(&["app", "cmd", "t.example", "--server", "other"]);
    for name in ["one:count", "two:count", "one:set-password", "two:set-password"] {
        assert!(run.stdout.contains(name), "{run}");
    }
    // What the hint says of an app on two servers can be said.
    let hook = ["plugin", "run", "one", "commands.run", "count", "--app", "t.example"];
    let run = lab.run(&hook);
    assert!(run.code != 0 && run.stderr.contains("--server"), "{run}");
    let run = lab.run(&[&hook[..], &["--server", "other"]].concat());
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn a_hook_runs_in_a_scenario_and_can_be_recorded() {
    let Some(lab) = lab() else { return };
    let scenario = "admin/tests/first-deploy.yml";
    let component = "admin/admin.wasm";
    let run = lab.run(&[
        "plugin",
        "run",
        component,
        "after-deploy",
        "after=1.0.0",
        "--scenario",
        scenario,
        "--record",
        "recorded.yml",
    ]);
    assert_eq!(run.code, 0, "{run}");
    assert_snapshot!(run.to_string(), @r#"
    exit code 0
    --- stdout
    log:
    - "info: created the administrator ada@example.org"
    calls:
    - service: app
      command:
      - sh
      - -c
      - app-ctl create-admin "$1" </run/secrets/admin_password
      - sh
      - ada@example.org
    --- stderr
    Wrote recorded.yml.
    "#);
    assert_snapshot!(fs::read_to_string(lab.path("recorded.yml")).unwrap(), @r#"
    about: after-deploy of admin, recorded for app.example.org (recipe)
    given:
      app: app.example.org
      stack: app_example_org
      recipe: recipe
      server: default
      options: {}
      grants:
      - exec: app
      now: 1767225600
      settings:
        ADMIN_EMAIL: ada@example.org
      services:
      - service: app
        command:
        - sh
        - -c
        - app-ctl create-admin "$1" </run/secrets/admin_password
        - sh
        - ada@example.org
        times: 1
    call: after-deploy
    with:
      after: "1.0.0"
    expect:
      calls:
      - service: app
        command:
        - sh
        - -c
        - app-ctl create-admin "$1" </run/secrets/admin_password
        - sh
        - ada@example.org
      log:
      - "info: created the administrator ada@example.org"
      memory:
        administrator: ada@example.org
      secrets: {}
    "#);
    let run = lab.run(&["plugin", "test", "recorded.yml", "--component", component]);
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn what_a_hook_is_given_in_secret_is_not_recorded() {
    let Ok(component) = fs::read(Path::new(ROOT).join("tests/fixtures/every-role.wasm")) else {
        skip::skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
        return;
    };
    let lab = Lab::new();
    fs::write(lab.path("every-role.wasm"), component).unwrap();
    lab.write(
        "given.yml",
        "given:\n  secrets: {app_password: hunter22}\n  grants: [{secret: app_password}]\n\
         call: check\n",
    );
    for (n, arguments) in [
        &["commands.run", "set-password", "ada", "hunter22"][..],
        &["commands.run", "reveal", "app_password"],
        &[
            "mail-client.connect",
            "host=a",
            "port=25",
            "encryption=tls",
            "sender=a@b",
            "password=hunter22",
        ],
        &[
            "sso-client.connect",
            "issuer=https://a.example.org",
            "client_id=a",
            "client_secret=hunter22",
        ],
        &["account", "sender=wiki@example.org"],
    ]
    .into_iter()
    .enumerate()
    {
        let file = format!("{n}.yml");
        let before = ["plugin", "run", "every-role.wasm", "--scenario", "given.yml"];
        let run = lab.run(&[&before[..], arguments, &["--record", &file]].concat());
        assert_eq!(run.code, 0, "{run}");
        let recorded = fs::read_to_string(lab.path(&file)).unwrap();
        let reveals = arguments[1] == "reveal";
        // What a command returns is what the operator asked for.
        assert_eq!(run.stdout.contains("hunter22"), reveals, "{run}");
        assert!(!recorded.contains("hunter22"), "{recorded}");
        for text in [&recorded, &run.stdout] {
            assert!(!text.contains("p4ssword"), "{text}");
        }
        let run = lab.run(&["plugin", "test", &file, "--component", "every-role.wasm"]);
        assert_eq!(run.code, 0, "{run}\n{recorded}");
    }
}

#[test]
fn a_hook_runs_for_an_app_as_it_stands() {
    let Some(lab) = lab() else { return };
    lab.tiny_recipe();
    lab.write("tiny/recipe.yml", "plugins:\n  - name: admin\n    component: admin.wasm\n");
    fs::copy(lab.path("admin/admin.wasm"), lab.path("tiny/admin.wasm")).unwrap();
    let run = lab.run(&["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    let arguments = ["plugin", "run", "admin", "check", "--app", "t.example", "--record", "r.yml"];
    let run = lab.run(&arguments);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("the setting ADMIN_EMAIL is missing"), "{run}");
    let recorded = fs::read_to_string(lab.path("r.yml")).unwrap();
    assert!(recorded.contains("message: the setting ADMIN_EMAIL is missing"), "{recorded}");
    let run = lab.run(&["plugin", "test", "r.yml", "--component", "admin/admin.wasm"]);
    assert_eq!(run.code, 0, "{run}");
    // What somebody wrote is never written over.
    lab.write("r.yml", &format!("# mine\n{recorded}"));
    let run = lab.run(&arguments);
    assert!(run.code == 2 && run.stderr.contains("it was edited after it was recorded"), "{run}");
    let run = lab.run(&["plugin", "run", "admn", "check", "--app", "t.example"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.stderr.contains("did you mean `admin`"), "{run}");
}

/// An app of a recipe with one plugin, and with a password in its settings.
fn with_plugin(component: &Path, settings: &str) -> Lab {
    let lab = Lab::new();
    lab.tiny_recipe();
    lab.write("tiny/recipe.yml", "plugins:\n  - name: own\n    component: own.wasm\n");
    fs::copy(component, lab.path("tiny/own.wasm")).unwrap();
    let run = lab.run(&["app", "new", "./tiny", "--domain", "t.example", "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    let file = lab.path("potluck/servers/simulated/t.example.env");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\nOLD_PASSWORD=hunter22\n{settings}")).unwrap();
    lab
}

#[test]
fn a_recording_holds_the_settings_that_were_needed_and_says_of_what_it_is() {
    let component = Path::new(ROOT).join("tests/fixtures/every-role.wasm");
    if !component.is_file() {
        skip::skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
        return;
    }
    let lab = with_plugin(&component, "FAIL=send-test\n");
    let app = ["--app", "t.example", "--record"];
    let run = lab.run(&[&["plugin", "run", "own", "check"][..], &app, &["check.yml"]].concat());
    assert_eq!(run.code, 0, "{run}");
    let recorded = fs::read_to_string(lab.path("check.yml")).unwrap();
    assert!(
        recorded.starts_with("about: check of own, recorded for t.example (tiny)\n"),
        "{recorded}"
    );
    assert!(recorded.contains("  settings:\n    FAIL: send-test\ncall: check\n"), "{recorded}");
    assert!(!recorded.contains("hunter22") && !recorded.contains("DOMAIN"), "{recorded}");

    // One that reads them all needs them only where something hangs on them.
    let find = ["plugin", "run", "own", "commands.run", "find-setting"];
    for (key, file, all) in [("NONE", "none.yml", false), ("FAIL", "fail.yml", true)] {
        let run = lab.run(&[&find[..], &[key], &app, &[file]].concat());
        assert_eq!(run.code, 0, "{run}");
        assert_eq!(run.stderr.contains("it holds all settings"), all, "{run}");
        let recorded = fs::read_to_string(lab.path(file)).unwrap();
        assert_eq!(recorded.contains("hunter22"), all, "{recorded}");
        let run = lab.run(&["plugin", "test", file, "--component", "tiny/own.wasm"]);
        assert_eq!(run.code, 0, "{run}");
    }
}

#[test]
fn hooks_that_are_recorded_one_after_the_other_are_steps_of_one_scenario() {
    let component = Path::new(ROOT).join("tests/fixtures/every-role.wasm");
    if !component.is_file() {
        skip::skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
        return;
    }
    let lab = with_plugin(&component, "");
    let record = |hook: &[&str], app: &str| {
        let options = ["--app", app, "--record", "both.yml"];
        lab.run(&[&["plugin", "run", "own"][..], hook, &options].concat())
    };
    for hook in
        [&["check", "after=1.0.0"][..], &["commands.run", "count"], &["commands.run", "count"]]
    {
        let run = record(hook, "t.example");
        assert_eq!((run.code, run.stderr.contains("warning")), (0, false), "{run}");
    }
    let recorded = fs::read_to_string(lab.path("both.yml")).unwrap();
    let test = ["plugin", "test", "both.yml", "--component", "tiny/own.wasm", "--json"];
    let report = lab.json(&test);
    let about = "check of own, recorded for t.example (tiny), then commands.run, then commands.run";
    assert_eq!(report["scenarios"][0]["about"], about);
    let steps = report["scenarios"][0]["steps"].as_array().unwrap();
    let results: Vec<_> = steps.iter().map(|step| &step["actual"]["result"]).collect();
    assert_eq!(results, [&serde_json::Value::Null, &"1".into(), &"2".into()]);
    // It says something.
    lab.write("both.yml", &recorded.replace("result: \"2\"", "result: \"3\""));
    assert_eq!(lab.run(&test).code, 1);
    let run = record(&["check"], "t.example");
    assert!(run.code == 1 && run.stderr.contains("replaying it with the plugin"), "{run}");

    // Another app's run is refused before anything happens.
    lab.write("both.yml", &recorded);
    let run = lab.run(&["app", "new", "./tiny", "--domain", "u.example", "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    let run = record(&["commands.run", "count"], "u.example");
    assert!(run.code == 1 && run.stderr.contains("recorded with another `app`"), "{run}");
    assert!(run.stdout.is_empty(), "{run}");
    assert_eq!(fs::read_to_string(lab.path("both.yml")).unwrap(), recorded);
    assert_eq!(lab.json(&["app", "cmd", "u.example", "count", "--json"])["output"], "1");
}

#[test]
fn a_commands_arguments_may_be_named() {
    let component = Path::new(ROOT).join("tests/fixtures/every-role.wasm");
    if !component.is_file() {
        skip::skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
        return;
    }
    let component = component.to_str().unwrap();
    let lab = Lab::new();
    let run = |arguments: &[&str]| {
        lab.run(&[&["plugin", "run", component, "commands.run"][..], arguments].concat())
    };
    let ordered = run(&["set-password", "ada", "hunter22"]);
    assert_eq!(ordered.code, 0, "{ordered}");
    for named in [
        &["name=set-password", "user=ada", "password=hunter22"][..],
        &["name=set-password", "password=hunter22", "user=ada"],
        &["name=set-password", "arguments=[\"ada\", \"hunter22\"]"],
    ] {
        let named = run(named);
        assert_eq!((named.code, &named.stdout), (0, &ordered.stdout), "{named}");
    }
    let wrong = run(&["name=set-password", "usr=ada"]);
    assert_eq!(wrong.code, 2, "{wrong}");
    assert!(wrong.stderr.contains("`set-password` has no parameter `usr`; it takes"), "{wrong}");
}

#[test]
fn functions_of_abra_sh_are_not_taken_for_commands() {
    let lab = Lab::with_tiny_app();
    lab.write("tiny/abra.sh", "do_it() {\n  echo done\n}\n");
    for line in [&["app", "do_it"][..], &["do_it"]] {
        let run = lab.run(&[&["app", "cmd", "t.example"][..], line].concat());
        assert_eq!(run.code, 1, "{run}");
        let hint = "functions in abra.sh are not run: `potluck recipe port tiny` makes commands";
        assert!(run.stderr.contains(hint), "{run}");
    }
    let run = lab.run(&["app", "cmd", "t.example", "other"]);
    assert!(run.code == 1 && !run.stderr.contains("abra.sh"), "{run}");
}
