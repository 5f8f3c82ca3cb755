//! The options of a deploy, and its result.

use std::time::Duration;

use crate::{
    lint::Strictness,
    owner::journal::Entry,
    recipe::Version,
    rollout::{Plan, Reached},
};

use super::restores::{DataBack, Means};

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
    /// Which findings of lint stop the deploy.
    pub strictness: Strictness,
    /// Part of a restore: migrations and `after-deploy` are left out, because
    /// the data that they work on is about to come back; a later deploy runs
    /// `after-deploy`.
    pub restoring: bool,
    /// The operation that it is a part of, as whose release what it brings is recorded.
    pub release_of: Option<PartOf>,
    /// Take over what only labels call the app's, without a question.
    pub takeover: bool,
    /// Deploy an older release over a newer one, without a question.
    pub downgrade: bool,
    /// Let services start with empty volumes on other nodes than those with their data.
    pub leave_data: bool,
    /// Overwrite what somebody else deployed since, without a question.
    pub overwrite: bool,
    /// An upgrade: with a backup set before anything changes, whose data comes back if it
    /// fails.
    pub upgrade: Option<Upgrade>,
    /// A rollback: the data that comes back with it.
    pub data: Option<DataBack>,
    /// Whether the plan says where the app's domains lead.
    pub domains: Domains,
}

/// Whether name servers are asked for an app's domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Domains {
    #[default]
    LeftAlone,
    LookedUp,
}

/// The operation that a deploy is a part of.
#[derive(Debug, Clone)]
pub struct PartOf(pub(super) Box<Entry>);

/// How an upgrade differs from a deploy.
#[derive(Debug, Clone)]
pub struct Upgrade {
    /// How the backup set is taken, and its data brought back; none without one.
    pub(super) backup: Option<Means>,
}

/// What a deploy did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DeployReport {
    pub app: String,
    pub stack: String,
    pub version: Option<String>,
    /// The commit that the files were changed from, where no version stands for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chaos: Option<String>,
    pub plan: Plan,
    /// The backup set that was taken before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// False after a dry run, or if nothing had to change.
    pub changed: bool,
    /// The results of the services; without those that were not watched.
    #[serde(flatten)]
    pub reached: Reached,
    pub seconds: f64,
}
