//! Setting apps up and looking at them, on the simulated server.

use crate::support::cli;

use cli::{Lab, masked};
use insta::{assert_json_snapshot, assert_snapshot};

#[test]
fn servers_come_and_go() {
    let lab = Lab::new();
    assert_snapshot!(lab.run(&["server", "ls"]), @r"
    exit code 0
    --- stderr
    There are no servers yet.
    hint: `potluck server add --local` adds this machine
    ");
    assert_snapshot!(lab.run(&["server", "add", "practice", "simulated"]), @r"
    exit code 0
    --- stderr
    simulated answers: Docker simulated, API 1.41
    Added the server practice (simulated).
    ");
    // Twice is once.
    assert_snapshot!(lab.run(&["server", "add", "practice", "simulated"]), @r"
    exit code 0
    --- stderr
    The server practice exists already (simulated).
    ");
    assert_snapshot!(lab.run(&["server", "add", "practice", "ssh://other"]), @r"
    exit code 1
    --- stderr
    error: the server `practice` exists already, with the endpoint simulated
    hint: choose another name, or change `endpoint` in servers/practice/server.yml
    ");
    assert_snapshot!(lab.run(&["server", "ls"]), @r"
    exit code 0
    --- stdout
    NAME      ENDPOINT   APPS
    practice  simulated  0
    ");
    assert_json_snapshot!(lab.json(&["server", "ls", "--json"]), @r#"
    [
      {
        "name": "practice",
        "endpoint": "simulated",
        "apps": 0
      }
    ]
    "#);
    assert_snapshot!(lab.run(&["server", "rm", "practice"]), @r"
    exit code 0
    --- stderr
    Removed the server practice.
    ");
    assert_snapshot!(lab.run(&["server", "rm", "practice"]), @r"
    exit code 1
    --- stderr
    error: no server is called `practice`
    hint: `potluck server ls` lists the servers, `potluck server add` adds one
    ");
}

#[test]
fn a_server_with_apps_stays() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["server", "rm", "simulated"]), @r"
    exit code 1
    --- stderr
    error: the server `simulated` still has apps: t.example
    hint: remove its apps first, with `potluck app rm`
    ");
}

#[test]
fn a_new_app_gets_the_sample_with_its_values() {
    let lab = Lab::new();
    lab.tiny_recipe();
    let new = ["app", "new", "./tiny", "--domain", "t.example", "--server", "simulated"];
    let run =
        lab.run(&[&new[..], &["--set", "TITLE=Soup for \"everyone\"", "--set", "NEW=1"]].concat());
    assert_snapshot!(run, @r"
    exit code 0
    --- stderr
    Added recipe tiny, linked to [LAB]/tiny.
    Wrote [LAB]/potluck/servers/simulated/t.example.env.
    Next:
      potluck app config t.example            look through its settings
      potluck app secret generate t.example   make its secrets
      potluck app deploy t.example            deploy it
    ");
    let env = std::fs::read_to_string(lab.path("potluck/servers/simulated/t.example.env")).unwrap();
    assert_snapshot!(env, @r#"
    TYPE=tiny
    DOMAIN=t.example

    # Shown on the first page.
    TITLE=Soup for "everyone"

    SECRET_TOKEN_VERSION=v1 # length=24 charset=hex
    SECRET_MAIL_PASSWORD_VERSION=v1 # generate=false
    NEW=1
    "#);
    assert_snapshot!(lab.run(&new), @r"
    exit code 1
    --- stderr
    error: the app `t.example` exists already
    ");
    assert_snapshot!(lab.run(&["app", "ls"]), @r"
    exit code 0
    --- stdout
    APP        SERVER     RECIPE  PINNED  DEPLOYED  NEWEST
    t.example  simulated  tiny    -       -         -
    ");
    assert_json_snapshot!(lab.json(&["app", "ls", "--json"]), @r#"
    [
      {
        "app": "t.example",
        "server": "simulated",
        "recipe": "tiny",
        "version": null,
        "deployed": null,
        "newest": null
      }
    ]
    "#);
    assert_snapshot!(lab.run(&["recipe", "ls"]), @r"
    exit code 0
    --- stdout
    NAME  NEWEST  RELEASES
    tiny  -       0
    ");
}

#[test]
fn a_new_app_can_be_json() {
    let lab = Lab::new();
    lab.tiny_recipe();
    let new = ["app", "new", "./tiny", "--domain", "t.example", "--server", "simulated", "--json"];
    let made = lab.run(&new);
    assert_snapshot!(made, @r#"
    exit code 0
    --- stdout
    {
      "app": "t.example",
      "server": "simulated",
      "recipe": "tiny",
      "version": null,
      "env_file": "[LAB]/potluck/servers/simulated/t.example.env",
      "connects": []
    }
    --- stderr
    Added recipe tiny, linked to [LAB]/tiny.
    Wrote [LAB]/potluck/servers/simulated/t.example.env.
    "#);
}

#[test]
fn an_unknown_recipe_is_named() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "new", "tinny", "--domain", "x.org", "--server=simulated"]), @r"
    exit code 1
    --- stderr
    error: no recipe is called `tinny`
    hint: did you mean `tiny`?
    ");
    assert_snapshot!(lab.run(&["app", "new", "./none", "--domain", "x.org", "--server=simulated"]), @r"
    exit code 1
    --- stderr
    error: `./none` cannot be the source of a recipe: No such file or directory (os error 2)
    hint: a recipe comes from an `https://`, `ssh://` or `file://` URL, `user@host:path`, or a folder written with a slash, `./wordpress`
    ");
}

#[test]
fn settings_are_read_and_written_by_scripts() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "config", "t.example", "--get", "DOMAIN"]), @r"
    exit code 0
    --- stdout
    t.example
    ");
    assert_snapshot!(lab.run(&["app", "config", "t.example", "--get", "NONE"]), @r"
    exit code 1
    --- stderr
    error: the setting `NONE` of `t.example` is not set
    ");
    assert_snapshot!(lab.run(&["app", "config", "t.example", "--set", "TITLE=a b"]), @r"
    exit code 0
    --- stderr
    Wrote [LAB]/potluck/servers/simulated/t.example.env.
    ");
    assert_snapshot!(lab.run(&["app", "config", "t.example", "--get", "TITLE"]), @r"
    exit code 0
    --- stdout
    a b
    ");
    assert_json_snapshot!(lab.json(&["app", "config", "t.example", "--json"]), @r#"
    {
      "TYPE": "tiny",
      "DOMAIN": "t.example",
      "TITLE": "a b",
      "SECRET_TOKEN_VERSION": "v1",
      "SECRET_MAIL_PASSWORD_VERSION": "v1"
    }
    "#);
}

#[test]
fn check_finds_what_is_missing() {
    let lab = Lab::with_tiny_app();
    let file = lab.path("potluck/servers/simulated/t.example.env");
    let env = std::fs::read_to_string(&file).unwrap().replace("TITLE=\n", "");
    std::fs::write(&file, env).unwrap();
    assert_snapshot!(lab.run(&["app", "check", "t.example"]), @r"
    exit code 1
    --- stdout
    error[secret-missing]: secret mail_password: not on the server
      fix: run `potluck app secret insert t.example mail_password`
    error[secret-missing]: secret token: not on the server
      fix: run `potluck app secret generate t.example`
    warning[setting-missing]: TITLE: not in the settings; the recipe's sample has `TITLE=`
      fix: set it with `potluck app config`
    --- stderr
    Found 2 errors, 1 warning.
    ");

    lab.run(&["app", "config", "t.example", "--set", "TITLE=x", "-q"]);
    lab.run(&["app", "secret", "generate", "t.example", "-q"]);
    lab.run_with(&["app", "secret", "insert", "t.example", "mail_password"], b"x\n");
    assert_snapshot!(lab.run(&["app", "check", "t.example"]), @r"
    exit code 0
    --- stderr
    t.example has all that its recipe needs.
    ");
    assert_json_snapshot!(lab.json(&["app", "check", "t.example", "--json"]), @r#"
    {
      "app": "t.example",
      "ok": true,
      "findings": []
    }
    "#);
}

#[test]
fn check_names_the_cause_first() {
    let lab = Lab::with_tiny_app();
    let file = lab.path("potluck/servers/simulated/t.example.env");
    let env = std::fs::read_to_string(&file).unwrap().replace("TITLE=\n", "");
    std::fs::write(&file, env).unwrap();
    let port =
        "services: {app: {image: 'busybox:1', ports: [{target: 80, published: '${TITLE}'}]}}";
    lab.write("tiny/compose.yml", port);
    assert_snapshot!(lab.run(&["app", "check", "t.example"]), @r"
    exit code 1
    --- stdout
    error[setting-missing]: TITLE: not in the settings; the recipe's sample has `TITLE=`
      fix: set it with `potluck app config`
    error[compose-invalid]: compose.yml:1:70: services.app.ports[0].published: TITLE is not set, but `published: ${TITLE}` needs a number
      fix: set TITLE, or write a default: `${TITLE:-…}`
    --- stderr
    Found 2 errors.
    ");
}

#[test]
fn check_finds_a_plugin_that_cannot_run() {
    let lab = Lab::with_tiny_app();
    let check = |plugin: &str| -> Vec<String> {
        lab.write("tiny/recipe.yml", &format!("plugins:\n  - name: wiki\n{plugin}"));
        let run = lab.run(&["app", "check", "t.example", "--json"]);
        assert_eq!(run.code, 1, "{run}");
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let errors = report["findings"].as_array().unwrap().iter();
        let errors = errors.map(|finding| finding["code"].as_str().unwrap().to_owned());
        errors.filter(|code| code != "secret-missing").collect()
    };
    assert_eq!(check("    component: none.wasm\n"), ["component-missing"]);
    let limits = "    component: none.wasm\n    limits: {memory_mib: 9999999}\n";
    assert_eq!(check(limits), ["manifest-invalid"]);
}

#[test]
fn check_says_what_keeps_an_app_from_being_loaded() {
    let lab = Lab::with_tiny_app();
    let codes = || -> Vec<String> {
        let run = lab.run(&["app", "check", "t.example", "--json"]);
        assert_eq!(run.code, 1, "{run}");
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(report["ok"], false, "{report}");
        let findings = report["findings"].as_array().unwrap().iter();
        findings.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    };
    let file = lab.path("potluck/servers/simulated/t.example.env");
    let env = std::fs::read_to_string(&file).unwrap();

    std::fs::write(&file, format!("{env}COMPOSE_FILE=nowhere.yml\n")).unwrap();
    assert_eq!(codes(), ["compose-unreadable"]);
    std::fs::write(&file, env.replace("TYPE=tiny", "TYPE=other")).unwrap();
    assert_eq!(codes(), ["recipe-unavailable"]);
    std::fs::write(&file, format!("{env}TITLE='\n")).unwrap();
    assert_eq!(codes(), ["settings-invalid"]);

    std::fs::write(&file, &env).unwrap();
    std::fs::write(lab.path("tiny/compose.yml"), "services: {app: {imgae: x}}").unwrap();
    assert_eq!(codes(), ["compose-invalid"]);
    std::fs::write(lab.path("tiny/recipe.yml"), "plugin: []").unwrap();
    assert_eq!(codes(), ["compose-invalid", "manifest-invalid"]);
}

#[test]
fn an_app_lives_and_dies_on_the_simulated_server() {
    let lab = Lab::with_tiny_app();
    assert_snapshot!(lab.run(&["app", "deploy", "t.example", "-n"]), @r"
    exit code 1
    --- stderr
    error: t.example cannot be deployed:
      secret mail_password: not on the server [secret-missing]
        fix: run `potluck app secret insert t.example mail_password`
      secret token: not on the server [secret-missing]
        fix: run `potluck app secret generate t.example`
    ");
    lab.run(&["app", "secret", "generate", "t.example", "-q"]);
    lab.run_with(&["app", "secret", "insert", "t.example", "mail_password", "-q"], b"x\n");
    assert_snapshot!(lab.run(&["app", "deploy", "t.example", "--dry-run"]), @r"
    exit code 0
    --- stderr
    check ...
    Plan:
      + create network t_example_default
      + create service t_example_app
          image: potluck-test/busybox:1@sha256:ad054dff30d740c3f82ed0ab8cf989ac576114e12a9ee2e090ffdf4f1e559cda
          secret t_example_mail_password_v1: added
          secret t_example_token_v1: added
          network: + t_example_default
    If it fails: the services that were started are kept, so that you can look into them.
    Nothing was changed: this was a dry run.
    ");
    let run = lab.run(&["app", "deploy", "t.example", "-n"]);
    assert_eq!(run.code, 0, "{run}");
    let report = lab.json(&["app", "deploy", "t.example", "-n", "--json"]);
    assert_json_snapshot!(masked(report, &["seconds"]), @r#"
    {
      "app": "t.example",
      "stack": "t_example",
      "version": null,
      "plan": {
        "changes": [],
        "warnings": [],
        "reach": [],
        "on_failure": null
      },
      "changed": false,
      "completed": [],
      "stopped": [],
      "seconds": "[seconds]"
    }
    "#);
    let services = lab.json(&["app", "ps", "t.example", "--json"]);
    assert_json_snapshot!(masked(services, &["task", "node", "since"]), @r#"
    [
      {
        "service": "app",
        "task": "[task]",
        "slot": 1,
        "node": "[node]",
        "state": "running",
        "desired": "running",
        "health": null,
        "image": "potluck-test/busybox:1",
        "exit_code": null,
        "error": null,
        "failures": 0,
        "cause": null,
        "since": "[since]"
      }
    ]
    "#);
    let list = lab.run(&["app", "ls", "--status"]);
    assert!(list.stdout.contains("deployed"), "{list}");
    assert_snapshot!(lab.run(&["app", "rm", "t.example", "--yes"]), @r"
    exit code 1
    --- stderr
    error: t.example is still deployed
    hint: run `potluck app undeploy t.example` first
    ");
    assert_snapshot!(lab.run(&["app", "undeploy", "t.example", "--yes", "-q"]), @"exit code 0");
    assert_snapshot!(lab.run(&["app", "ps", "t.example"]), @r"
    exit code 1
    --- stderr
    error: t.example is not deployed
    hint: run `potluck app deploy t.example`
    ");
    assert_snapshot!(lab.run(&["app", "rm", "t.example", "--yes", "-q"]), @"exit code 0");
    assert_snapshot!(lab.run(&["app", "ls"]), @r"
    exit code 0
    --- stderr
    There are no apps here yet.
    hint: `potluck app new` sets one up
    ");
}

#[test]
fn one_unreadable_server_hides_no_other() {
    let lab = Lab::new();
    lab.run(&["server", "add", "practice", "simulated"]);
    lab.write("potluck/servers/broken/server.yml", "endpoint: [\n");
    let run = lab.run(&["server", "ls", "--status"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("practice  simulated"), "{run}");
    assert!(run.stdout.contains("its settings can't be read"), "{run}");
    assert!(run.stderr.contains("broken/server.yml"), "{run}");
}

#[test]
fn apps_of_a_server_that_is_not_there_are_no_empty_list() {
    let lab = Lab::with_tiny_app();
    let run = lab.run(&["app", "ls", "--server", "nope"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("no server is called `nope`"), "{run}");
}

#[test]
fn a_recipe_that_cannot_be_deployed_is_told_of_at_once() {
    let lab = Lab::new();
    lab.write("bad/compose.yml", "services:\n  app:\n    imgae: x:1\n");
    let run = lab.run(&["app", "new", "./bad", "--domain", "b.example", "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("imgae"), "{run}");
    assert!(run.stderr.contains("the recipe bad can't be deployed as it is"), "{run}");
}

#[test]
fn a_setting_that_was_built_up_is_replaced_whole() {
    let lab = Lab::with_tiny_app();
    lab.write(
        "potluck/servers/simulated/t.example.env",
        "TYPE=tiny\nCOMPOSE_FILE=\"compose.yml\"\nCOMPOSE_FILE=\"$COMPOSE_FILE:b.yml\"\n",
    );
    let run = lab.run(&["app", "config", "t.example", "--set", "COMPOSE_FILE=compose.yml"]);
    assert_eq!(run.code, 0, "{run}");
    let check = lab.run(&["app", "check", "t.example", "--offline"]);
    assert!(!check.stdout.contains("replaces the value"), "{check}");
}

#[test]
fn help_that_could_not_be_written_is_a_failure() {
    let lab = Lab::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));
    let status = command.arg("--help").stdout(full).env("HOME", lab.path("home")).status();
    assert_eq!(status.unwrap().code(), Some(1));
}

#[test]
fn an_address_as_settings_have_it_is_no_folder() {
    let lab = Lab::new();
    let run = lab.run(&["recipe", "lint", "git.example.org/org/wiki"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("cloning https://git.example.org/org/wiki: "), "{run}");
    for given in ["./nowhere", "nowhere/wiki", "https://git.example.org:x/wiki"] {
        let run = lab.run(&["recipe", "lint", given]);
        assert!(run.code == 1 && !run.stderr.contains("cloning"), "{run}");
    }
}

/// A recipe with one service and nothing to ask for.
fn plain(lab: &Lab) {
    lab.write("plain/compose.yml", "services:\n  app:\n    image: busybox:1\n");
    lab.write("plain/.env.sample", "TYPE=plain\n");
}

#[test]
fn hints_can_be_typed() {
    let lab = Lab::new();
    plain(&lab);
    // Without secrets there are none to make.
    let new = ["app", "new", "./plain", "--domain", "p.example", "--server=simulated"];
    assert_snapshot!(lab.run(&new), @r"
    exit code 0
    --- stderr
    Added recipe plain, linked to [LAB]/plain.
    Wrote [LAB]/potluck/servers/simulated/p.example.env.
    Next:
      potluck app config p.example            look through its settings
      potluck app deploy p.example            deploy it
    ");
    assert_snapshot!(lab.run(&["app", "undeploy", "p.example", "--yes"]), @r"
    exit code 1
    --- stderr
    error: p.example is not deployed: there is nothing to remove from its server
    hint: `potluck app ls --status` shows what is deployed; `potluck app rm p.example` removes its settings, and what secrets and volumes are left
    ");
    assert_snapshot!(lab.run(&["app", "deploy", "p.example", "3.0.0"]), @r"
    exit code 1
    --- stderr
    error: the recipe `plain` has no version `3.0.0`
    hint: it is a folder without git, which has no versions: leave the version out, in the settings, too
    ");
}

#[test]
fn an_app_that_comes_to_nothing_leaves_nothing() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("empty")).unwrap();
    plain(&lab);
    lab.write("odd/compose.yml", "services: {}\n");
    lab.write("odd/.env.sample", "TYPE=odd\nhere somebody wrote a note\n");
    for (recipe, more, said) in [
        ("./empty", &[][..], "the recipe empty has nothing to deploy: reading compose.yml"),
        ("./odd", &[], ".env.sample:2: this is not an assignment"),
        ("./plain", &["--version", "3.0.0"], "has no version `3.0.0`"),
        ("./plain", &["--set", "STACK_NAME=not a name"], "not a name"),
    ] {
        let new = ["app", "new", recipe, "--domain", "n.example", "--server=simulated"];
        let run = lab.run(&[&new[..], more].concat());
        assert!(run.code != 0 && run.stderr.contains(said), "{recipe}: {run}");
        assert!(!run.stderr.contains("Added recipe"), "{recipe}: {run}");
        assert_eq!(lab.json(&["recipe", "ls", "--json"]), serde_json::json!([]), "{recipe}");
        assert_eq!(lab.json(&["app", "ls", "--json"]), serde_json::json!([]), "{recipe}");
    }
}

#[test]
fn a_grant_to_an_unknown_service_is_a_mistake_also_where_nothing_changes() {
    let lab = Lab::new();
    plain(&lab);
    lab.run(&["app", "new", "./plain", "--domain", "p.example", "--server=simulated"]);
    for deployed in [false, true] {
        for dry in [true, false] {
            if !deployed && !dry {
                continue;
            }
            let arguments =
                ["app", "deploy", "p.example", "-n", "--grant", "nosuch host: /srv/x", "--dry-run"];
            let run = lab.run(&arguments[..if dry { 7 } else { 6 }]);
            assert_eq!(run.code, 2, "{deployed} {dry}: {run}");
            assert!(run.stderr.contains("the app has no service `nosuch`"), "{run}");
        }
        assert_eq!(lab.run(&["app", "deploy", "p.example", "-n"]).code, 0);
    }
    let run = lab.run(&["app", "deploy", "p.example", "-n", "--grant", "app host: /srv/x"]);
    assert!(run.stderr.contains("the service `app` does not ask for it"), "{run}");
}

#[test]
fn a_file_that_cannot_be_read_is_said_once_with_the_line_to_correct() {
    let lab = Lab::new();
    plain(&lab);
    lab.run(&["app", "new", "./plain", "--domain", "p.example", "--server=simulated"]);
    assert_eq!(lab.run(&["app", "deploy", "p.example", "-n"]).code, 0);
    let place = "potluck/servers/simulated/p.example";
    let settings = std::fs::read_to_string(lab.path(&format!("{place}.env"))).unwrap();
    let lock = std::fs::read_to_string(lab.path(&format!("{place}.lock.yml"))).unwrap();
    for (file, text, said) in [
        ("env", format!("{settings}here somebody wrote a note\n"), "this is not an assignment"),
        ("lock.yml", format!("{lock}nosuch: 1\n"), "unknown key `nosuch`"),
    ] {
        lab.write(&format!("{place}.{file}"), &text);
        let line = text.lines().count();
        let hint = format!("correct line {line} of [LAB]/{place}.{file}");
        for arguments in [
            &["app", "ps", "p.example"][..],
            &["app", "deploy", "p.example", "-n"],
            &["app", "secret", "ls", "p.example"],
            &["app", "check", "p.example"],
            &["app", "ls"],
            &["backup", "create", "p.example"],
            &["app", "undeploy", "p.example", "--yes"],
        ] {
            let run = lab.run(arguments);
            let all = run.to_string();
            assert_eq!(all.matches(said).count(), 1, "{arguments:?}: {run}");
            assert_eq!(all.matches(&hint).count(), 1, "{arguments:?}: {run}");
            let is_lock = file == "lock.yml";
            assert_eq!(all.contains("if a newer potluck wrote it"), is_lock, "{run}");
        }
        let report = lab.run(&["app", "deploy", "p.example", "-n", "--json"]).stdout;
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["error"]["line"], line, "{report}");
        assert_eq!(report["error"]["file"], format!("[LAB]/{place}.{file}"), "{report}");
        lab.write(&format!("{place}.env"), &settings);
        lab.write(&format!("{place}.lock.yml"), &lock);
        assert_eq!(lab.run(&["app", "deploy", "p.example", "-n"]).code, 0);
    }
}

#[test]
fn a_recipe_named_twice_is_said_where_the_settings_are_read() {
    let lab = Lab::new();
    plain(&lab);
    lab.run(&["app", "new", "./plain", "--domain", "p.example", "--server=simulated"]);
    let set = lab.run(&["app", "config", "p.example", "--set", "RECIPE=other"]);
    let said = "`RECIPE=other` counts; remove line 1, `TYPE=plain`, which is ignored";
    assert!(set.code == 0 && set.stderr.contains(said), "{set}");
    lab.run(&["app", "config", "p.example", "--set", "RECIPE=plain", "--set", "TYPE=other"]);
    let said = "`RECIPE=plain` counts; remove line 1, `TYPE=other`, which is ignored";
    for arguments in
        [&["app", "check", "p.example"][..], &["app", "deploy", "p.example", "--dry-run"]]
    {
        let run = lab.run(arguments);
        assert!(run.to_string().contains(said), "{arguments:?}: {run}");
    }
}

#[test]
fn what_was_never_deployed_has_no_backup() {
    let lab = Lab::new();
    plain(&lab);
    lab.run(&["app", "new", "./plain", "--domain", "p.example", "--server=simulated"]);
    assert_snapshot!(lab.run(&["backup", "create", "p.example"]), @r"
    exit code 1
    --- stderr
    error: p.example is not deployed and never was, so it has nothing to back up yet
    hint: run `potluck app deploy p.example` first
    ");
    // Once it is, that only its settings are saved counts as a warning.
    assert_eq!(lab.run(&["app", "deploy", "p.example", "-n"]).code, 0);
    let made = lab.run(&["backup", "create", "p.example"]);
    assert!(made.stderr.contains("p.example has no data to save"), "{made}");
    assert!(made.code == 0 && made.stderr.contains(", with 1 warning."), "{made}");
}
