//! What an engine says of itself and of its machine, and what it keeps there that is nobody's
//! service: containers and images.

use std::collections::BTreeMap;

/// A container on the node that an endpoint speaks for, running or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalContainer {
    pub id: String,
    pub name: String,
    /// The image as it was named when the container was made.
    pub image: String,
    /// `sha256:…`
    pub image_id: String,
    pub running: bool,
    /// It has ended. One that was only made may be about to start.
    pub ended: bool,
    pub labels: BTreeMap<String, String>,
    /// Names of the networks that it is attached to, or was.
    pub networks: Vec<String>,
    /// Names of the volumes that it mounts.
    pub volumes: Vec<String>,
}

/// An image on that node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalImage {
    /// `sha256:…`
    pub id: String,
    /// `nginx:1.27`; none for what a newer image of that name replaced.
    pub tags: Vec<String>,
    /// `nginx@sha256:…`
    pub digests: Vec<String>,
    /// In bytes, layers that it shares with others included.
    pub bytes: u64,
}

/// How the engine keeps a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKeeping {
    /// `json-file`
    pub driver: String,
    pub options: BTreeMap<String, String>,
}
