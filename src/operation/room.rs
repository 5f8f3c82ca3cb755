//! Room on the disks of an app's volumes, kept free for as long as an upgrade may have to
//! bring its data back: a disk that the migration fills must not prevent that.
//!
//! It is kept by files without a name, which are gone when their process is, however it
//! ends. A file system that has no such files is only asked how much is free.

use std::path::{Path, PathBuf};

use rustix::{
    fd::OwnedFd,
    fs::{FallocateFlags, Mode, OFlags, fallocate, fstat, open, statvfs},
    io::Errno,
};

/// Kept until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Room(Vec<OwnedFd>);

/// A disk that has less room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Short {
    pub place: PathBuf,
    pub free: u64,
}

impl Room {
    /// So many bytes on each disk that has one of these folders; those that are not of this
    /// machine are left out.
    ///
    /// # Errors
    /// The first disk that has less.
    pub fn keep(folders: &[PathBuf], bytes: u64) -> Result<Self, Short> {
        let mut room = Room::default();
        let mut disks = Vec::new();
        for folder in folders {
            let Some((disk, free)) = look(folder) else { continue };
            if disks.contains(&disk) {
                continue;
            }
            disks.push(disk);
            let short = |free| Short { place: folder.clone(), free };
            if free < bytes {
                return Err(short(free));
            }
            match keep(folder, bytes) {
                Ok(file) => room.0.push(file),
                Err(Errno::NOSPC | Errno::DQUOT) => return Err(short(free)),
                // Then what is free now has to do.
                Err(_) => {}
            }
        }
        Ok(room)
    }
}

/// A folder's disk, and what is free on it.
fn look(folder: &Path) -> Option<(u64, u64)> {
    let opened = open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let disk = statvfs(folder).ok()?;
    Some((fstat(&opened).ok()?.st_dev, disk.f_bavail.saturating_mul(disk.f_frsize)))
}

fn keep(folder: &Path, bytes: u64) -> Result<OwnedFd, Errno> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = open(folder, flags, Mode::RUSR | Mode::WUSR)?;
    fallocate(&file, FallocateFlags::empty(), 0, bytes.max(1))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_once_a_disk_without_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        for folder in [&a, &b] {
            std::fs::create_dir(folder).unwrap();
        }
        let elsewhere = folder.path().join("none");
        let kept = Room::keep(&[elsewhere, a.clone(), b], 3 << 20).unwrap();
        assert_eq!(kept.0.len(), 1);
        let held = fstat(&kept.0[0]).unwrap();
        assert!(held.st_blocks * 512 >= 3 << 20, "{held:?}");
        assert_eq!((held.st_nlink, std::fs::read_dir(&a).unwrap().count()), (0, 0));
    }

    #[test]
    fn a_disk_with_less_room_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_owned();
        let short = Room::keep(std::slice::from_ref(&place), u64::MAX).unwrap_err();
        assert_eq!(short.place, place);
        assert!(short.free > 0 && short.free < u64::MAX);
    }
}
