//! A bare repository that we made from somebody else's, in a private folder
//! that is removed with it, or in the cache.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{
    LOCAL,
    folder::Folder,
    foreign::{self, copy, shallow},
    local,
    refs::Refs,
    run,
};
use crate::recipe::error::{Error, Unreadable};

/// An entry that was replaced may still be read by somebody this long.
const IN_USE: Duration = Duration::from_secs(3600);
/// An entry that nobody reads any more.
const FORGOTTEN: Duration = Duration::from_secs(60 * 24 * 3600);

/// A repository of ours with the content of another one.
#[derive(Debug)]
pub(in crate::recipe) struct Repository {
    path: PathBuf,
    pub refs: Refs,
    pub cached: bool,
    _private: Option<TempDir>,
}

impl Repository {
    /// A private copy of the repository in a folder.
    ///
    /// # Errors
    /// [`Error::Repository`] for what is not read; [`Error::Io`].
    pub fn copied(place: &Path) -> Result<Self, Error> {
        let (git_dir, refs) = look(place)?;
        let folder = private()?;
        let path = folder.path().join("copy.git");
        copy(&git_dir, &refs, &path).map_err(|why| why.at(place))?;
        Ok(Repository { path, refs, cached: false, _private: Some(folder) })
    }

    /// The same, kept for the next time where that is possible.
    ///
    /// # Errors
    /// As [`Repository::copied`].
    pub fn kept(place: &Path, cache: Option<&Cache>, reuse: bool) -> Result<Self, Error> {
        let Some(cache) = cache else { return Self::copied(place) };
        let (git_dir, refs) = look(place)?;
        match cache.entry(place, &git_dir, &refs, reuse) {
            Ok(path) => Ok(Repository { path, refs, cached: true, _private: None }),
            Err(NotKept::Unreadable(why)) => Err(why.at(place)),
            // A cache that cannot be used costs time only.
            Err(NotKept::Unusable(error)) => {
                tracing::warn!(%error, "copies of repositories are not kept");
                Self::copied(place)
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The id of the commit that a reference or an abbreviation leads to.
    pub fn commit(&self, reference: &str) -> Option<String> {
        // HEAD may be on a branch that only we know as missing.
        let reference = if reference == "HEAD" { self.refs.head()? } else { reference };
        if reference.starts_with("refs/") && !self.refs.all.contains_key(reference) {
            return None;
        }
        let mut parse = local(&self.path);
        parse
            .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
            .arg(format!("{reference}^{{commit}}"));
        // A missing reference is not an error, and git prints nothing more.
        let id = run(parse, "looking for a version", LOCAL).ok()?;
        Some(id.trim().to_owned()).filter(|id| !id.is_empty())
    }

    /// The tags that lead to a commit.
    ///
    /// # Errors
    /// [`Error::Git`].
    pub fn tags_at(&self, commit: &str) -> Result<String, Error> {
        let mut tags = local(&self.path);
        tags.args(["tag", "--list", "--points-at", commit]);
        run(tags, "looking for the commit's release", LOCAL)
    }

    /// Passes what was fetched into this repository since the copy on to the
    /// original: packs first, then references, each completely or not at all.
    ///
    /// # Errors
    /// [`Error::Repository`].
    pub fn give_back(&self, place: &Path) -> Result<(), Error> {
        let give = || -> Result<(), Unreadable> {
            let theirs = match foreign::kind(place)? {
                foreign::Kind::Repository(git_dir) => git_dir,
                foreign::Kind::Plain => return Err(Unreadable::Odd("it is gone".into())),
            };
            let ours = Folder::open(&self.path)?;
            let now = Refs::read(&ours)?;
            give_packs(&ours, &theirs)?;
            for (name, id) in &now.all {
                if self.refs.all.get(name) != Some(id) {
                    give_ref(&theirs, name, id)?;
                }
            }
            Ok(())
        };
        give().map_err(|why| why.at(place))
    }

    /// Lets one reference of the original be what another is here; nothing where that is missing.
    ///
    /// # Errors
    /// [`Error::Repository`].
    pub fn give_back_ref(&self, place: &Path, from: &str, to: &str) -> Result<(), Error> {
        let Some(id) = self.commit(from) else { return Ok(()) };
        match foreign::kind(place) {
            Ok(foreign::Kind::Repository(theirs)) => give_ref(&theirs, to, &id),
            Ok(foreign::Kind::Plain) => Err(Unreadable::Odd("it is gone".into())),
            Err(why) => Err(why),
        }
        .map_err(|why| why.at(place))
    }
}

/// The references of the repository in a folder, without copying anything.
pub(in crate::recipe) fn look(place: &Path) -> Result<(Folder, Refs), Error> {
    let at = |why: Unreadable| why.at(place);
    match foreign::kind(place).map_err(at)? {
        foreign::Kind::Repository(git_dir) => {
            let refs = Refs::read(&git_dir).map_err(at)?;
            Ok((git_dir, refs))
        }
        foreign::Kind::Plain => Err(at(Unreadable::Odd("there is none".into()))),
    }
}

pub(in crate::recipe) fn private() -> Result<TempDir, Error> {
    tempfile::Builder::new()
        .prefix("potluck-git-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .map_err(Error::Temporary)
}

fn give_packs(ours: &Folder, theirs: &Folder) -> Result<(), Unreadable> {
    let from = ours.folder("objects")?.folder("pack")?;
    let into = theirs.folder("objects")?.make("pack")?;
    let mut names: Vec<_> = from
        .names(usize::MAX)?
        .into_iter()
        .filter_map(|(name, _)| name.into_string().ok())
        .collect();
    names.retain(|name| name.ends_with(".pack") || name.ends_with(".idx"));
    // A pack counts for git as soon as its index is there.
    names.sort_by_key(|name| name.ends_with(".idx"));
    for name in names {
        if into.kind(&name)?.is_none() {
            let (mut content, _) = from.file(&name)?;
            let beside = format!("tmp_{name}");
            into.write_new(&beside, &mut content, 0o444)?;
            into.rename(&beside, &name)?;
        }
    }
    Ok(())
}

/// As git does: a lock beside that only one can make, renamed.
fn give_ref(theirs: &Folder, name: &str, id: &str) -> Result<(), Unreadable> {
    let mut folder = theirs.again()?;
    let mut parts: Vec<_> = name.split('/').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        folder = folder.make(part)?;
    }
    let lock = format!("{last}.lock");
    let busy = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Unreadable::Odd(format!("`{name}.lock` exists: another git may be at work there"))
        }
        _ => error.into(),
    };
    folder.write_new(&lock, &mut format!("{id}\n").as_bytes(), 0o644).map_err(busy)?;
    folder.rename(&lock, last).map_err(|error| {
        // Ours; failing at that as well says nothing new.
        let _ = folder.remove(&lock);
        error.into()
    })
}

/// Copies that were made and checked earlier.
///
/// An entry is named after the place it was copied from, the references there and the
/// object store's inode and time of change, which cannot come with a shared folder: so
/// nobody can plant an entry through a shared folder. Only this user can access the folder
/// itself.
#[derive(Debug, Clone)]
pub(in crate::recipe) struct Cache {
    folder: PathBuf,
}

enum NotKept {
    Unreadable(Unreadable),
    Unusable(io::Error),
}

impl Cache {
    pub fn new(folder: &Path) -> Self {
        Cache { folder: folder.into() }
    }

