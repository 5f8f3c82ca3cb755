//! What is wrong with a file is shown all at once, in the order of the lines,
//! each with its line, the place in it, and what to write instead.

use crate::support;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use potluck::{compose::Problems, home::StackName};
use support::{Case, Disk, load};

fn problems(file: &str) -> Problems {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose/bad");
    let case = Case {
        name: file.into(),
        folder,
        files: vec![file.into()],
        env: BTreeMap::new(),
        same_as: None,
    };
    let name = StackName::new("stack").unwrap();
    load(&case).and_then(|(config, _)| config.to_stack(&name, &Disk)).unwrap_err()
}

fn files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose/bad");
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

#[test]
fn every_problem_names_its_line_and_a_way_out() {
    let mut all = String::new();
    for file in files() {
        write!(all, "{}\n\n", problems(&file)).unwrap();
    }
    insta::with_settings!({filters => vec![(r"/\S*/tests/compose/bad", "[FOLDER]")]}, {
        insta::assert_snapshot!(all);
    });
}

#[test]
fn problems_come_in_the_order_of_the_lines_and_always_the_same() {
    for file in files() {
        let first = problems(&file);
        let places: Vec<_> = first.0.iter().map(|p| (p.line, p.column)).collect();
        assert!(places.is_sorted(), "{file}: {places:?}");
        assert!(first.0.iter().all(|p| p.line > 0 && p.excerpt.is_some()), "{file}: {first}");
        for _ in 0..3 {
            assert_eq!(problems(&file), first, "{file}");
        }
    }
}
