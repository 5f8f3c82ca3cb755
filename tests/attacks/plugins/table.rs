//! `docs/hostile.md` tells of every attack here, and of nothing else.

use std::{collections::BTreeSet, fs, path::Path};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of the tests in a file.
fn tests_in(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with("#[tokio::test") || line == "#[test]" {
            let name = lines.find_map(|line| line.trim().split_once("fn ")).unwrap().1;
            names.push(name.split('(').next().unwrap());
        }
    }
    names
}

#[test]
fn the_table_of_attacks_is_the_list_of_tests() {
    let document = read("docs/hostile.md");
    let mut told: BTreeSet<String> = BTreeSet::new();
    let mut file = String::new();
    let mut rows = 0;
    for line in document.lines() {
        // `## Texts (`tests/attacks/plugins/texts.rs`)`, and rows that begin with a test.
        if let Some(heading) = line.strip_prefix("## ") {
            let path = heading.split('`').nth(1);
            file = path.map(str::to_owned).unwrap_or_default();
        } else if let Some(row) = line.strip_prefix("| `") {
            assert!(!file.is_empty(), "a row below no file: {line}");
            let test = row.split('`').next().unwrap();
            assert!(told.insert(format!("{file}: {test}")), "{test} is told twice");
            let cells = line.trim_matches('|').split(" | ").map(str::trim);
            assert!(cells.clone().count() == 3 && cells.clone().all(|c| !c.is_empty()), "{line}");
            rows += 1;
        }
    }
    let mut there: BTreeSet<String> = BTreeSet::new();
    let files: BTreeSet<&str> = told.iter().map(|told| told.split_once(": ").unwrap().0).collect();
    for file in &files {
        let text = read(file);
        there.extend(tests_in(&text).into_iter().map(|test| format!("{file}: {test}")));
    }
    assert_eq!(
        told.difference(&there).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "are told of and not there"
    );
    assert_eq!(
        there.difference(&told).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "are there and not told of"
    );
    // Every file of attacks is in the document.
    for file in super::FILES {
        assert!(files.contains(file), "{file} is not in the document");
    }
    assert!(
        document.contains(&format!("**{rows} attacks and controls**")),
        "there are {rows} rows"
    );
}
