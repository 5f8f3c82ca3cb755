//! Changing an app: deploy, upgrade, roll back, undeploy, remove, back up, restore, rotate
//! its secrets, restart, scale.
//!
//! Each first makes a plan from (recipe, settings, live state) and then carries it
//! out, telling [`crate::progress`] what happens. Every operation has its app's [`lease`]
//! and, where it has more than one step, a [`journal`] from which anyone can finish or undo
//! it ([`mod@resume`], [`recover`]).
//!
//! A deploy is [`mod@prepare`], then [`steps`]. An upgrade is a deploy with a backup set as
//! its first step and the way back with it ([`safety`]); a rollback is a deploy of one of the
//! [`releases`] instead of a recipe. A restore deploys, so a deploy knows restores only by
//! what they do ([`restores`], which [`upgrade`] provides). A move ([`mod@moving`]) is a backup
//! and a rebuild of it on another server.

mod agreed;
mod alone;
mod app_rollout;
mod backup;
mod behind;
mod claim;
mod connection;
mod copies;
mod covered;
mod data;
mod deploy;
mod drift;
mod folder;
mod forget;
mod held;
mod journal;
mod jump;
mod labels;
mod lease;
mod migrate;
mod moving;
mod nightly;
mod options;
mod prepare;
mod rebuild;
mod record;
mod recover;
mod releases;
mod restart;
mod restore;
mod restores;
mod resume;
mod rollback;
mod room;
mod rotate;
mod safety;
mod saved;
mod scale;
mod secrets;
mod server;
mod steps;
mod undeploy;
mod unfinished;
mod upgrade;

pub use backup::{BackupPlan, ItemReport, PlannedItem, SetReport, back_up, plan_backup};
pub use claim::claim;
pub use connection::{
    ByHand, CheckReport, ConnectOptions, ConnectReport, ConnectionRow, DisconnectOptions, Places,
    Rotation, check, client_secret, connect, connections, dependents, disconnect, mail_test,
};
pub use copies::CopyReport;
pub use deploy::{deploy, lacks_secrets, plan};
pub use drift::{Drift, drift};
pub use folder::{confirm_stack, remember_sample, revoke_grants};
pub use forget::{ForgetReport, Removing, forget, remove_set};
pub use labels::{LabelRow, labels};
pub use lease::{Lease, leased, refuse_taken, release_dropped, unlock};
pub use moving::{Move, MoveOptions, MovePlan, MoveReport};
pub use nightly::{Patience, back_up_one, recorded};
pub use options::{DeployOptions, DeployReport, Domains, PartOf, Upgrade};
pub use rebuild::{
    DrillPlan, Drilled, NewApp, Rebuild, RebuildPlan, RebuildReport, RecipeFrom, drill, plan_drill,
};
pub use releases::needing as releases_needing;
pub use restart::{RestartReport, restart_services};
pub use restore::{Part, Restore, RestorePlan, RestoreReport, prepare_restore, prepare_restore_of};
pub use restores::DataBack;
pub use resume::{Resumed, abort, history, resume, unfinished};
pub use rollback::{
    Data, ReleaseRow, Target, WayBack, find_release, kept_releases, plan_rollback, roll_back,
};
pub use rotate::rotate;
pub use saved::{Look, Saved, require_saved};
pub use scale::{ScaleReport, ScaledService, Scaling, scale};
pub use secrets::{Changed, change_secrets, generate_secrets};
pub use server::{
    CheckScope, Disk, Images, ProvisionError, ProvisionPlan, ProvisionStep, PruneItem,
    PruneOptions, Pruned, ServerReport, Standing, Updates, Volumes, check_server, disk_of,
    look_at_domains, plan_provision, plan_prune, provision, prune,
};
pub use undeploy::{Leftovers, leftovers, remove, remove_volumes, undeploy};
pub use unfinished::{Open, abandoned, all_open, histories};
