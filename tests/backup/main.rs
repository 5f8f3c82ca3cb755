//! Backups and restores.

mod app;
mod damaged;
mod nightly;
mod races;
mod removal;
mod restic;
mod simulated;

#[path = "../support/mod.rs"]
mod support;
