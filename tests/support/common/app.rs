//! One app of a tiny recipe, in folders of its own.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command as Process,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use potluck::{
    app::{self, App, Consent, Context, Downgrade, Error, Leaving, ReachWish, Takeover, Wish},
    engine::{self, Engine, Scope},
    home::{
        AppEntry, AppGuard, AppName, EnvFile, Grant, Home, RecipeName, ServerName, ServerSettings,
        StackName,
    },
    hooks,
    operation::{self, DeployOptions, DeployReport},
    owner::lease::Operator,
    plugin::{Command, Runtime, StackServices},
    progress::{Event, Sink},
    recipe::{Store, Version},
    rollout::Plan,
};

use super::{BUSYBOX, Cleanup, PATIENCE, endpoint, real_engine, unique_stack};

/// Says yes to everything.
struct Yes;

impl Consent for Yes {
    fn grants(&self, _: &Wish) -> bool {
        true
    }
    fn downgrade(&self, _: &Downgrade) -> bool {
        true
    }
    fn takeover(&self, _: &Takeover) -> bool {
        true
    }
    fn reach(&self, _: &ReachWish) -> bool {
        true
    }
    fn plan(&self, _: &Plan) -> bool {
        true
    }
}

/// Everything that was reported.
#[derive(Default)]
pub struct Heard(Mutex<Vec<Event>>);

impl Sink for Heard {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Heard {
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// Each event, as a line.
    pub fn lines(&self) -> Vec<String> {
        self.events().iter().map(|event| format!("{event:?}")).collect()
    }

    /// What plugins said, in order.
    pub fn said(&self) -> Vec<String> {
        let line = |event: &Event| match event {
            Event::Hook { message, .. } => Some(message.clone()),
            _ => None,
        };
        self.events().iter().filter_map(line).collect()
    }

    pub fn warnings(&self) -> Vec<String> {
        let line = |event: &Event| match event {
            Event::Warning { message } => Some(message.clone()),
            _ => None,
        };
        self.events().iter().filter_map(line).collect()
    }

    pub fn forget(&self) {
        self.0.lock().unwrap().clear();
    }
}

const SERVER: &str = "test-server";

/// One app of the recipe `tiny`, whose folder a test fills.
pub struct TestApp {
    pub folder: tempfile::TempDir,
    _cleanup: Option<Cleanup>,
    pub recipe: PathBuf,
    pub context: Context,
    pub heard: Arc<Heard>,
    pub entry: AppEntry,
    pub engine: Arc<dyn Engine>,
    pub stack: StackName,
}

impl TestApp {
    /// On the real engine; none, said loudly, where there is none.
    pub async fn real(room: &str) -> Option<Self> {
        let engine = real_engine().await?;
        let stack = unique_stack(room);
        let cleanup = Cleanup::new(&stack);
        let folder = tempfile::tempdir().unwrap();
        Some(Self::new(folder, engine, &endpoint(), stack, Some(cleanup)))
    }

    /// On a swarm that is not there.
    pub fn simulated(room: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = Home::new(folder.path().join("home")).state();
        let engine = engine::connect("simulated", Default::default(), &state, SERVER).unwrap();
        Self::new(folder, engine, "simulated", unique_stack(room), None)
    }

    fn new(
        folder: tempfile::TempDir,
        engine: Arc<dyn Engine>,
        endpoint: &str,
        stack: StackName,
        cleanup: Option<Cleanup>,
    ) -> Self {
        let recipe = folder.path().join("tiny");
        fs::create_dir_all(&recipe).unwrap();
        let home = Home::new(folder.path().join("home"));
        let server = ServerName::new(SERVER).unwrap();
        let settings =
            ServerSettings { endpoint: Some(endpoint.into()), ..ServerSettings::default() };
        home.write_server(&server, &settings).unwrap();
        let entry = AppEntry { name: AppName::new(stack.as_str()).unwrap(), server };
        let heard = Arc::new(Heard::default());
        let context = Context {
            runtime: Runtime::new(&home.plugin_cache()).unwrap(),
            home,
            progress: heard.clone(),
            docker: Default::default(),
            consent: Arc::new(Yes),
            grants: Vec::new(),
            reaches: Vec::new(),
            operator: Arc::new(LazyLock::new(|| Operator {
                user: "anna".into(),
                host: "here".into(),
            })),
            lock_wait: Duration::ZERO,
            identity: None,
            checkouts: Default::default(),
            world: potluck::app::World::Open,
        };
        TestApp { folder, _cleanup: cleanup, recipe, context, heard, entry, engine, stack }
    }

