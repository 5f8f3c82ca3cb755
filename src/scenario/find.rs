//! Which scenarios belong to which component.
//!
//! - a recipe's folder: `plugins/NAME/tests/*.yml` for each plugin that its
//!   `recipe.yml` lists, and the component that is listed there, `std:` included;
//! - a plugin's folder: `tests/*.yml`, and the one `.wasm` in it, or
//!   `../NAME.wasm`;
//! - a component: `tests/*.yml` or `NAME/tests/*.yml` beside it;
//! - a scenario: itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Component, Defaults, Error, component::stem};
use crate::{
    recipe::{Manifest, PluginEntry},
    regular,
};

/// Scenarios of one component.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The plugin's name.
    pub name: String,
    /// Where its sources are, if they are here.
    pub folder: PathBuf,
    /// None when there is no component beside them; a scenario may name one.
    pub component: Option<Component>,
    pub defaults: Defaults,
    /// Sorted.
    pub scenarios: Vec<PathBuf>,
}

/// The suites that a path means.
///
/// # Errors
/// [`Error::NothingFound`], [`Error::Io`], [`Error::Recipe`].
pub fn find(path: &Path) -> Result<Vec<Suite>, Error> {
    let meta = fs::metadata(path).map_err(|source| Error::Io {
        action: "reading",
        path: path.into(),
        source,
    })?;
    let suites = if !meta.is_dir() && is(path, &["yml", "yaml"]) {
        let folder = parent(&parent(path));
        vec![Suite { scenarios: vec![path.into()], ..suite(&folder, beside(&folder)?)? }]
    } else if !meta.is_dir() {
        let folder = parent(path);
        let own = folder.join(stem(path));
        let folder = if scenarios(&own)?.is_empty() { folder } else { own };
        vec![suite(&folder, Some(Component::file(path.into())))?]
    } else if let Some(manifest) = manifest(path)? {
        of_recipe(path, &manifest)?
    } else if scenarios(path)?.is_empty() {
        below(path)?
    } else {
        vec![suite(path, beside(path)?)?]
    };
    let suites: Vec<Suite> = suites.into_iter().filter(|s| !s.scenarios.is_empty()).collect();
    if suites.is_empty() { Err(Error::NothingFound { folder: path.into() }) } else { Ok(suites) }
}

/// A component as part of the recipe around it, if there is one, and what that
/// gives the plugin, if it lists it.
///
/// # Errors
/// [`Error::Recipe`].
pub fn placed(component: Component) -> Result<(Component, Defaults), Error> {
    match &component {
        Component::File { path, .. } => Ok(match around(&parent(path), &component.name())? {
            Some((recipe, defaults)) => (component.within(&recipe), defaults),
            None => (component, Defaults::default()),
        }),
        Component::Standard(_) => Ok((component, Defaults::default())),
    }
}

fn of_recipe(recipe: &Path, manifest: &Manifest) -> Result<Vec<Suite>, Error> {
    let mut suites = Vec::new();
    for entry in &manifest.plugins {
        let component = Component::of(&entry.component, recipe);
        let named = recipe.join("plugins").join(&entry.name);
        let folder = if scenarios(&named)?.is_empty() {
            recipe.join("plugins").join(component.name())
        } else {
            named
        };
        suites.push(Suite {
            name: entry.name.clone(),
            component: Some(component).filter(Component::is_there),
            defaults: entry.into(),
            scenarios: scenarios(&folder)?,
            folder,
        });
    }
    Ok(suites)
}

/// The plugins' folders in a folder, `plugins/*` or `*`.
fn below(folder: &Path) -> Result<Vec<Suite>, Error> {
    let plugins = folder.join("plugins");
    let folder = if plugins.is_dir() { plugins } else { folder.to_owned() };
    let mut suites = Vec::new();
    for plugin in entries(&folder)? {
        if plugin.is_dir() && !scenarios(&plugin)?.is_empty() {
            suites.push(suite(&plugin, beside(&plugin)?)?);
        }
    }
    Ok(suites)
}

fn suite(folder: &Path, component: Option<Component>) -> Result<Suite, Error> {
    let name = match &component {
        Some(component) => component.name(),
        None => stem(&whole(folder)),
    };
    let (component, defaults) = match around(folder, &name)? {
        Some((recipe, defaults)) => (component.map(|c| c.within(&recipe)), defaults),
        None => (component, Defaults::default()),
    };
    let (folder, scenarios) = (folder.to_owned(), scenarios(folder)?);
    Ok(Suite { name, folder, component, defaults, scenarios })
}

