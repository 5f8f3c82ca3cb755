//! Changing an app: deploy, undeploy, remove.
//!
//! Each first makes a plan from (recipe, settings, live state) and then carries it
//! out, telling [`crate::progress`] what happens.

mod app_rollout;
mod data;
mod deploy;
mod lease;
mod migrate;
mod options;
mod prepare;
mod record;
mod steps;
mod undeploy;

pub use deploy::{deploy, plan};
pub use lease::{Lease, leased, release_dropped, unlock};
pub use options::{DeployOptions, DeployReport};
pub use undeploy::{remove, undeploy};
