//! Volumes as folders of this machine: checked before they are read, replaced
//! in one step when they are restored.
//!
//! A program in a container that mounts a volume may write to it while we read,
//! so everything inside it is accessed by descriptor (`beneath.rs`), and restic sees it
//! through a mount of its own (`view.rs`).
//!
//! A restore never writes into a volume. It writes a whole new folder beside it, which no
//! container can reach, and exchanges the two once everything is complete (`staged.rs`):
//! whatever happens in between, the volume holds either all of the old data or all of the
//! new. The layout of Docker's volumes allows that: the data is in `…/<volume>/_data`, and
//! nothing else uses `…/<volume>`.

pub(super) mod helper;
pub(crate) mod here;
pub(crate) mod place;
pub(crate) mod user;

mod beneath;
mod job;
mod staged;
mod tell;
mod there;
mod unreached;
mod view;

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat2},
    io::Errno,
};

pub use staged::{Staged, Swapped};
pub use view::{NoView, View};

use self::{
    beneath::{ASIDE, Named, is_folder, kind, look_for},
    view::{Access, DATA},
};
use super::{
    error::Error,
    restic::literal,
    set::{manifest::VolumeFacts, proof::Proof},
};
use crate::engine::{VolumesFolder, Writers};

/// A larger file is not read twice.
const LARGEST_PROVED: u64 = 256 * 1024 * 1024;

/// A volume's folder, open.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Docker's name, for messages.
    volume: String,
    /// The folder in which the engine keeps its volumes.
    volumes: PathBuf,
    writers: Writers,
    /// `…/<volume>`, which only the engine writes.
    home: Arc<OwnedFd>,
    /// `…/<volume>/_data`, which containers write.
    data: Arc<OwnedFd>,
}

