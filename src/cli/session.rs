//! What a command works with: the operator's folder, the terminal, and what an
//! operation needs. Nothing is opened before a command needs it.

use std::{
    cell::RefCell,
    env,
    future::Future,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{
    arguments::{AppArg, GrantArg, IdentityArg, JsonArg, LockArg},
    exit::Exit,
    failure::{Failure, Outcome},
    grants::Answers,
    progress::Renderer,
    prompt,
    ui::Ui,
};
use crate::{
    app::{Context, World},
    engine::{self, Engine, docker_config::DockerConfig},
    home::{AppEntry, AppGuard, Home, ServerName},
    operation,
    owner::lease::Operator,
    plugin::Runtime,
    recipe::{Checkouts, Store},
    secrets::escrow::Identity,
};

/// Servers that are asked side by side.
pub const SERVERS_AT_A_TIME: usize = 8;

/// Between two tries to claim an app.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// One run of the program.
pub struct Session {
    pub ui: Arc<Ui>,
    /// Whether no recipe is to be fetched.
    pub offline: bool,
    folder: Option<PathBuf>,
}

impl Session {
    /// `folder` is what `--potluck-dir` says.
    pub fn new(folder: Option<PathBuf>, offline: bool, ui: Ui) -> Self {
        Session { ui: Arc::new(ui), offline, folder }
    }

    /// The operator's folder; it need not exist yet.
    ///
    /// # Errors
    /// If its place is unknown.
    pub fn home(&self) -> Result<Home, Failure> {
        // Not clap's `env`: with it set, `potluck` alone wouldn't show the help.
        let variable = || env::var_os("POTLUCK_DIR").map(PathBuf::from);
        let folder = self.folder.clone().or_else(variable);
        let folder = match folder.filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => folder,
            None => user_home()
                .ok_or_else(|| {
                    Failure::usage("the home directory is not known")
                        .hint("set HOME, or pass `--potluck-dir`")
                })?
                .join(".potluck"),
        };
        let folder = std::path::absolute(&folder)
            .map_err(|e| Failure::io(format!("finding {}", folder.display()), &e))?;
        Ok(Home::new(folder).offline(self.offline))
    }

    /// The recipes in the operator's folder.
    ///
    /// # Errors
    /// As [`Session::home`].
    pub fn recipes(&self) -> Result<Store, Failure> {
        let home = self.home()?;
        Ok(Store::of(&home))
    }

    /// The app that the arguments name.
    ///
    /// # Errors
    /// When there is no such app, or there are two.
    pub fn app(&self, home: &Home, arg: &AppArg) -> Result<AppEntry, Failure> {
        Ok(match &arg.server {
            None => home.app(&arg.app)?,
            Some(server) => home.app_on(&arg.app, server)?,
        })
    }

    /// Claims the app for this process, against others with this folder; waits for them as
    /// long as the command line says.
    ///
    /// # Errors
    /// When another process has it still.
    pub fn guard(
        &self,
        home: &Home,
        app: &AppEntry,
        doing: &str,
        lock: &LockArg,
    ) -> Result<AppGuard, Failure> {
        let ending = Instant::now() + lock.lock_wait;
        let mut told = false;
        loop {
            match home.guard_app(app, doing) {
                Err(taken @ crate::home::Error::Locked { .. }) if Instant::now() < ending => {
                    if !told {
                        told = true;
                        self.ui.warn(format_args!("waiting, because {taken}"));
                    }
                    std::thread::sleep(BETWEEN_TRIES);
                }
                claimed => return Ok(claimed?),
            }
        }
    }

    /// The same where others are at work meanwhile.
    ///
    /// # Errors
    /// As [`Session::guard`].
    pub async fn guard_beside(
        &self,
        home: &Home,
        app: &AppEntry,
        doing: &str,
        lock: &LockArg,
    ) -> Result<AppGuard, Failure> {
        Ok(operation::claim(home, app, doing, lock.lock_wait).await?)
    }

    /// docker's configuration on this machine. It is optional for a
    /// command, so a configuration that can't be read is a warning.
    pub fn docker_config(&self) -> DockerConfig {
        let folder = env::var_os("DOCKER_CONFIG")
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from)
            .or_else(|| user_home().map(|home| home.join(".docker")));
        let Some(folder) = folder else { return DockerConfig::default() };
        DockerConfig::read(folder).unwrap_or_else(|error| {
            self.ui.warn(&error);
            DockerConfig::default()
        })
    }

    /// Where the private key is that opens kept secrets; it need not exist.
    ///
    /// # Errors
    /// If its place is unknown.
    pub fn identity_path(&self, arg: &IdentityArg) -> Result<PathBuf, Failure> {
        arg.identity.clone().or_else(identity_path).ok_or_else(|| {
            Failure::usage("the home directory is not known").hint("set HOME, or pass `--identity`")
        })
    }

    /// The private key that opens kept secrets; asks for its passphrase.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn identity(&self, arg: &IdentityArg) -> Result<Identity, Failure> {
        let path = self.identity_path(arg)?;
        let left = RefCell::new(None);
        let ask = |question: &str| {
            let asked = self.ui.is_interactive().then(|| prompt::passphrase(&self.ui, question))?;
            asked.map_err(|failure| left.replace(Some(failure))).ok()
        };
        let read = Identity::read(&path, &ask);
        match left.take() {
            // The question was left with Ctrl-C.
            Some(failure) => Err(failure),
            None => Ok(read?),
        }
    }

    /// The same for commands that do without; none where there is no such file and none
    /// was named.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn identity_if_any(&self, arg: &IdentityArg) -> Result<Option<Identity>, Failure> {
        let is_named = arg.identity.is_some();
        match self.identity_path(arg) {
            Ok(path) if is_named || path.exists() => self.identity(arg).map(Some),
            _ => Ok(None),
        }
    }

    fn told<T>(
        &self,
        report: &T,
        json: &JsonArg,
        print: impl FnOnce(&T) -> Result<(), Failure>,
        show: impl FnOnce(&T) -> Result<(), Failure>,
    ) -> Outcome {
        match json.json {
            true => print(report)?,
            false => show(report)?,
        }
        Ok(Exit::DONE)
    }

    /// As [`Session::report`], of one with texts of several lines.
    ///
    /// # Errors
    /// What `show` ends in; when it cannot be written.
    pub fn report_of_texts<T: Serialize>(
        &self,
        report: &T,
        json: &JsonArg,
        show: impl FnOnce(&T) -> Result<(), Failure>,
    ) -> Outcome {
        self.told(report, json, |report| self.ui.json_of_texts(report), show)
    }

    /// What came of a command: as JSON where that is asked for, else as `show` tells
    /// it to a person.
    ///
    /// # Errors
    /// What `show` ends in; when it cannot be written.
    pub fn report<T: Serialize>(
        &self,
        report: &T,
        json: &JsonArg,
        show: impl FnOnce(&T) -> Result<(), Failure>,
    ) -> Outcome {
        self.told(report, json, |report| self.ui.json(report), show)
    }

    /// What an operation on an app needs.
    ///
    /// # Errors
    /// When the plugin cache can't be used.
    pub fn context(&self, home: &Home, answers: Arc<Answers>) -> Result<Operating, Failure> {
        let renderer = Arc::new(Renderer::new(Arc::clone(&self.ui)));
        let context = Context {
            home: home.clone(),
            runtime: Runtime::new(&home.plugin_cache())?,
            progress: Arc::clone(&renderer) as Arc<dyn crate::progress::Sink>,
            docker: self.docker_config(),
            consent: answers,
            grants: Vec::new(),
            reaches: Vec::new(),
            operator: Arc::new(LazyLock::new(operator)),
            lock_wait: Duration::ZERO,
            identity: identity_path(),
            checkouts: Checkouts::default(),
            world: World::Open,
        };
        Ok(Operating { context, renderer })
    }
}

