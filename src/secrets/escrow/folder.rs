//! `<domain>.secrets/`: one file for each version of each secret.
//!
//! `<name>_<version>.age` holds a value that the swarm has. While one is being stored, its
//! file is `<name>_<version>.<id>.unfinished`: see [`super::keep`].
//!
//! The folder and its files come through git. A link among them is an error and never
//! followed, and so is a file that is larger than a secret can be.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::Error;
use crate::{
    bounded,
    home::{
        AppEntry, Home, StackName,
        write::{Existing, Readers, remove_file, rename, write_whole},
    },
};

const AGE: &str = ".age";
/// What is kept of providers; no recipe names a secret so.
const OF_PROVIDER: &str = "potluck.provider-";
const UNFINISHED: &str = ".unfinished";
/// Bytes of a file: the largest secret, and a head for as many people as there may be.
const MAX_FILE: u64 = 2 << 20;
/// More have no team.
const MOST: usize = 20_000;

/// A secret's name and version, `db_password_v1`: its name on the swarm without the
/// stack's. Recipes name secrets, so it is checked before it becomes a file's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stem(String);

impl Stem {
    /// # Errors
    /// [`Error::Stem`].
    pub fn new(stem: &str) -> Result<Self, Error> {
        /// Docker's limit on the name of a secret.
        const LONGEST: usize = 64;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = stem.len() <= LONGEST
            && stem.starts_with(|c: char| c.is_ascii_alphanumeric())
            && stem.chars().all(allowed)
            && !stem.ends_with(AGE)
            && !stem.ends_with(UNFINISHED);
        match fits {
            true => Ok(Stem(stem.to_owned())),
            false => Err(Error::Stem { stem: crate::text::line(stem).into_owned() }),
        }
    }

    /// Of a secret's name on the swarm.
    ///
    /// # Errors
    /// [`Error::Stem`].
    pub fn of(full_name: &str, stack: &StackName) -> Result<Self, Error> {
        let rest = full_name.strip_prefix(stack.as_str()).and_then(|rest| rest.strip_prefix('_'));
        Self::new(rest.unwrap_or(full_name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Of what a provider gave that no service gets: the token that changes a client, say.
    /// It is kept like a secret, and is not one of the app's.
    ///
    /// # Errors
    /// [`Error::Stem`].
    pub fn of_provider(provider: &str, what: &str) -> Result<Self, Error> {
        let digest = hex::encode(&Sha256::digest(provider.as_bytes())[..8]);
        Self::new(&format!("{OF_PROVIDER}{digest}_{what}"))
    }

    /// Whether the swarm is to have it.
    pub fn is_of_swarm(&self) -> bool {
        !self.0.starts_with(OF_PROVIDER)
    }

    /// The name on the swarm.
    pub fn full_name(&self, stack: &StackName) -> String {
        format!("{stack}_{}", self.0)
    }
}

impl fmt::Display for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    pub stem: Stem,
    /// The id of one that is being stored.
    pub unfinished: Option<String>,
}

impl File {
    /// None for a name that is not one of ours.
    fn parse(name: &str) -> Option<Self> {
        if let Some(stem) = name.strip_suffix(AGE) {
            return Some(File { stem: Stem::new(stem).ok()?, unfinished: None });
        }
        let (stem, id) = name.strip_suffix(UNFINISHED)?.rsplit_once('.')?;
        let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_hexdigit());
        is_id.then_some(())?;
        Some(File { stem: Stem::new(stem).ok()?, unfinished: Some(id.to_owned()) })
    }

    fn name(&self) -> String {
        match &self.unfinished {
            None => format!("{}{AGE}", self.stem),
            Some(id) => format!("{}.{id}{UNFINISHED}", self.stem),
        }
    }

    /// The file of a value that is stored.
    pub fn finished(stem: Stem) -> Self {
        File { stem, unfinished: None }
    }
}

/// The folder of one app; it need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    pub fn of(home: &Home, app: &AppEntry) -> Self {
        Folder { path: home.secrets_folder(app) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's path.
    pub fn path_of(&self, file: &File) -> PathBuf {
        self.path.join(file.name())
    }

    /// Its files, sorted; names that are not ours are left out.
    ///
    /// # Errors
    /// [`Error::File`] when it is a link or has too many files.
    pub fn files(&self) -> Result<Vec<File>, Error> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        let reading = |e: io::Error| self.wrong(e.to_string());
        let mut files = Vec::new();
        for (index, entry) in fs::read_dir(&self.path).map_err(reading)?.enumerate() {
            if index >= MOST {
                return Err(self.wrong(format!("it has more than {MOST} files")));
            }
            let name = entry.map_err(reading)?.file_name();
            files.extend(name.to_str().and_then(File::parse));
        }
        files.sort();
        Ok(files)
    }

