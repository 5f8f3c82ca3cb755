//! The steps of a restore, by name.

use crate::owner::journal::{Step, Undo};

pub(in crate::operation) const STAGE: &str = "volumes beside the live ones";
pub(in crate::operation) const BEFORE_RESTORE: &str = "before-restore";
pub(in crate::operation) const STOP: &str = "stop services";
pub(in crate::operation) const EXCHANGE: &str = "exchange volumes";
pub(in crate::operation) const START_DATA: &str = "start data stores";
pub(in crate::operation) const DUMPS: &str = "restore dumps";
pub(in crate::operation) const START: &str = "start services";
pub(in crate::operation) const ITEMS: &str = "restore the plugins' items";
pub(in crate::operation) const AFTER_RESTORE: &str = "after-restore and checks";

/// The steps of a restore until its data is there, as the journal of a rollback has them.
pub(in crate::operation) fn steps_of_data() -> Vec<Step> {
    let mut steps = steps();
    steps.retain(|step| ![START, ITEMS, AFTER_RESTORE].contains(&&*step.name));
    steps
}

/// The steps of a restore, as its journal has them.
pub(in crate::operation) fn steps() -> Vec<Step> {
    [
        (STAGE, Undo::Nothing),
        (BEFORE_RESTORE, Undo::Nothing),
        (STOP, Undo::Start),
        (EXCHANGE, Undo::Never),
        (START_DATA, Undo::Nothing),
        (DUMPS, Undo::Nothing),
        (START, Undo::Nothing),
        (ITEMS, Undo::Nothing),
        (AFTER_RESTORE, Undo::Nothing),
    ]
    .map(|(name, undo)| Step::new(name, undo))
    .into()
}
