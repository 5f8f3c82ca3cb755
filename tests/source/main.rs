//! What the source and the documents promise about themselves.

mod docs_cli;
mod messages;
mod rooms;
