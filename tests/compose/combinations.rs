//! Combinations of files as projects write them: recipes for swarm and files for
//! docker compose, with overlays and variables. What docker accepts means the same
//! here; of what it refuses, potluck takes what has a clear meaning.

use crate::support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use support::{Agreement, Case, check_table, compare, docker_is_missing, load, reads_back};

/// What both refuse, as the last part of its path: what no swarm can do, what the
/// author has to decide, and variables without a value.
const REFUSED: &[&str] = &[
    "POSTGRES_PASSWORD",
    "SECRET_KEY",
    "WIREGUARD_PRIVATE_KEY",
    "devices",
    "env_file",
    "environment",
    "gpus",
    "host_ip",
    "image",
    "label_file",
    "platform",
    "ports",
    "published",
    "runtime",
    "scale",
    "volumes",
];

/// Families of `tests/compose/combinations/*.yml`: `#### name` begins one with its
/// base, `#### + name` is an overlay, `#### @ path` a file that others name, and
/// `#### & names | NAME=value, …` a combination of the base with these overlays.
fn combinations() -> Vec<Case> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compose_combinations");
    let _ = fs::remove_dir_all(&scratch);
    let mut files: Vec<_> = fs::read_dir(here.join("compose/combinations")).unwrap().collect();
    files.sort_by_key(|file| file.as_ref().unwrap().path());
    let mut cases: Vec<Case> = vec![];
    let mut folder = PathBuf::new();
    for file in files {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for section in text.split("#### ").skip(1) {
            let (head, body) = section.split_once('\n').unwrap_or((section, ""));
            let (mark, name) = head.split_once(' ').unwrap_or((head, ""));
            match mark {
                "+" => fs::write(folder.join(format!("{name}.yml")), body).unwrap(),
                "@" => {
                    let path = folder.join(name);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, body).unwrap();
                }
                "&" => {
                    let (overlays, env) = name.split_once('|').unwrap_or((name, ""));
                    let overlays = overlays.split_whitespace().map(|name| format!("{name}.yml"));
                    let env = env.split(", ").filter_map(|pair| pair.trim().split_once('='));
                    cases.push(Case {
                        name: format!("{}: {name}", folder.file_name().unwrap().display()),
                        folder: folder.clone(),
                        files: std::iter::once("base.yml".to_owned()).chain(overlays).collect(),
                        env: env.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
                        same_as: None,
                    });
                }
                family => {
                    folder = scratch.join(family);
                    fs::create_dir_all(&folder).unwrap();
                    fs::write(folder.join("base.yml"), body).unwrap();
                    for extra in fs::read_dir(here.join("compose/cases/files")).unwrap() {
                        let extra = extra.unwrap().path();
                        fs::copy(&extra, folder.join(extra.file_name().unwrap())).unwrap();
                    }
                }
            }
        }
    }
    cases
}

#[test]
fn combinations_of_files_mean_what_they_mean_to_docker() {
    if docker_is_missing() {
        return;
    }
    let all = combinations();
    let mut counts: BTreeMap<Agreement, usize> = BTreeMap::new();
    let (mut different, mut refused) = (vec![], BTreeSet::new());
    for case in &all {
        match compare(case) {
            Ok(agreement) => {
                *counts.entry(agreement).or_default() += 1;
                eprintln!("{agreement:?} {}", case.name);
                if agreement == Agreement::Beyond
                    && let Err(difference) = reads_back(case)
                {
                    different.push(format!("== {}\n{difference}", case.name));
                }
                for problem in load(case).err().into_iter().flat_map(|problems| problems.0) {
                    eprintln!("    {}: {}", problem.path, problem.message);
                    let key = problem.path.rsplit('.').next().unwrap_or_default();
                    refused.insert(key.split('[').next().unwrap_or_default().to_owned());
                }
            }
            Err(difference) => different.push(format!("== {}\n{difference}", case.name)),
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    let known: BTreeSet<String> = REFUSED.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(refused, known, "what both refuse");
    let count = |agreement| counts.get(&agreement).copied().unwrap_or_default();
    let numbers = [Agreement::Equal, Agreement::Refused, Agreement::Beyond].map(count);
    check_table("config: combinations", &[&[all.len()], numbers.as_slice(), &[0]].concat());
}
