//! What would change, as data.

use std::fmt;

/// What a deploy would change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Plan {
    pub changes: Vec<Change>,
    pub warnings: Vec<String>,
    /// What the services reach beyond the app.
    pub reach: Vec<ReachRow>,
    /// What happens to the services if the deploy fails; none where none is
    /// changed.
    pub on_failure: Option<String>,
}

/// One change of a plan.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    pub kind: ChangeKind,
    pub name: String,
    pub action: ChangeAction,
    /// What differs, one line each: `image: a → b`. No secret values.
    pub details: Vec<String>,
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The set that is taken before an upgrade.
    Backup,
    Recipe,
    Service,
    Network,
    Secret,
    Config,
    Plugin,
    Hook,
    Migration,
    /// What an identity provider holds for the app.
    Client,
    /// What a mail relay holds for the app.
    Account,
    /// A line of the app's settings.
    Setting,
    /// A compose file of the recipe that is read or not.
    Overlay,
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeAction {
    Create,
    Update,
    Remove,
    /// A hook or a migration.
    Run,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangeKind::Backup => "backup",
            ChangeKind::Recipe => "recipe",
            ChangeKind::Service => "service",
            ChangeKind::Network => "network",
            ChangeKind::Secret => "secret",
            ChangeKind::Config => "config",
            ChangeKind::Plugin => "plugin",
            ChangeKind::Hook => "hook",
            ChangeKind::Migration => "migration",
            ChangeKind::Client => "client",
            ChangeKind::Account => "account",
            ChangeKind::Setting => "setting",
            ChangeKind::Overlay => "overlay",
        })
    }
}

impl fmt::Display for ChangeAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangeAction::Create => "create",
            ChangeAction::Update => "update",
            ChangeAction::Remove => "remove",
            ChangeAction::Run => "run",
        })
    }
}

/// One line of a plan's block of what is reached.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ReachRow {
    pub service: String,
    /// `host: /srv/x`
    pub reach: String,
    pub meaning: String,
    /// `agreed`, `new`, or `shown` for what needs no yes.
    pub state: &'static str,
}
