//! What a backup set is, and taking and putting back its items, with restic.
//!
//! A set is the snapshots of one backup of one app (`set/`), complete once its manifest
//! (`set/manifest.rs`) is stored, which happens last. Bytes flow from a command in a
//! service straight into restic (`set/stream.rs`) or are read by restic from a volume's
//! folder (`volume/`); potluck never holds a whole dump in memory or in a temporary file. A
//! backup that fails leaves no snapshot that could be mistaken for a complete one.
//!
//! Read `set/take.rs` for backups, `restore/` for restores; [`crate::operation`] strings both
//! into operations.

pub mod append_only;
pub(crate) mod check;
mod error;
pub mod evidence;
pub(crate) mod holds;
pub(crate) mod known;
pub(crate) mod look;
pub mod nightly;
pub(crate) mod options;
pub(crate) mod password;
pub(crate) mod prune;
pub(crate) mod recent;
pub mod repository;
pub mod restic;
pub(crate) mod restore;
pub mod results;
pub mod retention;
pub(crate) mod rotate;
pub mod schedule;
pub mod set;
pub(crate) mod stats;
pub(crate) mod stopped;
pub mod volume;
pub(crate) mod warnings;

pub use append_only::Proof;
pub use check::{ACCEPTED, CheckReport, Part, Parts, Reading, check};
pub use error::{Error, NotRemoved};
pub use holds::{hold, release};
pub use look::{Shown, ShownItem, download, ls, show};
pub use options::Options;
pub use prune::{PruneReport, prune};
pub(crate) use recent::shown;
pub use recent::{MAX_AGE, NotSaved};
pub use repository::{HANDED_ON, Repository};
pub use rotate::{RotateReport, RotatedKey, rotate_key};
pub use set::manifest::Manifest;
pub use set::snapshots::{Listed, Sets, Which, snapshots};
pub use set::trust::{Distrust, Trust};
pub use set::whose::Of;
pub use set::{ItemKind, SetId, SetSummary};
pub use stats::{AppStats, StatsReport, stats};
pub use volume::user::VolumeUser;
