//! Changing an app: deploy, undeploy, remove.
//!
//! Each first makes a plan from (recipe, settings, live state) and then carries it
//! out, telling [`crate::progress`] what happens.

mod agreed;
mod app_rollout;
mod backup;
mod behind;
mod data;
mod deploy;
mod drift;
mod folder;
mod journal;
mod jump;
mod lease;
mod migrate;
mod options;
mod prepare;
mod record;
mod recover;
mod releases;
mod restore;
mod restores;
mod resume;
mod rollback;
mod room;
mod rotate;
mod safety;
mod saved;
mod secrets;
mod steps;
mod undeploy;
mod unfinished;
mod upgrade;

pub use backup::{ItemReport, SetReport, back_up};
pub use deploy::{deploy, lacks_secrets, plan};
pub use drift::{Drift, drift};
pub use folder::{confirm_stack, remember_sample, revoke_grants};
pub use lease::{Lease, leased, refuse_taken, release_dropped, unlock};
pub use options::{DeployOptions, DeployReport, Upgrade};
pub use restore::{Restore, RestorePlan, RestoreReport, prepare_restore};
pub use restores::DataBack;
pub use resume::{Resumed, abort, history, resume, unfinished};
pub use rollback::{
    Data, ReleaseRow, Target, WayBack, find_release, kept_releases, plan_rollback, roll_back,
};
pub use rotate::rotate;
pub use saved::{Look, require_saved};
pub use secrets::{change_secrets, generate_secrets};
pub use undeploy::{Leftovers, leftovers, remove, undeploy};
pub use unfinished::{abandoned, all_abandoned};
