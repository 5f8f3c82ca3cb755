//! What each recipe of `recipes-examples` has for its tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

/// Hooks that scenarios name without their role (`src/scenario/hook`), by the role.
const HOOKS: &[(&str, &[&str])] = &[
    ("lifecycle", &["check", "before-deploy", "after-deploy", "deploy-failed", "before-remove"]),
    ("backup", &["before-backup", "after-backup", "produce", "consume", "after-restore", "verify"]),
    ("sso_provider", &["register", "unregister", "rotate"]),
    ("mail_provider", &["account", "close-account"]),
];

/// The roles of a plugin, from the last line of its source.
fn roles(source: &str) -> BTreeSet<String> {
    let (_, exported) = source.split_once("export!(").unwrap();
    let (exported, _) = exported.split_once(");").unwrap();
    let (_, roles) = exported.split_once(": ").unwrap();
    roles.split(", ").map(str::to_owned).collect()
}

/// The roles that a plugin's scenarios play.
fn played(folder: &Path) -> BTreeSet<String> {
    let mut played = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let scenario: Value = serde_saphyr::from_str(&text).unwrap();
        let steps = scenario["steps"].as_array().into_iter().flatten();
        for call in steps.chain([&scenario]).filter_map(|step| step["call"].as_str()) {
            let role = match call.split_once('.') {
                Some((role, _)) => role.replace('-', "_"),
                None => {
                    let found = HOOKS.iter().find(|(_, hooks)| hooks.contains(&call));
                    found.unwrap_or_else(|| panic!("whose hook is `{call}`?")).0.to_owned()
                }
            };
            played.insert(role);
        }
    }
    played
}

#[test]
fn each_role_of_an_examples_own_plugin_has_a_scenario() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = BTreeMap::new();
    let mut plugins = 0;
    for example in fs::read_dir(root.join("recipes-examples")).unwrap() {
        let folder = example.unwrap().path();
        // One that needs no plugin has none.
        let manifest = fs::read_to_string(folder.join("recipe.yml")).unwrap_or_default();
        for line in manifest.lines().filter_map(|it| it.split_once("component: plugins/")) {
            let name = line.1.trim_end_matches(".wasm");
            let source = root.join("plugins").join(name).join("src/lib.rs");
            let roles = roles(&fs::read_to_string(source).unwrap());
            let played = played(&folder.join("plugins").join(name).join("tests"));
            let without: Vec<String> = roles.difference(&played).cloned().collect();
            if !without.is_empty() {
                missing.insert(name.to_owned(), without);
            }
            plugins += 1;
        }
    }
    assert!(missing.is_empty(), "no scenario for {missing:?}");
    assert!(plugins >= 7, "only {plugins} plugins were found");
}
