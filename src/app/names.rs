//! Short names for objects and ids whose names are long or missing.

/// A version that has no name.
pub(crate) const UNRELEASED: &str = "unreleased";

/// The beginning of a digest, enough to tell two apart at a glance.
pub(crate) fn short(digest: &str) -> String {
    digest.chars().take(12).chain(['…']).collect()
}
