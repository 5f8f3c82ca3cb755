//! A helper container: a program of ours beside a volume, on the engine that has it.
//!
//! Its first process only waits for the end of its input, which is this connection: when
//! potluck ends, is killed or loses the engine, the container ends, too, with everything in
//! it, and the engine removes it. What it does is started in it with
//! [`Engine::exec`](super::Engine::exec). Its specification holds nothing secret.

use std::{collections::BTreeMap, fmt};

use super::api;

/// The label of helper containers; its value is the app.
pub const HELPER_LABEL: &str = "potluck.helper";
/// The label with the operation that started a helper.
pub const OPERATION_LABEL: &str = "potluck.operation";

/// Of the folder in memory: programs may be started from it, and it is small.
pub(crate) const LIMITS: &str = "rw,nosuid,nodev,mode=0700,size=4m";

/// A name that nothing else has; none without the operating system's randomness.
pub(crate) fn random() -> Option<String> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).ok()?;
    Some(hex::encode(bytes))
}

/// The helper container to start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HelperSpec {
    /// Its name, and its host name where it has a network of its own.
    pub name: String,
    pub image: String,
    pub labels: BTreeMap<String, String>,
    /// What its first process runs before it waits: a script for `/bin/sh`.
    pub script: String,
    pub mounts: Vec<api::Mount>,
    /// A folder in memory, for its owner only; empty for none.
    pub memory_folder: String,
    /// The rights of root that it keeps, as `DAC_READ_SEARCH`.
    pub capabilities: Vec<String>,
    pub network: HelperNetwork,
    /// In bytes.
    pub memory: i64,
    pub processes: i64,
}

/// What a helper reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HelperNetwork {
    /// Nothing.
    #[default]
    None,
    /// What containers without a network of their own reach.
    Bridge,
    /// What the container of this id reaches, by the names that it knows.
    Of(String),
}

/// A helper container that runs for as long as this exists.
pub struct Helper {
    pub id: String,
    /// The connection that its first process waits for.
    pub lifeline: Box<dyn Send + Sync>,
}

impl fmt::Debug for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Helper").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A helper container that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundHelper {
    pub id: String,
    pub labels: BTreeMap<String, String>,
}
