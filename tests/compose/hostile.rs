//! Compose files from strangers: nothing makes the loader panic, or take
//! unbounded time or memory.

use crate::support;

use std::{collections::BTreeSet, path::Path};

use potluck::{
    compose::{self, LoadOptions, Problems, Source, lint::LintOptions},
    home::StackName,
};
use proptest::prelude::*;
use support::Disk;

fn read(files: &[String]) -> Result<(), Problems> {
    let sources: Vec<Source> = files
        .iter()
        .map(|text| Source { name: "compose.yml".into(), text: text.clone() })
        .collect();
    let lookup = |name: &str| match name {
        "SET" => Some("value".to_owned()),
        "LONG" => Some("l".repeat(30_000)),
        _ => None,
    };
    let options = LoadOptions {
        working_dir: Path::new("/nonexistent"),
        home_dir: None,
        environment: &lookup,
        files: &Disk,
        interpolate: true,
        profiles: &BTreeSet::from(["*".to_owned()]),
    };
    let (config, _) = compose::load(&sources, &options)?;
    let stack = StackName::new("stack").unwrap();
    config.lint(&LintOptions { stack: Some(&stack), ..LintOptions::default() });
    config.to_yaml();
    config.to_stack(&stack, &Disk)?;
    Ok(())
}

#[test]
fn an_alias_bomb_is_an_error() {
    let mut bomb = "x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..20 {
        let alias = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("x-{level}: &a{level} [{alias}]\n");
    }
    let problems = read(&[bomb]).unwrap_err();
    assert!(problems.to_string().contains("expand to too much"), "{problems}");
}

/// A few kilobytes that repeat a long variable.
#[test]
fn what_variables_bring_is_bounded() {
    let value = "${LONG}".repeat(100);
    let mut services = "services:\n".to_owned();
    for n in 0..40 {
        services += &format!("  s{n}:\n    image: a\n    environment: {{A: '{value}'}}\n");
    }
    let problems = read(&[services]).unwrap_err();
    assert!(
        problems.to_string().contains("with its variables the stack is longer than"),
        "{problems}"
    );
    let one = format!("services: {{a: {{image: a, command: '{}'}}}}\n", "${LONG}".repeat(1000));
    let problems = read(&[one]).unwrap_err();
    assert!(problems.to_string().contains("with its variables the stack is longer"), "{problems}");
    // What is no value in the end, repeated.
    for value in ["${LONG}".repeat(1000), format!("{}$1", "${LONG}".repeat(500))] {
        let aliases = vec!["*v"; 1500].join(", ");
        let text =
            format!("x-v: &v '{value}'\nx-all: [{aliases}]\nservices: {{a: {{image: a}}}}\n");
        let problems = read(&[text]).unwrap_err();
        assert!(problems.to_string().contains("the stack is longer"), "{problems}");
    }
    // What a real file has is taken.
    read(&["services: {a: {image: a, command: '$LONG $LONG'}}\n".to_owned()]).unwrap();
}

#[test]
fn ports_of_all_services_are_bounded() {
    let mut services = "x-p: &p ['1-65535:1-65535']\nservices:\n".to_owned();
    for n in 0..30 {
        services += &format!("  s{n}: {{image: a, ports: *p}}\n");
    }
    let problems = read(&[services]).unwrap_err();
    assert!(problems.to_string().contains("too many ports"), "{problems}");
}

#[test]
fn a_merge_bomb_is_an_error() {
    let mut bomb = "x-0: &a0 {k0: 1, k1: 2, k2: 3, k3: 4}\n".to_owned();
    for level in 1..30 {
        let alias = format!("*a{}", level - 1);
        bomb +=
            &format!("x-{level}: &a{level} {{a: {alias}, b: {alias}, c: {alias}, <<: {alias}}}\n");
    }
    assert!(read(&[bomb]).is_err());
}

#[test]
fn deep_nesting_is_an_error() {
    for open in ["[", "{a: ", "- ", "? "] {
        assert!(read(&[format!("x-a: {}", open.repeat(50_000))]).is_err(), "{open}");
    }
}

#[test]
fn copies_of_services_do_not_fill_the_memory() {
    let labels: String = (0..20_000).map(|i| format!("      l{i}: some text\n")).collect();
    let copies: String = (0..5000).map(|i| format!("  s{i}: {{extends: big}}\n")).collect();
    let text = format!("services:\n  big:\n    image: b\n    labels:\n{labels}{copies}");
    let problems = read(&[text]).unwrap_err();
    assert!(problems.to_string().contains("are too large"), "{problems}");
}

