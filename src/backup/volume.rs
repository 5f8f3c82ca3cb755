//! Volumes as folders of this machine: checked before they are read, replaced
//! in one step when they are restored.
//!
//! A restore never writes into a volume. It writes a whole new folder beside
//! it, `.potluck-restore-<set>`, and exchanges the two when everything is
//! there (`renameat2` with `RENAME_EXCHANGE`): whatever happens in between, the
//! volume holds either all of the old or all of the new. Docker's volumes leave
//! room for that: the data is in `…/<volume>/_data`, and `…/<volume>` belongs
//! to nobody else.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Component, Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{error::Error, manifest::VolumeFacts, set::SetId};

/// A volume's folder, and what of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Docker's name, for messages.
    pub volume: String,
    pub path: PathBuf,
}

impl Folder {
    fn bad(&self, verb: &'static str, reason: impl ToString) -> Error {
        Error::Volume { volume: self.volume.clone(), verb, reason: reason.to_string() }
    }

    /// Checks that the folder and every path asked for is there and can be
    /// read, and returns what restic does not store. restic itself passes over
    /// a path that is missing (until 0.19 with exit code 0).
    ///
    /// # Errors
    /// [`Error::Volume`].
    pub fn check(&self, paths: &[String]) -> Result<VolumeFacts, Error> {
        let bad = |reason: String| self.bad("read", reason);
        let meta = fs::metadata(&self.path).map_err(|e| bad(describe(&self.path, &e)))?;
        if !meta.is_dir() {
            return Err(bad(format!("{} is not a folder", self.path.display())));
        }
        fs::read_dir(&self.path).map_err(|e| bad(describe(&self.path, &e)))?;
        for path in paths {
            self.check_inside(path).map_err(bad)?;
        }
        Ok(VolumeFacts {
            name: self.volume.clone(),
            uid: meta.uid(),
            gid: meta.gid(),
            mode: meta.mode() & 0o7777,
            paths: paths.to_vec(),
        })
    }

    /// Whether there is nothing in it: restic makes no snapshot of nothing.
    pub fn is_empty(&self) -> Result<bool, Error> {
        let mut entries = fs::read_dir(&self.path).map_err(|e| self.bad("read", e))?;
        Ok(entries.next().is_none())
    }

    /// A path stays inside, and no symbolic link leads it out: the app writes
    /// the volume, the recipe names the path, and restic runs as root.
    fn check_inside(&self, path: &str) -> Result<(), String> {
        let mut place = self.path.clone();
        let mut parts = relative(path)?.into_iter().peekable();
        while let Some(part) = parts.next() {
            place.push(part);
            let meta = fs::symlink_metadata(&place).map_err(|e| format!("`{path}`: {e}"))?;
            if parts.peek().is_some() && !meta.is_dir() {
                return Err(format!("`{path}` does not lead through folders only"));
            }
        }
        Ok(())
    }

    /// restic's exclude patterns for those of a recipe. restic matches a
    /// pattern against whole paths of this machine, so that `docker` would
    /// exclude everything below `/var/lib/docker`; each is tied to the volume:
    /// at its top with a leading `/`, else at any depth.
    pub fn exclude(&self, patterns: &[String]) -> Vec<OsString> {
        let mut root = String::new();
        for c in self.path.to_string_lossy().chars() {
            if matches!(c, '*' | '?' | '[' | '\\') {
                root.push('\\');
            }
            root.push(c);
        }
        patterns
            .iter()
            .map(|pattern| match pattern.strip_prefix('/') {
                Some(anchored) => format!("{root}/{anchored}").into(),
                None => format!("{root}/**/{pattern}").into(),
            })
            .collect()
    }

