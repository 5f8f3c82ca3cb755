//! Backup sets: taken, listed, put back, through restic.
//!
//! A set is the snapshots of one backup of one app (`set.rs`), complete once
//! its manifest (`manifest.rs`) is stored, which happens last. Bytes flow from
//! a command in a service straight into restic (`stream.rs`) or are read by
//! restic from a volume's folder (`volume.rs`); never through potluck's memory
//! as a whole, never through a temporary file. What fails half-way leaves no
//! snapshot behind that could be taken for a good one.
//!
//! Read `create.rs` and `take.rs` for the way there, `restore.rs`,
//! `restore_data.rs` and `put_back.rs` for the way back.

mod compare;
mod create;
mod error;
mod facts;
mod here;
mod known;
pub mod manifest;
mod options;
mod plan;
pub mod proof;
pub mod put_back;
pub mod repository;
pub mod restic;
mod restore;
mod restore_data;
pub mod set;
mod snapshots;
mod stopped;
pub mod stream;
mod take;
mod user;
pub mod volume;
mod warnings;

pub use create::{ItemReport, SetReport, create};
pub use error::Error;
pub use manifest::Manifest;
pub use options::Options;
pub use repository::{HANDED_ON, Repository};
pub use restore::{Restore, RestorePlan, RestoreReport, prepare};
pub use set::{ItemKind, ItemName, SetId, SetSummary};
pub use snapshots::{Listed, Which, snapshots};
pub use user::VolumeUser;