    /// Writes a file of the recipe.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.recipe.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes the recipe's `compose.yml`; `BUSYBOX` in it is the image.
    pub fn compose(&self, text: &str) {
        self.file("compose.yml", text.replace("BUSYBOX", BUSYBOX));
    }

    /// Commits the recipe's files and tags them with a version, which is the
    /// newest from then on.
    pub fn release(&self, version: &str) {
        let git = |arguments: &[&str]| {
            let output = Process::new("git")
                .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-C"])
                .arg(&self.recipe)
                .args(arguments)
                .output()
                .unwrap();
            assert!(output.status.success(), "git {arguments:?}: {output:?}");
        };
        git(&["init", "--quiet"]);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "-m", version]);
        git(&["tag", version]);
        let store = self.store();
        if !store.list().unwrap().is_empty() {
            store.update(&RecipeName::new("tiny").unwrap()).unwrap();
        }
    }

    fn store(&self) -> Store {
        Store::new(self.context.home.recipes())
    }

    /// Changes a setting of the app.
    pub fn set(&self, key: &str, value: &str) {
        let mut env = self.context.home.env(&self.entry).unwrap();
        env.set(key, value).unwrap();
        self.context.home.write_env(&self.entry, &env).unwrap();
    }

    /// The app as it is taken down.
    pub async fn leaving(&self) -> Leaving {
        self.load().await;
        Leaving::load(&self.context, &self.entry).await.unwrap()
    }

    /// The app in its newest version; made when it is first asked for.
    pub async fn load(&self) -> App {
        self.load_version(&Version::Newest).await
    }

    pub async fn load_version(&self, version: &Version) -> App {
        let store = self.store();
        if store.list().unwrap().is_empty() {
            store.add(self.recipe.to_str().unwrap()).unwrap();
            let env = EnvFile::parse("app.env", "TYPE=tiny\nTITLE=kept\n").unwrap();
            self.context.home.create_app(&self.entry, &env).unwrap();
        }
        app::load(&self.context, &self.entry, version).await.unwrap()
    }

    pub async fn try_deploy(&self, options: &DeployOptions) -> Result<DeployReport, Error> {
        let mut app = self.load_version(&options.version).await;
        operation::deploy(&self.context, &self.guard(), &mut app, options).await
    }

    /// That the test changes the app.
    pub fn guard(&self) -> AppGuard {
        self.context.home.guard_app(&self.entry, "a test").unwrap()
    }

    /// What a deploy would do.
    pub async fn try_plan(&self, options: &DeployOptions) -> Result<Plan, Error> {
        let mut app = self.load_version(&options.version).await;
        let report = operation::plan(&self.context, &mut app, options).await?;
        assert!(!report.changed);
        Ok(report.plan)
    }

    pub async fn deploy(&self) -> DeployReport {
        self.try_deploy(&DeployOptions::default()).await.unwrap()
    }

    /// Names and versions of the services.
    pub async fn versions(&self) -> Vec<(String, u64)> {
        let services = self.engine.services(Scope::Stack(&self.stack)).await.unwrap();
        let mut versions: Vec<_> = services
            .into_iter()
            .map(|s| (s.spec.unwrap().name.unwrap(), s.version.unwrap().index.unwrap()))
            .collect();
        versions.sort();
        versions
    }

    /// What a service runs, as the swarm has it.
    pub async fn command(&self, service: &str) -> Vec<String> {
        let name = format!("{}_{service}", self.stack);
        let spec = self.engine.service(&name).await.unwrap().spec.unwrap();
        spec.task_template.unwrap().container_spec.unwrap().args.unwrap()
    }

    /// Runs a script in a service and returns what it says.
    pub async fn run(&self, service: &str, script: &str) -> String {
        let services = hooks::AppServices::of(&self.load().await);
        services.wait_ready(service, PATIENCE).await.unwrap();
        let output = services.run(service, &shell(script), Vec::new(), 1 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.exit_code, 0, "{script}: {text}{:?}", output.stderr);
        text
    }
}

/// A script for `sh`.
pub fn shell(script: &str) -> Command {
    Command {
        argv: ["sh", "-c", script].map(Into::into).into(),
        env: Vec::new(),
        user: None,
        workdir: None,
        timeout: None,
    }
}

/// A limit for failures; what succeeds does not wait for it.
pub fn within(seconds: u64) -> DeployOptions {
    DeployOptions { timeout: Some(Duration::from_secs(seconds)), ..Default::default() }
}
