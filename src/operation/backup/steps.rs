//! The steps of a backup, by name.

use crate::{
    home::VolumeWriters,
    owner::journal::{Step, Undo},
};

pub(super) const SETTINGS: &str = "repository and settings";
pub(super) const BEFORE_BACKUP: &str = "before-backup";
pub(super) const ITEMS: &str = "items";
pub(super) const STOP: &str = "volumes, with the services that write them stopped";
pub(super) const MANIFEST: &str = "manifest";
pub(super) const AFTER_BACKUP: &str = "after-backup";

/// The steps of a backup, as its journal has them.
pub(super) fn steps(writers: VolumeWriters) -> Vec<Step> {
    let stops = writers == VolumeWriters::Stop;
    [
        (SETTINGS, Undo::Nothing),
        (BEFORE_BACKUP, Undo::Tell),
        (ITEMS, Undo::Tell),
        (STOP, Undo::Start),
        (MANIFEST, Undo::Tell),
        (AFTER_BACKUP, Undo::Tell),
    ]
    .into_iter()
    .filter(|(name, _)| *name != STOP || stops)
    .map(|(name, undo)| Step::new(name, undo))
    .collect()
}
