//! Changing an app: deploy, undeploy, remove.
//!
//! Each first makes a plan from (recipe, settings, live state) and then carries it
//! out, telling [`crate::progress`] what happens.

mod agreed;
mod app_rollout;
mod backup;
mod data;
mod deploy;
mod folder;
mod journal;
mod lease;
mod migrate;
mod options;
mod prepare;
mod record;
mod recover;
mod restore;
mod resume;
mod rotate;
mod saved;
mod secrets;
mod steps;
mod undeploy;
mod unfinished;

pub use backup::{ItemReport, SetReport, back_up};
pub use deploy::{deploy, plan};
pub use folder::{confirm_stack, remember_sample, revoke_grants};
pub use lease::{Lease, leased, refuse_taken, release_dropped, unlock};
pub use options::{DeployOptions, DeployReport};
pub use restore::{Restore, RestorePlan, RestoreReport, prepare_restore};
pub use resume::{Resumed, abort, history, resume, unfinished};
pub use rotate::rotate;
pub use saved::{Look, require_saved};
pub use secrets::{change_secrets, generate_secrets};
pub use undeploy::{Leftovers, leftovers, remove, undeploy};
pub use unfinished::{abandoned, all_abandoned};
