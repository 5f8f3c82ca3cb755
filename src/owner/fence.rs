//! What keeps a process from changing an app that it no longer has the lease of.

use std::fmt;

use async_trait::async_trait;

use crate::engine::Error;

/// Asked right before each change.
#[async_trait]
pub(crate) trait Fence: fmt::Debug + Send + Sync {
    /// # Errors
    /// [`Error::LeaseLost`], and what the engine says.
    async fn may_change(&self) -> Result<(), Error>;

    /// A program is about to be started in a container of a service (its full name), and
    /// goes on if this process ends.
    ///
    /// # Errors
    /// What the engine says.
    async fn starting(&self, service: &str, container: &str) -> Result<(), Error>;

    /// A container of a service (its full name) is about to be paused, and stays so if this
    /// process ends.
    ///
    /// # Errors
    /// What the engine says.
    async fn pausing(&self, service: &str, container: &str) -> Result<(), Error>;
}
