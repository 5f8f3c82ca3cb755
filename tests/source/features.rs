//! The program's dependencies are built once for `cargo build` and `cargo test`: what
//! only tests use changes no feature of theirs. A feature more of a crate at the bottom
//! makes a second wasmtime and a second cranelift, which takes minutes.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Built twice all the same: with what hangs on them, in seconds.
const SMALL: &[&str] = &["regex-automata", "regex-syntax"];

/// Each crate (name and version) with the features that it is built with.
fn features(edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p}|{f}"])
        .args(["--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        let (name, features) = line.trim_end_matches(" (*)").split_once('|').unwrap();
        let features = features.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
        crates.entry(name.to_owned()).or_default().extend(features);
    }
    crates
}

#[test]
fn what_only_tests_use_changes_no_feature_of_the_program() {
    let program = features("normal,build");
    let tests = features("normal,build,dev");
    assert!(program.keys().any(|name| name.starts_with("wasmtime ")), "{program:?}");
    let changed: Vec<String> = program
        .iter()
        .filter(|(name, _)| !SMALL.iter().any(|small| name.starts_with(&format!("{small} "))))
        .filter_map(|(name, own)| {
            let more: Vec<_> = tests[name].difference(own).cloned().collect();
            (!more.is_empty()).then(|| format!("{name}: {}", more.join(", ")))
        })
        .collect();
    assert!(changed.is_empty(), "features that only tests ask for:\n{}", changed.join("\n"));
}

/// `cargo add` and `cargo remove` drop the profiles of crates that are not in the manifest's
/// own dependencies; nothing is said, and CPython takes ten minutes to compile instead of one.
#[test]
fn the_compiler_of_plugins_is_optimised_in_the_tests() {
    let manifest = include_str!("../../Cargo.toml");
    let optimised = |name: &str| {
        let heading = format!("[profile.dev.package.{name}]\nopt-level = 2\n");
        manifest.contains(&heading)
    };
    let program = features("normal,build");
    let mut compiler: Vec<&str> = program
        .keys()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| {
            name.starts_with("cranelift-") && !name.starts_with("cranelift-assembler-x64-meta")
        })
        .collect();
    compiler.extend(["regalloc2", "wasmtime-environ", "wasmtime-internal-cranelift"]);
    // What runs while building only, and what holds a few types.
    let small = [
        "cranelift-codegen-meta",
        "cranelift-codegen-shared",
        "cranelift-isle",
        "cranelift-native",
        "cranelift-srcgen",
    ];
    compiler.retain(|name| !small.contains(name));
    let missing: Vec<_> = compiler.iter().filter(|name| !optimised(name)).collect();
    assert!(missing.is_empty(), "not optimised in [profile.dev]: {missing:?}");
}
