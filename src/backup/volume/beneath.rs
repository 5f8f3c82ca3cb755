//! Files in a folder that somebody else writes, accessed by descriptor.
//!
//! A path is resolved anew at each use, and a container that swaps a folder for a link in
//! between leads root out of its volume. So this module uses no paths inside a volume: each
//! folder is opened once, from the descriptor of the one above it, by a call that follows
//! no link, crosses no mount and does not leave (`openat2`, Linux 5.6), and everything else
//! is done to descriptors. What is renamed or removed is named by such a descriptor and one
//! name; the kernel follows no link there.

use std::{
    ffi::{CStr, CString},
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{
        AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Stat,
        Uid, fchmod, fchown, flock, fstat, mkdirat, openat, openat2, renameat, renameat_with,
        statat, unlinkat,
    },
    io::Errno,
};

/// Links are not followed, and the folder is not left.
const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);
/// A folder that is opened to be read, too.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// So many folders of a tree are open at once while it is removed.
const DEEPEST: usize = 48;
/// How often to empty a folder that fills again.
const PASSES: usize = 8;
/// How many folders that lie too deep are brought up before that is given up.
const MOST_MOVED: usize = 1_000_000;
/// Temporary name for file systems that cannot exchange two names in one step.
pub(super) const ASIDE: &str = ".potluck-previous";

/// A folder named inside another one.
pub(super) fn folder(parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    Ok(openat2(parent, name, FOLDER, Mode::empty(), INSIDE)?)
}

/// The same where a file system of the operator's may be mounted on it.
pub(super) fn folder_or_mount(parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let inside = INSIDE.difference(ResolveFlags::NO_XDEV);
    Ok(openat2(parent, name, FOLDER, Mode::empty(), inside)?)
}

/// A plain file, to be read; none where the name is something else. Its kind is read
/// through a descriptor that does not open it, and then exactly this file is opened: a
/// container that swaps the file for a device or a pipe must not have its driver opened by
/// root.
pub(super) fn plain_file(parent: impl AsFd, name: &str) -> io::Result<Option<File>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = match openat2(parent, name, flags, Mode::empty(), INSIDE) {
        Err(Errno::LOOP) => return Ok(None),
        found => found?,
    };
    if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    // The kernel's own link to what is open, not a path below the volume.
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd())).map(Some)
}

