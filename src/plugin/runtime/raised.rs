//! Limits that a recipe may raise, and how far; as `recipe.yml` has them.

use serde::Deserialize;

/// Limits that a recipe may raise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginLimits {
    pub memory_mib: Option<u64>,
    pub timeout_seconds: Option<u64>,
}

/// An invalid limit in `recipe.yml`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the limit on {name} is between 1 and {ceiling}, not {given}")]
pub struct InvalidLimit {
    pub name: &'static str,
    pub given: u64,
    pub ceiling: u64,
}

impl crate::hint::Hint for InvalidLimit {
    fn hint(&self) -> Option<String> {
        Some(format!("set at most {} under the plugin's `limits:` in `recipe.yml`", self.ceiling))
    }
}

impl PluginLimits {
    /// MiB of all memories of one instance.
    pub const MEMORY_CEILING: u64 = 2048;
    /// Seconds of one hook: a night's migration.
    pub const TIME_CEILING: u64 = 24 * 60 * 60;

    /// # Errors
    /// [`InvalidLimit`] beyond the ceiling, and for nothing at all.
    pub fn check(&self) -> Result<(), InvalidLimit> {
        for (name, given, ceiling) in [
            ("memory (MiB)", self.memory_mib, Self::MEMORY_CEILING),
            ("time (seconds)", self.timeout_seconds, Self::TIME_CEILING),
        ] {
            if let Some(given) = given.filter(|given| *given == 0 || *given > ceiling) {
                return Err(InvalidLimit { name, given, ceiling });
            }
        }
        Ok(())
    }
}
