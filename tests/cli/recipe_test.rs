//! `recipe test`: recipes to a level, on a simulated server.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::support::{
    cli::{Lab, Run},
    common::skip,
    examples::{all, documented, with_release_before},
    signing::{git, repository, save},
};

const COMPOSE: &str = "services:\n  app:\n    image: example.invalid/app:1\n    volumes: \
                       ['data:/data']\n    secrets: [key]\nvolumes: {data: }\nsecrets:\n  key: \
                       {external: true, name: '${STACK_NAME}_key_${SECRET_KEY_VERSION}'}\n";
const SAMPLE: &str = "TYPE=wiki\nDOMAIN=\nSECRET_KEY_VERSION=v1\n";

fn tested(lab: &Lab, more: &[&str]) -> Run {
    lab.run(&[&["recipe", "test", "./wiki"], more].concat())
}

fn report(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

fn stage<'a>(report: &'a Value, name: &str) -> &'a Value {
    let stages = report["stages"].as_array().unwrap();
    stages.iter().find(|it| it["stage"] == name).unwrap()
}

fn result<'a>(report: &'a Value, name: &str) -> (&'a str, &'a str) {
    let found = stage(report, name);
    (found["result"].as_str().unwrap(), found["why"].as_str().unwrap_or_default())
}

/// A recipe with one release, in the folder `wiki`.
fn released() -> Lab {
    let lab = Lab::new();
    let place = lab.path("wiki");
    repository(&place, COMPOSE);
    fs::write(place.join(".env.sample"), SAMPLE).unwrap();
    save(&place, "a release");
    git(&place, &["tag", "1.0.0+1"]);
    lab
}

