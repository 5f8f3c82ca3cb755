//! A folder that somebody else filled, by descriptor: every name is opened by
//! itself, below the folder that is held open, and no link is followed. So
//! neither its content nor someone who changes it meanwhile can lead elsewhere.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use crate::bounded;

/// Flags that prevent waiting for a pipe.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// An open folder.
#[derive(Debug)]
pub(in crate::recipe) struct Folder(OwnedFd);

impl Folder {
    /// The folder at a path that a person gave: links in that path are theirs,
    /// and are followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Folder(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// A folder in this one.
    pub fn folder(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = single(name.as_ref())?;
        Ok(Folder(rustix::fs::openat(&self.0, name, READ | OFlags::DIRECTORY, Mode::empty())?))
    }

    /// A folder in this one, made if it is missing.
    pub fn make(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = name.as_ref();
        match rustix::fs::mkdirat(&self.0, single(name)?, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => self.folder(name),
            Err(error) => Err(error.into()),
        }
    }

    /// A regular file in this folder, and its length.
    pub fn file(&self, name: impl AsRef<OsStr>) -> io::Result<(File, u64)> {
        let file = rustix::fs::openat(&self.0, single(name.as_ref())?, READ, Mode::empty())?;
        let file = File::from(file);
        let facts = file.metadata()?;
        if facts.is_file() {
            Ok((file, facts.len()))
        } else {
            Err(io::Error::other("it is not a regular file"))
        }
    }

    /// The content of a regular file of at most `most` bytes.
    pub fn read(&self, name: impl AsRef<OsStr>, most: u64) -> io::Result<Vec<u8>> {
        let (file, _) = self.file(name)?;
        bounded::read(file, most)
    }

    /// The same; none where there is no such file.
    pub fn read_if_any(&self, name: impl AsRef<OsStr>, most: u64) -> io::Result<Option<Vec<u8>>> {
        match self.read(name, most) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            content => content.map(Some),
        }
    }

    /// Where a link in this folder points; it is not followed.
    pub fn link(&self, name: impl AsRef<OsStr>) -> io::Result<OsString> {
        let target = rustix::fs::readlinkat(&self.0, single(name.as_ref())?, Vec::new())?;
        Ok(OsStr::from_bytes(target.as_bytes()).to_owned())
    }

    /// What a name is, a link being a link; none where there is nothing.
    pub fn kind(&self, name: impl AsRef<OsStr>) -> io::Result<Option<FileType>> {
        let name = single(name.as_ref())?;
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(facts) => Ok(Some(FileType::from_raw_mode(facts.st_mode))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The names in this folder, in no order, and what they are.
    ///
    /// # Errors
    /// What reading ends in; for more than `most` names.
    pub fn names(&self, most: usize) -> io::Result<Vec<(OsString, FileType)>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
            if name == "." || name == ".." {
                continue;
            }
            if names.len() == most {
                return Err(io::Error::other(format!("it holds more than {most} names")));
            }
            let kind = match entry.file_type() {
                // Some file systems say it only when asked.
                FileType::Unknown => match self.kind(&name)? {
                    Some(kind) => kind,
                    None => continue,
                },
                kind => kind,
            };
            names.push((name, kind));
        }
        Ok(names)
    }

    /// Who it is and when it last changed.
    pub fn facts(&self) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(&self.0)?)
    }

    /// A new file with this content, under a name that must be free.
    pub fn write_new(
        &self,
        name: impl AsRef<OsStr>,
        content: &mut dyn Read,
        mode: u32,
    ) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        let name = single(name.as_ref())?;
        let mut file = File::from(rustix::fs::openat(&self.0, name, flags, mode)?);
        io::copy(content, &mut file)?;
        file.sync_all()
    }

    /// Renames a file in this folder, replacing any file of that name.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (single(from.as_ref())?, single(to.as_ref())?);
        Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?)
    }

    /// Removes a file in this folder.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, single(name.as_ref())?, AtFlags::empty())?)
    }

    /// The same folder once more.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Folder(self.0.as_fd().try_clone_to_owned()?))
    }
}

/// A name, and no path.
fn single(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a name"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_it() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir_all(at("in/sub")).unwrap();
        std::fs::write(at("in/file"), "12345").unwrap();
        std::fs::write(at("secret"), "outside").unwrap();
        std::os::unix::fs::symlink("../secret", at("in/link")).unwrap();
        std::os::unix::fs::symlink("..", at("in/up")).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(at("in/pipe")).status().unwrap();
        assert!(pipe.success());
        let folder = Folder::open(&at("in")).unwrap();
        assert_eq!(folder.read("file", 5).unwrap(), b"12345");
        assert_eq!(folder.read("file", 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(folder.read_if_any("nothing", 4).unwrap(), None);
        for name in ["link", "pipe", "sub", "../secret", "..", ".", "", "sub/../file"] {
            assert!(folder.read(name, 99).is_err(), "{name} was read");
        }
        for name in ["up", "file", "..", ".", "sub/.."] {
            assert!(folder.folder(name).is_err(), "{name} was opened");
            assert!(folder.make(name).is_err(), "{name} was made");
        }
        assert_eq!(folder.link("link").unwrap(), "../secret");
        assert_eq!(folder.kind("link").unwrap(), Some(FileType::Symlink));
        assert!(folder.write_new("link", &mut &b"x"[..], 0o644).is_err());
        assert_eq!(folder.names(5).unwrap().len(), 5);
        assert!(folder.names(4).is_err());
        assert_eq!(std::fs::read_to_string(at("secret")).unwrap(), "outside");
    }
}
