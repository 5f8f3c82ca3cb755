//! One app, loaded once: its settings, its recipe at one version, its stack, and the swarm
//! confined to the app; also what it reaches, its plugins, and which of its services run.
//! This room starts no plugin.

pub(crate) mod backupbot;
mod causes;
pub(crate) mod chaos;
pub(crate) mod checks;
mod copy;
mod error;
mod half_restored;
mod load;
pub(crate) mod names;
mod on_server;
pub mod permission;
pub(crate) mod plugins;
mod pulled;
pub(crate) mod questions;
pub mod reach;
pub(crate) mod reaching;
pub(crate) mod replay;
mod scale;
mod seal;
pub(crate) mod survey;
pub(crate) mod takeover;
mod unread;
pub(crate) mod version;
mod volumes;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use crate::{
    compose::{Source, Stack, Warning},
    engine::docker_config::DockerConfig,
    home::{AppEntry, EnvFile, GivenGrant, GivenReach, Home, LockFile, StackName},
    lint::Finding,
    owner::{Confined, lease::Operator, release::Release},
    plugin::Runtime,
    progress::Sink,
    recipe::{Checkout, Checkouts},
    rollout::Plan,
};

pub use causes::{CauseRow, Causes, causes};
pub use checks::{new_settings, reserved_findings};
pub use copy::{Copied, Mounted, archive_of, copy_in, copy_out, unpack_in};
pub use error::{DataMigrated, Error, Left, MigrationFailed, NoRotation, Taken, Unfinished};
pub use half_restored::half_restored;
pub use load::{load, load_deployed, load_with, names_secrets};
pub use on_server::{Leaving, OnServer, ps};
pub use plugins::Component;
pub use pulled::{Pulled, pull_settings};
pub use questions::{Behind, Downgrade, ReachWish, Takeover, Wish};
pub(crate) use reach::not_typed;
pub use reach::{copied, routed};
pub use reaching::{app_reach, reach_findings, recipe_reach};
pub use scale::{Stopped, bring_back, scale_down};
pub use survey::{Server, load_to_deploy, survey};
pub(crate) use takeover::is_unknown;
pub use volumes::{VolumeRow, volumes};

/// What every operation on an app needs. Created once per command.
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
    /// Who runs this command; asked of the system when an operation needs it.
    pub operator: Arc<LazyLock<Operator>>,
    /// How long to wait for another operation on the app.
    pub lock_wait: Duration,
    /// Where the private key is that opens kept secrets, if there is one: read when a
    /// plugin asks for a secret that was granted to it.
    pub identity: Option<PathBuf>,
    /// The versions of recipes that were read already.
    pub checkouts: Checkouts,
    /// What apps may reach that are loaded.
    pub world: World,
}

/// What the apps of a context may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum World {
    /// What their recipes say.
    #[default]
    Open,
    /// Nothing beside their own data: each app is sealed as it is loaded, and its plugins
    /// have no `http` grants.
    Sealed,
}

impl Context {
    /// The same world with another folder, for what is made aside first.
    ///
    /// # Errors
    /// A cache of plugins that cannot be used.
    pub(crate) fn in_folder(&self, home: Home) -> Result<Self, Error> {
        Ok(Context { home, ..self.again()? })
    }

    /// The same for another app, for whose plugins nothing was granted on the command line.
    ///
    /// # Errors
    /// A cache of plugins that cannot be used.
    pub(crate) fn for_another(&self) -> Result<Self, Error> {
        Ok(Context { grants: Vec::new(), reaches: Vec::new(), ..self.again()? })
    }

    /// The same for what is a part of an operation whose plan was agreed to.
    ///
    /// # Errors
    /// A cache of plugins that cannot be used.
    pub(crate) fn having_agreed(&self) -> Result<Self, Error> {
        let consent = Arc::new(Agreed(Arc::clone(&self.consent)));
        Ok(Context { consent, ..self.again()? })
    }

    fn again(&self) -> Result<Self, Error> {
        Ok(Context {
            runtime: Runtime::new(&self.home.plugin_cache())?,
            home: self.home.clone(),
            progress: Arc::clone(&self.progress),
            docker: self.docker.clone(),
            consent: Arc::clone(&self.consent),
            grants: self.grants.clone(),
            reaches: self.reaches.clone(),
            operator: Arc::clone(&self.operator),
            lock_wait: self.lock_wait,
            identity: self.identity.clone(),
            checkouts: Checkouts::default(),
            world: self.world,
        })
    }

    /// The same, in which apps reach nothing.
    pub(crate) fn sealed(self) -> Self {
        Context { world: World::Sealed, ..self }
    }
}

/// Whose plan was agreed to; all else is asked.
struct Agreed(Arc<dyn Consent>);

impl Consent for Agreed {
    fn grants(&self, wish: &Wish) -> bool {
        self.0.grants(wish)
    }

    fn downgrade(&self, downgrade: &Downgrade) -> bool {
        self.0.downgrade(downgrade)
    }

    fn behind(&self, behind: &Behind) -> bool {
        self.0.behind(behind)
    }

    fn takeover(&self, takeover: &Takeover) -> bool {
        self.0.takeover(takeover)
    }

    fn reach(&self, wish: &ReachWish) -> bool {
        self.0.reach(wish)
    }

    fn end_program(&self, service: &str) -> bool {
        self.0.end_program(service)
    }

    fn plan(&self, _: &Plan) -> bool {
        true
    }
}

/// Answers for the person at the terminal.
pub trait Consent: Send + Sync {
    /// May the plugin have what it asks for?
    fn grants(&self, wish: &Wish) -> bool;
    /// May an older release replace a newer one?
    fn downgrade(&self, downgrade: &Downgrade) -> bool;
    /// May this folder overwrite what somebody else deployed? The default is no.
    fn behind(&self, behind: &Behind) -> bool {
        let _ = behind;
        false
    }
    /// May the app take over objects that are its own only by their labels?
    fn takeover(&self, takeover: &Takeover) -> bool;
    /// May the service reach what it asks for? The default is no.
    fn reach(&self, wish: &ReachWish) -> bool {
        let _ = wish;
        false
    }
    /// A program of an unfinished operation still runs in a service: may its task be
    /// restarted, which ends the program? The default is no.
    fn end_program(&self, service: &str) -> bool {
        let _ = service;
        false
    }
    /// May the plan be carried out?
    fn plan(&self, plan: &Plan) -> bool;
    /// The same of a plan that is another one than was agreed to, because somebody else
    /// changed the app meanwhile. Not unless somebody says so.
    fn changed_plan(&self, plan: &Plan) -> bool {
        let _ = plan;
        false
    }
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
    pub stack: Arc<Stack>,
    /// What was taken from the stack, of an app that is sealed.
    pub left_out: Vec<String>,
    pub warnings: Vec<Warning>,
    /// What lint says of these files with these settings.
    pub findings: Vec<Finding>,
    /// Its plugins: see [`App::components`].
    pub plugins: plugins::Plugins,
    /// The swarm, confined to this app.
    pub engine: Arc<Confined>,
    /// Full names of the secrets of which an encrypted copy is kept.
    pub kept: BTreeSet<String>,
    /// The release that it brings back, instead of a recipe.
    pub(crate) replays: Option<Box<Release>>,
}
