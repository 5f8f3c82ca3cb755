//! Creates, lists and restores backup sets, with restic.
//!
//! A set is the snapshots of one backup of one app (`set/`), complete once its manifest
//! (`set/manifest.rs`) is stored, which happens last. Bytes flow from a command in a
//! service straight into restic (`set/stream.rs`) or are read by restic from a volume's
//! folder (`volume/`); potluck never holds a whole dump in memory or in a temporary file. A
//! backup that fails leaves no snapshot that could be mistaken for a complete one.
//!
//! Read `set/create.rs` and `set/take.rs` for backups, `restore/` for restores.

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
pub use set::snapshots::{Listed, Sets, Which, snapshots};
pub use set::{ItemKind, SetId, SetSummary};
pub use volume::user::VolumeUser;