    fn entry(
        &self,
        place: &Path,
        git_dir: &Folder,
        refs: &Refs,
        reuse: bool,
    ) -> Result<PathBuf, NotKept> {
        let group = hex::encode(&Sha256::digest(place.as_os_str().as_encoded_bytes())[..8]);
        let state = state(git_dir, refs).map_err(NotKept::Unreadable)?;
        let path = self.folder.join(format!("{group}-{state}.git"));
        self.make_folder().map_err(NotKept::Unusable)?;
        if reuse && is_private(&path) {
            // Keeps it from being forgotten; where that fails, it is copied again.
            let _ = fs::File::open(&path).and_then(|it| it.set_modified(SystemTime::now()));
            return Ok(path);
        }
        let beside = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&self.folder)
            .map_err(NotKept::Unusable)?;
        let made = beside.path().join("made");
        fs::DirBuilder::new().mode(0o700).create(&made).map_err(NotKept::Unusable)?;
        copy(git_dir, refs, &made).map_err(NotKept::Unreadable)?;
        if !reuse {
            // Out of the way of what is put in its place; it goes with `beside`.
            let _ = fs::rename(&path, beside.path().join("old"));
        }
        match fs::rename(&made, &path) {
            // Somebody made the same meanwhile.
            Err(_) if is_private(&path) => {}
            renamed => renamed.map_err(NotKept::Unusable)?,
        }
        self.prune(&group, &path);
        Ok(path)
    }

    fn make_folder(&self) -> io::Result<()> {
        if let Some(parent) = self.folder.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if is_private(&self.folder) {
            return Ok(());
        }
        let path = self.folder.display();
        Err(io::Error::other(format!("{path} is not a folder that only this user can use (0700)")))
    }

    /// Removes older entries of the same place, and unused ones.
    /// Errors of this are ignored.
    fn prune(&self, group: &str, new: &Path) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let same = entry.file_name().as_encoded_bytes().starts_with(group.as_bytes());
            let age = entry.metadata().and_then(|facts| facts.modified()).ok();
            let Some(age) = age.and_then(|time| time.elapsed().ok()) else { continue };
            if path != new
                && (age > FORGOTTEN || same && age > IN_USE)
                && let Err(error) = fs::remove_dir_all(&path)
            {
                tracing::debug!(path = %path.display(), %error, "an old copy stays");
            }
        }
    }
}

/// What an entry is named after, beside its place.
fn state(git_dir: &Folder, refs: &Refs) -> Result<String, Unreadable> {
    let objects = git_dir.folder("objects")?.facts()?;
    let facts = [
        u128::from(objects.st_dev),
        u128::from(objects.st_ino),
        objects.st_ctime as u128,
        objects.st_ctime_nsec as u128,
    ];
    let mut sum = Sha256::new();
    sum.update("1");
    for fact in facts {
        sum.update(fact.to_le_bytes());
    }
    for text in [refs.head_file(), refs.packed(), shallow(git_dir)?.unwrap_or_default()] {
        sum.update((text.len() as u64).to_le_bytes());
        sum.update(text);
    }
    Ok(hex::encode(sum.finalize()))
}

/// A folder, no link to one, this user's, and closed to everyone else.
fn is_private(folder: &Path) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|facts| {
        facts.is_dir()
            && facts.mode() & 0o077 == 0
            && facts.uid() == rustix::process::geteuid().as_raw()
    })
}
