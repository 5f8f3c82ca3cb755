//! Builds plugins: finds the toolchain that a plugin's sources need, or says
//! what to install.

mod error;
mod python;
mod rust;

use std::path::{Path, PathBuf};

pub use error::Error;

/// Where toolchains are.
#[derive(Debug, Clone)]
pub struct Places {
    /// Cargo's own folder, whose path must not end up in a component.
    pub cargo_home: PathBuf,
    /// A second Rust compiler that has its library's source: Debian's
    /// `rustc-web`, for toolchains without the guests' target.
    pub web_rustc: PathBuf,
}

/// The component of the plugin in `folder`: where the toolchain left it. What
/// the toolchain says goes to standard error.
///
/// # Errors
/// [`Error::NoPlugin`], [`Error::NoToolchain`], [`Error::Failed`].
pub fn build(folder: &Path, places: &Places) -> Result<PathBuf, Error> {
    if folder.join("Cargo.toml").is_file() {
        return rust::build(folder, places);
    }
    if python::is_one(folder) {
        return python::build(folder);
    }
    Err(Error::NoPlugin { folder: folder.into() })
}
