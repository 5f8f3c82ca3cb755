//! Recipes on this machine: lint, versions in git.

mod lint;
mod store;

#[path = "../support/mod.rs"]
mod support;
