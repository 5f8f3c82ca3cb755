//! An app goes to another server: what writes stops, a last backup is taken, the app is made
//! of it there, and what it was here is removed.
//!
//! Everything that could keep it from coming is looked for while it still runs, in its newest
//! backup ([`prepare`]). Until the app runs on the other server, what fails is undone on both
//! ([`run`]): there, as a rebuild is; here, services start as they were. Then only finishing
//! is left. The journal is that of the server it leaves; on the other one it is a rebuild with
//! a journal of its own, which ends before anything is removed here, so that at every instant
//! one of the two servers has all of the app ([`there`]).

mod leave;
mod plan;
mod prepare;
mod run;
mod there;
mod who;

pub use plan::{MoveOptions, MovePlan, MoveReport};
pub use prepare::Move;

pub(super) use run::{abort, resume};
pub(super) use who::{Moving, target_of};

use crate::owner::journal::{Step, Undo};

/// What writes stops, as far as the backup does not need it.
const STOP: &str = "stop what writes";
/// The last backup.
const BACKUP: &str = "last backup";
/// What ran for it stops.
const STOP_REST: &str = "stop the rest";
/// The app is made on the other server.
const MAKE: &str = "make it on the other server";
/// Services, networks and configs go. The secrets and volumes follow, as of a removal.
const TAKE_OFF: &str = "remove services, networks and configs here";

fn steps() -> Vec<Step> {
    let mut steps = vec![
        Step::new(STOP, Undo::Start),
        Step::new(BACKUP, Undo::Tell),
        Step::new(STOP_REST, Undo::Start),
        Step::new(MAKE, Undo::Made),
        Step::new(TAKE_OFF, Undo::Never),
    ];
    steps.extend(super::undeploy::removal_steps());
    steps
}
