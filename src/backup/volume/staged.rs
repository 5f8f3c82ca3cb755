//! A restored folder beside a volume, and how it replaces the volume's content.
//!
//! In three steps, so that a failure can be undone: [`Staged`] is filled; [`Staged::swap`]
//! exchanges it with the volume's content; only when all volumes of a restore are
//! exchanged, [`Swapped::finish`] removes the previous content, or [`Swapped::undo`]
//! restores it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use rustix::fs::{fstat, syncfs};

use super::{
    Folder,
    beneath::{self, Claim, Exchange, Named, by_kernel, is_folder, kind, look, look_for},
    named, relative,
    view::{Access, DATA, View},
};
use crate::backup::set::manifest::VolumeFacts;
use crate::backup::{error::Error, set::SetId};

/// How folders begin that a restore makes beside a volume's data.
pub(super) const PREFIX: &str = ".potluck-restore-";

impl Folder {
    /// What interrupted restores left beside the data; nothing while a restore is
    /// running. Errors while looking are ignored.
    pub fn left_behind(&self) -> Vec<PathBuf> {
        let look = || {
            // A restore that is under way has the claim.
            let claim = beneath::claim(&self.home)?;
            claim.map_or(Ok(Vec::new()), |claim| beneath::names_with(&claim, PREFIX))
        };
        let names = look().unwrap_or_default();
        names.iter().map(|name| self.volumes.join(&self.volume).join(name)).collect()
    }

    /// Where a set is restored to before it takes its place: beside the data,
    /// where no container reaches. What interrupted restores left there is
    /// removed, and reported by [`Staged::swept`].
    ///
    /// # Errors
    /// [`Error::Volume`], also if another restore of the volume is running.
    pub fn stage(&self, set: &SetId) -> Result<Staged, Error> {
        let bad = |e: io::Error| self.bad("restored", e);
        match beneath::folder(&self.home, DATA) {
            // Crossing into another file system.
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices => {
                let reason = "it is a separate mount, which cannot be exchanged";
                return Err(self.bad("restored", reason));
            }
            opened => drop(opened.map_err(bad)?),
        }
        let Some(claim) = beneath::claim(&self.home).map_err(bad)? else {
            return Err(self.bad("restored", "another restore of it is under way"));
        };
        let mut swept = Vec::new();
        for name in beneath::names_with(&claim, PREFIX).map_err(bad)? {
            beneath::remove_all(&self.home, &name).map_err(bad)?;
            swept.push(self.volumes.join(&self.volume).join(name));
        }
        let name = format!("{PREFIX}{set}");
        let content = beneath::make(&self.home, &name).map_err(bad)?;
        let (folder, name) = (self.clone(), Some(name));
        Ok(Staged { folder, content, name, swept, exchange: by_kernel, _claim: claim })
    }
}

/// A folder that is being filled to take a volume's place. Removed when dropped.
#[derive(Debug)]
pub struct Staged {
    folder: Folder,
    content: OwnedFd,
    /// Its name beside the volume's data, for as long as it is to be removed.
    name: Option<String>,
    swept: Vec<PathBuf>,
    exchange: Exchange,
    /// Lock that prevents another restore from treating this folder as left over.
    _claim: Claim,
}

impl Staged {
    /// How restic writes it.
    ///
    /// # Errors
    /// [`Error::NoView`] where this kernel or this user cannot have one.
    pub fn view(&self) -> Result<View, Error> {
        let name = self.name.as_deref().unwrap_or_default();
        self.folder.view_of(&self.content, name, Access::Write)
    }

    /// What interrupted restores had left and was removed now.
    pub fn swept(&self) -> &[PathBuf] {
        &self.swept
    }

    /// The volume that it is for.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Puts the new content into its place; the old content is then here.
    ///
    /// # Errors
    /// [`Error::Volume`]; the volume then holds what it held, unless the message
    /// says otherwise.
    pub fn swap(mut self, facts: &VolumeFacts) -> Result<Swapped, Error> {
        let name = self.name.take().unwrap_or_default();
        let mut swapped = Swapped { staged: self, name, moves: Vec::new() };
        match swapped.swap(facts) {
            Ok(()) => Ok(swapped),
            Err(error) => {
                let error = swapped.staged.folder.bad("restored", error);
                swapped.undo()?;
                Err(error)
            }
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(name) = &self.name
            && let Err(error) = beneath::remove_all(&self.folder.home, name)
        {
            let volume = &self.folder.volume;
            tracing::warn!(%volume, %name, %error, "removing an unfinished restore");
        }
    }
}

/// A volume that holds the new content, beside the old one.
#[derive(Debug)]
pub struct Swapped {
    staged: Staged,
    name: String,
    moves: Vec<Move>,
}

/// One thing that changed places.
#[derive(Debug)]
struct Move {
    /// In the staging folder, now with the old content.
    ours: (OwnedFd, String),
    /// In the volume.
    theirs: (OwnedFd, String),
    /// Nothing was there before.
    added: bool,
}

impl Move {
    fn ours(&self) -> Named<'_> {
        named(&self.ours.0, &self.ours.1)
    }