    /// Whether a value is kept for good.
    ///
    /// # Errors
    /// As [`Folder::files`].
    pub fn has(&self, stem: &Stem) -> Result<bool, Error> {
        let file = self.path_of(&File::finished(stem.clone()));
        Ok(self.exists()? && fs::symlink_metadata(file).is_ok())
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// [`Error::File`] for a link, something that is not a file, or one that is too large.
    pub fn read(&self, file: &File) -> Result<Vec<u8>, Error> {
        let path = self.path_of(file);
        let missing = || Error::File { path: path.clone(), message: "it is missing".into() };
        if !self.exists()? {
            return Err(missing());
        }
        read_plain(&path, MAX_FILE)?.ok_or_else(missing)
    }

    /// Writes a file whole, in place of one of this name.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Home`].
    pub fn write(&self, file: &File, sealed: &[u8]) -> Result<(), Error> {
        self.exists()?;
        let path = self.path_of(file);
        Ok(write_whole(&path, sealed, Existing::ReplaceLink, Readers::Shared)?)
    }

    /// Makes the file of a value that is being stored the one of a value that is.
    ///
    /// # Errors
    /// As [`Folder::write`].
    pub fn finish(&self, unfinished: &File) -> Result<(), Error> {
        let finished = File::finished(unfinished.stem.clone());
        Ok(rename(&self.path_of(unfinished), &self.path_of(&finished))?)
    }

    /// Removes a file; one that is missing is fine.
    ///
    /// # Errors
    /// As [`Folder::write`].
    pub fn remove(&self, file: &File) -> Result<(), Error> {
        if self.exists()? {
            remove_file(self.path_of(file))?;
        }
        Ok(())
    }

    fn exists(&self) -> Result<bool, Error> {
        match fs::symlink_metadata(&self.path) {
            Ok(about) if about.is_dir() => Ok(true),
            Ok(about) if about.is_symlink() => {
                Err(self.wrong("it is a symbolic link; expected a folder".into()))
            }
            Ok(_) => Err(self.wrong("it is not a folder".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.wrong(error.to_string())),
        }
    }

    fn wrong(&self, message: String) -> Error {
        Error::File { path: self.path.clone(), message }
    }
}

/// The bytes of a regular file that is not a link; none where there is nothing.
pub(super) fn read_plain(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Error> {
    let wrong = |message: String| Error::File { path: path.into(), message };
    let opened = OpenOptions::new()
        .read(true)
        // A pipe would keep us waiting for its other end.
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(wrong("it is a symbolic link; expected a file".into()));
        }
        Err(error) => return Err(wrong(error.to_string())),
    };
    match file.metadata() {
        Ok(about) if about.is_file() => {}
        Ok(_) => return Err(wrong("it is not a regular file".into())),
        Err(error) => return Err(wrong(error.to_string())),
    }
    bounded::read(file, most).map(Some).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipes_name_cannot_leave_the_folder() {
        let stack = StackName::new("a_example").unwrap();
        for (full_name, stem) in [
            ("a_example_db_v1", Some("db_v1")),
            ("a_example_plain", Some("plain")),
            ("elsewhere", Some("elsewhere")),
            ("a_example_../x", None),
            ("a_example_.hidden", None),
            ("a_example_", None),
            ("a_example_a/b", None),
            ("a_example_a\nb", None),
            ("a_example_a.age", None),
        ] {
            let found = Stem::of(full_name, &stack).ok();
            assert_eq!(found.as_ref().map(Stem::as_str), stem, "{full_name:?}");
        }
    }

    #[test]
    fn names_of_files_are_read_as_they_are_written() {
        let stem = Stem::new("db.x_v1").unwrap();
        let finished = File::finished(stem.clone());
        let unfinished = File { stem, unfinished: Some("0a1b".into()) };
        for (file, name) in [(&finished, "db.x_v1.age"), (&unfinished, "db.x_v1.0a1b.unfinished")] {
            assert_eq!(file.name(), name);
            assert_eq!(File::parse(name).as_ref(), Some(file));
        }
        for other in ["x", ".age", "x.age.bak", "x.unfinished", "x.zz.unfinished", "../x.age"] {
            assert_eq!(File::parse(other), None, "{other}");
        }
    }

    #[test]
    fn only_regular_files_of_a_bounded_length_are_read() {
        let outside = tempfile::tempdir().unwrap();
        let folder = Folder { path: outside.path().join("a.secrets") };
        assert_eq!(folder.files().unwrap(), []);
        fs::write(outside.path().join("other"), "outside").unwrap();
        let file = |name: &str| File::finished(Stem::new(name).unwrap());
        folder.write(&file("good"), b"bytes").unwrap();
        let at = |name: &str| folder.path_of(&file(name));
        std::os::unix::fs::symlink("../other", at("link")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(pipe.success());
        fs::File::create(at("huge")).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert_eq!(folder.read(&file("good")).unwrap(), b"bytes");
        for (name, expected) in [
            ("link", "it is a symbolic link"),
            ("folder", "it is not a regular file"),
            ("pipe", "it is not a regular file"),
            ("huge", "it is larger than 2 MiB"),
            ("none", "it is missing"),
        ] {
            let said = folder.read(&file(name)).unwrap_err().to_string();
            assert!(said.contains(expected), "{name}: {said}");
        }
        // Writing replaces the link, not what it leads to.
        folder.write(&file("link"), b"new").unwrap();
        assert_eq!(fs::read(outside.path().join("other")).unwrap(), b"outside");
        assert_eq!(folder.read(&file("link")).unwrap(), b"new");
    }

    #[test]
    fn a_folder_that_is_a_link_is_neither_read_nor_written() {
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(outside.path().join("elsewhere")).unwrap();
        let folder = Folder { path: outside.path().join("a.secrets") };
        std::os::unix::fs::symlink("elsewhere", folder.path()).unwrap();
        let file = File::finished(Stem::new("a_v1").unwrap());
        let said = [
            folder.files().unwrap_err(),
            folder.read(&file).unwrap_err(),
            folder.write(&file, b"x").unwrap_err(),
            folder.remove(&file).unwrap_err(),
        ];
        for error in said {
            assert!(error.to_string().contains("symbolic link"), "{error}");
        }
        assert_eq!(fs::read_dir(outside.path().join("elsewhere")).unwrap().count(), 0);
    }
}
