//! Hooks: WebAssembly components that play roles, and run with what was
//! granted and nothing else.
//!
//! [`Runtime`] compiles and caches; a [`Plugin`] is a compiled component and
//! what its type says; [`Hooks`] is one running instance with its
//! [`Surroundings`]. The swarm is reached only through [`StackServices`], which
//! the caller has already confined to one stack.
//!
//! To read: [`types`], then `runtime` (load and start), `hooks` (what every
//! call has in common), `roles/` (the calls), `host/` (what a plugin can ask
//! for, one file per capability), [`runtime::limits`] and [`grants`].

mod bindings;
mod error;
pub mod grants;
mod hooks;
mod host;
mod inspect;
mod roles;
mod runtime;
mod settings;
pub(crate) mod text;
pub mod types;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{home::Grant, progress::Sink};
pub use error::Error;
pub use hooks::Hooks;
pub use host::http::Network;
pub(crate) use host::http::chain as reason;
pub use inspect::{WIT_VERSION, exported_roles};
pub use runtime::compile::CompileLimits;
pub use runtime::limits::{self, Limits};
pub use runtime::machine::Machine;
pub use runtime::raised::PluginLimits;
pub use runtime::{Plugin, Runtime};
pub use settings::Settings;
pub use types::*;

pub use crate::home::encryption::Encryption;

/// Everything that an instance can access.
pub struct Surroundings {
    pub facts: Facts,
    /// The app's environment file, after interpolation.
    pub settings: Settings,
    /// The plugin's options in `recipe.yml`.
    pub options: serde_json::Value,
    pub grants: BTreeSet<Grant>,
    pub limits: Limits,
    pub services: Arc<dyn StackServices>,
    pub secrets: Arc<dyn SecretAccess>,
    pub memory: Arc<dyn Memory>,
    pub files: Arc<dyn RecipeFiles>,
    pub progress: Arc<dyn Sink>,
    pub outside: Arc<dyn Outside>,
}

/// Commands inside the running services of one stack. The caller checks
/// grants; the implementation confines calls to the stack.
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
    /// At most so many of the last lines, and no more than `limit` bytes.
    async fn logs(
        &self,
        service: &str,
        lines: u32,
        limit: usize,
    ) -> Result<Vec<String>, ServiceError>;
}

/// The app's secrets.
#[async_trait]
pub trait SecretAccess: Send + Sync {
    async fn reveal(&self, name: &str) -> Result<zeroize::Zeroizing<String>, SecretError>;
    async fn put(&self, name: &str, value: zeroize::Zeroizing<String>) -> Result<(), SecretError>;
}

/// The recipe's own files. The caller passes plain relative paths; the
/// implementation refuses links that lead out of the recipe.
pub trait RecipeFiles: Send + Sync {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;
    /// Sorted; names of folders end in `/`. The recipe itself is the empty path.
    fn list(&self, folder: &str) -> Result<Vec<String>, FileError>;
}

/// Small facts a plugin keeps between runs, per app and plugin.
pub trait Memory: Send + Sync {
    fn get(&self, key: &str) -> Result<Option<String>, String>;
    fn set(&self, key: &str, value: &str) -> Result<(), String>;
}

/// Everything outside of the swarm and the operator's files: time, randomness
/// and the network. [`Machine`] gives the real ones.
#[async_trait]
pub trait Outside: Send + Sync {
    /// Time since 1970-01-01 UTC.
    fn now(&self) -> Duration;
    /// Fills the buffer; the error says why there is no randomness.
    fn random(&self, buffer: &mut [u8]) -> Result<(), String>;
    /// The answer to one request to a granted origin, redirects not followed;
    /// with none, the request goes to the network.
    async fn answer(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpError>>;
    /// Addresses of a name, from the machine's resolver.
    async fn addresses(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
    /// The machine's own addresses and networks: closed, whatever they look like.
    ///
    /// # Errors
    /// When the system does not say; then nothing is open.
    fn networks(&self) -> std::io::Result<Vec<Network>> {
        host::http::here()
    }
    /// Certificates (DER) of authorities that are trusted instead of the
    /// machine's own.
    fn authorities(&self) -> Option<Vec<Vec<u8>>> {
        None
    }
    /// Is told the final answer, after redirects.
    fn answered(&self, request: &HttpRequest, answer: &Result<HttpResponse, HttpError>);
}
