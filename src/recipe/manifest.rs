//! `recipe.yml`: the plugins of a recipe, their options and the grants they want.

use crate::home::Grant;

/// A recipe's own description. A recipe without `recipe.yml` has an empty one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Manifest {
    /// In the order in which their hooks run.
    pub plugins: Vec<PluginEntry>,
}

/// One plugin of a recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginEntry {
    /// Unique in the recipe; the name that messages and the lock file use.
    pub name: String,
    /// Path of the component inside the recipe, `plugins/wordpress.wasm`.
    pub component: String,
    /// Pin of the component's digest, 64 hex digits, if the recipe gives one.
    pub sha256: Option<String>,
    /// Handed to the plugin as JSON.
    pub options: serde_json::Value,
    /// What the plugin asks for.
    pub grants: Vec<Grant>,
    /// Limits raised by the recipe, up to the host's ceiling.
    pub limits: PluginLimits,
}

/// Limits that a recipe may raise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PluginLimits {
    pub memory_mib: Option<u64>,
    pub timeout_seconds: Option<u64>,
}
