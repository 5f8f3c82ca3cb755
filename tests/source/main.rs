//! What the source and the documents promise about themselves.

mod docs_cli;
mod examples;
mod features;
mod messages;
mod rooms;
