//! `docker stack config` is the oracle: for every compose file of the corpus and
//! for every case of our own, both programs fail or both print the same.

use crate::support;

use std::collections::BTreeMap;

use potluck::compose::lint::LintOptions;
use support::{
    Agreement, Case, cases, check_table, compare, corpus, docker_is_missing, further_corpus, load,
    reads_back,
};

fn run(all: &[Case], level: Option<&str>) {
    if docker_is_missing() {
        return;
    }
    let mut different = vec![];
    let mut counts: BTreeMap<Agreement, usize> = BTreeMap::new();
    for case in all {
        match compare(case) {
            Ok(agreement) => {
                *counts.entry(agreement).or_default() += 1;
                if agreement == Agreement::Beyond
                    && let Err(difference) = reads_back(case)
                {
                    different.push(format!("== {}\n{difference}", case.name));
                }
            }
            Err(difference) => different.push(format!("== {}\n{difference}", case.name)),
        }
    }
    eprintln!(
        "compared {} cases with docker: {counts:?}, {} different",
        all.len(),
        different.len()
    );
    assert!(different.is_empty(), "{}", different.join("\n"));
    if let Some(level) = level {
        let count = |agreement| counts.get(&agreement).copied().unwrap_or_default();
        let numbers = [Agreement::Equal, Agreement::Refused, Agreement::Beyond].map(count);
        check_table(level, &[&[all.len()], numbers.as_slice(), &[different.len()]].concat());
    }
}

#[test]
fn every_file_of_the_corpus_reads_as_docker_reads_it() {
    run(&corpus(), Some("config: files found in public"));
}

#[test]
fn every_case_of_our_own_reads_as_docker_reads_it() {
    run(cases(), Some("config: cases of our own"));
}

#[test]
fn every_file_of_a_corpus_of_ones_own_reads_as_docker_reads_it() {
    run(&further_corpus(), None);
}

/// Files that people use have no such fault: the rule cries for none of them.
#[test]
fn nothing_in_the_corpus_has_a_blank_at_an_end_of_a_name() {
    let mut told = vec![];
    let mut read = 0;
    for case in corpus().iter().chain(cases()) {
        let Ok((config, _)) = load(case) else { continue };
        read += 1;
        let all = config.lint(&LintOptions::default());
        let found = all.into_iter().filter(|finding| finding.code == "blank-at-edge");
        told.extend(found.map(|finding| format!("{}: {finding}", case.name)));
    }
    assert!(read > 100, "{read} cases were read");
    assert!(told.is_empty(), "{}", told.join("\n"));
}