    /// Where a set is restored to before it takes its place. What an earlier
    /// attempt left there is removed.
    ///
    /// # Errors
    /// [`Error::Volume`].
    pub fn stage(&self, set: &SetId) -> Result<Staged, Error> {
        let bad = |e: io::Error| self.bad("restored", e);
        let parent = self.path.parent().ok_or_else(|| self.bad("restored", "it has no folder"))?;
        let here = fs::metadata(&self.path).map_err(bad)?;
        if here.dev() != fs::metadata(parent).map_err(bad)?.dev() {
            return Err(self.bad("restored", "it is a mount of its own, which cannot be exchanged"));
        }
        let path = parent.join(format!(".potluck-restore-{set}"));
        remove_all(&path).map_err(bad)?;
        fs::create_dir(&path).map_err(bad)?;
        // Nobody looks in before it is in its place.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(bad)?;
        Ok(Staged { folder: self.clone(), path: Some(path) })
    }
}

/// A folder that is being filled to take a volume's place. Removed when dropped.
#[derive(Debug)]
pub struct Staged {
    folder: Folder,
    path: Option<PathBuf>,
}

impl Staged {
    /// Where to restore to.
    pub fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(&self.folder.path)
    }

    /// Puts the new content into its place and removes the old.
    ///
    /// # Errors
    /// [`Error::Volume`]; the volume then holds what it held.
    pub fn commit(mut self, facts: &VolumeFacts) -> Result<(), Error> {
        let bad = |e: io::Error| self.folder.bad("restored", e);
        let staged = self.path().to_owned();
        if facts.paths.is_empty() {
            own(&staged, facts.uid, facts.gid, facts.mode).map_err(bad)?;
            sync(&staged).map_err(bad)?;
            exchange(&staged, &self.folder.path).map_err(bad)?;
        } else {
            for path in &facts.paths {
                self.place(&staged, path).map_err(bad)?;
            }
        }
        // Now it holds what the volume held.
        self.path = None;
        remove_all(&staged).map_err(bad)
    }

    /// One path of a volume that was taken in part: the rest stays.
    fn place(&self, staged: &Path, path: &str) -> io::Result<()> {
        let parts = relative(path).map_err(io::Error::other)?;
        let Some((last, parents)) = parts.split_last() else {
            return Err(io::Error::other("the path is empty"));
        };
        let (mut from, mut to) = (staged.to_owned(), self.folder.path.clone());
        for part in parents {
            from.push(part);
            to.push(part);
            match fs::symlink_metadata(&to) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => return Err(io::Error::other(format!("{} is no folder", to.display()))),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    let like = fs::symlink_metadata(&from)?;
                    fs::create_dir(&to)?;
                    own(&to, like.uid(), like.gid(), like.mode() & 0o7777)?;
                }
                Err(e) => return Err(e),
            }
        }
        from.push(last);
        to.push(last);
        sync(&from)?;
        match fs::symlink_metadata(&to) {
            Ok(_) => exchange(&from, &to),
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs::rename(&from, &to),
            Err(e) => Err(e),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = remove_all(path)
        {
            tracing::warn!(path = %path.display(), %error, "removing an unfinished restore");
        }
    }
}

/// The parts of a path that stays below where it begins.
fn relative(path: &str) -> Result<Vec<&str>, String> {
    let parts: Option<Vec<&str>> = Path::new(path)
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    match parts {
        Some(parts) if !parts.is_empty() => Ok(parts),
        _ => Err(format!("`{path}` is not a path inside the volume")),
    }
}

fn own(path: &Path, uid: u32, gid: u32, mode: u32) -> io::Result<()> {
    chown(path, Some(uid), Some(gid))?;
    // After the owner: changing that clears set-id bits.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Everything of that file system is on disk before it takes its place.
fn sync(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.file_type() {
        kind if kind.is_dir() || kind.is_file() => {
            rustix::fs::syncfs(fs::File::open(path)?).map_err(Into::into)
        }
        // A link, pipe or socket has no content, and opening one could block.
        _ => Ok(()),
    }
}

fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).map_err(Into::into)
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

fn describe(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
