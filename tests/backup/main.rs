//! Backups and restores.

mod app;
mod damaged;
mod races;
mod removal;
mod restic;
mod simulated;

#[path = "../support/mod.rs"]
mod support;
