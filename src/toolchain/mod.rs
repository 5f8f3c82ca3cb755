//! Builds plugins: finds the toolchain that a plugin's sources need, or says
//! what to install.

mod error;
mod python;
mod rust;

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
};

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

/// Whether a plugin's folder is in the folder `plugins` of a recipe, which looks
/// for the component there.
pub fn is_in_recipe(folder: &Path) -> bool {
    let Ok(folder) = std::path::absolute(folder) else { return false };
    let Some(plugins) = folder.parent().filter(|parent| parent.ends_with("plugins")) else {
        return false;
    };
    let has = |name| plugins.with_file_name(name).is_file();
    has("compose.yml") || has("compose.yaml") || has("recipe.yml")
}

/// Where a plugin's component belongs: in `plugins` of the recipe around it, else
/// in its own folder.
pub fn place(folder: &Path, name: &str) -> PathBuf {
    let file = format!("{name}.wasm");
    match std::path::absolute(folder) {
        Ok(absolute) if is_in_recipe(folder) => match folder.file_name() {
            Some(_) => folder.with_file_name(file),
            None => absolute.with_file_name(file),
        },
        _ => folder.join(file),
    }
}

/// The component of the plugin in `folder`: where the toolchain left it. What
/// the toolchain says goes to standard error.
///
/// # Errors
/// [`Error::NoPlugin`], [`Error::NoToolchain`], [`Error::Said`], [`Error::Failed`].
pub fn build(folder: &Path, places: &Places) -> Result<PathBuf, Error> {
    if folder.join("Cargo.toml").is_file() {
        return rust::build(folder, places);
    }
    if python::is_one(folder) {
        return python::build(folder);
    }
    Err(Error::NoPlugin { folder: folder.into() })
}

/// What a toolchain's end means; `said` is the exit code with which it has said
/// why.
fn ended(program: &str, status: ExitStatus, said: i32) -> Result<(), Error> {
    let program = program.to_owned();
    match status.code() {
        Some(0) => Ok(()),
        Some(code) if code == said => Err(Error::Said { program }),
        _ => Err(Error::Failed { program, status }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_put_where_its_recipe_looks() {
        let scratch = tempfile::tempdir().unwrap();
        let wiki = scratch.path().join("plugins/wiki");
        assert_eq!(place(&wiki, "my-wiki"), wiki.join("my-wiki.wasm"));
        std::fs::write(scratch.path().join("compose.yml"), "services: {}\n").unwrap();
        assert_eq!(place(&wiki, "my-wiki"), scratch.path().join("plugins/my-wiki.wasm"));
        let elsewhere = scratch.path().join("wiki");
        assert_eq!(place(&elsewhere, "wiki"), elsewhere.join("wiki.wasm"));
        assert_eq!(place(Path::new("."), "wiki"), Path::new("./wiki.wasm"));
    }
}
