//! Scenarios: a file that describes a world for a plugin, the hook that is
//! called in it, and the expected result.
//!
//! ```yaml
//! about: the first deploy creates the administrator
//! given:
//!   settings: {ADMIN_EMAIL: ada@example.org}
//!   grants: [exec: app]
//!   services:
//!     - service: app
//!       command: [sh, -c, app-ctl create-admin *, sh, "*"]
//! call: after-deploy
//! with: {after: 1.0.0}
//! expect:
//!   calls:
//!     - service: app
//!       command: [sh, -c, app-ctl create-admin *, sh, ada@example.org]
//!   log: ["info: created the administrator ada@example.org"]
//! ```
//!
//! The real component runs in the real host; the scenario replaces only
//! what is outside of the sandbox. There is no server and no folder of an operator.
//! `docs/plugins.md` describes the file.
//!
//! To read: [`mod@file`] (the content of one), `hook` (calling), [`World`] (what is
//! scripted), `compare` (the result), [`record`] (from a real run to a
//! file), [`find`] (which files belong to which component).

mod calls;
mod compare;
mod component;
mod error;
pub mod file;
pub mod find;
mod hook;
mod play;
pub mod record;
mod update;
mod world;

pub use component::Component;
pub use error::Error;
pub use file::Scenario;
pub use hook::{Hook, NamedCommand, masked, secrets_in};
pub use play::{Defaults, Played, play, surroundings};
pub use update::update;
pub use world::World;
