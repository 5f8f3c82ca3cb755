//! What docker says nothing about and an operator would want to know: keys that
//! swarm ignores, settings that hurt, and places where docker reads something
//! else than the author wrote. A file with findings deploys as docker would
//! deploy it; only errors, which swarm itself would refuse, stop an app's deploy.

mod ignored;
mod service;

use super::{
    Config,
    interpolate::NoteKind,
    problem::{Spot, Texts},
};
use crate::home::StackName;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Swarm will refuse it.
    Error,
    /// It works, but surely not as meant, or not for long.
    Warning,
    /// Worth knowing.
    Info,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// Stable, `start-first-volume`.
    pub code: &'static str,
    /// `compose.yml:12:5`
    pub position: Option<String>,
    /// `services.app.deploy`
    pub path: String,
    /// What is the matter, and why it matters.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// Collects findings.
struct Findings<'a> {
    texts: &'a Texts,
    all: Vec<(Spot, Finding)>,
}

impl Findings<'_> {
    fn push(
        &mut self,
        (severity, code): (Severity, &'static str),
        at: Spot,
        path: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let finding = Finding {
            severity,
            code,
            position: self.texts.position(at),
            path: path.into(),
            message: message.into(),
            fix: Some(fix.into()).filter(|fix: &String| !fix.is_empty()),
        };
        self.all.push((at, finding));
    }
}

impl Config {
    /// Everything worth saying about the files, errors first, then by place.
    /// With a stack's name, names are measured with their prefix.
    pub fn lint(&self, stack: Option<&StackName>) -> Vec<Finding> {
        let mut findings = Findings { texts: &self.texts, all: vec![] };
        for (name, service) in &self.file.services {
            ignored::check(name, service, &mut findings);
            service::check(name, service, stack, &mut findings);
        }
        service::check_ports(&self.file, &mut findings);
        self.notes(&mut findings);
        let mut all = findings.all;
        all.sort_by(|(at, a), (bt, b)| (a.severity, at, a).cmp(&(b.severity, bt, b)));
        all.dedup();
        all.into_iter().map(|(_, finding)| finding).collect()
    }

    /// Where docker reads something else than what is written.
    fn notes(&self, findings: &mut Findings<'_>) {
        for note in &self.notes {
            let (code, message, fix) = match &note.kind {
                NoteKind::BeyondDocker => (
                    "beyond-docker",
                    "`docker stack` refuses this form of the Compose specification".to_owned(),
                    "",
                ),
                NoteKind::RequiredNeverFails(text) => (
                    "required-never-fails",
                    format!(
                        "docker takes `${{{text}}}` for a default, because the message holds a \
                         dash: it never fails"
                    ),
                    "write the message without a dash",
                ),
                NoteKind::ErrorSwallowed(error) => (
                    "error-swallowed",
                    format!("{error}; docker says nothing, because another variable follows"),
                    "set the variable, or write `$$` for a dollar sign",
                ),
                NoteKind::LoggingOptionsLost => (
                    "logging-options-lost",
                    "docker drops these options: the file before names a driver without options"
                        .to_owned(),
                    "give the first file's `logging` an option, too",
                ),
            };
            let severity = match note.kind {
                NoteKind::BeyondDocker => Severity::Info,
                _ => Severity::Warning,
            };
            findings.push((severity, code), note.at, &note.path, message, fix);
        }
    }
}

#[cfg(test)]
mod tests;