impl Folder {
    /// Opens the folder of a volume, in the folder in which the engine keeps
    /// its volumes.
    ///
    /// # Errors
    /// [`Error::Volume`], also where the kernel cannot open files without
    /// following links.
    pub fn open(volumes: &VolumesFolder, volume: &str, verb: &'static str) -> Result<Self, Error> {
        let VolumesFolder { path: volumes, writers } = volumes;
        let bad = |reason: String| Error::Volume { volume: volume.into(), verb, reason };
        let failed = |e: io::Error| bad(plain(&e, &volumes.join(volume)));
        if !is_name(volume) {
            return Err(bad("its name is not valid as the name of a folder".into()));
        }
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Above the volumes, links are the operator's own.
        let top = openat2(CWD, volumes, folder, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
            .map_err(|e| bad(plain(&e.into(), volumes)))?;
        let home = beneath::folder_or_mount(&top, volume).map_err(failed)?;
        let data = match beneath::folder_or_mount(&home, DATA) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // Left by a restore that was cut off between two renames.
                let (aside, data) = (named(&home, ASIDE), named(&home, DATA));
                beneath::rename_new(aside, data)
                    .and_then(|()| beneath::folder_or_mount(&home, DATA))
                    .map_err(|_| failed(e))?
            }
            opened => opened.map_err(failed)?,
        };
        let (home, data) = (Arc::new(home), Arc::new(data));
        let volume = volume.into();
        Ok(Folder { volume, volumes: volumes.clone(), writers: *writers, home, data })
    }

    fn bad(&self, verb: &'static str, reason: impl ToString) -> Error {
        Error::Volume { volume: self.volume.clone(), verb, reason: reason.to_string() }
    }

    /// Docker's name of it.
    pub fn volume(&self) -> &str {
        &self.volume
    }

    fn path(&self) -> PathBuf {
        self.volumes.join(&self.volume).join(DATA)
    }

    /// Checks that every path asked for exists, and returns what restic does
    /// not store. restic itself passes over a path that is missing (until 0.19
    /// with exit code 0).
    ///
    /// # Errors
    /// [`Error::Volume`].
    pub fn check(&self, paths: &[String]) -> Result<VolumeFacts, Error> {
        let bad = |reason: String| self.bad("read", reason);
        let stat = fstat(&self.data).map_err(|e| bad(plain(&e.into(), &self.path())))?;
        for path in paths {
            let place = self.place(path).map_err(bad)?;
            if let Some(reason) = place.wrong() {
                return Err(bad(reason));
            }
            if !place.exists {
                return Err(bad(format!("`{path}` does not exist in it")));
            }
        }
        if let Some(below) = self.mounts_below(paths).map_err(|e| bad(e.to_string()))?.first() {
            return Err(bad(format!(
                "{} is a separate mount inside the volume, which a backup would miss",
                below.display()
            )));
        }
        Ok(VolumeFacts {
            name: self.volume.clone(),
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode & 0o7777,
            paths: paths.to_vec(),
        })
    }

    /// Checks that what was taken can go back to where it was: a folder above
    /// it is still a folder, or missing.
    ///
    /// # Errors
    /// [`Error::Misplaced`] with the path that is something else now.
    pub fn check_places(&self, facts: &VolumeFacts) -> Result<(), Error> {
        let bad = |reason: String| self.bad("restored", reason);
        for path in &facts.paths {
            let place = self.place(path).map_err(bad)?;
            if let Some((at, what)) = place.obstacle {
                let volume = self.volume.clone();
                return Err(Error::Misplaced { volume, path: path.clone(), at, what });
            }
        }
        Ok(())
    }

    /// Which of these paths are incomplete dumps, judging by their own bytes, and why.
    /// Anything but a plain file, and files that are too large to be read twice, are not
    /// checked.
    pub fn unproved(&self, paths: &[String]) -> Vec<(String, String)> {
        let reason = |path: &String| self.prove(path).err().map(|reason| (path.clone(), reason));
        paths.iter().filter_map(reason).collect()
    }

    fn prove(&self, path: &str) -> Result<(), String> {
        let failed = |e: io::Error| e.to_string();
        let parts = relative(path)?;
        let (name, above) = parts.split_last().ok_or("it has no name")?;
        let mut folder = self.data.clone();
        for part in above {
            folder = Arc::new(beneath::folder(&folder, part).map_err(failed)?);
        }
        let Some(file) = beneath::plain_file(&folder, name).map_err(failed)? else { return Ok(()) };
        let size = file.metadata().map_err(failed)?.len();
        let mut proof = Proof::default();
        if size > LARGEST_PROVED {
            let mut head = Vec::new();
            file.take(4096).read_to_end(&mut head).map_err(failed)?;
            proof.push(&head);
            return proof.end_of_beginning(path);
        }
        let mut file = file.take(LARGEST_PROVED);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => match proof.doubt(path) {
                    Some(doubt) => return Err(doubt),
                    None => return proof.end_of_file(path),
                },
                n => proof.push(&buffer[..n]),
            }
        }
    }

    /// Whether a path is missing now. A path that cannot be checked counts as present.
    pub fn is_missing(&self, path: &str) -> bool {
        self.place(path).is_ok_and(|place| !place.exists && place.obstacle.is_none())
    }

    /// Whether there is nothing in it: restic makes no snapshot of nothing.
    pub fn is_empty(&self) -> Result<bool, Error> {
        beneath::is_empty(&self.data).map_err(|e| self.bad("read", e))
    }

    /// What a path of the volume is right now: the app writes the volume, and
    /// the recipe or a manifest names the path.
    fn place(&self, path: &str) -> Result<Place, String> {
        let parts = relative(path)?;
        let failed = |e: io::Error| format!("`{path}`: {e}");
        let mut place = Place { path: path.into(), exists: false, obstacle: None };
        let mut folder = self.data.clone();
        let mut at = String::new();
        for (index, part) in parts.iter().enumerate() {
            at = if at.is_empty() { (*part).into() } else { format!("{at}/{part}") };
            let Some(stat) = look_for(&folder, part).map_err(failed)? else { return Ok(place) };
            if index + 1 == parts.len() {
                place.exists = true;
            } else if is_folder(&stat) {
                match beneath::folder(&folder, part) {
                    Ok(below) => folder = Arc::new(below),
                    // It is being exchanged for something else.
                    Err(e) => return Err(failed(e)),
                }
            } else {
                place.obstacle = Some((at, kind(&stat)));
                return Ok(place);
            }
        }
        Ok(place)
    }

    /// Mounts below a path that is to be read: the view does not contain them.
    fn mounts_below(&self, paths: &[String]) -> io::Result<Vec<PathBuf>> {
        let root = fs::canonicalize(self.path())?;
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        let inside = |at: &PathBuf| match at.strip_prefix(&root) {
            Err(_) => false,
            Ok(below) if paths.is_empty() => below != Path::new(""),
            Ok(below) => paths.iter().any(|path| {
                below.starts_with(Path::new(path).strip_prefix(".").unwrap_or(path.as_ref()))
            }),
        };
        Ok(mount_points(&table).filter(inside).collect())
    }

    /// How restic reads it.
    ///
    /// # Errors
    /// [`Error::NoView`] where this kernel or this user cannot have one.
    pub fn view(&self) -> Result<View, Error> {
        self.view_of(&self.data, DATA, Access::Read)
    }

    /// How restic sees one of the folders in the volume's own.
    fn view_of(&self, folder: &OwnedFd, name: &str, access: Access) -> Result<View, Error> {
        let view = match self.writers {
            Writers::Containers => View::mounted(folder, &self.volumes, &self.volume, access),
            Writers::Nobody => {
                View::plain(folder, self.volumes.join(&self.volume).join(name), &self.volume)
            }
        };
        view.map_err(|no| Error::no_view(&self.volume, no))
    }

    /// restic's exclude patterns for those of a recipe. restic matches a
    /// pattern against whole paths of this machine, so that `docker` would
    /// exclude everything below `/var/lib/docker`; each is tied to the volume:
    /// at its top with a leading `/`, else at any depth.
    pub fn exclude(&self, patterns: &[String]) -> Vec<OsString> {
        excluded_below(&self.path(), patterns)
    }
}

