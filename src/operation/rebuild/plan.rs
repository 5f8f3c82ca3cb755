//! What is made out of a backup, for the person who decides, and what came of it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    backup::SetId,
    home::{AppEntry, ServerSettings},
    operation::RestorePlan,
    secrets::escrow::Identity,
};

/// What is to be made, and out of what.
#[derive(Debug)]
pub struct NewApp {
    /// Whose set it is, and the server that names the repository.
    pub source: AppEntry,
    /// The app that is made.
    pub app: AppEntry,
    /// Settings of its server that the folder lacks or that complete what it has; paths in
    /// them are whole.
    pub server: Option<ServerSettings>,
    /// Names of secrets that are made anew although, or because, no copy is restored.
    pub new_secrets: BTreeSet<String>,
    /// What opens the kept secrets, if there is a key.
    pub identity: Option<Identity>,
}

/// Where the recipe is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipeFrom {
    /// The folder has it.
    Folder,
    /// Its repository.
    Repository,
    /// The files in the set.
    Backup,
}

/// What is going to be made, for the person who decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RebuildPlan {
    pub set: SetId,
    /// The app that was backed up.
    pub source: String,
    pub app: String,
    pub server: String,
    /// When the set was begun.
    pub taken: Timestamp,
    /// The server that it was taken on.
    pub taken_on: String,
    pub recipe: String,
    pub version: Option<String>,
    pub recipe_from: RecipeFrom,
    /// Settings that get the new name.
    pub renamed: Vec<String>,
    /// Settings that still have the old name.
    pub still_named: Vec<String>,
    /// What the folder gets, as paths below it.
    pub files: Vec<String>,
    /// Secrets whose kept values are stored on the server: names and versions.
    pub secrets: Vec<String>,
    /// Secrets that the server has already.
    pub present_secrets: Vec<String>,
    /// Secrets that are made anew.
    pub new_secrets: Vec<String>,
    pub services: Vec<String>,
    /// Docker's names of the volumes that are created.
    pub volumes: Vec<String>,
    /// Dumps and the services that take them back.
    pub dumps: Vec<(String, String)>,
    /// Items that plugins take back.
    pub consumes: Vec<String>,
    pub bytes: u64,
    pub warnings: Vec<String>,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RebuildReport {
    pub set: SetId,
    pub source: String,
    pub app: String,
    pub server: String,
    pub secrets: Vec<String>,
    pub new_secrets: Vec<String>,
    pub bytes: u64,
    pub seconds: f64,
    /// The app's own checks, all of which passed.
    pub checks: Vec<String>,
}

impl RebuildPlan {
    /// What the restore of the data is going to do.
    pub(super) fn of_data(&mut self, data: RestorePlan) {
        self.volumes = data.makes;
        self.dumps =
            data.puts_back.into_iter().map(|(item, service)| (item.to_string(), service)).collect();
        self.consumes = data.consumes.iter().map(ToString::to_string).collect();
        self.bytes = data.bytes;
        self.warnings.extend(data.warnings);
    }
}