/// What a name is; a link itself.
pub(super) fn look(parent: impl AsFd, name: &str) -> io::Result<Stat> {
    Ok(statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// What a name is, if anything.
pub(super) fn look_for(parent: impl AsFd, name: &str) -> io::Result<Option<Stat>> {
    match look(parent, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// In words, for messages.
pub(super) fn kind(stat: &Stat) -> &'static str {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::RegularFile => "a file",
        _ => "no folder",
    }
}

pub(super) fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Creates a folder that nobody else can enter yet, and opens it.
pub(super) fn make(parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let parent = parent.as_fd();
    mkdirat(parent, name, Mode::RWXU)?;
    folder(parent, name)
}

/// Owner and mode of an open folder.
pub(super) fn own(folder: impl AsFd, uid: u32, gid: u32, mode: u32) -> io::Result<()> {
    let folder = folder.as_fd();
    fchown(folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    // After the owner: changing that clears set-id bits.
    Ok(fchmod(folder, Mode::from_raw_mode(mode & 0o7777))?)
}

/// Whether a folder has any entry.
pub(super) fn is_empty(folder: impl AsFd) -> io::Result<bool> {
    for entry in Dir::read_from(folder)? {
        if !is_dots(entry?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Names in a folder that begin so, sorted.
pub(super) fn names_with(folder: impl AsFd, prefix: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str()
            && name.starts_with(prefix)
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// A folder with a lock; the lock ends with its process.
#[derive(Debug)]
pub(super) struct Claim(OwnedFd);

impl AsFd for Claim {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Closing it is not enough: a program that is just being started has it, too.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Opens a folder again and claims it; none where somebody else has it.
pub(super) fn claim(folder: impl AsFd) -> io::Result<Option<Claim>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let claimed = openat(folder, ".", flags, Mode::empty())?;
    match flock(&claimed, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Ok(None),
        done => Ok(done.map(|()| Some(Claim(claimed)))?),
    }
}

/// A name in an open folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub folder: BorrowedFd<'a>,
    pub name: &'a str,
}

/// The one call that exchanges two names; a test hands another one.
pub(super) type Exchange = fn(Named<'_>, Named<'_>) -> Result<(), Errno>;

pub(super) fn by_kernel(a: Named<'_>, b: Named<'_>) -> Result<(), Errno> {
    renameat_with(a.folder, a.name, b.folder, b.name, RenameFlags::EXCHANGE)
}

/// Exchanges two names of one file system: `ours`, which nobody else can reach, and
/// `theirs`. In one step if the file system supports it; else in three renames, which are
/// undone if one fails.
pub(super) fn exchange(with: Exchange, ours: Named<'_>, theirs: Named<'_>) -> io::Result<()> {
    match with(ours, theirs) {
        // `EINVAL` is a file system without it, the others a kernel.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        done => return done.map_err(Into::into),
    }
    let aside = Named { name: ASIDE, ..ours };
    rename_new(theirs, aside)?;
    if let Err(error) = rename(ours, theirs) {
        return Err(back(error, rename(aside, theirs)));
    }
    if let Err(error) = rename(aside, ours) {
        let undone = rename(theirs, ours).and_then(|()| rename(aside, theirs));
        return Err(back(error, undone));
    }
    Ok(())
}

fn back(error: io::Error, undone: io::Result<()>) -> io::Error {
    match undone {
        Ok(()) => error,
        Err(second) => io::Error::other(format!(
            "{error}; and undoing the first step failed, too: {second} \
             (the previous content is called {ASIDE})"
        )),
    }
}

pub(super) fn rename(from: Named<'_>, to: Named<'_>) -> io::Result<()> {
    Ok(renameat(from.folder, from.name, to.folder, to.name)?)
}

/// Renames only if the new name is free.
pub(super) fn rename_new(from: Named<'_>, to: Named<'_>) -> io::Result<()> {
    match renameat_with(from.folder, from.name, to.folder, to.name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename(from, to),
        done => done.map_err(Into::into),
    }
}

/// Removes what has a name, whatever it is and however deep; nothing is no
/// failure. Stays on the file system where it begins.
pub(super) fn remove_all(parent: impl AsFd, name: &str) -> io::Result<()> {
    let parent = parent.as_fd();
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Err(Errno::NOENT) => return Ok(()),
        done => return done.map_err(Into::into),
    }
    let top = folder(parent, name)?;
    let up = Up { top: top.as_fd(), prefix: deeper()? };
    let (mut moved, mut passes) = (0, 0);
    loop {
        let before = moved;
        empty(top.as_fd(), &up, 1, &mut moved)?;
        match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            // What was too deep was brought up.
            Err(Errno::NOTEMPTY) if moved > before && moved < MOST_MOVED => {}
            // Somebody still writes there.
            Err(Errno::NOTEMPTY) if passes < PASSES => passes += 1,
            Err(Errno::NOENT) => return Ok(()),
            done => return done.map_err(Into::into),
        }
    }
}

/// The folder to which too deep entries are moved.
struct Up<'a> {
    top: BorrowedFd<'a>,
    /// How the names there begin: with a random number, because the author of
    /// the tree could have used known names.
    prefix: String,
}

fn deeper() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    Ok(format!(".potluck-deeper-{}", hex::encode(random)))
}

/// Empties a folder. What lies deeper than [`DEEPEST`] is moved up and counted,
/// for the next pass: a tree can be deeper than there are descriptors and stack.
fn empty(from: BorrowedFd<'_>, up: &Up<'_>, depth: usize, moved: &mut usize) -> io::Result<()> {
    for name in names(from)? {
        match unlinkat(from, &*name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR) => {}
            Err(error) => return Err(error.into()),
        }
        if depth >= DEEPEST {
            *moved += 1;
            let name_there = format!("{}-{moved}", up.prefix);
            match renameat(from, &*name, up.top, &name_there) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        match openat2(from, &*name, FOLDER, Mode::empty(), INSIDE) {
            Ok(next) => empty(next.as_fd(), up, depth + 1, moved)?,
            // Swapped for something else since: that is for the next pass.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
            Err(error) => return Err(error.into()),
        }
        match unlinkat(from, &*name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !is_dots(entry.file_name()) {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn none(_: Named<'_>, _: Named<'_>) -> Result<(), Errno> {
        Err(Errno::INVAL)
    }

    fn broken(_: Named<'_>, _: Named<'_>) -> Result<(), Errno> {
        Err(Errno::IO)
    }

    #[test]
    fn only_what_is_a_plain_file_is_opened() {
        let lab = tempfile::tempdir().unwrap();
        let at = |name: &str| lab.path().join(name);
        fs::write(at("f"), "text").unwrap();
        fs::create_dir(at("d")).unwrap();
        std::os::unix::fs::symlink("f", at("l")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(at("p")).status().unwrap();
        assert!(made.success());
        let folder = fs::File::open(lab.path()).unwrap();
        let file = plain_file(&folder, "f").unwrap().unwrap();
        assert_eq!(io::read_to_string(file).unwrap(), "text");
        for name in ["d", "l", "p"] {
            assert!(plain_file(&folder, name).unwrap().is_none(), "{name}");
        }
        assert_eq!(plain_file(&folder, "x").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    /// Names that an earlier potluck gave to what it brought up, taken by files.
    #[test]
    fn a_deep_tree_goes_whatever_names_are_taken() {
        let lab = tempfile::tempdir().unwrap();
        let top = lab.path().join("top");
        for n in 1..=200 {
            fs::create_dir_all(&top).unwrap();
            fs::write(top.join(format!(".potluck-deeper-{n}")), "").unwrap();
        }
        for n in 0..8 {
            let deep: std::path::PathBuf = (0..DEEPEST * 3).map(|_| "x").collect();
            fs::create_dir_all(top.join(format!("d{n}")).join(deep)).unwrap();
        }
        remove_all(fs::File::open(lab.path()).unwrap(), "top").unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn names_are_exchanged_with_and_without_the_call_for_it() {
        for with in [by_kernel as Exchange, none] {
            let lab = tempfile::tempdir().unwrap();
            let at = |name: &str| lab.path().join(name);
            fs::create_dir_all(at("ours/new")).unwrap();
            fs::create_dir_all(at("theirs")).unwrap();
            fs::write(at("theirs/old"), "old").unwrap();
            let [a, b] = ["ours", "theirs"].map(|name| fs::File::open(at(name)).unwrap());
            let ours = Named { folder: a.as_fd(), name: "new" };
            let theirs = Named { folder: b.as_fd(), name: "old" };
            exchange(with, ours, theirs).unwrap();
            assert!(at("theirs/old").is_dir());
            assert_eq!(fs::read_to_string(at("ours/new")).unwrap(), "old");
            assert!(!at("ours").join(ASIDE).exists());

            // After a failure the previous content is kept.
            let missing = Named { name: "missing", ..ours };
            assert!(exchange(with, missing, theirs).is_err());
            assert!(exchange(broken, ours, theirs).is_err());
            assert!(at("theirs/old").is_dir() && !at("ours").join(ASIDE).exists());
        }
    }
}
