//! Backups and restores.

mod app;
mod bare;
mod care;
mod damaged;
mod drill;
mod drill_simulated;
mod elsewhere;
mod held;
mod hung;
mod moving;
mod nightly;
mod pairs;
mod part;
mod races;
mod rebuild;
mod removal;
mod repositories;
mod restic;
mod simulated;
mod week;

#[path = "../support/mod.rs"]
mod support;
