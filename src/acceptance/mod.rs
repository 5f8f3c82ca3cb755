//! Whether a recipe does what hosts need of it: the stages of its test, and the level that
//! their results show. What carries the stages out is the command; here are the rules.
//!
//! After YunoHost's package_check, whose levels count only where all lower ones are reached.

mod claim;
mod junit;
mod level;
mod stage;

pub use claim::Claim;
pub use junit::junit;
pub use level::{Lacking, Level, Server, level};
pub use stage::{Outcome, Stage, Verdict};
