//! An app made from a backup where it does not exist: on an empty server, or as a copy under
//! another name.
//!
//! What the folder needs is first made aside (`aside.rs`), out of the set alone: the
//! server's settings, the app's, its recipe, its encrypted secrets. The app is loaded from
//! there, and everything that could keep it from coming is looked for (`prepare.rs`),
//! before anything is made. Then the files take their places (`place.rs`), and the
//! operation begins, with its journal on the server (`run.rs`): secrets, volumes, data
//! stores with their dumps, the rest, the app's own checks. There is no point of no return,
//! because nothing was there before: until it ended, it can be aborted (`undo.rs`), which
//! removes all that was made.
//!
//! A drill (`drill.rs`) is a rebuild under a name of its own, sealed off, that never takes a
//! place in the folder and always ends in being undone.

mod aside;
mod drill;
mod place;
mod plan;
mod prepare;
mod rename;
mod run;
mod secrets;
mod undo;
mod watch;

pub use drill::{DrillPlan, Drilled, drill, plan_drill};
pub use plan::{NewApp, RebuildPlan, RebuildReport, RecipeFrom};
pub use prepare::Rebuild;

pub(super) use place::remove_if_empty;
pub(super) use run::{finish, identity_of, source_of};
pub(super) use undo::undo;
