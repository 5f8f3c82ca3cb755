//! What the pages for authors of plugins show works: the walk of `docs/plugins.md`
//! is walked, and the blocks of `docs/plugin-howto.md` are one plugin in each
//! language, built and played.

use crate::support::cli;
use crate::support::common::skip;
use crate::support::pages::{self, Block, Page};

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use cli::Lab;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const NO_TARGET: &str = "Rust's target wasm32-unknown-unknown is missing";

/// The page's own text, or that of a part of it.
fn blocks(text: &str) -> Vec<Block> {
    Page { path: PathBuf::new(), text: text.to_owned() }.blocks()
}

fn page(name: &str) -> String {
    pages::page(&format!("docs/{name}")).text
}

/// Where this repository's own plugins are built, so that what they share with
/// those here is there already.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// A command with the toolchain of this machine, in the world of a lab.
fn with_toolchain(lab: &Lab, program: &str) -> Command {
    let mut command = Command::new(program);
    let potluck = Path::new(env!("CARGO_BIN_EXE_potluck")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(potluck.to_owned()).chain(std::env::split_paths(&path));
    command
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("POTLUCK_DIR", lab.path("potluck"))
        .env("CARGO_TARGET_DIR", target().join("plugins-host"))
        .env("NO_COLOR", "1")
        .stdin(std::process::Stdio::null());
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The versions that this repository's plugins are built with.
fn copy_lock(plugin: &Path) {
    fs::copy(Path::new(ROOT).join("plugins/Cargo.lock"), plugin.join("Cargo.lock")).unwrap();
}

#[test]
fn the_walk_of_the_plugins_page_can_be_walked_word_for_word() {
    let page = page("plugins.md");
    let section = page.split("\n## ").find(|section| section.starts_with("Write one\n")).unwrap();
    let mut walk = String::from("set -eu\n");
    let mut files = 0;
    for block in blocks(section) {
        match block.named("file") {
            Some(file) => {
                files += 1;
                walk += &format!("cat >{file} <<'END-OF-BLOCK'\n{}END-OF-BLOCK\n", block.text);
            }
            None => {
                assert_eq!(block.language, "sh", "{}", block.text);
                walk += &block.text;
            }
        }
    }
    assert_eq!(files, 3);
    // So that nothing is fetched that is here.
    let lock = Path::new(ROOT).join("plugins/Cargo.lock");
    let entered = format!("cd plugins/greeter\ncp '{}' Cargo.lock\n", lock.display());
    assert_eq!(walk.matches("cd plugins/greeter\n").count(), 1);
    let walk = walk.replace("cd plugins/greeter\n", &entered);
    let lab = Lab::new();
    fs::create_dir(lab.path("empty")).unwrap();
    let output =
        with_toolchain(&lab, "sh").args(["-c", &walk]).current_dir(lab.path("empty")).output();
    let output = output.unwrap();
    let text = said(&output);
    if text.contains(NO_TARGET) {
        return skip::skip(
            "no toolchain for Rust guests (rustup target add wasm32-unknown-unknown)",
        );
    }
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("test result: ok. 1 passed").count(), 2, "{text}");
    assert_eq!(text.matches("1 passed, 0 failed\n").count(), 2, "{text}");
    for words in [
        "services: programs, files and logs of the services that are granted",
        "created the administrator ada@example.org",
        "wiki.example.org is deployed, running and healthy",
    ] {
        assert!(text.contains(words), "{words}\n---\n{text}");
    }
}

/// The files that a page's blocks make together.
fn files(page: &str) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for block in blocks(page) {
        let Some(file) = block.named("file") else {
            assert_eq!(block.language, "sh", "a block belongs to no file:\n{}", block.text);
            continue;
        };
        let text = files.entry(file.to_owned()).or_default();
        if !text.is_empty() {
            text.push_str(if file.ends_with(".py") { "\n\n" } else { "\n" });
        }
        text.push_str(&block.text);
    }
    files
}

