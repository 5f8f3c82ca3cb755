//! Changing what runs: plan, apply, converge, deploy, undeploy, remove.
//!
//! Everything here first makes a plan from (recipe, settings, live state) and
//! then carries it out, telling [`crate::progress`] what happens.

mod access;
mod app_rollout;
mod apply;
mod archive;
mod auths;
mod backupbot;
mod checks;
mod components;
mod condition;
mod consent;
mod contents;
mod converge;
mod deploy;
mod diff;
mod diff_words;
mod ending;
mod error;
mod hooks;
mod kept;
mod live;
mod load;
mod making;
mod migrate;
mod names;
mod on_server;
mod owner;
mod place;
mod plugin_grants;
mod ports;
mod prepare;
mod ps;
mod questions;
pub mod reach;
mod reaching;
mod record;
mod relabel;
mod restore_hook;
mod rollout;
mod scale;
mod services;
mod silent;
mod stack;
mod state;
mod steps;
mod survey;
mod task;
mod undeploy;
mod undo;
mod unpinned;
mod version;
mod work;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    compose::{Source, Stack, Warning},
    engine::docker_config::DockerConfig,
    home::{AppEntry, EnvFile, GivenGrant, GivenReach, Home, LockFile, StackName},
    lint::{Finding, Strictness},
    plugin::Runtime,
    progress::Sink,
    recipe::{Checkout, Version},
};

pub use checks::reserved_findings;
pub use condition::{Condition, of_services as condition};
pub use consent::{AppLocked, check_grants};
pub use deploy::deploy;
pub use error::{Error, Failed, FailedService, Left, MigrationFailed, Problem, Subject};
pub(crate) use hooks::restart_broken;
pub use hooks::{prepare, start};
pub use load::{load, load_deployed, names_secrets, recipe_of, stack_name};
pub use on_server::{Leaving, OnServer};
pub(crate) use owner::is_unknown;
pub use owner::{Confined, Mixup};
pub use place::Place;
pub use plugin_grants::{PluginGrants, plugin_grants};
pub use ps::{TaskRow, ps};
pub use questions::{Ambiguous, Downgrade, ReachWish, Takeover, Wish};
pub use reach::copied;
pub use reaching::{ReachRow, app_reach, reach_findings, recipe_reach};
pub(crate) use restore_hook::{RestoreHook, before_restore};
pub use scale::{Stopped, bring_back, scale_down, scale_up, wants_tasks};
pub use services::{AppServices, running_container};
pub use silent::{Silence, silence};
pub use stack::{
    ServiceRow, StackOptions, StackReport, StackRow, deploy_stack, remove_stack, stack_services,
    stack_tasks, stacks,
};
pub use state::{Failing, State};
pub use survey::survey;
pub use undeploy::{Leftovers, leftovers, remove, undeploy};
pub use work::ResolveImage;

/// What every operation on an app needs. Made once per command.
pub struct Context {
    pub home: Home,
    pub runtime: Runtime,
    pub progress: Arc<dyn Sink>,
    /// Where credentials for registries come from.
    pub docker: DockerConfig,
    /// Asked before something is granted or changed.
    pub consent: Arc<dyn Consent>,
    /// Grants given on the command line: nobody is asked for these.
    pub grants: Vec<GivenGrant>,
    /// What services may reach, as given on the command line.
    pub reaches: Vec<GivenReach>,
}

/// Answers for the person at the terminal.
pub trait Consent: Send + Sync {
    /// May the plugin have what it asks for?
    fn grants(&self, wish: &Wish) -> bool;
    /// Shall an older release go over a newer one?
    fn downgrade(&self, downgrade: &Downgrade) -> bool;
    /// Shall the app take over what only labels call its own?
    fn takeover(&self, takeover: &Takeover) -> bool;
    /// May the service reach what it asks for? Not unless somebody says so.
    fn reach(&self, wish: &ReachWish) -> bool {
        let _ = wish;
        false
    }
    /// Shall the plan be carried out?
    fn plan(&self, plan: &Plan) -> bool;
}

/// One app, loaded: its settings, its recipe at one version, its stack.
pub struct App {
    pub entry: AppEntry,
    pub env: EnvFile,
    pub lock: LockFile,
    pub checkout: Arc<Checkout>,
    pub name: StackName,
    /// The compose files as they were read, in order.
    pub sources: Vec<Source>,
    /// What `${NAME}` stands for in them: settings, `abra.sh`, `STACK_NAME`.
    pub variables: BTreeMap<String, String>,
    pub stack: Stack,
    pub warnings: Vec<Warning>,
    /// What lint says of these files with these settings.
    pub findings: Vec<Finding>,
    /// The swarm as this app may use it.
    pub engine: Arc<Confined>,
}

/// What a deploy would change, as data.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Plan {
    pub changes: Vec<Change>,
    pub warnings: Vec<String>,
    /// What the services reach beyond the app.
    pub reach: Vec<ReachRow>,
    /// What becomes of the services when they do not come to run; none where none
    /// is changed.
    pub on_failure: Option<String>,
}

/// One change of a plan.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// `recipe`, `service`, `network`, `secret`, `config`, `plugin`, `hook`,
    /// `migration`.
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
    pub seconds: f64,
}
