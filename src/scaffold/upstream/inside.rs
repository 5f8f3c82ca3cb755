//! The folder of a project, which is foreign: paths are opened below it, only regular files are
//! read, and no more of them than the bounds here.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    path::Path,
};

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;

use crate::{bounded, compose::Files};

/// Swarm takes configs up to 1000 kB; what is larger cannot be one.
const LARGEST: u64 = 1000 * 1000;
/// Of all files together.
pub const LARGEST_OF_ALL: usize = 16 << 20;
/// Files that are read from one folder.
const MOST_FILES: usize = 100;
/// How deep folders are read.
const DEEPEST: usize = 5;
/// How a database of SQLite begins (sqlite.org/fileformat.html, 1.3.1).
const SQLITE: &[u8] = b"SQLite format 3\0";

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Text(String),
    /// Its files, by their path below it; none if there are too many, or if one is not text.
    Folder(Option<BTreeMap<String, String>>),
    /// A file that is a database of SQLite.
    Database,
    /// A link that leads out of the project, which is not followed.
    LeadsOut,
    /// It exists, but is not text, or too large.
    Other,
    Missing,
}

/// A path of the project as it is written in a compose file: none for one that leads out.
pub fn local(path: &str) -> Option<String> {
    if path.starts_with(['/', '~']) || path.contains('\0') || path.is_empty() {
        return None;
    }
    let mut parts = vec![];
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/")).filter(|path| !path.is_empty())
}

/// The project's folder.
pub struct Inside {
    pub dir: Dir,
}

impl Inside {
    fn open(&self, path: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        // A pipe would keep us waiting for its other end.
        options.read(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
        let file = self.dir.open_with(path, &options)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file)
    }

    fn bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        bounded::read(self.open(path)?, LARGEST)
    }

    fn is_database(&self, path: &str) -> bool {
        let mut begin = vec![];
        self.open(path).is_ok_and(|file| {
            let read = file.take(SQLITE.len() as u64).read_to_end(&mut begin);
            read.is_ok() && begin == SQLITE
        })
    }

    /// Whether a path is a link, or below one, that leads out of the folder.
    pub fn leads_out(&self, path: &str) -> bool {
        self.dir.metadata(path).is_err_and(|error| is_outward(&error))
    }

    /// None for what is not text.
    pub fn text(&self, path: &str) -> io::Result<Option<String>> {
        let bytes = self.bytes(path)?;
        Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
    }

    /// What is at a path of the project.
    pub fn named(&self, path: &str) -> Named {
        match self.dir.metadata(path) {
            Err(error) if is_outward(&error) => Named::LeadsOut,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Named::Missing,
            Ok(metadata) if metadata.is_dir() => {
                let mut files = BTreeMap::new();
                let whole = self.folder(path, "", 0, &mut files);
                Named::Folder(whole.then_some(files))
            }
            Ok(metadata) if metadata.is_file() => match self.text(path) {
                Ok(Some(text)) => Named::Text(text),
                _ if self.is_database(path) => Named::Database,
                _ => Named::Other,
            },
            _ => Named::Other,
        }
    }

    /// Whether all files of the folder were read.
    fn folder(
        &self,
        top: &str,
        below: &str,
        depth: usize,
        files: &mut BTreeMap<String, String>,
    ) -> bool {
        let path = if below.is_empty() { top.to_owned() } else { format!("{top}/{below}") };
        let Ok(entries) = self.dir.read_dir(&path) else { return false };
        for entry in entries.take(MOST_FILES + 1) {
            let Ok(entry) = entry else { return false };
            let Ok(name) = entry.file_name().into_string() else { return false };
            let Ok(kind) = entry.file_type() else { return false };
            let below = if below.is_empty() { name } else { format!("{below}/{name}") };
            if kind.is_dir() {
                if depth == DEEPEST || !self.folder(top, &below, depth + 1, files) {
                    return false;
                }
            } else if kind.is_file() {
                let Ok(Some(text)) = self.text(&format!("{top}/{below}")) else { return false };
                files.insert(below, text);
            } else {
                return false;
            }
            if files.len() > MOST_FILES
                || files.values().map(String::len).sum::<usize>() > LARGEST_OF_ALL
            {
                return false;
            }
        }
        true
    }
}

impl Files for Inside {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let outward = || {
            let message = "it leads out of the project, and is not read";
            io::Error::new(io::ErrorKind::PermissionDenied, message)
        };
        let path = path.to_str().and_then(local).ok_or_else(outward)?;
        self.bytes(&path).map_err(|error| if is_outward(&error) { outward() } else { error })
    }
}

/// The refusal of a path that leaves the folder, which no system call makes.
fn is_outward(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_project_stay_in_it() {
        for (given, expected) in [
            ("./a/b", Some("a/b")),
            ("a/../b", Some("b")),
            ("../b", None),
            ("a/../../b", None),
            ("/etc/passwd", None),
            ("~/x", None),
            (".", None),
        ] {
            assert_eq!(local(given).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn databases_are_told_by_how_they_begin() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a"), [SQLITE, &[1; 2_000_000]].concat()).unwrap();
        std::fs::write(place.path().join("b"), [1, 0, 2]).unwrap();
        std::fs::write(place.path().join("c"), "").unwrap();
        let dir = Dir::open_ambient_dir(place.path(), cap_std::ambient_authority()).unwrap();
        let inside = Inside { dir };
        assert_eq!(inside.named("a"), Named::Database);
        assert_eq!(inside.named("b"), Named::Other);
        assert_eq!(inside.named("c"), Named::Text(String::new()));
    }
}
