//! Lint finds what breaks between a recipe's files, and nothing in the example
//! recipes.

use std::{fs, path::Path};

use potluck::{
    home::RecipeName,
    recipe::{
        Store, Version,
        lint::{Finding, Severity, lint},
    },
};

/// A recipe with these files, linted.
fn linted(files: &[(&str, &str)]) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("wiki");
    fs::create_dir(&recipe).unwrap();
    for (name, text) in files {
        let path = recipe.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    lint_folder(&recipe)
}

fn lint_folder(folder: &Path) -> Vec<Finding> {
    let place = tempfile::tempdir().unwrap();
    let store = Store::new(place.path().join("recipes"));
    let name = RecipeName::new("linted").unwrap();
    store.add_as(&name, folder.to_str().unwrap()).unwrap();
    lint(&store.checkout(&name, &Version::Newest).unwrap())
}

const COMPOSE: &str = "
services:
  app:
    image: example/wiki:1.0
    secrets: [db_password]
secrets:
  db_password:
    external: true
    name: ${STACK_NAME}_db_password_${SECRET_DB_PASSWORD_VERSION}
";
const SAMPLE: &str =
    "TYPE=wiki\nCOMPOSE_FILE=compose.yml\nSECRET_DB_PASSWORD_VERSION=v1 # length=32\n";

#[test]
fn a_sound_recipe_has_no_errors() {
    let findings = linted(&[("compose.yml", COMPOSE), (".env.sample", SAMPLE)]);
    assert!(findings.iter().all(|f| f.severity != Severity::Error), "{findings:#?}");
}

#[test]
fn what_is_wrong_is_found() {
    let plugin = "plugins: [{name: p, component: p.wasm, grants: [exec: db]}]";
    let pinned = format!("plugins: [{{name: p, component: p.wasm, sha256: {}}}]", "0".repeat(64));
    let long = COMPOSE.replace("_db_password_", "_a_very_long_name_of_a_secret_");
    for (code, files) in [
        ("sample-missing", vec![("compose.yml", COMPOSE)]),
        ("sample-invalid", vec![("compose.yml", COMPOSE), (".env.sample", "TYPE='wiki\n")]),
        ("sample-without-type", vec![("compose.yml", COMPOSE), (".env.sample", "A=1\n")]),
        ("compose-unreadable", vec![(".env.sample", SAMPLE)]),
        (
            "compose-invalid",
            vec![("compose.yml", "services: {app: {imgae: x}}"), (".env.sample", SAMPLE)],
        ),
        (
            "no-app-service",
            vec![("compose.yml", "services: {web: {image: x:1}}"), (".env.sample", SAMPLE)],
        ),
        ("secret-without-key", vec![("compose.yml", COMPOSE), (".env.sample", "TYPE=wiki\n")]),
        ("secret-name-long", vec![("compose.yml", &long), (".env.sample", SAMPLE)]),
        (
            "component-missing",
            vec![("compose.yml", COMPOSE), (".env.sample", SAMPLE), ("recipe.yml", plugin)],
        ),
        (
            "grant-unknown-service",
            vec![
                ("compose.yml", COMPOSE),
                (".env.sample", SAMPLE),
                ("recipe.yml", plugin),
                ("p.wasm", "x"),
            ],
        ),
        (
            "component-differs",
            vec![
                ("compose.yml", COMPOSE),
                (".env.sample", SAMPLE),
                ("recipe.yml", &pinned),
                ("p.wasm", "x"),
            ],
        ),
    ] {
        let findings = linted(&files);
        assert!(findings.iter().any(|finding| finding.code == code), "{code}: {findings:#?}");
    }
}

#[test]
fn an_overlay_is_read_with_the_keys_that_the_sample_comments_out() {
    let overlay = "
services:
  app: {secrets: [smtp_password]}
  mail: {image: example/mail:1}
secrets:
  smtp_password:
    external: true
    name: ${STACK_NAME}_smtp_password_${SECRET_SMTP_PASSWORD_VERSION}
";
    let sample = format!("{SAMPLE}#SECRET_SMTP_PASSWORD_VERSION=v1\n");
    let plugin = "plugins: [{name: p, component: p.wasm, grants: [exec: mail]}]";
    let files = |sample| {
        linted(&[
            ("compose.yml", COMPOSE),
            ("compose.smtp.yml", overlay),
            (".env.sample", sample),
            ("recipe.yml", plugin),
            ("p.wasm", "x"),
        ])
    };
    let errors = |findings: Vec<Finding>| {
        let errors = findings.into_iter().filter(|f| f.severity == Severity::Error);
        errors.map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(errors(files(&sample)), Vec::<&str>::new());
    assert_eq!(errors(files(SAMPLE)), ["secret-without-key"]);
}

#[test]
fn the_examples_have_no_errors_but_unbuilt_components() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes-examples");
    for entry in fs::read_dir(examples).unwrap() {
        let findings = lint_folder(&entry.unwrap().path());
        let wrong: Vec<_> = findings
            .iter()
            .filter(|f| f.severity == Severity::Error && f.code != "component-missing")
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
