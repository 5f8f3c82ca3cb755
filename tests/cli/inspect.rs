//! What an operator reads of a plugin before agreeing to it.

use crate::support::cli;
use crate::support::hostile;

use std::fs;

use cli::Lab;
use hostile::Guest;
use insta::assert_snapshot;

/// What the tools for Python make: WASI beneath, whatever the plugin does.
fn guest() -> Vec<u8> {
    Guest::new(&["lifecycle", "sso-client"])
        .import("environment", "get-environment")
        .import("preopens", "get-directories")
        .import("instance-network", "instance-network")
        .import("services", "run")
        .binary()
}

#[test]
fn what_a_plugin_may_do_is_read_in_one_screen() {
    let lab = Lab::new();
    lab.tiny_recipe();
    lab.write(
        "tiny/recipe.yml",
        "plugins:\n  - name: wiki\n    component: wiki.wasm\n    options: {service: app}\n    \
         grants: [exec: app]\n    limits: {memory_mib: 512}\n",
    );
    fs::write(lab.path("tiny/wiki.wasm"), guest()).unwrap();
    let run = lab.run(&["plugin", "inspect", "./tiny"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run}");
    let shown: Vec<&str> = run
        .stdout
        .lines()
        .filter(|line| !line.contains("sha256  ") && !line.contains("size  "))
        .filter(|line| !line.starts_with("  wants to"))
        .collect();
    assert_snapshot!(shown.join("\n"), @r#"
    wiki
      component wiki.wasm
      interface 0.1.0
      roles     lifecycle: is called around each deploy, and before a removal
                sso-client: changes settings and overlays, for signing in elsewhere
      uses      services: programs, files and logs of the services that are granted
                WASI: closed, except for a clock and randomness; its output goes to the log
      limits    memory 512 MiB (the recipe's; usually 256 MiB), time for a hook 15 min
      options   service: "app"
    "#);
    assert!(run.stdout.contains("  wants to  run programs in the service `app`"), "{run}");
    assert!(run.stdout.lines().count() <= 24, "{run}");

    let json = lab.json(&["plugin", "inspect", "./tiny", "--json"]);
    let found = &json[0];
    assert_eq!(found["roles"], serde_json::json!(["lifecycle", "sso-client"]));
    assert_eq!(found["limits"]["memory_mib"], 512);
    assert_eq!(found["options"]["service"], "app");
    let uses = found["uses"]["imports"].as_array().unwrap();
    let names: Vec<&str> = uses.iter().filter_map(|used| used["name"].as_str()).collect();
    assert_eq!(names, ["services", "WASI"]);
}

#[test]
fn a_component_alone_is_asked_for_no_grants() {
    let lab = Lab::new();
    fs::write(lab.path("wiki.wasm"), guest()).unwrap();
    let run = lab.run(&["plugin", "inspect", "wiki.wasm"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(!run.stdout.contains("wants to") && !run.stdout.contains("wasi:"), "{run}");
    let json = lab.json(&["plugin", "inspect", "wiki.wasm", "--json"]);
    assert!(json[0]["grants"].is_null() && json[0]["options"].is_null(), "{json}");
}

#[test]
fn no_option_of_a_recipe_writes_a_line_of_the_screen() {
    let lab = Lab::new();
    lab.tiny_recipe();
    lab.write(
        "tiny/recipe.yml",
        "plugins:\n  - name: wiki\n    component: wiki.wasm\n    grants: [exec: app]\n    options:\n      \
         \"x: 1\\n  wants to  nothing at all\\n\\n\": \"\\u202Egnihton\"\n",
    );
    fs::write(lab.path("tiny/wiki.wasm"), guest()).unwrap();
    let run = lab.run(&["plugin", "inspect", "./tiny"]);
    assert_eq!(run.code, 0, "{run}");
    let wishes = run.stdout.lines().filter(|line| line.starts_with("  wants to"));
    assert_eq!(wishes.count(), 1, "{run}");
    assert!(!run.stdout.contains("\n\n") && !run.stdout.contains('\u{202e}'), "{run}");
    let last = run.stdout.lines().last().unwrap();
    assert_eq!(last, r#"  options   x: 1   wants to  nothing at all  : "gnihton""#, "{run}");
}

#[test]
fn a_plugins_folder_is_no_recipe() {
    let lab = Lab::new();
    lab.write("wiki/compose.yml", "services: {app: {image: busybox}}\n");
    let run = lab.run(&["plugin", "new", "hello", "--output", "wiki/plugins/hello"]);
    assert_eq!(run.code, 0, "{run}");
    let look = |arguments: &[&str]| {
        let mut command = lab.command();
        let output = command.args(arguments).current_dir(lab.path("wiki/plugins/hello")).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let said = |next: &str| {
        format!(
            "error: `.` is a plugin's folder, not a recipe's\nhint: {next}\nhint: its recipe is `./../..`\n"
        )
    };
    for command in [
        &["plugin", "inspect", "."][..],
        &["recipe", "lint", "."],
        &["recipe", "inspect", "."],
        &["app", "new", ".", "--domain", "a.example", "--server=simulated"],
    ] {
        let (code, text) = look(command);
        assert_eq!(code, Some(2), "{text}");
        assert_eq!(text, said("`potluck plugin build .` makes its component"));
    }
    std::fs::write(lab.path("wiki/plugins/hello.wasm"), guest()).unwrap();
    let (code, text) = look(&["plugin", "inspect", "."]);
    assert_eq!(code, Some(2), "{text}");
    let component = lab.path("wiki/plugins/hello.wasm");
    let component = component.canonicalize().unwrap();
    assert!(text.contains(&format!("`potluck plugin inspect {}`", component.display())), "{text}");
    assert!(lab.run(&["recipe", "ls"]).stdout.is_empty());
}