#[test]
fn circles_of_files_and_services_are_errors() {
    let chain: String = (0..40).map(|i| format!("  s{i}: {{extends: s{}}}\n", i + 1)).collect();
    assert!(read(&[format!("services:\n{chain}  s40: {{image: b}}\n")]).is_err());
    assert!(read(&["services: {a: {extends: b}, b: {extends: a}}".to_owned()]).is_err());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yml");
    let text = format!("include: ['{0}', '{0}']", file.display());
    std::fs::write(&file, &text).unwrap();
    assert!(read(&[text]).unwrap_err().to_string().contains("includes itself"));
}

#[test]
fn port_ranges_do_not_fill_the_memory() {
    let ports: Vec<String> =
        (0..500).map(|i| format!("'127.0.{}.{}:1-65535:1-65535'", i / 256, i % 256)).collect();
    let text = format!("services: {{a: {{image: b, ports: [{}]}}}}", ports.join(", "));
    let problems = read(&[text]).unwrap_err();
    assert!(problems.to_string().contains("too many ports"), "{problems}");
}

#[test]
fn a_thousand_mistakes_are_not_a_thousand_pages() {
    let keys: String = (0..5000).map(|i| format!("  k{i}: 1\n")).collect();
    let problems = read(&[format!("services:\n{keys}")]).unwrap_err();
    assert!(problems.0.len() < 200, "{}", problems.0.len());
}

/// Pieces that compose files are made of, and pieces that break them.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "services:",
            "networks:",
            "volumes:",
            "include:",
            "    extends:",
            "    profiles:",
            "    depends_on:",
            "secrets:",
            "configs:",
            "version:",
            "  app:",
            "  db:",
            "    image:",
            "    ports:",
            "    environment:",
            "    deploy:",
            "      replicas:",
            "    command:",
            "    healthcheck:",
            "      test:",
            "    networks:",
            "    volumes:",
            "      update_config:",
            "        order:",
            "    - ",
            "      - ",
            " ",
            "\n",
            "\n",
            "\n",
            "nginx",
            "80:80",
            "1-9:1-9",
            "data:/data",
            "/a:/b:ro",
            "~/x:/x",
            "true",
            "null",
            "~",
            "[]",
            "{}",
            "{",
            "}",
            "[",
            "]",
            ", ",
            ": ",
            "\"",
            "'",
            "|",
            ">",
            "&a ",
            "*a",
            "<<: ",
            "!!int ",
            "!x ",
            "# ",
            "--- ",
            "%YAML",
            "$SET",
            "${SET}",
            "${A:-b}",
            "${A:?c}",
            "$$",
            "$",
            "010",
            "1e5",
            ".inf",
            "2020-01-01",
            "5s",
            "1m",
            "512m",
            "0.5",
            "external: true",
            "file: x",
            "x-a:",
            "\t",
            "\u{feff}",
            "é",
            "\u{0}",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,6}",
        any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(
        files in proptest::collection::vec(proptest::collection::vec(piece(), 0..60), 1..3)
    ) {
        let files: Vec<String> = files.into_iter().map(|pieces| pieces.concat()).collect();
        let _ = read(&files);
    }

    #[test]
    fn no_value_makes_the_loader_panic(
        key in proptest::sample::select(vec![
            "image", "command", "ports", "volumes", "environment", "extra_hosts", "stop_grace_period",
            "secrets", "networks", "ulimits", "restart", "env_file", "dns", "cap_add", "build",
        ]),
        text in "\\PC{0,24}",
        quoted in any::<bool>(),
        listed in any::<bool>(),
    ) {
        let value = if quoted { serde_json::to_string(&text).unwrap() } else { text };
        let value = if listed { format!("[{value}]") } else { value };
        let _ = read(&[format!("services:\n  app:\n    image: nginx\n    {key}: {value}\n")]);
        let _ = read(&[format!("services:\n  app:\n    image: nginx\n    deploy:\n      resources:\n        limits:\n          memory: {value}\n          cpus: {value}\n")]);
    }

    #[test]
    fn cutting_a_good_file_anywhere_is_harmless(at in 0_usize..4000, drop in 0_usize..40) {
        let good = include_str!("../corpus/jt-traefik-cloudflared-oauth/compose.yml");
        let mut text: Vec<char> = good.chars().collect();
        let at = at % text.len();
        let end = (at + drop).min(text.len());
        text.drain(at..end);
        let _ = read(&[text.into_iter().collect()]);
    }
}
