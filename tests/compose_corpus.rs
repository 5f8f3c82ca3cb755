//! `docker stack config` is the oracle: for every compose file of the corpus and
//! for every case of our own, both programs fail or both print the same.

mod compose_support;

use std::collections::BTreeMap;

use compose_support::{Agreement, Case, cases, compare, corpus, docker_is_missing, reads_back};

fn run(all: &[Case], least: usize) {
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
    assert!(all.len() >= least, "only {} cases were found", all.len());
}

#[test]
fn every_file_of_the_corpus_reads_as_docker_reads_it() {
    run(&corpus(), 19);
}

#[test]
fn every_case_of_our_own_reads_as_docker_reads_it() {
    run(&cases(), 60);
}
