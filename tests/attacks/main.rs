//! What means harm: plugins, recipes, git repositories, texts.

mod git;
mod plugins;
mod recipes;
mod text;

#[path = "../support/mod.rs"]
mod support;
