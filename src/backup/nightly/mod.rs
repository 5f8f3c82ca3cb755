//! What `potluck backup run` and `backup status` report, and to whom.
//!
//! A run makes one row per app ([`row`]), of which the report consists ([`report`]); what is
//! known of each app is kept in the folder's state ([`record`]), from which the file for
//! Prometheus is written ([`metrics`]) and, together with what the repository holds
//! ([`listing`]), what its copies hold ([`copies`]) and how that is cared for ([`care`]), the verdict of `backup status` follows
//! ([`verdict`], of [`finding`]s). A monitor is pinged
//! ([`crate::notify::monitor`]), and people are told ([`crate::notify`]). Nothing here takes a backup:
//! `operation::nightly` does.

pub mod care;
pub mod copies;
pub mod finding;
pub mod listing;
pub mod metrics;
pub mod record;
pub mod report;
pub mod row;
pub mod verdict;

pub use copies::CopyFacts;
pub use finding::{Finding, Severity};
pub use listing::{Kept, kept};
pub use record::{Attempt, Good, Record};
pub use report::Report;
pub use row::{Outcome, Row};
pub use verdict::{Facts, Verdict};
