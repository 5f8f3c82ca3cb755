//! How what has a long name or none is called.

/// A version that has no name.
pub(super) const UNRELEASED: &str = "unreleased";

/// The beginning of a digest, enough to tell two apart at a glance.
pub(super) fn short(digest: &str) -> String {
    digest.chars().take(12).chain(['…']).collect()
}
