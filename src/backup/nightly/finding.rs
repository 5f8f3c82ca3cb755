//! One thing to know about the backups of an app.

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Fine,
    Warning,
    Wrong,
}

/// One thing to know about the backups of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `never`, `old`, `failed`; docs/backups.md lists them.
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    /// What to type.
    pub next: Option<String>,
}
