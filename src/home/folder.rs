//! Reading a folder, and YAML files in it.

use std::{fs, io, path::Path};

use super::{
    Error,
    write::{Existing, Readers, read_text, write_whole},
};

/// Names in a folder, unsorted; none when there is no such folder. Names that
/// are not UTF-8 cannot be ours.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>, Error> {
    let reading = |source| Error::Io { action: "listing", path: folder.into(), source };
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(reading)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.map_err(reading)?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

/// Reads one of our own small files. An empty one is the default.
pub(super) fn read_yaml<T>(path: &Path) -> Result<T, Error>
where
    T: serde::de::DeserializeOwned + Default,
{
    let text = read_text(path)?;
    let empty = |line: &str| matches!(line.trim(), "" | "---") || line.trim().starts_with('#');
    if text.lines().all(empty) {
        return Ok(T::default());
    }
    serde_saphyr::from_str(&text).map_err(|e| invalid_yaml(path, &e))
}

pub(super) fn write_yaml<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let text = serde_saphyr::to_string(value)
        .map_err(|e| Error::Invalid { path: path.into(), message: e.to_string() })?;
    write_whole(path, text.as_bytes(), Existing::Replace, Readers::Shared)
}

fn invalid_yaml(path: &Path, error: &serde_saphyr::Error) -> Error {
    // The message alone: an excerpt could show what should not be shown.
    let line = error.location().and_then(|location| usize::try_from(location.line()).ok());
    let line = line.filter(|line| *line > 0);
    Error::Yaml { path: path.into(), line, message: crate::yaml::message(error) }
}
