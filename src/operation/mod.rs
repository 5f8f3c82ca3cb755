//! Changing what runs: plan, apply, converge, deploy, undeploy, remove.
//!
//! Everything here first makes a plan from (recipe, settings, live state) and
//! then carries it out, telling [`crate::progress`] what happens.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    compose::{Stack, Warning},
    engine::Engine,
    hint::Hint,
    home::{AppEntry, EnvFile, Grant, Home, LockFile, StackName},
    plugin::Runtime,
    progress::Sink,
    recipe::{Checkout, Version},
};

/// What every operation on an app needs. Made once per command.
pub struct Context {
    pub home: Home,
    pub runtime: Runtime,
    pub progress: Arc<dyn Sink>,
    /// Asked before something is granted or changed.
    pub consent: Arc<dyn Consent>,
}

/// Answers for the person at the terminal.
pub trait Consent: Send + Sync {
    /// May `plugin` have these grants? `before` is what it was given earlier.
    fn grants(&self, plugin: &str, wanted: &BTreeSet<Grant>, before: &BTreeSet<Grant>) -> bool;
    /// Shall the plan be carried out?
    fn plan(&self, plan: &Plan) -> bool;
}

/// One app, loaded: its settings, its recipe at one version, its stack.
pub struct App {
    pub entry: AppEntry,
    pub env: EnvFile,
    pub lock: LockFile,
    pub checkout: Checkout,
    pub name: StackName,
    pub stack: Stack,
    pub warnings: Vec<Warning>,
    pub engine: Arc<dyn Engine>,
}

/// What a deploy would change, as data.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Plan {
    pub changes: Vec<Change>,
    pub warnings: Vec<String>,
}

/// One change of a plan.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// `service`, `network`, `secret`, `config`, `hook`.
    pub kind: &'static str,
    pub name: String,
    /// `create`, `update`, `remove`, `run`.
    pub action: &'static str,
    /// What differs, one line each: `image: a → b`. No secret values.
    pub details: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct DeployOptions {
    pub version: Version,
    /// Else the stack's timeout label, else 300 s.
    pub timeout: Option<Duration>,
    /// Return as soon as the swarm has the specs; hooks that need running
    /// services are then not run.
    pub detach: bool,
    pub dry_run: bool,
    /// Grants given on the command line.
    pub grants: BTreeSet<Grant>,
    /// Send services to the swarm even when nothing changed.
    pub force: bool,
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
    pub seconds: f64,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Home(#[from] crate::home::Error),
    #[error(transparent)]
    Recipe(#[from] crate::recipe::Error),
    #[error(transparent)]
    Compose(#[from] crate::compose::Problems),
    #[error(transparent)]
    Engine(#[from] crate::engine::Error),
    #[error(transparent)]
    Plugin(#[from] crate::plugin::Error),
    /// Exit code 6.
    #[error("{0}")]
    NeedsConsent(String),
    /// Exit code 4: it failed and the old version is back.
    #[error("{0}")]
    RolledBack(String),
    // further variants belong to this room
}

impl Hint for Error {}

/// Loads an app: settings, recipe, compose files, engine.
pub async fn load(context: &Context, entry: &AppEntry, version: &Version) -> Result<App, Error> {
    let _ = (context, entry, version);
    todo!()
}

pub async fn deploy(
    context: &Context,
    app: &mut App,
    options: &DeployOptions,
) -> Result<DeployReport, Error> {
    let _ = (context, app, options);
    todo!()
}

/// Removes the stack's services, networks and configs; volumes and secrets stay.
pub async fn undeploy(context: &Context, app: &App, timeout: Duration) -> Result<(), Error> {
    let _ = (context, app, timeout);
    todo!()
}

/// Removes what is left of an undeployed app on its server: secrets, volumes.
pub async fn remove(context: &Context, app: &App) -> Result<(), Error> {
    let _ = (context, app);
    todo!()
}
