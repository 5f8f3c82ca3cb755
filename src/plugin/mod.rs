//! Hooks: WebAssembly components that play roles, run with what was granted
//! and nothing else.
//!
//! [`Runtime`] compiles and caches; a [`Plugin`] is a compiled component and
//! what its type says; [`Hooks`] is one running instance with its
//! [`Surroundings`]. The swarm is reached only through [`StackServices`], which
//! whoever starts a plugin has already confined to one stack.

pub mod types;

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{hint::Hint, home::Grant, progress::Sink};
pub use types::*;

/// Compiles components and keeps the compiled code.
pub struct Runtime {}

/// A compiled component.
#[derive(Clone)]
pub struct Plugin {}

/// One instance of a plugin, for one operation on one app.
pub struct Hooks {}

/// What an instance sees of the world.
pub struct Surroundings {
    pub facts: Facts,
    /// The app's environment file, after interpolation.
    pub settings: Vec<(String, String)>,
    /// The plugin's options in `recipe.yml`.
    pub options: serde_json::Value,
    pub grants: BTreeSet<Grant>,
    pub limits: Limits,
    pub services: Arc<dyn StackServices>,
    pub secrets: Arc<dyn SecretAccess>,
    pub memory: Arc<dyn Memory>,
    pub progress: Arc<dyn Sink>,
}

/// Commands inside the running services of one stack. Grants are checked by
/// the caller; the stack's borders here.
#[async_trait]
pub trait StackServices: Send + Sync {
    async fn run(
        &self,
        service: &str,
        command: &Command,
        input: Vec<u8>,
        output_limit: usize,
    ) -> Result<Output, ServiceError>;
    async fn wait_ready(&self, service: &str, timeout: Duration) -> Result<(), ServiceError>;
    async fn restart(&self, service: &str, timeout: Duration) -> Result<(), ServiceError>;
    async fn put_file(
        &self,
        service: &str,
        path: &str,
        content: Vec<u8>,
        mode: u32,
    ) -> Result<(), ServiceError>;
    async fn get_file(
        &self,
        service: &str,
        path: &str,
        limit: usize,
    ) -> Result<Vec<u8>, ServiceError>;
}

/// The app's secrets.
#[async_trait]
pub trait SecretAccess: Send + Sync {
    async fn reveal(&self, name: &str) -> Result<zeroize::Zeroizing<String>, SecretError>;
    async fn put(&self, name: &str, value: zeroize::Zeroizing<String>) -> Result<(), SecretError>;
}

/// Small facts a plugin keeps between runs, per app and plugin.
pub trait Memory: Send + Sync {
    fn get(&self, key: &str) -> Result<Option<String>, String>;
    fn set(&self, key: &str, value: &str) -> Result<(), String>;
}

/// What goes wrong with a plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // owned by this room; must name plugin, role, hook, and hint
    #[error("placeholder")]
    Placeholder,
}

impl Hint for Error {}

impl Runtime {
    /// `cache` is created with mode 0700 when it is missing.
    pub fn new(cache: &Path) -> Result<Self, Error> {
        let _ = cache;
        todo!()
    }
    /// Compiles a component, or takes it from the cache.
    pub async fn load(&self, name: &str, component: &[u8]) -> Result<Plugin, Error> {
        let _ = (name, component);
        todo!()
    }
}

impl Plugin {
    pub fn name(&self) -> &str {
        todo!()
    }
    /// sha256 of the component, 64 hex digits.
    pub fn digest(&self) -> &str {
        todo!()
    }
    pub fn roles(&self) -> &BTreeSet<Role> {
        todo!()
    }
    /// Interfaces it imports, `potluck:recipe/services@0.1.0`.
    pub fn imports(&self) -> &[String] {
        todo!()
    }
    /// Version of the WIT package it was built with.
    pub fn wit_version(&self) -> Option<&str> {
        todo!()
    }
    pub async fn start(&self, surroundings: Surroundings) -> Result<Hooks, Error> {
        let _ = surroundings;
        todo!()
    }
}

/// Calling a hook of a role the plugin does not play is an error of ours.
impl Hooks {
    pub async fn check(&mut self, to: &Transition) -> Result<(), Error> {
        let _ = to;
        todo!()
    }
    pub async fn before_deploy(&mut self, to: &Transition) -> Result<(), Error> {
        let _ = to;
        todo!()
    }
    pub async fn after_deploy(&mut self, to: &Transition) -> Result<(), Error> {
        let _ = to;
        todo!()
    }
    pub async fn before_remove(&mut self) -> Result<(), Error> {
        todo!()
    }
    pub async fn backup_plan(&mut self) -> Result<Vec<BackupItem>, Error> {
        todo!()
    }
    pub async fn before_backup(&mut self) -> Result<(), Error> {
        todo!()
    }
    pub async fn after_backup(&mut self, succeeded: bool) -> Result<(), Error> {
        let _ = succeeded;
        todo!()
    }
    pub async fn produce(
        &mut self,
        item: &str,
        into: Box<dyn AsyncWrite + Send + Unpin>,
    ) -> Result<(), Error> {
        let _ = (item, into);
        todo!()
    }
    pub async fn consume(
        &mut self,
        item: &str,
        from: Box<dyn AsyncRead + Send + Unpin>,
    ) -> Result<(), Error> {
        let _ = (item, from);
        todo!()
    }
    pub async fn after_restore(&mut self) -> Result<(), Error> {
        todo!()
    }
    pub async fn verify(&mut self) -> Result<Vec<Finding>, Error> {
        todo!()
    }
    pub async fn command_specs(&mut self) -> Result<Vec<CommandSpec>, Error> {
        todo!()
    }
    pub async fn run_command(&mut self, name: &str, arguments: &[String]) -> Result<String, Error> {
        let _ = (name, arguments);
        todo!()
    }
}
