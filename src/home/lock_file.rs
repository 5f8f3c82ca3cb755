//! `<domain>.lock.yml`: what an app is pinned to and what its plugins may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Pins and grants of one app.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<RecipePin>,
    /// By the plugin's name in `recipe.yml`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, PluginLock>,
}

/// The recipe that was last deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecipePin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Full commit id; none for a recipe folder without git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// A plugin the operator agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PluginLock {
    /// Digest of the component, 64 hex digits.
    pub sha256: String,
    /// Grants given, as text (`exec: db`), sorted.
    pub grants: Vec<String>,
}
