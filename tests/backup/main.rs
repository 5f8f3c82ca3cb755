//! Backups and restores.

mod app;
mod care;
mod damaged;
mod elsewhere;
mod nightly;
mod races;
mod removal;
mod restic;
mod simulated;
mod week;

#[path = "../support/mod.rs"]
mod support;
