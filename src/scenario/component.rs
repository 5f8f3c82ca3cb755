//! Where a component that is played comes from.

use std::{
    borrow::Cow,
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::Error;
use crate::{
    plugin::limits,
    recipe::{ComponentRef, Standard, standard::SCHEME},
    regular,
};

/// Where a component that is played comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    File(PathBuf),
    /// One that comes with potluck.
    Standard(&'static Standard),
}

impl Component {
    /// As it is written in a scenario or on a command line: `std:postgres`, or a
    /// path that is relative to `folder`.
    ///
    /// # Errors
    /// [`Error::Standard`] when none of that name comes with potluck.
    pub fn named(text: &str, folder: &Path) -> Result<Self, Error> {
        match text.split_once(':') {
            Some((SCHEME, name)) => Ok(Component::Standard(Standard::find(name)?)),
            _ => Ok(Component::File(folder.join(text))),
        }
    }

    /// That of a recipe in this folder.
    pub(super) fn of(component: &ComponentRef, recipe: &Path) -> Self {
        match component {
            ComponentRef::Path(path) => Component::File(recipe.join(path)),
            ComponentRef::Standard(standard) => Component::Standard(standard),
        }
    }

    /// Whether it is there to be read.
    pub fn is_there(&self) -> bool {
        match self {
            Component::File(path) => path.is_file(),
            Component::Standard(standard) => standard.component().is_ok(),
        }
    }

    /// A source in the plugin's folder that was changed after the component was
    /// built. What cannot be looked at is not newer.
    pub fn newer_source(&self, folder: &Path) -> Option<PathBuf> {
        let Component::File(path) = self else { return None };
        let built = fs::metadata(path).and_then(|found| found.modified()).ok()?;
        newer(folder, built + CHECKED_OUT, SOURCE_DEPTH)
    }

    /// The plugin's name, as far as the component says it.
    pub fn name(&self) -> String {
        match self {
            Component::File(path) => stem(path),
            Component::Standard(standard) => standard.name.into(),
        }
    }

    /// The component itself.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Standard`].
    pub fn read(&self) -> Result<Cow<'static, [u8]>, Error> {
        match self {
            Component::File(path) => regular::read(path, limits::COMPONENT as u64)
                .map(Cow::Owned)
                .map_err(|source| Error::Io { action: "reading", path: path.clone(), source }),
            Component::Standard(standard) => Ok(Cow::Borrowed(standard.component()?)),
        }
    }
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
            Component::File(path) => path.display().fmt(f),
            Component::Standard(standard) => standard.fmt(f),
        }
    }
}
