//! Reading files that somebody else may have put there: a pipe never ends, a
//! device never stops, and a file may be larger than memory.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt, path::Path};

use rustix::fs::OFlags;

use crate::bounded;

/// The bytes of a regular file; links are followed.
///
/// # Errors
/// Errors of opening and reading; also for anything but a regular file, and for
/// a file of more than `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        // A pipe would keep us waiting for its other end.
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    bounded::read(file, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_bounded_length_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "12345").unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(pipe.success());
        let said = |path: &Path, most| read(path, most).map_err(|error| error.to_string());
        assert_eq!(said(&at("file"), 5), Ok(b"12345".to_vec()));
        assert_eq!(said(&at("link"), 5), Ok(b"12345".to_vec()));
        for (path, most, wanted) in [
            (at("file"), 4, "it is larger than 4 bytes"),
            (at("pipe"), 5, "it is not a regular file"),
            ("/dev/zero".into(), 5, "it is not a regular file"),
            (folder.path().into(), 5, "is a directory"),
            (at("dangling"), 5, "No such file"),
        ] {
            let said = said(&path, most).unwrap_err();
            assert!(said.contains(wanted), "{}: {said}", path.display());
        }
    }
}