fn excluded_below(path: &Path, patterns: &[String]) -> Vec<OsString> {
    let root = literal(&path.to_string_lossy());
    patterns
        .iter()
        .map(|pattern| match pattern.strip_prefix('/') {
            Some(anchored) => format!("{root}/{anchored}").into(),
            None => format!("{root}/**/{pattern}").into(),
        })
        .collect()
}

/// A path of a volume, walked.
#[derive(Debug)]
struct Place {
    path: String,
    exists: bool,
    /// The name that should be a folder but is not, and what it is.
    obstacle: Option<(String, &'static str)>,
}

impl Place {
    fn wrong(&self) -> Option<String> {
        let (at, what) = self.obstacle.as_ref()?;
        Some(format!(
            "`{}` leads through something that is not a folder: `{at}` is {what}",
            self.path
        ))
    }
}

fn named<'a>(folder: &'a OwnedFd, name: &'a str) -> Named<'a> {
    Named { folder: folder.as_fd(), name }
}

/// One name of a folder, which leads nowhere else.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0']) && !matches!(name, "." | "..")
}

/// The parts of a path that stays below where it begins.
pub(crate) fn relative(path: &str) -> Result<Vec<&str>, String> {
    let parts: Option<Vec<&str>> = Path::new(path)
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    match parts {
        Some(parts) if !parts.is_empty() && parts.iter().all(|part| is_name(part)) => Ok(parts),
        _ => Err(format!("`{path}` is not a path inside the volume")),
    }
}

/// The mount points of `/proc/<pid>/mountinfo`, whose fifth field has spaces and
/// the like as `\040`.
fn mount_points(table: &str) -> impl Iterator<Item = PathBuf> {
    table.lines().filter_map(|line| {
        let field = line.split(' ').nth(4)?.as_bytes();
        let mut path = Vec::with_capacity(field.len());
        let mut at = 0;
        while at < field.len() {
            let octal = field.get(at + 1..at + 4).and_then(|digits| {
                let digits = std::str::from_utf8(digits).ok()?;
                u8::from_str_radix(digits, 8).ok()
            });
            match octal {
                Some(byte) if field[at] == b'\\' => {
                    path.push(byte);
                    at += 4;
                }
                _ => {
                    path.push(field[at]);
                    at += 1;
                }
            }
        }
        Some(PathBuf::from(OsString::from_vec(path)))
    })
}

/// A failed call, for people.
fn plain(error: &io::Error, path: &Path) -> String {
    let path = path.display();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSYS) => {
            "this kernel cannot open files without following links (Linux 5.6 or newer can)".into()
        }
        Some(Errno::LOOP) => format!("{path}: a symbolic link is in the place of a folder"),
        _ => format!("{path}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_as_the_kernel_writes_them() {
        let table = "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
                     23 27 0:22 / /with\\040space/a\\134b rw - tmpfs x rw\nshort\n";
        let read: Vec<_> = mount_points(table).collect();
        assert_eq!(read, [PathBuf::from("/proc"), PathBuf::from("/with space/a\\b")]);
    }

    #[test]
    fn only_a_path_inside_is_a_path() {
        for bad in ["", ".", "..", "../v", "/etc/passwd", "a/../../b", "a\0b"] {
            assert!(relative(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(relative("./a/b/").unwrap(), ["a", "b"]);
    }
}
