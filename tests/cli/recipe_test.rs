//! `recipe test`: recipes to a level, on a simulated server.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::support::{
    cli::{Lab, Run},
    common::skip,
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

fn result<'a>(report: &'a Value, stage: &str) -> (&'a str, &'a str) {
    let stages = report["stages"].as_array().unwrap();
    let found = stages.iter().find(|it| it["stage"] == stage).unwrap();
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
    assert_eq!(tested(&lab, &["--only", "lint", "--level", "9"]).code, 1);
}

#[test]
fn what_loses_data_or_cannot_be_read_stops_the_level() {
    let lab = released();
    // Its new version has its data elsewhere.
    lab.write("wiki/compose.yml", &COMPOSE.replace("data", "moved"));
    let run = tested(&lab, &["--json", "--only", "upgrade,lint"]);
    assert_eq!(run.code, 1, "{run}");
    let found = report(&run);
    assert_eq!(found["level"], 1, "{run}");
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
    lab.write("wiki/recipe.yml", PLUGINS);
    lab.write("wiki/.env.sample", &format!("{SAMPLE}COMPOSE_FILE=compose.yml\n"));
    let run = tested(&lab, &["--json", "--only", "restore"]);
    assert_eq!(run.code, 0, "{run}");
    let found = report(&run);
    let (word, why) = result(&found, "restore");
    assert_eq!(word, "not-shown", "{run}");
    assert_eq!(found["shows"], "nothing yet, as lint or install was not run", "{run}");
    assert!(why.contains("tests/simulated.yml") && why.contains("--server"), "{why}");
    assert_eq!(result(&found, "domain").0, "not-run");

    // What it runs then, is in the recipe's hands.
    lab.write(
        "wiki/tests/simulated.yml",
        "exec:\n- {service: app, stdout: answered, exit_code: 1}\n",
    );
    let found = report(&tested(&lab, &["--json", "--only", "restore"]));
    assert_eq!(result(&found, "restore").0, "failed", "{found}");
    // A database in order is answered for the plugins that come with potluck.
    fs::remove_file(lab.path("wiki/tests/simulated.yml")).unwrap();
    lab.write(
        "wiki/recipe.yml",
        &PLUGINS.replace("redis", "sqlite").replace("{service", "{files: [/data/a.db], service"),
    );
    let found = report(&tested(&lab, &["--json", "--only", "restore"]));
    assert_eq!(result(&found, "restore").0, "passed", "{found}");
}

const PLUGINS: &str = "plugins:\n- name: database\n  component: std:redis\n  options: {service: \
                       app}\n  grants: [{exec: app}]\n";

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
        let run = tested(&lab, &[&["--only", "lint,install", "--junit", "r.xml"], more].concat());
        (run, fs::read_to_string(lab.path("r.xml")).unwrap())
    };
    fs::remove_file(lab.path("wiki/tests/simulated.yml")).unwrap();
    let (run, xml) = test(&[]);
    assert_eq!(run.code, 0, "{run}");
    let level =
        "Level 0, on a simulated server: nothing yet, as its install could not be seen here.";
    assert!(run.stdout.contains(level), "{run}");
    assert!(xml.contains("failures=\"0\" errors=\"0\""), "{xml}");
    assert!(xml.contains("<skipped message=\"not shown: a simulated server runs no"), "{xml}");

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

/// The table of docs/recipes.md, of which a part is looked at here: each takes half a minute.
#[test]
fn examples_have_the_level_that_the_documents_say() {
    have_their_levels(&["isso", "rocketchat", "wordpress"]);
}

#[test]
#[ignore = "make campaign levels"]
fn every_example_has_the_level_that_the_documents_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes-examples");
    let mut all: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|example| example.unwrap().file_name().into_string().unwrap())
        .collect();
    all.sort();
    have_their_levels(&all.iter().map(String::as_str).collect::<Vec<_>>());
}

fn have_their_levels(examples: &[&str]) {
    let lab = Lab::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documented = fs::read_to_string(root.join("docs/recipes.md")).unwrap();
    let mut missing = Vec::new();
    for example in examples {
        let folder = root.join("recipes-examples").join(example);
        let run = lab.run(&["recipe", "test", folder.to_str().unwrap(), "--json"]);
        let report = report(&run);
        let level = &report["level"];
        println!("{example}: level {level}, {}", report["stopped_by"]);
        if !documented.contains(&format!("| {example} | {level} |")) {
            missing.push(format!("{example} {level}"));
        }
    }
    assert!(missing.is_empty(), "docs/recipes.md says otherwise of {missing:?}");
}
