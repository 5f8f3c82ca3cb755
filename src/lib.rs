//! potluck deploys recipes to Docker Swarm, keeps their secrets, runs their
//! hooks as sandboxed WebAssembly components and backs them up with restic.
//!
//! The library never prints, never reads the environment or the home directory, and never
//! exits: only [`cli`] does. Long operations report through [`progress`]; failures are
//! typed errors with a [`hint`]; problems in files are findings of [`lint`]; [`text`]
//! cleans foreign text before it is shown.
//!
//! Dependencies point down this list:
//!
//! ```text
//! cli → operation → backup → hooks → catalogue → acceptance → app → rollout → owner → scenario, scaffold, toolchain → recipe → plugin → secrets → compose → engine → notify → home
//! ```
//!
//! `tests/source/rooms.rs` enforces this order; `docs/architecture.md` says in which order to
//! read the rooms.

pub mod acceptance;
pub mod app;
pub mod backup;
mod bounded;
pub mod catalogue;
pub mod cli;
pub mod compose;
pub mod engine;
pub mod hint;
pub mod home;
pub mod hooks;
pub mod lint;
pub mod notify;
pub mod operation;
pub mod owner;
pub mod plugin;
pub mod progress;
pub mod recipe;
mod regular;
pub mod rollout;
pub mod scaffold;
pub mod scenario;
pub mod secrets;
pub mod text;
pub mod toolchain;
pub mod wiring;
mod yaml;
