//! Builds plugins: finds the toolchain that a plugin's sources need, or says
//! what to install.

mod error;
mod inputs;
mod python;
mod rust;
mod shared;

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
    /// Where plugins are compiled, unless cargo's own settings say otherwise.
    pub builds: PathBuf,
}

/// A component that was built.
#[derive(Debug)]
pub struct Built {
    /// Where the toolchain left it, until this is dropped.
    pub component: PathBuf,
    _target: Option<shared::Target>,
}

/// Whether a plugin's folder is in the folder `plugins` of a recipe, which looks
/// for the component there.
pub fn is_in_recipe(folder: &Path) -> bool {
    let Ok(folder) = std::path::absolute(folder) else { return false };
    let Some(plugins) = folder.parent().filter(|parent| parent.ends_with("plugins")) else {
        return false;
    };
    plugins.parent().is_some_and(is_recipe)
}

fn is_recipe(folder: &Path) -> bool {
    ["compose.yml", "compose.yaml", "recipe.yml"].iter().any(|name| folder.join(name).is_file())
}

/// Whether a folder holds a plugin's sources, and no recipe.
pub fn is_plugin(folder: &Path) -> bool {
    (folder.join("Cargo.toml").is_file() || python::is_one(folder)) && !is_recipe(folder)
}

/// The component that was built of a plugin's folder, if there is just one.
pub fn built(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut components: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    let name = std::path::absolute(folder).ok()?.file_name()?.to_str()?.to_owned();
    components.extend(Some(place(folder, &name)).filter(|path| path.is_file()));
    components.sort();
    components.dedup();
    match &components[..] {
        [one] => Some(one.clone()),
        _ => None,
    }
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

/// Builds the component of the plugin in `folder`. What the toolchain says goes to
/// standard error.
///
/// # Errors
/// [`Error::NoPlugin`], [`Error::NoToolchain`], [`Error::Said`], [`Error::Failed`].
pub fn build(folder: &Path, places: &Places) -> Result<Built, Error> {
    if folder.join("Cargo.toml").is_file() {
        return rust::build(folder, places);
    }
    if python::is_one(folder) {
        return Ok(Built { component: python::build(folder)?, _target: None });
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
        assert!(!is_plugin(&wiki) && !is_plugin(scratch.path()));
        std::fs::create_dir_all(&wiki).unwrap();
        std::fs::write(wiki.join("Cargo.toml"), "").unwrap();
        assert!(is_plugin(&wiki) && built(&wiki).is_none());
        std::fs::write(scratch.path().join("plugins/wiki.wasm"), "").unwrap();
        assert_eq!(built(&wiki), Some(scratch.path().join("plugins/wiki.wasm")));
        let elsewhere = scratch.path().join("wiki");
        assert_eq!(place(&elsewhere, "wiki"), elsewhere.join("wiki.wasm"));
        assert_eq!(place(Path::new("."), "wiki"), Path::new("./wiki.wasm"));
    }
}
