//! What an app owns on its swarm, and the check that nothing else is touched.
//!
//! Labels prove nothing: a recipe, another operator or another tool may have set
//! them, and those of networks and volumes never change. So each stack has a
//! record ([`record`]), and an app uses its swarm only through
//! [`Confined`], which consults it. The namespace label is believed in one place:
//! the question whether to take over a stack that docker, abra or an unknown
//! folder deployed.

mod claimant;
mod confined;
mod fence;
pub mod history;
pub mod journal;
pub mod lease;
mod mixup;
mod others;
mod packed;
mod plain;
mod record;
pub(crate) mod recorded;
pub mod release;
mod reserved;
pub(crate) mod whereabouts;

pub(crate) use claimant::Claimant;
pub use confined::Confined;
pub(crate) use confined::{Standing, Wanted};
pub(crate) use fence::Fence;
pub use mixup::Mixup;
pub(crate) use record::{KIND_LABEL, Owned};
pub(crate) use reserved::reserved;
pub(crate) use whereabouts::{Mounted, mounted, volumes};
