//! Small facts that a plugin keeps between runs of the same app.

use crate::{Failure, Result, host};

/// What was kept under this key.
///
/// # Errors
/// The host could not read it.
pub fn get(key: &str) -> Result<Option<String>> {
    host!(memory::get(key)).map_err(Failure::new)
}

/// Keeps `value` under this key. Not for secrets.
///
/// # Errors
/// The host could not keep it: too long, or no room.
pub fn set(key: &str, value: &str) -> Result {
    host!(memory::set(key, value)).map_err(Failure::new)
}
