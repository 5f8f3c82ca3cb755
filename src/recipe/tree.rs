//! Copies one version of a recipe into a private folder, within limits,
//! and never writes outside of it, whatever the names and links in it are.

use std::{
    ffi::OsStr,
    io::{self, Read},
    path::{Path, PathBuf},
};

use cap_std::fs::{Dir, OpenOptions, Permissions, PermissionsExt};
use rustix::fs::FileType;

use super::{
    Error,
    git::{self, Folder},
};
use crate::home::RecipeName;

/// Largest recipe; larger ones contain something that does not belong there.
const MAX_BYTES: u64 = 200 << 20;
const MAX_FILES: usize = 20_000;
const MAX_DEPTH: usize = 64;

/// Counts what is copied.
pub(super) struct Budget<'a> {
    recipe: &'a RecipeName,
    bytes: u64,
    files: usize,
}

impl<'a> Budget<'a> {
    pub(super) fn new(recipe: &'a RecipeName) -> Self {
        Budget { recipe, bytes: 0, files: 0 }
    }

    fn take(&mut self, bytes: u64) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.files += 1;
        let reason = if self.bytes > MAX_BYTES {
            format!("more than {} MiB", MAX_BYTES >> 20)
        } else if self.files > MAX_FILES {
            format!("more than {MAX_FILES} files")
        } else {
            return Ok(());
        };
        Err(Error::TooLarge { recipe: self.recipe.clone(), reason })
    }
}

/// Whether a commit's files are within the limits.
pub(super) fn is_small(
    repository: &Path,
    commit: &str,
    mut budget: Budget<'_>,
) -> Result<(), Error> {
    git::tree(repository, commit)?.iter().try_for_each(|entry| budget.take(entry.size))
}

/// A commit's files into `into`, which is empty. Submodules are left out.
pub(super) fn from_git(
    repository: &Path,
    commit: &str,
    into: &Dir,
    mut budget: Budget<'_>,
) -> Result<(), Error> {
    let entries = git::tree(repository, commit)?;
    for entry in &entries {
        budget.take(entry.size)?;
    }
    let mut objects = git::Objects::open(repository)?;
    for entry in entries {
        let failed = |source| Error::Io { path: entry.path.clone(), source };
        let path = Path::new(&entry.path);
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            into.create_dir_all(parent).map_err(failed)?;
        }
        match entry.mode.as_str() {
            "120000" => {
                let target = objects.read(&entry)?;
                let target = String::from_utf8_lossy(&target).into_owned();
                into.symlink_contents(target, path).map_err(failed)?;
            }
            "160000" => {}
            mode => {
                let content = objects.read(&entry)?;
                write(into, path, &mut content.as_slice(), mode == "100755", u64::MAX)
                    .map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// Folders that are not part of a recipe: build output of a plugin inside
/// it, which may be gigabytes.
const LEFT: &[&str] = &[".venv", "__pycache__", "node_modules"];
/// Marks a folder whose files can be made again (<https://bford.info/cachedir/>);
/// cargo writes it into `target`.
const CACHE: &str = "CACHEDIR.TAG";

fn is_left(name: &OsStr, folder: &Folder) -> io::Result<bool> {
    Ok(LEFT.iter().any(|left| name == *left) || folder.kind(CACHE)? == Some(FileType::RegularFile))
}

/// A folder's files into `into`, which is empty; links stay links, and what is
/// not part of a recipe is skipped.
pub(super) fn from_folder(folder: &Path, into: &Dir, mut budget: Budget<'_>) -> Result<(), Error> {
    let shown = |path: &Path| folder.join(path).display().to_string();
    let failed = |path: &Path| {
        let path = shown(path);
        move |source| Error::Io { path, source }
    };
    let first = Folder::open(folder).map_err(failed(Path::new("")))?;
    let mut waiting = vec![(first, PathBuf::new(), 0)];
    while let Some((open, inside, depth)) = waiting.pop() {
        for (name, kind) in open.names(MAX_FILES).map_err(failed(&inside))? {
            let path = inside.join(&name);
            if name == ".git" {
                continue;
            }
            match kind {
                FileType::Directory => {
                    let below = open.folder(&name).map_err(failed(&path))?;
                    if is_left(&name, &below).map_err(failed(&path))? {
                        continue;
                    }
                    if depth == MAX_DEPTH {
                        let reason = format!("folders deeper than {MAX_DEPTH}");
                        return Err(Error::TooLarge { recipe: budget.recipe.clone(), reason });
                    }
                    budget.take(0)?;
                    into.create_dir(&path).map_err(failed(&path))?;
                    waiting.push((below, path, depth + 1));
                }
                FileType::Symlink => {
                    budget.take(0)?;
                    let target = open.link(&name).map_err(failed(&path))?;
                    into.symlink_contents(target, &path).map_err(failed(&path))?;
                }
                FileType::RegularFile => {
                    let (mut file, length) = open.file(&name).map_err(failed(&path))?;
                    budget.take(length)?;
                    let facts = file.metadata().map_err(failed(&path))?;
                    let executable = std::os::unix::fs::PermissionsExt::mode(&facts.permissions());
                    // No more than was counted, should it grow meanwhile.
                    write(into, &path, &mut file, executable & 0o100 != 0, length)
                        .map_err(failed(&path))?;
                }
                _ => {
                    let kind = io::Error::other("it is neither a file, a folder nor a link");
                    return Err(failed(&path)(kind));
                }
            }
        }
    }
    Ok(())
}

fn write(
    into: &Dir,
    path: &Path,
    content: &mut dyn Read,
    executable: bool,
    limit: u64,
) -> io::Result<()> {
    let mut file = into.open_with(path, OpenOptions::new().write(true).create_new(true))?;
    io::copy(&mut content.take(limit), &mut file)?;
    let mode = if executable { 0o755 } else { 0o644 };
    file.set_permissions(Permissions::from_mode(mode))
}
