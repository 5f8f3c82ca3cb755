//! What keeps a process from changing an app that it no longer has the lease of.

use std::fmt;

use crate::engine::Error;

/// Asked right before each change.
pub(crate) trait Fence: fmt::Debug + Send + Sync {
    /// # Errors
    /// [`Error::LeaseLost`]. Asks nobody: it must not take longer than the change.
    fn may_change(&self) -> Result<(), Error>;
}
