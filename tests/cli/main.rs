//! The program as it is typed: words, exit codes, questions, `--json`.

mod apps;
mod authoring;
mod catalogue;
mod cp;
mod docs;
mod escrow;
mod findings;
mod fleet;
mod grants;
mod help;
mod hostile;
mod images;
mod inspect;
mod locks;
mod package;
mod plan;
mod plugin;
mod plugin_run;
mod recipe_from;
mod recipe_git;
mod recipe_test;
mod schedule;
mod secrets;
mod servers;
mod terminal;
mod usage;

#[path = "../support/mod.rs"]
mod support;
