//! Backup sets: taken, listed, put back, through restic.
//!
//! A set is the snapshots of one backup of one app (`set/`), complete once
//! its manifest (`set/manifest.rs`) is stored, which happens last. Bytes flow from
//! a command in a service straight into restic (`set/stream.rs`) or are read by
//! restic from a volume's folder (`volume/`); never through potluck's memory
//! as a whole, never through a temporary file. What fails half-way leaves no
//! snapshot behind that could be taken for a good one.
//!
//! Read `set/create.rs` and `set/take.rs` for the way there, `restore/` for the way back.

mod error;
mod known;
mod options;
pub mod repository;
pub mod restic;
mod restore;
pub mod set;
mod stopped;
pub mod volume;
mod warnings;

pub use error::Error;
pub use options::Options;
pub use repository::{HANDED_ON, Repository};
pub use restore::{Restore, RestorePlan, RestoreReport, prepare};
pub use set::create::{ItemReport, SetReport, create};
pub use set::manifest::Manifest;
pub use set::snapshots::{Listed, Which, snapshots};
pub use set::{ItemKind, SetId, SetSummary};
pub use volume::user::VolumeUser;