/// A recipe with the page's `recipe.yml`, and its plugin begun in this language.
fn recipe(lab: &Lab, language: &str) -> PathBuf {
    let files = files(&page("plugin-howto.md"));
    lab.write("recipe/compose.yml", "services: {app: {image: busybox}, db: {image: busybox}}\n");
    lab.write("recipe/recipe.yml", &files["recipe.yml"]);
    let roles = ["lifecycle", "migration", "backup", "commands"];
    let mut new = vec!["plugin", "new", "howto", "--lang", language];
    new.extend(roles.iter().flat_map(|role| ["--role", role]));
    let plugin = "recipe/plugins/howto";
    new.extend(["--output", plugin]);
    let run = lab.run(&new);
    assert_eq!(run.code, 0, "{run}");
    for (file, text) in &files {
        let wanted = match file.as_str() {
            "recipe.yml" => false,
            file if file.starts_with("tests/") => true,
            file => file.ends_with(".py") == (language == "python"),
        };
        if wanted {
            lab.write(&format!("{plugin}/{file}"), text);
        }
    }
    lab.path(plugin)
}

/// Plays the page's scenarios with what was built.
fn play(lab: &Lab) {
    let run = lab.run(&["plugin", "test", "recipe"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.ends_with("4 passed, 0 failed\n"), "{run}");
    // What can be typed without an app.
    let page = page("plugin-howto.md");
    let typed: Vec<_> = blocks(&page)
        .into_iter()
        .filter(|block| block.language == "sh")
        .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| !line.contains("APP"))
        .collect();
    assert_eq!(typed.len(), 3);
    for line in typed {
        let output = with_toolchain(lab, "sh")
            .args(["-ec", &line])
            .current_dir(lab.path("recipe"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", said(&output));
    }
}

#[test]
fn every_answer_in_rust_is_one_plugin_that_works() {
    let lab = Lab::new();
    let plugin = recipe(&lab, "rust");
    copy_lock(&plugin);
    let manifest = fs::read_to_string(plugin.join("Cargo.toml")).unwrap();
    let manifest = manifest.replace(
        "[dependencies]\n",
        "[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\nserde_json = \"1\"\n",
    );
    fs::write(plugin.join("Cargo.toml"), manifest).unwrap();
    // An author uses what they need; here some answers are called by tests alone.
    let library = fs::read_to_string(plugin.join("src/lib.rs")).unwrap();
    let library = format!("#![allow(dead_code)]\n{library}");
    fs::write(plugin.join("src/lib.rs"), library).unwrap();
    let mut tests = fs::read_to_string(plugin.join("src/tests.rs")).unwrap();
    tests.push_str(include_str!("docs/more.rs"));
    fs::write(plugin.join("src/tests.rs"), tests).unwrap();
    let tested = with_toolchain(&lab, env!("CARGO"))
        .args(["test", "--quiet"])
        .env("RUSTFLAGS", "-Dwarnings")
        .current_dir(&plugin)
        .output()
        .unwrap();
    let text = said(&tested);
    assert!(tested.status.success() && text.contains(" 0 failed"), "{text}");

    let built = with_toolchain(&lab, env!("CARGO_BIN_EXE_potluck"))
        .args(["plugin", "build"])
        .env("CARGO_TARGET_DIR", target())
        .current_dir(&plugin)
        .output()
        .unwrap();
    let text = said(&built);
    if text.contains(NO_TARGET) {
        return skip::skip(
            "no toolchain for Rust guests (rustup target add wasm32-unknown-unknown)",
        );
    }
    assert!(built.status.success(), "{text}");
    play(&lab);
}

#[test]
fn every_answer_in_python_is_one_plugin_that_works() {
    let lab = Lab::new();
    let plugin = recipe(&lab, "python");
    lab.write("recipe/plugins/howto/test_more.py", include_str!("docs/test_more.py"));
    let tested = Command::new("python3")
        .args(["-m", "unittest"])
        .current_dir(&plugin)
        .env("PYTHONPATH", ".potluck")
        .output();
    let Ok(tested) = tested else { return skip::skip("python3 is not there") };
    assert!(tested.status.success(), "{}", said(&tested));

    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or(home.join(".cache"), PathBuf::from);
    let tools = cache.join("potluck/examples/tools/componentize-py-0.25.1");
    if !tools.join("bin/componentize-py").is_file() {
        return skip::skip("componentize-py is not there; plugins/examples/build.sh brings it");
    }
    std::os::unix::fs::symlink(tools, plugin.join(".venv")).unwrap();
    let built = lab
        .command()
        .args(["plugin", "build", "recipe/plugins/howto"])
        .timeout(Duration::from_secs(900))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", said(&built));
    play(&lab);
}
