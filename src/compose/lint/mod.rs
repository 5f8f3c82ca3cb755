//! Problems that docker does not report and that an operator would want to know: keys that
//! swarm ignores, settings that cause problems, and places where docker reads something
//! else than the author meant. A file with findings deploys as docker would deploy it; only
//! errors, which swarm itself would refuse, stop an app's deploy.

mod environment;
mod ignored;
mod labels;
mod modes;
mod network;
mod notes;
mod placement;
mod refused;
mod service;
mod storage;
mod subnets;
mod tasks;
mod templates;
mod update;

use std::path::Path;

use super::{
    Config,
    model::{File, Service},
    problem::{Spot, Texts},
};
use crate::{
    home::StackName,
    lint::{Finding, Position, Rule, Severity, rules},
};

/// What the files are for.
#[derive(Debug, Clone, Copy, Default)]
pub struct LintOptions<'a> {
    /// The prefix of full names; without one, only the names themselves are measured.
    pub stack: Option<&'a StackName>,
    /// The recipe's private copy, which is gone after a deploy.
    pub checkout: Option<&'a Path>,
    /// Variables that are set, for suggestions.
    pub variables: &'a [String],
    /// Variables that may be missing.
    pub optional: &'a [String],
}

/// Collects findings.
struct Findings<'a> {
    texts: &'a Texts,
    all: Vec<Finding>,
}

impl Findings<'_> {
    /// With the rule's own reason and fix.
    fn rule(&mut self, rule: &'static Rule, at: Spot, path: String) {
        self.push(rule, at, path, rule.reason);
    }

    /// The finding, for a fix that says more than the rule's.
    fn push(
        &mut self,
        rule: &'static Rule,
        at: Spot,
        path: String,
        message: impl Into<String>,
    ) -> &mut Finding {
        let position = (at.line > 0).then(|| Position {
            file: self.texts.name(at).to_owned(),
            line: at.line as usize,
            column: at.column as usize,
        });
        let at = self.all.len();
        self.all.push(Finding::new(rule, message).at(position).path(path));
        &mut self.all[at]
    }
}

/// One service among the files.
#[derive(Clone, Copy)]
struct Subject<'a> {
    file: &'a File,
    name: &'a str,
    service: &'a Service,
}

impl Subject<'_> {
    /// Where `deploy.update_config.order` was last given, else the nearest
    /// place above.
    fn spot(&self, key: &str) -> Spot {
        let mut key = key;
        loop {
            if let Some(at) = self.service.keys.get(key) {
                return *at;
            }
            match key.rsplit_once('.') {
                Some((above, _)) => key = above,
                None => return self.service.at,
            }
        }
    }

    fn path(&self, key: &str) -> String {
        format!("services.{}.{key}", self.name)
    }

    /// Whether its tasks end by themselves.
    fn is_job(&self) -> bool {
        self.service.deploy.mode.ends_with("-job")
    }

    /// Whether every node has a task of it.
    fn is_global(&self) -> bool {
        self.service.deploy.mode.starts_with("global")
    }
}

impl Config {
    /// Problems that would leave half of a stack: what the engine is certain to refuse,
    /// and what would exhaust it.
    pub fn refusals(&self, stack: &StackName) -> Vec<Finding> {
        let mut all = self.lint(&LintOptions { stack: Some(stack), ..LintOptions::default() });
        all.retain(|finding| finding.certain);
        all
    }

    /// Services that swarm accepts but no node will run, although the rest of the stack may.
    pub fn never_running(&self, stack: &StackName) -> Vec<Finding> {
        const RULES: [&str; 3] =
            [rules::TASK_REFUSED.code, rules::BAD_CONSTRAINT.code, rules::SUBNETS_OVERLAP.code];
        let mut all = self.lint(&LintOptions { stack: Some(stack), ..LintOptions::default() });
        all.retain(|finding| {
            !finding.certain && finding.severity == Severity::Error && RULES.contains(&finding.code)
        });
        all
    }

    /// Everything worth saying about the files, errors first, then by place.
    pub fn lint(&self, options: &LintOptions<'_>) -> Vec<Finding> {
        let mut findings = Findings { texts: &self.texts, all: vec![] };
        for (name, service) in &self.file.services {
            let subject = Subject { file: &self.file, name, service };
            environment::check(subject, &mut findings);
            ignored::check(subject, &mut findings);
            labels::check(subject, &mut findings);
            modes::check(subject, &mut findings);
            network::check(subject, &mut findings);
            placement::check(subject, &mut findings);
            refused::check(subject, &mut findings);
            service::check(subject, options, &mut findings);
            storage::check(subject, options, &mut findings);
            tasks::check(subject, &mut findings);
            templates::check(subject, &mut findings);
            update::check(subject, &mut findings);
        }
        network::check_taken(&self.file, &mut findings);
        refused::check_networks(&self.file, &mut findings);
        subnets::check(&self.file, &mut findings);
        notes::check(&self.notes, options, &mut findings);
        for (at, message) in &self.odd {
            findings.push(&rules::COMPOSE_ODD, *at, String::new(), message);
        }
        let mut all = findings.all;
        all.sort();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests;
