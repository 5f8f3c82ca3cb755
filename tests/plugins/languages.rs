//! One plugin in four languages, in the same scenarios: each is told apart from
//! the others by nothing that the host sees. The one in C speaks an older version
//! of the interface than the others.
//!
//! `plugins/build.sh` builds the one in Rust, `plugins/examples/build.sh` the
//! others; `make test` runs both.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use potluck::{
    plugin::{Plugin, Runtime},
    scenario::{Defaults, Played, Scenario, play},
};

use crate::support::common::skip;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn cache() -> PathBuf {
    let folder = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    folder.unwrap_or_else(home).join("potluck/examples")
}

/// The plugin, or none after saying so. Compiling CPython takes long: what was
/// compiled is kept from one run of the tests to the next.
async fn plugin(language: &str) -> Option<Plugin> {
    let path = match language {
        "rust" => Path::new(ROOT).join("tests/fixtures/admin.wasm"),
        other => cache().join(format!("{other}.wasm")),
    };
    let Ok(component) = fs::read(&path) else {
        skip::skip(&format!("{} is not there; plugins/examples/build.sh makes it", path.display()));
        return None;
    };
    let runtime = Runtime::new(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins")).unwrap();
    Some(runtime.load("admin", &component).await.unwrap())
}

fn scenarios(folder: &str) -> BTreeMap<String, Scenario> {
    let files = fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yml"));
    paths
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let scenario =
                Scenario::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (name, scenario)
        })
        .collect()
}

/// What came of each scenario; none of them may fail.
async fn all(plugin: &Plugin, folder: &str, language: &str) -> BTreeMap<String, Vec<String>> {
    let mut outcomes = BTreeMap::new();
    for (name, scenario) in scenarios(folder) {
        let played = play(plugin, &scenario, &Defaults::default()).await;
        let played = played.unwrap_or_else(|error| panic!("{language}, {name}: {error}"));
        for step in &played {
            let difference = step.difference.as_deref().unwrap_or_default();
            assert!(step.passed(), "{language}, {name}:\n{difference}{:?}", step.unanswered);
        }
        let told = |step: Played| serde_json::to_string_pretty(&step.actual).unwrap();
        outcomes.insert(name, played.into_iter().map(told).collect());
    }
    outcomes
}

#[tokio::test]
async fn one_plugin_does_the_same_in_every_language() {
    let mut first = None;
    for (language, version) in
        [("rust", "0.2.0"), ("python", "0.2.0"), ("c", "0.1.0"), ("javascript", "0.2.0")]
    {
        let Some(plugin) = plugin(language).await else { continue };
        assert_eq!(plugin.wit_version(), Some(version), "{language}");
        let outcomes = all(&plugin, "plugins/examples/tests", language).await;
        assert!(outcomes.len() >= 6, "{outcomes:?}");
        let (one, expected) = first.get_or_insert((language, outcomes.clone()));
        for (name, outcome) in &outcomes {
            assert_eq!(outcome, &expected[name], "{name} in {language}, and in {one}");
        }
    }
}

#[tokio::test]
async fn the_python_package_plays_every_role() {
    let Some(plugin) = plugin("python-roles").await else { return };
    assert_eq!(plugin.roles().len(), 8);
    all(&plugin, "plugins/sdk-python/tests/scenarios", "python").await;
}
