//! Runs an app's plugins: which plugins it has, what they were granted, and what
//! they can reach in the app's own stack while they run.

mod access;
mod adopt;
mod archive;
pub(crate) mod consent;
mod plugin_grants;
mod restore_hook;
mod revoke;
mod services;
mod start;

pub use adopt::{Adopted, adopt, not_kept, read as read_secret};
pub use consent::{Guarding, check_grants};
pub use plugin_grants::{PluginGrants, plugin_grants};
pub(crate) use restore_hook::{RestoreHook, before_restore};
pub use revoke::{RevokeError, revoke};
pub use services::{AppServices, running_container};
pub use start::{prepare, start};
pub(crate) use start::{restart_broken, start_components};