    fn theirs(&self) -> Named<'_> {
        named(&self.theirs.0, &self.theirs.1)
    }
}

impl Swapped {
    fn swap(&mut self, facts: &VolumeFacts) -> io::Result<()> {
        let Staged { folder, content, .. } = &self.staged;
        // Everything of that file system is on disk before it takes its place.
        syncfs(content)?;
        if facts.paths.is_empty() {
            beneath::own(content, facts.uid, facts.gid, facts.mode)?;
            let home = || folder.home.as_fd().try_clone_to_owned();
            let (ours, theirs) = ((home()?, self.name.clone()), (home()?, DATA.into()));
            return self.apply(Move { ours, theirs, added: false });
        }
        for path in outermost(&facts.paths) {
            self.place(path)?;
        }
        Ok(())
    }

    /// One path of a volume that was taken in part: the rest stays. Another
    /// container may mount the volume and swap folders as fast as it can; each
    /// folder on the way is open before it is used.
    fn place(&mut self, path: &str) -> io::Result<()> {
        let parts = relative(path).map_err(io::Error::other)?;
        let Some((last, parents)) = parts.split_last() else {
            return Err(io::Error::other("the path is empty"));
        };
        let mut from = self.staged.content.try_clone()?;
        let mut to = self.staged.folder.data.try_clone()?;
        for part in parents {
            from = beneath::folder(&from, part)?;
            to = match look_for(&to, part)? {
                Some(stat) if is_folder(&stat) => beneath::folder(&to, part)?,
                Some(stat) => {
                    let what = kind(&stat);
                    return Err(io::Error::other(format!("`{part}` of `{path}` is {what} now")));
                }
                None => {
                    let like = fstat(&from)?;
                    let made = beneath::make(&to, part)?;
                    beneath::own(&made, like.st_uid, like.st_gid, like.st_mode)?;
                    made
                }
            };
        }
        // restic passes over nothing, but a set may be older than its words.
        look(&from, last)?;
        let added = look_for(&to, last)?.is_none();
        let name = || (*last).to_owned();
        self.apply(Move { ours: (from, name()), theirs: (to, name()), added })
    }

    fn apply(&mut self, step: Move) -> io::Result<()> {
        if step.added {
            beneath::rename_new(step.ours(), step.theirs())?;
        } else {
            beneath::exchange(self.staged.exchange, step.ours(), step.theirs())?;
        }
        self.moves.push(step);
        Ok(())
    }

    /// Puts the old content back and removes the new.
    ///
    /// # Errors
    /// [`Error::Volume`] where that fails; both contents are kept then.
    pub fn undo(mut self) -> Result<(), Error> {
        while let Some(step) = self.moves.pop() {
            let undone = if step.added {
                beneath::rename_new(step.theirs(), step.ours())
            } else {
                beneath::exchange(self.staged.exchange, step.ours(), step.theirs())
            };
            undone.map_err(|e| {
                let Folder { volumes, volume, .. } = &self.staged.folder;
                let kept = volumes.join(volume).join(&self.name);
                let reason = format!(
                    "the previous content could not be restored: {e} (it is in {})",
                    kept.display()
                );
                self.staged.folder.bad("restored", reason)
            })?;
        }
        self.remove()
    }

    /// Removes the old content.
    ///
    /// # Errors
    /// [`Error::Volume`]; the new content is in place nevertheless.
    pub fn finish(self) -> Result<(), Error> {
        self.remove()
    }

    fn remove(&self) -> Result<(), Error> {
        beneath::remove_all(&self.staged.folder.home, &self.name).map_err(|e| {
            let Folder { volumes, volume, .. } = &self.staged.folder;
            let left = volumes.join(volume).join(&self.name);
            self.staged.folder.bad("tidied", format!("{} was not removed: {e}", left.display()))
        })
    }
}

/// Paths without those below another one, which would be exchanged twice
/// and end up with the old content.
pub(super) fn outermost(paths: &[String]) -> Vec<&str> {
    let parts: Vec<(&str, Vec<&str>)> =
        paths.iter().map(|path| (path.as_str(), relative(path).unwrap_or_default())).collect();
    let below = |a: &[&str], b: &[&str]| a.len() > b.len() && a.starts_with(b);
    let mut kept: Vec<(&str, &[&str])> = Vec::new();
    for (path, own) in &parts {
        let inside = parts.iter().any(|(_, other)| below(own, other));
        if !inside && !kept.iter().any(|(_, other)| other == own) {
            kept.push((path, own));
        }
    }
    kept.into_iter().map(|(path, _)| path).collect()
}
