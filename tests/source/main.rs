//! What the source and the documents promise about themselves.

mod docs_cli;
mod examples;
mod features;
mod messages;
mod pages;
mod rooms;
mod said;

#[path = "../support/pages.rs"]
mod support;
