//! What the plugin is told about the app and by `recipe.yml`.

use serde::de::DeserializeOwned;

use crate::{Context, Facts, Result, host};

/// The app's name, its stack's, its recipe and where it runs.
pub fn facts() -> Facts {
    host!(app::describe())
}

/// This plugin's `options` in `recipe.yml`. None given reads as `{}`, so that a
/// type whose fields all have defaults needs no options.
///
/// # Errors
/// A failure that says what does not fit.
pub fn options<T: DeserializeOwned>() -> Result<T> {
    let text = host!(app::options());
    let text = match text.trim() {
        "" | "null" => "{}",
        text => text,
    };
    serde_json::from_str(text).context("the plugin's options in recipe.yml are wrong")
}
