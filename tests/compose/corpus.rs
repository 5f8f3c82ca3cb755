//! `docker stack config` is the oracle: for every compose file of the corpus and
//! for every case of our own, both programs fail or both print the same.

use crate::support;

use std::collections::BTreeMap;

use support::{
    Agreement, Case, cases, check_table, compare, corpus, docker_is_missing, further_corpus,
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
