//! A recipe: its manifest, its files at one version, and what is wrong with it.
//!
//! A recipe is untrusted input. Every operation works on its own [`Checkout`],
//! a private copy of one version, and reads it only through a handle that
//! cannot leave the folder (cap-std), symbolic links included.

pub mod lint;
pub mod manifest;
pub mod store;

pub use manifest::{Manifest, PluginEntry};
pub use store::{Checkout, Error, Store, Version};
