//! The options of a deploy, and its result.

use std::time::Duration;

use crate::{
    lint::Strictness,
    recipe::Version,
    rollout::{Plan, Reached},
};

/// How an app is deployed.
#[derive(Debug, Clone, Default)]
pub struct DeployOptions {
    pub version: Version,
    /// Else the stack's timeout label, else 300 s.
    pub timeout: Option<Duration>,
    /// Return as soon as the swarm has the specs; hooks that need running
    /// services are then not run.
    pub detach: bool,
    /// Send services to the swarm even when nothing changed.
    pub force: bool,
    /// What lint may find before it stops the deploy.
    pub strictness: Strictness,
    /// Part of a restore: migrations and `after-deploy` are left out, because
    /// the data that they work on is about to come back; a later deploy runs
    /// `after-deploy`.
    pub restoring: bool,
    /// Take over what only labels call the app's, without a question.
    pub takeover: bool,
    /// Deploy an older release over a newer one, without a question.
    pub downgrade: bool,
}

/// What a deploy did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DeployReport {
    pub app: String,
    pub stack: String,
    pub version: Option<String>,
    pub plan: Plan,
    /// False after a dry run, or when nothing had to change.
    pub changed: bool,
    /// What the services came to; nothing of those that nobody looked at.
    #[serde(flatten)]
    pub reached: Reached,
    pub seconds: f64,
}
