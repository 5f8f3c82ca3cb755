//! What registries say of images: their tags, the digest of a tag, when it was built and its
//! labels (distribution specification 1.1, image specification 1.1). Answers are bounded in
//! time, size and number, and foreign text.
//!
//! Credentials come from docker's configuration, and go to the registry that they are for and
//! to the service that this registry names for tokens, as docker sends them; only over TLS, or
//! within this machine.

mod asking;
mod challenge;
mod error;
mod manifest;
mod tags;
mod wire;

pub use asking::Registry;
pub use error::RegistryError;
pub use manifest::Facts;
