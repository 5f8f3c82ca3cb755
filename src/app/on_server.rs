//! An app as its server knows it, for commands that must work when its
//! recipe, its settings or its lock file cannot be read: the stack's name is enough.

use std::sync::Arc;

use crate::{
    engine::{self, Engine},
    hint::Hint,
    home::{self, AppEntry, AppName, Home, Salvaged, StackName},
    owner::{Claimant, Confined},
    rollout::{TaskRow, state::ps::tasks},
};

use super::{App, Context, Error, load};

/// An app's stack, and the swarm as the app may use it.
#[derive(Debug)]
pub struct OnServer {
    pub entry: AppEntry,
    pub stack: StackName,
    pub engine: Arc<Confined>,
    /// The operator's files that could not be read.
    pub broken: Vec<home::Error>,
}

impl OnServer {
    /// From the operator's files, as far as they can be read.
    ///
    /// # Errors
    /// An unknown app, a stack's name that cannot be read or is invalid, an
    /// invalid endpoint.
    pub fn new(home: &Home, entry: &AppEntry) -> Result<Self, Error> {
        let endpoint = home.endpoint(&entry.server)?;
        let engine = engine::connect(
            &endpoint,
            home.server(&entry.server)?.nodes,
            &home.state(),
            entry.server.as_str(),
        )?;
        Self::over(home, entry, engine)
    }

    /// The same over a connection to its server that exists.
    ///
    /// # Errors
    /// An unknown app, a stack's name that cannot be read or is invalid.
    pub fn over(home: &Home, entry: &AppEntry, engine: Arc<dyn Engine>) -> Result<Self, Error> {
        let Salvaged { env, lock, broken, whole: _ } = home.salvage(entry)?;
        let claimant = Claimant::of_what_runs(entry, &env, &lock)?;
        let stack = claimant.stack.clone();
        let engine = Arc::new(Confined::new(engine, claimant));
        Ok(OnServer { entry: entry.clone(), stack, engine, broken })
    }
}

/// An app that is to be removed; fully loaded if its files can be read.
pub struct Leaving {
    pub on_server: OnServer,
    /// None where the recipe or the settings cannot be read.
    pub app: Option<App>,
}

impl Leaving {
    /// Loads what was deployed last; if that fails, warns about what will be
    /// skipped, and continues with what the server says.
    ///
    /// # Errors
    /// As [`OnServer::new`].
    pub async fn load(context: &Context, entry: &AppEntry) -> Result<Self, Error> {
        let on_server = OnServer::new(&context.home, entry)?;
        if let Some(mixup) = on_server.engine.recorded_mixup().await? {
            context.progress.warn(format!(
                "{mixup}, so hooks (`before-remove`) do not run; continuing with what the \
                 server knows of the stack `{}` ({})",
                on_server.stack,
                mixup.correct()
            ));
            return Ok(Leaving { on_server, app: None });
        }
        let app = match load::load_deployed(context, entry).await {
            Ok(app) => Some(app),
            Err(error) => {
                let cause = error.to_string();
                for broken in &on_server.broken {
                    // The cause is said below, once.
                    if broken.to_string() != cause {
                        context.progress.warn(with_hint(broken));
                    }
                }
                context.progress.warn(format!(
                    "the app's recipe or settings cannot be read, so hooks (`before-remove`) do \
                     not run; continuing with what the server knows of the stack `{}`: {}",
                    on_server.stack,
                    with_hint(&error)
                ));
                None
            }
        };
        Ok(Leaving { on_server, app })
    }

    pub(crate) fn engine(&self) -> &Confined {
        self.app.as_ref().map_or(&self.on_server.engine, |app| &app.engine)
    }
}

/// The tasks of an app: those that run or will run, with `all` also those that
/// ended. A slot whose newest task ended shows that one.
///
/// # Errors
/// [`Error::NotDeployed`], and what the engine says.
pub async fn ps(
    engine: &dyn Engine,
    app: &AppName,
    stack: &StackName,
    all: bool,
) -> Result<Vec<TaskRow>, Error> {
    tasks(engine, stack, all).await?.ok_or_else(|| Error::NotDeployed { app: app.to_string() })
}

/// What happened, and what to do about it where that is known, for one line.
fn with_hint(error: &impl Hint) -> String {
    // Lines of files and marks below them make no sentence.
    let said = error.to_string();
    let said = said.lines().next().unwrap_or_default();
    match error.hint() {
        Some(hint) => format!("{said} ({hint})"),
        None => said.to_owned(),
    }
}
