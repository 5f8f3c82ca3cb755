//! What a move is going to do, for the person who decides, and what it did.

use serde::Serialize;

use crate::{backup::SetId, operation::RebuildPlan};

/// What the caller decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MoveOptions {
    /// Volumes stay on the server that the app leaves, though nothing is theirs any more.
    pub keep_data: bool,
}

/// What is going to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovePlan {
    pub app: String,
    /// The server that it leaves.
    pub from: String,
    /// The server that it goes to.
    pub to: String,
    /// Services that stop before the last backup is taken.
    pub stops: Vec<String>,
    /// Services that run until it is taken, because it needs them: what they write meanwhile
    /// does not come along.
    pub runs_on: Vec<String>,
    /// The repository that the last backup is stored in, without credentials.
    pub repository: String,
    /// What is made on the other server, as of the newest backup.
    pub there: RebuildPlan,
    /// Volumes that are removed from the server it leaves: the last backup holds them.
    pub removes: Vec<String>,
    /// Volumes that stay there.
    pub keeps: Vec<String>,
    pub warnings: Vec<String>,
}

/// What a move did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MoveReport {
    pub app: String,
    pub from: String,
    pub to: String,
    /// The last backup.
    pub set: SetId,
    /// Volumes that stayed on the server that it left.
    pub keeps: Vec<String>,
}
