//! `potluck plugin test` and `potluck plugin run`, with the example plugin in
//! Rust (`plugins/build.sh` builds it).

mod cli_support;
#[path = "common/skip.rs"]
mod skip;

use std::{fs, path::Path};

use cli_support::Lab;
use insta::assert_snapshot;
use potluck::recipe::standard;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A folder `admin` with the component and its scenarios; none after saying so.
fn lab() -> Option<Lab> {
    let Ok(component) = fs::read(Path::new(ROOT).join("tests/fixtures/admin.wasm")) else {
        skip::skip("tests/fixtures/admin.wasm is not there; plugins/build.sh makes it");
        return None;
    };
    let lab = Lab::new();
    for file in fs::read_dir(Path::new(ROOT).join("plugins/examples/tests")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        lab.write(&format!("admin/tests/{name}"), &fs::read_to_string(&file).unwrap());
    }
    fs::write(lab.path("admin/admin.wasm"), component).unwrap();
    Some(lab)
}

#[test]
fn scenarios_are_played_and_counted() {
    let Some(lab) = lab() else { return };
    let run = lab.run(&["plugin", "test", "admin"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run}");
    assert_snapshot!(run.stdout, @r#"
    ok      admin/first-deploy: the first deploy creates the administrator, whose password is in no argument
    ok      admin/later-deploy: a later deploy leaves the administrator alone
    ok      admin/missing-setting: what is missing is found before anything changes
    ok      admin/not-granted: without the grant nothing runs, and the line that is missing is said
    ok      admin/not-running: a service that is not there yet may be tried again
    ok      admin/program-fails: a program's last words reach the operator
    6 passed, 0 failed
    "#);
    let run = lab.run(&["plugin", "test", "admin", "--filter", "first"]);
    assert_eq!(run.stdout.lines().last(), Some("1 passed, 0 failed"), "{run}");
    let json = lab.json(&["plugin", "test", "admin/admin.wasm", "--json"]);
    assert_eq!((&json["passed"], &json["failed"]), (&6.into(), &0.into()));
    let call = &json["scenarios"][0]["steps"][0]["actual"]["calls"][0];
    assert_eq!(call["command"][4], "ada@example.org");
}

#[test]
fn what_came_otherwise_is_shown_as_a_difference() {
    let Some(lab) = lab() else { return };
    lab.write(
        "admin/tests/first-deploy.yml",
        "given:\n  settings: {ADMIN_EMAIL: ada@example.org}\n  grants: [{exec: app}]\n  services:\n    \
         - {service: app}\ncall: after-deploy\nexpect:\n  calls:\n    - service: app\n      \
         command: [sh, -c, app-ctl create-user *, sh, ada@*]\n  log: []\n",
    );
    lab.write("admin/tests/later-deploy.yml", "call: after-deploys\n");
    lab.write(
        "admin/tests/program-fails.yml",
        "given:\n  settings: {ADMIN_EMAIL: ada@example.org}\n  grants: [{exec: app}]\n\
         call: after-deploy\n",
    );
    let run = lab.run(&["plugin", "test", "admin"]);
    assert_eq!(run.code, 1, "{run}");
    assert_snapshot!(run.stdout, @r#"
    FAILED  admin/first-deploy
      after-deploy
        expected (-) and found (+)
         - service: app
           command:
           - sh
           - -c
        -  - app-ctl create-user *
        +  - app-ctl create-admin "$1" </run/secrets/admin_password
           - sh
           - ada@example.org
        -log: []
        +log:
        +- "info: created the administrator ada@example.org"
    FAILED  admin/later-deploy
      the plugin has no hook `after-deploys`
      hint: it has lifecycle.check, lifecycle.before-deploy, lifecycle.after-deploy, lifecycle.deploy-failed, lifecycle.before-remove
    ok      admin/missing-setting: what is missing is found before anything changes
    ok      admin/not-granted: without the grant nothing runs, and the line that is missing is said
    ok      admin/not-running: a service that is not there yet may be tried again
    FAILED  admin/program-fails
      after-deploy
        expected (-) and found (+)
        +failure:
        +  message: the scenario has no answer for this
        +  retryable: false
        the scenario has no answer for
        - service: app
          command:
          - sh
          - -c
          - app-ctl create-admin "$1" </run/secrets/admin_password
          - sh
          - ada@example.org
    3 passed, 3 failed
    "#);
}

#[test]
fn an_update_writes_what_came_and_keeps_the_patterns_that_fit() {
    let Some(lab) = lab() else { return };
    let path = "admin/tests/first-deploy.yml";
    let before = fs::read_to_string(lab.path(path)).unwrap();
    let changed = before.replace("ada@example.org]", "\"*@example.org\"]");
    lab.write(path, &changed.replace("create-admin \"$1\"", "create-user \"$1\""));
    assert_eq!(lab.run(&["plugin", "test", path]).code, 1);
    let run = lab.run(&["plugin", "test", path, "--update"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.starts_with("updated"), "{run}");
    assert!(run.stdout.ends_with("0 passed, 0 failed, 1 updated\n"), "{run}");
    let run = lab.run(&["plugin", "test", path]);
    assert_eq!(run.code, 0, "{run}");
    let after = fs::read_to_string(lab.path(path)).unwrap();
    assert!(after.starts_with("about: the first deploy"), "{after}");
    assert!(after.contains("create-admin") && after.contains("*@example.org"), "{after}");
}

#[test]
fn an_update_expects_no_failure_of_the_scenarios_own() {
    let Some(lab) = lab() else { return };
    let path = "admin/tests/program-fails.yml";
    let text = "given:\n  settings: {ADMIN_EMAIL: ada@example.org}\n  grants: [\"exec: app\"]\n\
                call: after-deploy\n";
    lab.write(path, text);
    let run = lab.run(&["plugin", "test", path, "--update"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stdout.contains("the scenario has no answer for"), "{run}");
    assert!(run.stdout.ends_with("0 passed, 1 failed\n"), "{run}");
    assert_eq!(fs::read_to_string(lab.path(path)).unwrap(), text);
}

#[test]
fn an_update_writes_each_step_that_came_otherwise() {
    let Some(lab) = lab() else { return };
    let path = "admin/tests/first-deploy.yml";
    let given = "# why\ngiven:\n  settings: {ADMIN_EMAIL: ada@example.org}\n  grants: [\"exec: app\"]\n  \
                 services:\n    - {service: app}\nsteps:\n";
    let text = format!(
        "{given}  # nothing yet\n  - call: check\n    expect: {{failure: no}}\n  - call: after-deploy\n    \
         with: {{after: 1.0.0}}\n    expect:\n      log: []\n  # as it was\n  - call: after-deploy\n    \
         expect: {{calls: []}} # none\n"
    );
    lab.write(path, &text);
    assert_eq!(lab.run(&["plugin", "test", path]).code, 1);
    let run = lab.run(&["plugin", "test", path, "--update"]);
    assert!(run.code == 0 && run.stdout.ends_with("0 passed, 0 failed, 1 updated\n"), "{run}");
    let after = format!(
        "{given}  # nothing yet\n  - call: check\n  - call: after-deploy\n    with: {{after: 1.0.0}}\n    \
         expect:\n      log:\n      - \"info: created the administrator ada@example.org\"\n  # as it was\n  \
         - call: after-deploy\n    expect: {{calls: []}} # none\n"
    );
    assert_eq!(fs::read_to_string(lab.path(path)).unwrap(), after);
    assert_eq!(lab.run(&["plugin", "test", path]).code, 0);

    // What one step asks in vain is the scenario's fault, and nothing is written.
    let unanswered = text.replace("- {service: app}", "- {service: db}");
    lab.write(path, &unanswered);
    let run = lab.run(&["plugin", "test", path, "--update"]);
    assert!(run.code == 1 && run.stdout.ends_with("0 passed, 1 failed\n"), "{run}");
    assert_eq!(fs::read_to_string(lab.path(path)).unwrap(), unanswered);

    // Nor is a file that would come out as another.
    let odd = "expect: {log: [&b x]}\ncall: check\nwith: {after: 1.0.0, before: *b}\n";
    lab.write(path, odd);
    let run = lab.run(&["plugin", "test", path, "--update"]);
    assert!(run.code == 1 && run.stdout.contains("an update would lose"), "{run}");
    assert_eq!(fs::read_to_string(lab.path(path)).unwrap(), odd);
}

#[test]
fn why_a_component_does_not_load_is_told_once() {
    let Some(lab) = lab() else { return };
    fs::write(lab.path("admin/admin.wasm"), "no component").unwrap();
    let run = lab.run(&["plugin", "test", "admin"]);
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(run.stdout.matches("is not a WebAssembly component").count(), 1, "{run}");
    assert_eq!(run.stdout.matches("FAILED  admin/").count(), 6, "{run}");
    assert!(run.stdout.ends_with("0 passed, 6 failed\n"), "{run}");
    let run = lab.run(&["plugin", "test", "admin", "--json"]);
    assert_eq!(run.stdout.matches("is not a WebAssembly component").count(), 6, "{run}");
}

#[test]
fn a_link_out_of_the_recipe_is_no_component() {
    let Some(lab) = lab() else { return };
    fs::create_dir_all(lab.path("wiki/plugins")).unwrap();
    fs::rename(lab.path("admin/admin.wasm"), lab.path("elsewhere.wasm")).unwrap();
    fs::rename(lab.path("admin"), lab.path("wiki/plugins/admin")).unwrap();
    lab.write("wiki/recipe.yml", "plugins:\n  - name: admin\n    component: plugins/admin.wasm\n");
    let link = lab.path("wiki/plugins/admin.wasm");
    std::os::unix::fs::symlink(lab.path("elsewhere.wasm"), &link).unwrap();
    let ways = ["wiki", "wiki/plugins/admin", "wiki/plugins/admin.wasm"];
    for way in ways {
        let run = lab.run(&["plugin", "test", way]);
        assert_eq!(run.code, 1, "{way}: {run}");
        assert!(run.stdout.contains("`plugins/admin.wasm` leaves the recipe's folder"), "{run}");
    }
    let run = lab.run(&["plugin", "run", "wiki/plugins/admin.wasm", "check"]);
    assert!(run.stderr.contains("leaves the recipe's folder"), "{run}");
    // Nor is a pipe, which nobody waits for.
    fs::remove_file(&link).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&link).status().unwrap().success());
    for way in ways {
        let run = lab.run(&["plugin", "test", way]);
        assert!(run.code == 1 && run.stdout.contains("not a regular file"), "{way}: {run}");
    }
    // One that stays inside is as good as a file.
    fs::remove_file(&link).unwrap();
    fs::rename(lab.path("elsewhere.wasm"), lab.path("wiki/built.wasm")).unwrap();
    std::os::unix::fs::symlink("../built.wasm", &link).unwrap();
    for way in ways {
        let run = lab.run(&["plugin", "test", way]);
        assert_eq!(run.code, 0, "{way}: {run}");
    }
}

#[test]
fn a_component_that_is_older_than_its_sources_is_told() {
    let Some(lab) = lab() else { return };
    lab.write("admin/src/lib.rs", "");
    let source = fs::File::options().write(true).open(lab.path("admin/src/lib.rs")).unwrap();
    for (changed, told) in [(-60_i64, false), (1, false), (60, true)] {
        let built = fs::metadata(lab.path("admin/admin.wasm")).unwrap().modified().unwrap();
        let step = std::time::Duration::from_secs(changed.unsigned_abs());
        source.set_modified(if changed < 0 { built - step } else { built + step }).unwrap();
        let run = lab.run(&["plugin", "test", "admin", "--filter", "first"]);
        assert_eq!(run.code, 0, "{run}");
        assert_eq!(run.stderr.contains("admin.wasm is older than"), told, "{changed}: {run}");
    }
    fs::rename(lab.path("admin/admin.wasm"), lab.path("other.wasm")).unwrap();
    let run = lab.run(&["plugin", "test", "admin", "--component", "other.wasm"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run}");
}

#[test]
fn a_revealed_secret_is_worth_a_warning_as_no_server_reveals_one() {
    let Ok(component) = fs::read(Path::new(ROOT).join("tests/fixtures/every-role.wasm")) else {
        skip::skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
        return;
    };
    let lab = Lab::new();
    fs::write(lab.path("every-role.wasm"), component).unwrap();
    let play = |value: &str, expected: &str| {
        lab.write(
            "reveal.yml",
            &format!(
                "given:\n  secrets: {{app_password: {value}}}\n  \
                 grants: [{{secret: app_password}}]\ncall: commands.run\n\
                 with: {{name: reveal, arguments: [app_password]}}\nexpect: {expected}\n"
            ),
        );
        let test = ["plugin", "test", "reveal.yml", "--component", "every-role.wasm"];
        let run = lab.run(&test);
        assert_eq!(run.code, 0, "{run}");
        let json = lab.json(&[&test[..], &["--json"]].concat());
        (run.stderr, json["scenarios"][0]["warnings"].as_array().unwrap().len())
    };
    let (told, warnings) = play("hunter22", "{result: hunter22}");
    assert!(told.contains("the value of the secret `app_password`; on a server"), "{told}");
    assert_eq!(warnings, 1);
    assert_eq!(play("null", "{failure: {retryable: false}}"), (String::new(), 0));
}

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
    assert!(run.code == 2 && run.stderr.contains("it is not as it was recorded"), "{run}");
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
    assert!(run.code == 1 && run.stderr.contains("it comes out otherwise with"), "{run}");

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
fn the_plugins_that_come_with_potluck_pass_their_scenarios() {
    if standard::ALL.iter().any(|standard| standard.component().is_err()) {
        skip::skip("potluck was built without its standard plugins: plugins/build.sh makes them");
        return;
    }
    let lab = Lab::new();
    let folder = Path::new(ROOT).join("plugins/std");
    let run = lab.run(&["plugin", "test", folder.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{run}");
    for standard in &standard::ALL {
        assert!(run.stdout.contains(&format!("ok      {}/", standard.name)), "{run}");
    }
    let run = lab.run(&["plugin", "run", "std:smtp", "check"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("neither `settings` nor `secrets` maps anything"), "{run}");
    let run = lab.run(&["plugin", "run", "std:postgress", "check"]);
    assert!(run.code == 1 && run.stderr.contains("did you mean `std:postgres`?"), "{run}");
}

#[test]
fn the_example_recipe_passes_its_scenarios() {
    let recipe = Path::new(ROOT).join("recipes-examples/wordpress");
    if !recipe.join("plugins/wordpress.wasm").exists() {
        skip::skip("the WordPress plugin is not there; plugins/build.sh makes it");
        return;
    }
    let run = Lab::new().run(&["plugin", "test", recipe.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.ends_with("3 passed, 0 failed\n"), "{run}");
}

#[test]
fn wrong_use_says_what_is_right() {
    let Some(lab) = lab() else { return };
    for (arguments, code, said) in [
        (&["run", "admin/admin.wasm", "after"][..], 2, "it has lifecycle.check, "),
        (&["run", "admin/admin.wasm", "check", "1.0.0"], 2, "is not written name=value"),
        (&["run", "admin/admin.wasm", "check", "afterwards=1"], 2, "takes other arguments"),
        (&["run", "none.wasm", "check"], 1, "reading none.wasm"),
        (&["inspect", "none.wasm"], 1, "reading none.wasm"),
        (&["inspect", "/dev/null"], 1, "it is not a regular file"),
        (&["test", "admin/tests"], 2, "there are no scenarios in"),
        (&["test", "admin", "--filter", "no-such"], 2, "no scenario fits the filter"),
    ] {
        let run = lab.run(&[&["plugin"][..], arguments].concat());
        assert_eq!(run.code, code, "{run}");
        assert!(run.stderr.contains(said), "{run}");
    }
    fs::remove_file(lab.path("admin/admin.wasm")).unwrap();
    let run = lab.run(&["plugin", "test", "admin"]);
    assert!(run.code == 1 && run.stdout.contains("potluck plugin build"), "{run}");
}

/// Each would wait for ever for who writes into it.
#[test]
fn a_pipe_is_no_component_and_no_scenario() {
    let Some(lab) = lab() else { return };
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(lab.path(name)).status().unwrap();
        assert!(made.success());
    };
    pipe("pipe.wasm");
    for arguments in [
        &["plugin", "run", "pipe.wasm", "check"][..],
        &["plugin", "inspect", "pipe.wasm"],
        &["plugin", "test", "admin", "--component", "pipe.wasm"],
    ] {
        let run = lab.run(arguments);
        assert_ne!(run.code, 0, "{run}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("pipe.wasm") && said.contains("not a regular file"), "{run}");
    }
    pipe("admin/tests/pipe.yml");
    for path in ["admin", "admin/tests/pipe.yml"] {
        let run = lab.run(&["plugin", "test", path]);
        assert_ne!(run.code, 0, "{run}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("pipe.yml") && said.contains("not a regular file"), "{run}");
    }
}
