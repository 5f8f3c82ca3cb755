//! `<domain>.lock.yml`: what an app is pinned to and what its plugins may do.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Grant,
    connection::{Connection, ConnectionKind},
};

/// Pins and grants of one app.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<RecipePin>,
    /// What an unfinished deploy brought to the server, or began to bring: it was
    /// interrupted, or failed and could not be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<RecipePin>,
    /// The stack's name, where the operator chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// Digests of values that the recipe's sample put into the settings and that
    /// name hosts: as long as a setting still has that value, it is not the
    /// operator's word, whatever later samples say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sample: BTreeMap<String, String>,
    /// Id of the record on the server that says what the app owns there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The operation whose release this folder knows as the last: a colleague's later one
    /// is not silently overwritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The operation that is about to record its release: where its process ends right after
    /// that, the folder knows it nevertheless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releasing: Option<String>,
    /// By the plugin's name in `recipe.yml`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, PluginPin>,
    /// What services may reach beyond the app, as text (`host: /srv/x`), by their
    /// keys in the compose files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reach: BTreeMap<String, Vec<String>>,
    /// An upgrade whose data migration began and has not succeeded yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
    /// The backup whose restore began to change data and did not finish: it was
    /// interrupted, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restoring: Option<String>,
    /// Services for which the files deployed last ask for no tasks, so that having
    /// none is correct.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resting: Vec<String>,
    /// Where its people sign in, and through what it sends its mail.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connections: BTreeMap<ConnectionKind, Connection>,
}

/// Bytes of a version's name: git refuses longer ones where a file system keeps them.
const LONGEST_NAME: usize = 255;

/// The recipe that was last deployed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecipePin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version in the recipe's label; only if it is not a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Full commit id; none for a recipe folder without git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Files that no version stands for, as abra calls them: the commit that they were changed
    /// from, 8 digits and `+U` for what was not committed; [`RecipePin::NO_COMMIT`] without git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chaos: Option<String>,
}

impl RecipePin {
    /// What `chaos` is where there is no commit.
    pub const NO_COMMIT: &str = "unversioned";

    /// How people are shown what runs: the files that no version stands for, else the name.
    pub fn shown(&self) -> Option<&String> {
        self.chaos.as_ref().or_else(|| self.name())
    }

    /// How hooks and people call this version: the release, else what the label says,
    /// else the commit, also of files that were changed since.
    pub fn name(&self) -> Option<&String> {
        let named = self.version.as_ref().or(self.label.as_ref());
        named.or(self.chaos.as_ref()).or(self.commit.as_ref())
    }

    /// Whether git can have such names: they are written into settings, and given to git.
    pub(crate) fn is_sound(&self) -> bool {
        let is_name = |name: &String| {
            let odd = |c: char| c.is_control() || c.is_whitespace();
            !name.is_empty()
                && name.len() <= LONGEST_NAME
                && !name.starts_with('-')
                && !name.contains(odd)
        };
        [&self.version, &self.commit, &self.chaos].into_iter().flatten().all(is_name)
    }

    /// What names this version to git; none for a plain folder.
    pub fn released(&self) -> Option<&String> {
        self.version.as_ref().or(self.commit.as_ref())
    }
}

/// A plugin the operator agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PluginPin {
    /// Digest of the component, 64 hex digits.
    pub sha256: String,
    /// What the component was: `std:postgres`, or its path in the recipe. None in
    /// lock files of a potluck that did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The recipe with which it was agreed to, deployed or not; none for one that
    /// has neither versions nor commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<RecipePin>,
    /// Grants given, as text (`exec: db`), sorted.
    pub grants: Vec<String>,
    /// Consent for other versions of the recipe, newest last, so that a moved tag
    /// can be distinguished from an old release; at most [`EARLIER`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<AgreedVersion>,
}

impl PluginPin {
    /// What was given. A line that is no grant gives nothing.
    pub fn given(&self) -> BTreeSet<Grant> {
        self.grants.iter().filter_map(|line| line.parse().ok()).collect()
    }

    /// Lines that are no grants.
    pub fn unreadable(&self) -> impl Iterator<Item = &String> {
        self.grants.iter().filter(|line| line.parse::<Grant>().is_err())
    }
}

/// Versions of the recipe that are remembered beside the one agreed to last.
pub const EARLIER: usize = 16;

/// A component agreed to with one version of the recipe. Commits need no memory:
/// what they hold does not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AgreedVersion {
    pub version: String,
    /// Digest of the component, 64 hex digits.
    pub sha256: String,
}

/// The progress of the data migration of an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Upgrade {
    /// Versions of the recipe.
    pub before: String,
    pub after: String,
    /// Whether a step began after which the old version cannot run on the data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub irreversible: bool,
    /// Ids of steps that are done, by the plugin's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub done: BTreeMap<String, Vec<String>>,
    /// The operation that came so far; what became of it is on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

impl Upgrade {
    /// One of which no step is done.
    pub fn new(before: &str, after: &str) -> Self {
        Upgrade {
            before: before.into(),
            after: after.into(),
            irreversible: false,
            done: BTreeMap::new(),
            operation: None,
        }
    }

    /// Whether it is the one between these versions.
    pub fn is(&self, before: &str, after: &str) -> bool {
        (self.before.as_str(), self.after.as_str()) == (before, after)
    }
}
