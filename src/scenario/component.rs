//! Where the component of a scenario comes from.

use std::{
    borrow::Cow,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::Error;
use crate::{
    plugin::limits,
    recipe::{ComponentRef, Standard, checkout, standard::SCHEME},
    regular,
};

/// Where the component of a scenario comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    File {
        path: PathBuf,
        /// The folder of the recipe that contains it, if any: links must not
        /// lead out of it, as on a server.
        recipe: Option<PathBuf>,
    },
    /// One that comes with potluck.
    Standard(&'static Standard),
}

impl Component {
    /// As it is written in a scenario or on a command line: `std:postgres`, or a
    /// path that is relative to `folder`.
    ///
    /// # Errors
    /// [`Error::OfRecipe`] when none of that name comes with potluck.
    pub fn named(text: &str, folder: &Path) -> Result<Self, Error> {
        match text.split_once(':') {
            Some((SCHEME, name)) => Ok(Component::Standard(Standard::find(name)?)),
            _ => Ok(Component::file(folder.join(text))),
        }
    }

    /// A file, wherever a link leads.
    pub(super) fn file(path: PathBuf) -> Self {
        Component::File { path, recipe: None }
    }

    /// The same as part of a recipe in this folder.
    pub(super) fn within(self, folder: &Path) -> Self {
        match self {
            Component::File { path, .. } => Component::File { path, recipe: Some(folder.into()) },
            standard => standard,
        }
    }

    /// That of a recipe in this folder.
    pub(super) fn of(component: &ComponentRef, recipe: &Path) -> Self {
        match component {
            ComponentRef::Path(path) => Component::file(recipe.join(path)).within(recipe),
            ComponentRef::Standard(standard) => Component::Standard(standard),
        }
    }

    /// Whether the path exists; anything but a file is refused when it is read.
    pub fn is_there(&self) -> bool {
        match self {
            Component::File { path, .. } => path.symlink_metadata().is_ok(),
            Component::Standard(standard) => standard.component().is_ok(),
        }
    }

    /// A source in the plugin's folder that was changed after the component was
    /// built. What cannot be read counts as older.
    pub fn newer_source(&self, folder: &Path) -> Option<PathBuf> {
        let Component::File { path, .. } = self else { return None };
        let built = fs::metadata(path).and_then(|found| found.modified()).ok()?;
        newer(folder, built + CHECKED_OUT, SOURCE_DEPTH)
    }

    /// The plugin's name, as far as the component says it.
    pub fn name(&self) -> String {
        match self {
            Component::File { path, .. } => stem(path),
            Component::Standard(standard) => standard.name.into(),
        }
    }

    /// The component itself.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::OfRecipe`].
    pub fn read(&self) -> Result<Cow<'static, [u8]>, Error> {
        match self {
            Component::File { path, recipe } => {
                let found = match recipe {
                    Some(recipe) => inside(path, recipe)?,
                    None => path.clone(),
                };
                let read = regular::read(&found, limits::COMPONENT as u64);
                read.map(Cow::Owned).map_err(failed(path))
            }
            Component::Standard(standard) => Ok(Cow::Borrowed(standard.component()?)),
        }
    }
}

/// Where the path of a component in a recipe's folder leads.
fn inside(path: &Path, recipe: &Path) -> Result<PathBuf, Error> {
    let recipe = fs::canonicalize(recipe).map_err(failed(recipe))?;
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).map_err(failed(path))?;
    let whole = folder.join(path.file_name().unwrap_or_default());
    Ok(checkout::inside(&recipe, whole.strip_prefix(&recipe).unwrap_or(&whole))?)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Io { action: "reading", path, source }
}

/// Git writes the files of a clone one after the other: what is newer by less
/// says nothing.
const CHECKED_OUT: Duration = Duration::from_secs(5);
/// Folders in folders in which sources are looked for.
const SOURCE_DEPTH: usize = 4;
/// What plugins are written in.
const SOURCES: [&str; 6] = ["rs", "py", "c", "h", "js", "ts"];
/// Folders with other people's code, with what was built of it, and with tests.
const NOT_SOURCES: [&str; 4] = ["target", "node_modules", "__pycache__", "tests"];

fn newer(folder: &Path, than: SystemTime, depth: usize) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let found = entry.metadata().ok()?;
        if found.is_dir() {
            let skipped = name.starts_with('.') || NOT_SOURCES.contains(&&*name) || depth == 0;
            return if skipped { None } else { newer(&path, than, depth - 1) };
        }
        let extension = path.extension()?.to_str()?;
        (SOURCES.contains(&extension) && found.modified().ok()? > than).then_some(path)
    })
}

/// A file's or folder's name as a plugin's. Cargo writes `_` for the `-` of a
/// crate's name.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-")
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Component::File { path, .. } => path.display().fmt(f),
            Component::Standard(standard) => standard.fmt(f),
        }
    }
}
