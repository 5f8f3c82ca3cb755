//! Guests written as WebAssembly text, so that no toolchain is needed and
//! nothing stands between a hostile guest and the host, and doubles of what a
//! guest's operation hands it.
//!
//! A guest is a core module inside a component that lowers what it imports and
//! lifts what it exports, as a guest's linker would make it.

#![allow(dead_code, unused_imports, reason = "each test file uses some of it")]

pub mod guests;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

pub use super::common::skip;

use async_trait::async_trait;
use potluck::{
    plugin::{
        Command, Facts, FileError, Hooks, HttpError, HttpRequest, HttpResponse, Limits, Machine,
        Memory, Output, Outside, Plugin, RecipeFiles, Role, Runtime, SecretAccess, SecretError,
        ServiceError, StackServices, Surroundings, Transition,
    },
    progress::{Event, Level, Sink},
};
use zeroize::Zeroizing;

#[allow(unused_imports, reason = "each test file uses some of it")]
pub use guests::*;

/// What the host said and was asked.
#[derive(Default)]
pub struct World {
    pub events: Mutex<Vec<Event>>,
    pub commands: Mutex<Vec<(String, Command, Vec<u8>)>>,
    pub files: Mutex<BTreeMap<String, Vec<u8>>>,
    pub secrets: BTreeMap<String, String>,
    /// The recipe's own files.
    pub recipe: BTreeMap<String, Vec<u8>>,
    pub memory: Mutex<BTreeMap<String, String>>,
    /// What the name server says; of other names, what the machine's says.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// What every command answers.
    pub output: Vec<u8>,
    /// Services never answer.
    pub hang: bool,
    /// Counts the commands that were begun, of several worlds together.
    pub entered: Option<Arc<AtomicUsize>>,
}

impl World {
    /// The plugin's lines, `warning: text`.
    pub fn lines(&self) -> Vec<String> {
        let line = |event: &Event| match event {
            Event::Hook { level, message, .. } => Some(format!("{level}: {message}")),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(line).collect()
    }

    /// The steps of its progress.
    pub fn steps(&self) -> Vec<String> {
        let step = |event: &Event| match event {
            Event::Progress { step, .. } => Some(step.clone()),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(step).collect()
    }

    pub fn warnings(&self) -> Vec<String> {
        let warning = format!("{}: ", Level::Warn);
        self.lines().iter().filter_map(|l| l.strip_prefix(&warning).map(str::to_owned)).collect()
    }
}

impl Sink for World {
    fn event(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

#[async_trait]
impl StackServices for World {
    async fn run(
        &self,
        service: &str,
        command: &Command,
        input: Vec<u8>,
        limit: usize,
    ) -> Result<Output, ServiceError> {
        if let Some(entered) = &self.entered {
            entered.fetch_add(1, Ordering::SeqCst);
        }
        if self.hang {
            std::future::pending::<()>().await;
        }
        self.commands.lock().unwrap().push((service.into(), command.clone(), input));
        let stdout = self.output[..self.output.len().min(limit)].to_vec();
        let truncated = stdout.len() < self.output.len();
        Ok(Output { exit_code: 0, stdout, stderr: Vec::new(), truncated })
    }
    async fn wait_ready(&self, _: &str, _: Duration) -> Result<(), ServiceError> {
        Ok(())
    }
    async fn restart(&self, _: &str, _: Duration) -> Result<(), ServiceError> {
        Ok(())
    }
    async fn put_file(
        &self,
        _: &str,
        path: &str,
        content: Vec<u8>,
        _: u32,
    ) -> Result<(), ServiceError> {
        self.files.lock().unwrap().insert(path.into(), content);
        Ok(())
    }
    async fn get_file(&self, _: &str, path: &str, _: usize) -> Result<Vec<u8>, ServiceError> {
        let files = self.files.lock().unwrap();
        files.get(path).cloned().ok_or_else(|| ServiceError::Engine("no such file".into()))
    }
    async fn logs(&self, _: &str, lines: u32, _: usize) -> Result<Vec<String>, ServiceError> {
        Ok((0..lines).map(|n| format!("line {n}")).collect())
    }
}

#[async_trait]
impl Outside for World {
    fn now(&self) -> Duration {
        Machine.now()
    }
    fn random(&self, buffer: &mut [u8]) -> Result<(), String> {
        Machine.random(buffer)
    }
    async fn answer(&self, _: &HttpRequest) -> Option<Result<HttpResponse, HttpError>> {
        None
    }
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        match self.names.get(host) {
            Some(addresses) => Ok(addresses.clone()),
            None => Machine.addresses(host).await,
        }
    }
    fn answered(&self, _: &HttpRequest, _: &Result<HttpResponse, HttpError>) {}
}

impl RecipeFiles for World {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.recipe.get(path).cloned().ok_or(FileError::NotFound)
    }
    fn list(&self, _: &str) -> Result<Vec<String>, FileError> {
        Ok(self.recipe.keys().cloned().collect())
    }
}

#[async_trait]
impl SecretAccess for World {
    async fn reveal(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        let value = self.secrets.get(name).cloned();
        value.map(Zeroizing::new).ok_or_else(|| SecretError::Unknown(name.into()))
    }
    async fn put(&self, name: &str, _: Zeroizing<String>) -> Result<(), SecretError> {
        Err(SecretError::Exists(name.into()))
    }
}

impl Memory for World {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(self.memory.lock().unwrap().get(key).cloned())
    }
    fn set(&self, key: &str, value: &str) -> Result<(), String> {
        self.memory.lock().unwrap().insert(key.into(), value.into());
        Ok(())
    }
}

/// Surroundings with these grants and small limits, of time aside: how fast the
/// machine is decides nothing but where a test is about time and sets its own.
pub fn surroundings(world: &Arc<World>, grants: &[&str]) -> Surroundings {
    Surroundings {
        facts: Facts {
            app: "wiki.example.org".into(),
            stack: "wiki_example_org".into(),
            recipe: "wiki".into(),
            version: Some("1.0.0".into()),
            server: "default".into(),
        },
        settings: [("DOMAIN".into(), "wiki.example.org".into())].into_iter().collect(),
        options: serde_json::json!({"title": "Wiki"}),
        grants: grants.iter().map(|grant| grant.parse().unwrap()).collect::<BTreeSet<_>>(),
        limits: Limits {
            memory: 8 << 20,
            wall: Duration::from_secs(600),
            compute: Duration::from_secs(600),
            output: 64 << 10,
            calls: 1000,
            log: 4096,
        },
        services: world.clone(),
        secrets: world.clone(),
        memory: world.clone(),
        files: world.clone(),
        progress: world.clone(),
        outside: world.clone(),
    }
}

/// A runtime with a cache of its own, which lives as long as the folder.
pub fn runtime() -> (Runtime, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Runtime::new(&folder.path().join("plugins")).unwrap(), folder)
}

pub async fn load(component: &[u8]) -> Result<Plugin, potluck::plugin::Error> {
    let (runtime, _folder) = runtime();
    runtime.load("guest", component).await
}

/// An instance of this component, started.
pub async fn start(component: &[u8], world: &Arc<World>, grants: &[&str]) -> Hooks {
    let plugin = load(component).await.unwrap_or_else(|error| panic!("{error}"));
    plugin.start(surroundings(world, grants)).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A first deploy.
pub fn first() -> Transition {
    Transition { before: None, after: Some("1.0.0".into()) }
}

pub fn roles(plugin: &Plugin) -> Vec<Role> {
    plugin.roles().iter().copied().collect()
}
