//! Recipes on this machine: lint, versions in git.

mod chaos;
mod lint;
mod signed;
mod store;

#[path = "../support/mod.rs"]
mod support;
