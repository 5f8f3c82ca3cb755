//! `potluck plugin test`, with the example plugin in Rust (`plugins/build.sh` builds
//! it).

use crate::support::cli;
use crate::support::cli::admin;
use crate::support::common::skip;

use std::{fs, path::Path};

use admin::lab;
use cli::Lab;
use insta::assert_snapshot;
use potluck::recipe::standard;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

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
fn the_example_recipes_pass_their_scenarios() {
    for (name, component, passed) in [
        ("wordpress", "recipes-examples/wordpress/plugins/wordpress.wasm", 6),
        ("synapse", "recipes-examples/synapse/plugins/synapse.wasm", 10),
        ("mail-relay", "recipes-examples/mail-relay/plugins/mail-relay.wasm", 7),
        ("isso", "plugins/std/built/smtp.wasm", 1),
        ("oidc-provider", "recipes-examples/oidc-provider/plugins/oidc-provider.wasm", 7),
        ("keycloak", "recipes-examples/keycloak/plugins/keycloak.wasm", 16),
        ("authentik", "recipes-examples/authentik/plugins/authentik.wasm", 17),
        ("lemonldap-ng", "recipes-examples/lemonldap-ng/plugins/lemonldap-ng.wasm", 9),
        ("members-site", "plugins/std/built/oidc.wasm", 1),
        ("pgadmin", "plugins/std/built/oidc.wasm", 1),
        ("mediawiki", "plugins/std/built/smtp.wasm", 1),
        ("forgejo", "plugins/std/built/smtp.wasm", 2),
        ("gatus", "plugins/std/built/smtp.wasm", 2),
        ("nextcloud", "plugins/std/built/smtp.wasm", 2),
        ("rocketchat", "plugins/std/built/smtp.wasm", 1),
        ("matomo", "plugins/std/built/smtp.wasm", 1),
    ] {
        if !Path::new(ROOT).join(component).exists() {
            skip::skip(&format!("{component} is missing; plugins/build.sh makes it"));
            continue;
        }
        let recipe = Path::new(ROOT).join("recipes-examples").join(name);
        let run = Lab::new().run(&["plugin", "test", recipe.to_str().unwrap()]);
        assert_eq!(run.code, 0, "{run}");
        assert!(run.stdout.ends_with(&format!("{passed} passed, 0 failed\n")), "{run}");
    }
}

#[test]
fn wrong_use_says_what_is_right() {
    let Some(lab) = lab() else { return };
    for (arguments, code, said) in [
        (&["run", "admin/admin.wasm", "after"][..], 2, "it has lifecycle.check, "),
        (&["run", "admin/admin.wasm", "check", "1.0.0"], 2, "is not written name=value"),
        (
            &["run", "admin/admin.wasm", "check", "afterwards=1"],
            2,
            "wrong arguments for `lifecycle.check`: ",
        ),
        (&["run", "none.wasm", "check"], 1, "reading none.wasm"),
        (&["inspect", "none.wasm"], 1, "reading none.wasm"),
        (&["inspect", "/dev/null"], 1, "it is not a regular file"),
        (&["test", "admin/tests"], 2, "there are no scenarios in"),
        (&["test", "admin", "--filter", "no-such"], 2, "no scenario matches the filter"),
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
