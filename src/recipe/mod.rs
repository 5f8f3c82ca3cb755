//! A recipe: its manifest, its files at one version, and what is wrong with it.
//!
//! A recipe is untrusted input. Every operation works on its own [`Checkout`],
//! a private copy of one version, and reads it only through a handle that
//! cannot leave the folder (cap-std), symbolic links included. Git is asked for
//! objects only: no hook, filter, attribute or submodule of a recipe ever runs.

pub mod abra;
pub mod author;
mod chaos;
pub mod checkout;
mod checkouts;
pub mod database;
pub mod error;
pub mod family;
mod inside;
pub mod lint;
pub mod manifest;
pub mod packed;
pub mod signed;
pub mod source;
pub mod standard;
pub mod store;
pub mod version;

mod backups;
mod git;
mod options;
mod tree;
mod written_grant;

pub use chaos::Chaos;
pub use checkout::{ANSWERS, Checkout, SAMPLE};
pub use checkouts::Checkouts;
pub use error::Error;
pub use manifest::{ComponentRef, Manifest, PluginEntry};
pub use signed::Signed;
pub use source::Source;
pub use standard::Standard;
pub use store::{Store, Version};
pub use written_grant::WrittenGrant;