/// An operation's context, and what shows its progress.
pub struct Operating {
    pub context: Context,
    renderer: Arc<Renderer>,
}

impl Operating {
    /// With the grants on the command line.
    #[must_use]
    pub fn granting(mut self, arg: &GrantArg) -> Self {
        self.context.grants = arg.grants();
        self.context.reaches = arg.reaches();
        self
    }

    /// Waiting for another operation on the app for as long as the command line says.
    #[must_use]
    pub fn waiting(mut self, arg: &LockArg) -> Self {
        self.context.lock_wait = arg.lock_wait;
        self
    }

    /// Removes spinners and bars before a question is asked.
    pub fn pause(&self) {
        self.renderer.finish();
    }
}

impl Drop for Operating {
    fn drop(&mut self) {
        self.renderer.finish();
    }
}

/// Waits for Ctrl-C, or for the signals that systemd, `timeout` and a closing
/// terminal send instead. Waits for ever for a signal that cannot be registered.
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let one = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = one(SignalKind::interrupt()) => {}
        () = one(SignalKind::terminate()) => {}
        () = one(SignalKind::hangup()) => {}
    }
}

/// Runs async work, until it is done or Ctrl-C ends it.
///
/// # Errors
/// The errors of the work; `interrupted` says what Ctrl-C leaves behind.
pub fn wait<T>(
    interrupted: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    wait_uninterrupted(async {
        tokio::select! {
            result = work => result,
            () = asked_to_end() => Err(Failure::interrupted(interrupted)),
        }
    })
}

