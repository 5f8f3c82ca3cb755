//! Plugins: the host around them, the languages they are written in, and the standard ones.

mod backup;
mod cache;
mod compile;
mod docs;
mod hooks;
mod languages;
mod python;
mod record;
mod roles;
mod scaffold;
mod std_all;
mod std_backupbot;
mod std_peers;
mod std_stores;
mod versions;
mod wordpress;

#[path = "../support/mod.rs"]
mod support;
