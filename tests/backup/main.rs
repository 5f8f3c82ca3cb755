//! Backups and restores.

mod app;
mod races;
mod restic;
mod simulated;

#[path = "../support/mod.rs"]
mod support;