/// Runs async work; Ctrl-C asks it to clean up and end, a second one ends
/// it at once.
///
/// # Errors
/// What the work ends with.
pub fn wait_cancelling<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let twice = async {
        asked_to_end().await;
        cancel.cancel();
        asked_to_end().await;
    };
    wait_uninterrupted(async {
        tokio::select! {
            result = work => result,
            () = twice => Err(Failure::interrupted("interrupted while tidying up")),
        }
    })
}

/// Runs async work that handles Ctrl-C itself.
///
/// # Errors
/// What the work ends with.
pub fn wait_uninterrupted<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let result = work.await;
        operation::release_dropped().await;
        result
    });
    // A thread may still be waiting for standard input: nobody needs it now.
    runtime.shutdown_background();
    result
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::io("starting up failed", &e))
}

/// Who runs this program, for anyone who finds an app taken.
pub fn operator() -> Operator {
    // Shown and never relied on.
    let unknown = |_| "an unknown".to_owned();
    Operator {
        user: whoami::account().unwrap_or_else(unknown),
        host: whoami::hostname().unwrap_or_else(unknown),
    }
}

/// Where the private key is unless the arguments say otherwise.
fn identity_path() -> Option<PathBuf> {
    let given = |name| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    given("POTLUCK_IDENTITY").or_else(|| {
        let folder = given("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let folder = folder.or_else(|| user_home().map(|home| home.join(".config")));
        folder.map(|folder| folder.join("potluck").join("identity"))
    })
}

/// The user's home directory.
pub fn user_home() -> Option<PathBuf> {
    env::home_dir().filter(|path| path.is_absolute())
}

/// The program that edits files: `$VISUAL`, `$EDITOR`, else `vi`. May hold
/// arguments, as in `code --wait`.
pub fn editor() -> String {
    ["VISUAL", "EDITOR"]
        .iter()
        .filter_map(|name| env::var(name).ok())
        .find(|value| !value.trim().is_empty())
        .unwrap_or_else(|| "vi".into())
}

/// The engine of a server; to be called within async work.
///
/// # Errors
/// When the server's settings can't be read, or its endpoint is invalid.
pub fn engine(home: &Home, server: &ServerName) -> Result<Arc<dyn Engine>, Failure> {
    connect(home, &home.endpoint(server)?, server)
}

/// The engine behind an endpoint; to be called within async work.
///
/// # Errors
/// When the endpoint is invalid.
pub fn connect(
    home: &Home,
    endpoint: &str,
    server: &ServerName,
) -> Result<Arc<dyn Engine>, Failure> {
    let nodes = home.server(server)?.nodes;
    Ok(engine::connect(endpoint, nodes, &home.state(), server.as_str())?)
}
