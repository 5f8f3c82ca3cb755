//! One file, into and out of a container, as the tar stream that Docker's
//! archive calls speak; pure. A container is not trusted: what comes out must
//! be one regular file within the limit.

use std::io::{Cursor, Read};

use bytes::Bytes;

use crate::plugin::ServiceError;

/// Tar's headers and padding around a single file, generously.
const TAR_ROOM: usize = 16 * 1024;

/// Folder and file name of an absolute path without `.` and `..`.
pub(crate) fn split(path: &str) -> Result<(&str, &str), String> {
    let refuse = |reason: &str| Err(format!("`{path}` is not the path of a file: {reason}"));
    if !path.starts_with('/') {
        return refuse("it must begin with `/`");
    }
    if path.contains('\0') {
        return refuse("it holds a NUL");
    }
    if path[1..].split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return refuse("every part of it must be a name");
    }
    match path.rsplit_once('/') {
        Some(("", name)) => Ok(("/", name)),
        Some((folder, name)) => Ok((folder, name)),
        None => refuse("it must begin with `/`"),
    }
}

/// A tar stream of one file, owned by root.
pub(crate) fn pack(name: &str, content: &[u8], mode: u32) -> Result<Bytes, String> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode & 0o7777);
    header.set_entry_type(tar::EntryType::Regular);
    let mut builder = tar::Builder::new(Vec::with_capacity(content.len() + TAR_ROOM));
    let packed = builder
        .append_data(&mut header, name, content)
        .and_then(|()| builder.into_inner())
        .map_err(|e| format!("packing `{name}`: {e}"))?;
    Ok(Bytes::from(packed))
}

/// The largest tar stream that a file of `limit` bytes can come in.
pub(crate) fn packed_limit(limit: usize) -> usize {
    limit.saturating_add(TAR_ROOM)
}

/// The only file of a tar stream.
pub(crate) fn unpack(tar: &[u8], path: &str, limit: usize) -> Result<Vec<u8>, ServiceError> {
    let broken = |e: std::io::Error| {
        ServiceError::Engine(format!("reading `{path}` from the container: {e}"))
    };
    let mut archive = tar::Archive::new(Cursor::new(tar));
    let mut entries = archive.entries().map_err(broken)?;
    let missing = || ServiceError::Engine(format!("`{path}` does not exist"));
    let mut entry = entries.next().ok_or_else(missing)?.map_err(broken)?;
    if entry.header().entry_type() != tar::EntryType::Regular {
        return Err(ServiceError::Engine(format!("`{path}` is not a regular file")));
    }
    if entry.size() > limit as u64 {
        return Err(ServiceError::TooLarge(limit));
    }
    let mut content = Vec::new();
    entry.by_ref().take(limit as u64).read_to_end(&mut content).map_err(broken)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_plain_paths_are_taken() {
        assert_eq!(split("/etc/app/conf"), Ok(("/etc/app", "conf")));
        assert_eq!(split("/conf"), Ok(("/", "conf")));
        for bad in ["", "/", "etc", "/a/../b", "/a/./b", "/a//b", "/a/", "/a\0", "/.."] {
            assert!(split(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_file_comes_back_as_it_went() {
        let tar = pack("conf", b"hello", 0o600).unwrap();
        assert_eq!(unpack(&tar, "/conf", 5).unwrap(), b"hello");
        assert_eq!(unpack(&tar, "/conf", 4), Err(ServiceError::TooLarge(4)));
    }

    #[test]
    fn links_and_folders_are_no_files() {
        for kind in [tar::EntryType::Symlink, tar::EntryType::Directory, tar::EntryType::Link] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            let mut builder = tar::Builder::new(Vec::new());
            if kind == tar::EntryType::Directory {
                builder.append_data(&mut header, "x", &[][..]).unwrap();
            } else {
                builder.append_link(&mut header, "x", "/etc/shadow").unwrap();
            }
            let tar = builder.into_inner().unwrap();
            assert!(
                unpack(&tar, "/x", 100).unwrap_err().to_string().contains("not a regular file")
            );
        }
        assert!(unpack(b"not a tar", "/x", 100).is_err());
    }
}
