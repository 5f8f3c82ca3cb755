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
mod external;
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
mod plan;
mod plugin_grants;
mod ports;
mod prepare;
mod ps;
mod questions;
pub mod reach;
mod reaching;
mod record;
mod relabel;
mod removal;
mod restore_hook;
mod rollout;
mod rollout_error;
mod scale;
mod services;
mod silent;
mod stack;
mod state;
mod steps;
mod survey;
mod takeover;
mod task;
mod undeploy;
mod undo;
mod unpinned;
mod version;
mod work;

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    compose::{Source, Stack, Warning},
    engine::docker_config::DockerConfig,
    home::{AppEntry, EnvFile, GivenGrant, GivenReach, Home, LockFile, StackName},
    lint::Finding,
    plugin::Runtime,
    progress::Sink,
    recipe::Checkout,
};

pub use checks::reserved_findings;
pub use condition::{Condition, of_services as condition};
pub use consent::{AppLocked, check_grants};
pub use deploy::{DeployOptions, DeployReport, deploy};
pub use error::{Error, Left, MigrationFailed};
pub(crate) use hooks::restart_broken;
pub use hooks::{prepare, start};
pub use load::{load, load_deployed, recipe_of, stack_name};
pub use on_server::{Leaving, OnServer, ps};
pub use owner::Confined;
pub use place::Place;
pub use plan::{Change, ChangeAction, ChangeKind, Plan, ReachRow};
pub use plugin_grants::{PluginGrants, plugin_grants};
pub use ps::TaskRow;
pub use questions::{Ambiguous, Downgrade, ReachWish, Takeover, Wish};
pub use reach::copied;
pub use reaching::{app_reach, reach_findings, recipe_reach};
pub(crate) use restore_hook::{RestoreHook, before_restore};
pub use rollout_error::{Error as RolloutError, Failed, FailedService, Problem, Subject};
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
