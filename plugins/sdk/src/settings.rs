//! The app's environment file, after interpolation.

use crate::{Failure, Result, host};

/// The value of one key.
pub fn get(key: &str) -> Option<String> {
    host!(app::setting(key))
}

/// The value of one key, or `otherwise` where it is missing or empty.
pub fn get_or(key: &str, otherwise: &str) -> String {
    get(key).filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.into())
}

/// The value of a key that the app can't do without.
///
/// # Errors
/// A [`Failure`] that names the key when it is missing or empty.
pub fn require(key: &str) -> Result<String> {
    get(key).filter(|value| !value.is_empty()).ok_or_else(|| {
        Failure::new(format!("the setting {key} is missing"))
            .hint(format!("add a line `{key}=…` to the app's settings"))
    })
}

/// Every key and value, in the file's order.
pub fn all() -> Vec<(String, String)> {
    host!(app::settings())
}