/// The folder of a recipe, this one or one of the two above, and what its
/// `recipe.yml` gives a plugin, if it lists it.
fn around(folder: &Path, name: &str) -> Result<Option<(PathBuf, Defaults)>, Error> {
    let folder = whole(folder);
    for folder in folder.ancestors().take(3) {
        let Some(manifest) = manifest(folder)? else { continue };
        let listed = |entry: &&PluginEntry| {
            entry.name == name || Component::of(&entry.component, folder).name() == name
        };
        let defaults = manifest.plugins.iter().find(listed).map(Into::into).unwrap_or_default();
        return Ok(Some((folder.to_owned(), defaults)));
    }
    Ok(None)
}

impl From<&PluginEntry> for Defaults {
    fn from(entry: &PluginEntry) -> Self {
        Defaults {
            grants: entry.grants.iter().cloned().collect(),
            options: entry.options.clone(),
            limits: entry.limits.clone(),
        }
    }
}

fn manifest(folder: &Path) -> Result<Option<Manifest>, Error> {
    let path = folder.join("recipe.yml");
    let read = regular::read(&path, Manifest::MAX_LENGTH as u64);
    let text = match read.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Io { action: "reading", path, source }),
    };
    Manifest::parse(&text).map(Some).map_err(|source| Error::Recipe { path, source })
}

/// The component of a plugin's folder.
fn beside(folder: &Path) -> Result<Option<Component>, Error> {
    let here: Vec<PathBuf> =
        entries(folder)?.into_iter().filter(|path| is(path, &["wasm"])).collect();
    if let [one] = &here[..] {
        return Ok(Some(Component::file(one.clone())));
    }
    let folder = whole(folder);
    let above = folder.with_file_name(format!("{}.wasm", stem(&folder)));
    Ok(Some(Component::file(above)).filter(Component::is_there))
}

fn scenarios(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = folder.join("tests");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    Ok(entries(&folder)?.into_iter().filter(|path| is(path, &["yml", "yaml"])).collect())
}

/// Sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let io = |source| Error::Io { action: "reading", path: folder.into(), source };
    let mut paths = fs::read_dir(folder)
        .map_err(io)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(io)?;
    paths.sort();
    Ok(paths)
}

fn is(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|e| extensions.iter().any(|extension| e == *extension))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        Some(_) => ".".into(),
        None => path.to_owned(),
    }
}

/// With the names that `.` stands for; the path itself where there are none.
fn whole(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_plugin_finds_its_scenarios() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let manifest = "plugins:\n  - name: wiki\n    component: plugins/my_wiki.wasm\n    options: {a: 1}\n    grants: [{exec: app}]\n";
        write("recipe/recipe.yml", manifest);
        write("recipe/plugins/my_wiki.wasm", "");
        write("recipe/plugins/my-wiki/tests/b.yml", "");
        write("recipe/plugins/my-wiki/tests/a.yaml", "");
        write("recipe/plugins/my-wiki/tests/README.md", "");
        write("crate/tests/a.yml", "");
        write("crate/crate.wasm", "");
        write("bare/tests/a.yml", "");
        write("empty/x", "");

        for path in ["recipe", "recipe/plugins/my_wiki.wasm"] {
            let [suite] = &find(&root.join(path)).unwrap()[..] else { panic!("{path}") };
            let names: Vec<_> = suite.scenarios.iter().map(|p| p.file_name().unwrap()).collect();
            assert_eq!(names, ["a.yaml", "b.yml"], "{path}");
            let component = suite.component.as_ref().unwrap().to_string();
            assert!(component.ends_with("plugins/my_wiki.wasm"), "{component}");
            assert_eq!(suite.defaults.grants.len(), 1, "{path}");
            assert_eq!(suite.defaults.options["a"], 1);
        }
        for path in ["crate", "crate/crate.wasm", "crate/tests/a.yml"] {
            let [suite] = &find(&root.join(path)).unwrap()[..] else { panic!("{path}") };
            assert_eq!((suite.name.as_str(), suite.scenarios.len()), ("crate", 1), "{path}");
            assert!(
                suite.component.as_ref().unwrap().to_string().ends_with("crate.wasm"),
                "{path}"
            );
        }
        assert_eq!(find(root).unwrap().len(), 2);
        assert!(find(&root.join("bare")).unwrap()[0].component.is_none());
        assert!(matches!(find(&root.join("empty")), Err(Error::NothingFound { .. })));
        assert!(matches!(find(&root.join("none")), Err(Error::Io { .. })));
    }
}