#[test]
fn a_report_that_cannot_be_written_is_known_before() {
    let lab = Lab::new();
    let run = lab.run(&["recipe", "test", "./none", "--junit", "none/report.xml"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("writing none/report.xml"), "{run}");
}

#[test]
fn a_good_recipe_has_the_highest_level_of_a_simulated_server() {
    let lab = released();
    lab.write("wiki/compose.yml", &COMPOSE.replace("app:1", "app:2"));
    let run = tested(&lab, &["--json", "--junit", "report.xml", "--level", "8"]);
    assert_eq!(run.code, 0, "{run}");
    let report = report(&run);
    assert_eq!((&report["level"], &report["server"]), (&8.into(), &"simulated".into()), "{run}");
    for stage in report["stages"].as_array().unwrap() {
        let passed = stage["result"] == "passed" || stage["stage"] == "scenarios";
        assert!(passed, "{stage}");
    }
    assert!(result(&report, "scenarios").1.contains("no plugins"), "{run}");
    let xml = fs::read_to_string(lab.path("report.xml")).unwrap();
    assert!(xml.contains("tests=\"11\" failures=\"0\" errors=\"0\" skipped=\"1\""), "{xml}");
    // Nothing of it is among the operator's own.
    assert_eq!(lab.json(&["app", "ls", "--json"]), Value::Array(vec![]));
    assert!(!lab.path("potluck/recipes/wiki").exists());

    // Never released, it is upgraded all the same, and its level says from what.
    fs::remove_dir_all(lab.path("wiki/.git")).unwrap();
    let run = tested(&lab, &["--level", "9", "--junit", "report.xml"]);
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(run.stdout.matches(" upgrade  ").count(), 1, "{run}");
    let without = "upgraded onto itself: there is no release before";
    for line in [
        "\nLevel 8, on a simulated server, without scenarios and an upgrade from an earlier \
         release: can be changed.\n",
        &format!("\n    without an upgrade from an earlier release: {without}\n"),
        "\n    not level 9: the server is simulated",
    ] {
        assert!(run.stdout.contains(line), "{line:?} is missing: {run}");
    }
    let xml = fs::read_to_string(lab.path("report.xml")).unwrap();
    assert!(xml.contains("<property name=\"level\" value=\"8\"/>"), "{xml}");
    assert!(xml.contains(&format!("<system-out>{without}</system-out>")), "{xml}");
}

#[test]
fn stages_that_were_left_out_give_no_level() {
    let lab = released();
    let run = tested(&lab, &["--only", "lint"]);
    assert_eq!(run.code, 0, "{run}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    let [lint, level] = lines[..] else { panic!("{run}") };
    assert!(lint.starts_with("passed          lint  "), "{run}");
    assert_eq!(level, "No level: --only left stages out.");
    let found = report(&tested(&lab, &["--only", "lint", "--json"]));
    assert_eq!((&found["level"], &found["without"]), (&Value::Null, &Value::Array(vec![])));
    assert_eq!(tested(&lab, &["--only", "lint", "--level", "1"]).code, 2);
}

#[test]
fn without_another_release_a_recipe_is_upgraded_onto_itself() {
    let lab = released();
    // Its files are those of its only release.
    let found = report(&tested(&lab, &["--json", "--only", "upgrade"]));
    assert_eq!(result(&found, "upgrade").0, "passed", "{found}");
    assert_eq!(lacks(&found), "upgraded onto itself: no release before has other files");
    // As a version that comes after it.
    let commands = stage(&found, "upgrade")["commands"].to_string();
    assert!(commands.contains(" 99.0.1+test --no-input"), "{commands}");
}

fn lacks(report: &Value) -> &str {
    stage(report, "upgrade")["lacks"].as_str().unwrap_or_default()
}

#[test]
fn what_is_upgraded_can_be_named() {
    let lab = released();
    fs::remove_dir_all(lab.path("wiki/.git")).unwrap();
    // It has its data elsewhere.
    lab.write("before/compose.yml", &COMPOSE.replace("data", "moved"));
    lab.write("before/.env.sample", SAMPLE);
    let test = |from: &str| tested(&lab, &["--json", "--only", "upgrade", "--from", from]);
    let found = report(&test("before"));
    assert_eq!(result(&found, "upgrade").0, "failed", "{found}");
    lab.write("before/compose.yml", &COMPOSE.replace("app:1", "app:0"));
    let found = report(&test("./before"));
    assert_eq!((result(&found, "upgrade").0, lacks(&found)), ("passed", ""), "{found}");
    let run = test("0.9.0+1");
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("`--from` also takes a folder"), "{run}");
}

#[test]
fn a_folder_without_a_recipe_is_said_to_be_none() {
    let lab = Lab::new();
    fs::create_dir(lab.path("wiki")).unwrap();
    let run = tested(&lab, &[]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("`./wiki` has no compose.yml, so it is not a recipe"), "{run}");
    assert!(run.stderr.contains("potluck recipe new NAME"), "{run}");
}

#[test]
fn invalid_answers_are_a_finding_and_name_their_own_file() {
    let lab = released();
    lab.write("wiki/tests/simulated.yml", "exec:\n- {service: app}\n- {servise: app}\n");
    let run = lab.run(&["recipe", "lint", "./wiki"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(
        run.stdout.contains("error[answers-invalid]: tests/simulated.yml: unknown key"),
        "{run}"
    );
    let run = tested(&lab, &["--only", "lint"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("tests/simulated.yml is invalid: unknown key `servise`"), "{run}");
    assert!(run.stderr.contains("at line 3"), "{run}");
}

#[test]
fn what_loses_data_or_cannot_be_read_stops_the_level() {
    let lab = released();
    // Its new version has its data elsewhere.
    lab.write("wiki/compose.yml", &COMPOSE.replace("data", "moved"));
    let run = tested(&lab, &["--json", "--only", "upgrade,lint"]);
    assert_eq!(run.code, 1, "{run}");
    let found = report(&run);
    let (word, why) = result(&found, "upgrade");
    assert_eq!(word, "failed", "{run}");
    assert!(why.contains("data"), "{why}");

    lab.write("wiki/compose.yml", "services: {app: {image: 'a:1', ports: ['x']}}\n");
    let run = tested(&lab, &["--json"]);
    assert_eq!(run.code, 1, "{run}");
    let found = report(&run);
    assert_eq!((&found["level"], result(&found, "install").0), (&0.into(), "failed"), "{run}");
    assert_eq!(result(&found, "again"), ("not-run", "install did not pass"));
    assert!(found["stopped_by"].as_str().unwrap().starts_with("lint failed"), "{run}");
}

#[test]
fn what_only_a_real_server_shows_is_said_and_can_be_answered() {
    let lab = released();
    // What labels run, only the recipe knows.
    let labels =
        "    deploy: {labels: {backupbot.backup: 'true', backupbot.backup.pre-hook: /dump now}}\n";
    lab.write(
        "wiki/compose.yml",
        &COMPOSE.replace("volumes: {data", &format!("{labels}volumes: {{data")),
    );
    lab.write("wiki/recipe.yml", &plugin("backupbot", "{}"));
    let run = tested(&lab, &["--json", "--only", "restore"]);
    assert_eq!(run.code, 0, "{run}");
    let found = report(&run);
    let (word, why) = result(&found, "restore");
    assert_eq!(word, "not-shown", "{run}");
    for part in [
        "service 'app': '",
        "/dump now",
        "tests/simulated.yml",
        "--server",
        "service: \"app\", matches: \"sh *",
    ] {
        assert!(why.contains(part), "{part:?}: {why}");
    }
    assert_eq!(result(&found, "domain").0, "not-run");

    // What it runs then, is in the recipe's hands.
    lab.write(
        "wiki/tests/simulated.yml",
        "exec:\n- {service: app, stdout: answered, exit_code: 1}\n",
    );
    let found = report(&tested(&lab, &["--json", "--only", "restore"]));
    assert_eq!(result(&found, "restore").0, "failed", "{found}");
    // A store in order is answered for the plugins that come with potluck.
    fs::remove_file(lab.path("wiki/tests/simulated.yml")).unwrap();
    lab.write("wiki/compose.yml", COMPOSE);
    for (store, options) in
        [("redis", "{service: app}"), ("sqlite", "{service: app, files: [/data/a.db]}")]
    {
        lab.write("wiki/recipe.yml", &plugin(store, options));
        let found = report(&tested(&lab, &["--json", "--only", "restore"]));
        assert_eq!(result(&found, "restore").0, "passed", "{store}: {found}");
    }
}

fn plugin(standard: &str, options: &str) -> String {
    format!(
        "plugins:\n- name: data\n  component: std:{standard}\n  options: {options}\n  grants: \
         [{{exec: app}}]\n"
    )
}

#[test]
fn what_could_not_be_seen_is_not_called_broken() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes-examples/wordpress");
    if !example.join("plugins/wordpress.wasm").exists() {
        return skip("the plugin wordpress.wasm is missing: make plugins");
    }
    let lab = Lab::new();
    let copied = Command::new("cp").arg("-r").args([&example, &lab.path("wiki")]).status();
    assert!(copied.unwrap().success());
    let test = |more: &[&str]| {
        let run = tested(&lab, &[&["--junit", "r.xml"], more].concat());
        (run, fs::read_to_string(lab.path("r.xml")).unwrap())
    };
    fs::remove_file(lab.path("wiki/tests/simulated.yml")).unwrap();
    let (run, xml) = test(&[]);
    assert_eq!(run.code, 0, "{run}");
    let level =
        "Level 0, on a simulated server: nothing yet, as its install could not be seen here.";
    assert!(run.stdout.contains(level), "{run}");
    assert!(xml.contains("failures=\"0\" errors=\"0\""), "{xml}");
    assert!(xml.contains("<skipped message=\"not shown: service 'app': 'php': a"), "{xml}");

    lab.write("wiki/tests/simulated.yml", "exec: [{service: app, exit_code: 1}]\n");
    let (run, xml) = test(&[]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stdout.contains("Level 0, on a simulated server: broken."), "{run}");
    assert!(xml.contains("failures=\"1\" errors=\"0\""), "{xml}");
    assert_eq!(report(&test(&["--json"]).0)["shows"], "broken");
}

#[test]
fn a_new_recipe_has_the_file_of_a_ci() {
    let lab = Lab::new();
    for (ci, path) in
        [("woodpecker", ".woodpecker.yml"), ("forgejo", ".forgejo/workflows/recipe.yml")]
    {
        let place = format!("made-{ci}");
        let person = ["-N", "Anna", "-e", "anna@example.org"];
        let new = ["recipe", "new", "wiki", "--output", &place, "--ci", ci];
        let run = lab.run(&[&new[..], &person].concat());
        assert_eq!(run.code, 0, "{run}");
        let text = fs::read_to_string(lab.path(&place).join(path)).unwrap();
        assert!(text.contains("potluck recipe test . --junit report.xml"), "{text}");
    }
}

/// Of which a part is looked at here: each takes half a minute.
#[test]
fn examples_have_the_level_that_they_say() {
    have_their_levels(&["isso", "rocketchat", "wordpress"]);
}

#[test]
#[ignore = "make campaign levels"]
fn every_example_has_the_level_that_it_says() {
    have_their_levels(&all().iter().map(String::as_str).collect::<Vec<_>>());
}

fn have_their_levels(examples: &[&str]) {
    let lab = Lab::new();
    let mut wrong = Vec::new();
    for example in examples {
        let folder = with_release_before(&lab.path("examples"), example, &[]);
        let run = lab.run(&["recipe", "test", folder.to_str().unwrap(), "--json"]);
        let report = report(&run);
        println!(
            "{example}: level {}, {}, {}",
            report["level"], report["stopped_by"], report["without"]
        );
        if report["level"].as_u64() != documented(example, "simulated") {
            wrong.push(format!("{example}: {run}"));
        }
        // From the release before, and not onto itself.
        if (result(&report, "upgrade").0, lacks(&report)) != ("passed", "") {
            wrong.push(format!("{example}: {}", stage(&report, "upgrade")));
        }
    }
    assert!(wrong.is_empty(), "READMEs of examples say otherwise of {}", wrong.join("\n"));
}

#[test]
fn the_documents_list_the_levels_that_the_examples_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/recipes.md")).unwrap();
    let (_, table) = page.split_once("| example | simulated | real |\n|---|---|---|\n").unwrap();
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let level = |example: &str, server| {
        documented(example, server).map(|level| format!("{level} ")).unwrap_or_default()
    };
    let row = |example: &String| {
        let (simulated, real) = (level(example, "simulated"), level(example, "real"));
        format!("| {example} | {simulated}| {real}|")
    };
    assert_eq!(rows, all().iter().map(row).collect::<Vec<_>>());
}
