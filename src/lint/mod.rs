//! Findings: problems, present or future, in files that can be read.
//!
//! [`crate::compose::lint`] finds what is wrong with compose files,
//! [`crate::recipe::lint`] what is wrong between a recipe's files, `app check`
//! what an app lacks. They share one type, and one list of [`rules`], which
//! `docs/lint.md` shows. The codes are stable.

pub mod rules;

use std::fmt;

pub use rules::Rule;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot be deployed, or swarm will refuse it.
    Error,
    /// It works, but probably not as intended, or not for long.
    Warning,
    /// Worth knowing.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        })
    }
}

/// A place in a file, shown as `compose.yml:12:5`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub file: String,
    /// Counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// Counted from 1; 0 for the line as a whole.
    pub column: usize,
}

impl Position {
    /// A file as a whole.
    pub fn file(name: impl Into<String>) -> Self {
        Position { file: name.into(), line: 0, column: 0 }
    }

    pub fn line(name: impl Into<String>, line: usize) -> Self {
        Position { file: name.into(), line, column: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().take_while(|number| *number > 0) {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

impl serde::Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One finding. Findings sort errors first, then by place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub position: Option<Position>,
    /// Dotted path in the file, `services.app.deploy`.
    pub path: Option<String>,
    /// That of its rule, `start-first-volume`.
    pub code: &'static str,
    /// What is wrong, and why it matters.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// Whether the engine is certain to refuse it, or would be exhausted by it: then
    /// nothing is sent at all.
    #[serde(skip)]
    pub certain: bool,
}

impl Finding {
    /// A finding of a rule, with the rule's severity and fix.
    pub fn new(rule: &'static Rule, message: impl Into<String>) -> Self {
        Finding {
            severity: rule.severity,
            position: None,
            path: None,
            code: rule.code,
            message: message.into(),
            fix: Some(rule.fix.to_owned()),
            certain: false,
        }
    }

    #[must_use]
    pub fn at(mut self, position: impl Into<Option<Position>>) -> Self {
        self.position = position.into();
        self
    }

    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into()).filter(|path| !path.is_empty());
        self
    }

    /// A fix that says more than the rule's.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// `compose.yml:12:5: services.app.deploy: …`, without severity, code and fix.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(f, "{position}: ")?;
        }
        if let Some(path) = &self.path {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// How strict lint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// Errors stop a deploy.
    #[default]
    Errors,
    /// Warnings do, too: `--strict`.
    Warnings,
}

impl Strictness {
    /// Whether a finding stops what it is about.
    pub fn stops_at(self, finding: &Finding) -> bool {
        match self {
            Strictness::Errors => finding.severity == Severity::Error,
            Strictness::Warnings => finding.severity <= Severity::Warning,
        }
    }
}

/// The findings that stop a deploy, in their order.
pub fn blocking(findings: &[Finding], strictness: Strictness) -> Vec<&Finding> {
    findings.iter().filter(|finding| strictness.stops_at(finding)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_sort_by_severity_and_place() {
        let at = |line| Position { file: "compose.yml".into(), line, column: 3 };
        let found = |rule, line| Finding::new(rule, "x").at(at(line));
        let mut all = [
            found(&rules::UNPINNED_IMAGE, 20),
            found(&rules::PORT_TAKEN, 30),
            found(&rules::UNPINNED_IMAGE, 3),
        ];
        all.sort();
        let shown: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["compose.yml:30:3: x", "compose.yml:3:3: x", "compose.yml:20:3: x"]);
    }

    #[test]
    fn strictness_decides_what_stops() {
        let findings = [&rules::PORT_TAKEN, &rules::UNPINNED_IMAGE, &rules::NO_HEALTHCHECK]
            .map(|rule| Finding::new(rule, "x"));
        assert_eq!(blocking(&findings, Strictness::Errors).len(), 1);
        assert_eq!(blocking(&findings, Strictness::Warnings).len(), 2);
    }
}
