//! Reading within bounds, writing whole files.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::Error;
use crate::{bounded, regular};

/// Longest file of settings that is read, in bytes.
pub(super) const MAX_READ: u64 = 1 << 20;
/// The mode of a new file, reduced by the process's umask.
const SHARED: u32 = 0o666;
/// For what only its owner may read.
const PRIVATE: u32 = 0o600;

/// What to do if the file exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Through a symbolic link: a team may keep its files elsewhere and link them
    /// here.
    Replace,
    /// The link itself, whatever it leads to: for folders that others filled.
    ReplaceLink,
    /// [`io::ErrorKind::AlreadyExists`].
    Keep,
}

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    Shared,
    /// Only the owner; an existing file's mode is narrowed as well.
    Owner,
}

/// A small file of potluck's own state; none where there is none.
///
/// # Errors
/// [`Error::Io`], [`Error::Invalid`] for one that is too long.
pub(crate) fn read_state(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match read_bytes(path) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => bytes.map(Some),
    }
}

/// Writes a small file of potluck's own state, for its owner alone.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn write_state(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_whole(path, bytes, Existing::Replace, Readers::Owner)
}

/// A whole file as text.
pub(super) fn read_text(path: &Path) -> Result<String, Error> {
    Ok(as_text(path, &read_bytes(path)?)?.to_owned())
}

/// The bytes of a file as text.
pub(super) fn as_text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes)
        .map_err(|e| Error::NotText { path: path.into(), byte: e.valid_up_to() + 1 })
}

/// A whole file.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let reading = |source| Error::Io { action: "reading", path: path.into(), source };
    regular::read(path, MAX_READ).map_err(|error| match bounded::is_too_large(&error) {
        true => Error::Invalid { path: path.into(), message: error.to_string() },
        false => reading(error),
    })
}

/// Writes a file so that readers see either the old bytes or the new ones:
/// to a temporary name beside it, synced, then renamed. Keeps an existing
/// file's mode, and makes the folder.
///
/// # Errors
/// [`Error::Io`].
pub fn write_whole(
    path: &Path,
    bytes: &[u8],
    existing: Existing,
    readers: Readers,
) -> Result<(), Error> {
    let writing = |source| Error::Io { action: "writing", path: path.into(), source };
    let target = match fs::canonicalize(path) {
        Ok(target) if existing == Existing::Replace => target,
        _ => path.to_owned(),
    };
    let folder = match target.parent() {
        Some(folder) if folder == Path::new("") => Path::new("."),
        folder => folder.unwrap_or(Path::new("/")),
    };
    create_folder(folder, readers)?;
    let old = fs::symlink_metadata(&target).ok().filter(fs::Metadata::is_file);
    let mode = match (readers, &old) {
        (Readers::Owner, _) => PRIVATE,
        (Readers::Shared, Some(old)) => old.permissions().mode() & 0o7777,
        (Readers::Shared, None) => SHARED,
    };
    let mut file = tempfile::Builder::new()
        .prefix(".potluck-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(writing)?;
    file.write_all(bytes).map_err(writing)?;
    if readers == Readers::Owner || old.is_some() {
        file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(writing)?;
    }
    file.as_file().sync_all().map_err(writing)?;
    match existing {
        Existing::Replace | Existing::ReplaceLink => {
            file.persist(&target).map_err(|e| writing(e.error))?
        }
        Existing::Keep => file.persist_noclobber(&target).map_err(|e| writing(e.error))?,
    };
    // The name is safe only once the folder is on the disk, too.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(writing)
}

/// Gives a whole file another name in its folder, in place of what has that name.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    let renaming = |source| Error::Io { action: "renaming", path: from.into(), source };
    fs::rename(from, to).map_err(renaming)?;
    let folder = to.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(renaming)
}

/// Creates a folder and those above it; for [`Readers::Owner`] new ones are
/// the owner's alone.
pub(super) fn create_folder(folder: &Path, readers: Readers) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    let mode = if readers == Readers::Owner { 0o700 } else { 0o777 };
    fs::DirBuilder::new().recursive(true).mode(mode).create(folder).map_err(|source| Error::Io {
        action: "creating the folder",
        path: folder.into(),
        source,
    })
}

/// Removes a file; one that is missing is fine.
pub(crate) fn remove_file(path: PathBuf) -> Result<(), Error> {
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io { action: "removing", path, source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_the_owners_alone_and_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/deployed/here/a.example.json");
        assert_eq!(read_state(&path).unwrap(), None);
        write_state(&path, b"1").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write_state(&path, b"2").unwrap();
        assert_eq!(read_state(&path).unwrap().as_deref(), Some(&b"2"[..]));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        remove_file(path.clone()).unwrap();
        remove_file(path.clone()).unwrap();
        assert_eq!(read_state(&path).unwrap(), None);
        // Neither write left anything beside it.
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }
}
