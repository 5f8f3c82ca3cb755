//! A server as a whole, whatever apps it has: whether it is in order ([`mod@check`]), and
//! whether the domains of an app lead to it ([`domain`]).
//!
//! What is seen is judged by pure functions (`engine`, `cluster`, `room`, `ports`). [`mod@prune`]
//! removes what no app needs, [`mod@provision`] makes a machine into a server; nothing else here
//! changes one.

mod addresses;
mod check;
mod cluster;
mod domain;
mod engine;
mod ports;
mod provision;
mod prune;
mod room;

pub(super) use domain::warnings as domain_warnings;

pub use check::{Scope as CheckScope, ServerReport, check as check_server};
pub use domain::look_at_domains;
pub use provision::{
    ProvisionError, ProvisionPlan, ProvisionStep, Standing, Updates, plan_provision, provision,
};
pub use prune::{Images, Outcome as Pruned, PruneItem, PruneOptions, Volumes, plan_prune, prune};
pub use room::{Disk, disk_of};
