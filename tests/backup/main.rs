//! Backups and restores.

mod app;
mod care;
mod damaged;
mod races;
mod removal;
mod restic;
mod simulated;

#[path = "../support/mod.rs"]
mod support;
