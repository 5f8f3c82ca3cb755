//! Recipes on this machine: clones of git repositories and linked folders, and
//! private checkouts of one version of one of them.
//!
//! A clone is shared by all operations, with abra too, so nothing here ever
//! touches its working files: versions are read from git's objects.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    Checkout, Error, Source,
    checkout::{self, Facts},
    git::{self, LOCAL, REMOTE, run},
    tree::{self, Budget},
    version::newest_first,
};
use crate::home::RecipeName;

/// The folder of recipes.
#[derive(Debug, Clone)]
pub struct Store {
    pub folder: PathBuf,
}

/// Which version of a recipe is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Version {
    /// The newest release tag, or the newest commit where nothing was released;
    /// the working files of a linked folder.
    #[default]
    Newest,
    /// A tag, `1.2.0+6.4.3`, a commit or a branch.
    Named(String),
}

impl Store {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Store { folder: folder.into() }
    }

    /// Recipes that are here, sorted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn list(&self) -> Result<Vec<RecipeName>, Error> {
        let entries = match fs::read_dir(&self.folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| io_error(&self.folder, e))?,
        };
        let mut recipes = Vec::new();
        for entry in entries {
            let name = entry.map_err(|e| io_error(&self.folder, e))?.file_name();
            // Hidden and oddly named folders are somebody else's.
            if let Some(recipe) = name.to_str().and_then(|name| RecipeName::new(name).ok())
                && self.place(&recipe).is_dir()
            {
                recipes.push(recipe);
            }
        }
        recipes.sort();
        Ok(recipes)
    }

    /// Takes a recipe in: clones a git address or a folder that is a git
    /// repository, links any other folder. A name must be here already. Adding
    /// a clone again fetches what is new.
    ///
    /// # Errors
    /// [`Error::Source`], [`Error::Exists`], [`Error::Unknown`], [`Error::Git`].
    pub fn add(&self, source: &str) -> Result<RecipeName, Error> {
        let source = self.resolve(Source::parse(source)?)?;
        let name = source.name()?;
        self.add_resolved(&name, &source)?;
        Ok(name)
    }

    /// As [`Store::add`], under a name of its own.
    ///
    /// # Errors
    /// As [`Store::add`].
    pub fn add_as(&self, name: &RecipeName, source: &str) -> Result<(), Error> {
        self.add_resolved(name, &self.resolve(Source::parse(source)?)?)
    }

    /// Fetches new versions of a clone; nothing to do for a linked folder.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Git`].
    pub fn update(&self, recipe: &RecipeName) -> Result<(), Error> {
        let place = self.existing(recipe)?;
        if place.is_symlink() || !is_repository(&place) || origin(&place).is_none() {
            return Ok(());
        }
        let mut fetch = git::command(Some(&place));
        fetch.args(["fetch", "--quiet", "--tags", "--no-recurse-submodules", "origin"]);
        run(fetch, &format!("fetching the recipe `{recipe}`"), REMOTE)?;
        Ok(())
    }

    /// Release tags, newest first; none for a folder without git.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Git`].
    pub fn versions(&self, recipe: &RecipeName) -> Result<Vec<String>, Error> {
        let place = self.existing(recipe)?;
        if !is_repository(&place) {
            return Ok(Vec::new());
        }
        let mut list = git::command(Some(&place));
        list.args(["for-each-ref", "--format=%(refname:strip=2)", "refs/tags"]);
        let tags = run(list, &format!("listing the versions of `{recipe}`"), LOCAL)?;
        Ok(newest_first(tags.lines()))
    }

    /// A private copy of one version.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::UnknownVersion`], [`Error::TooLarge`],
    /// [`Error::Git`], [`Error::Manifest`].
    pub fn checkout(&self, recipe: &RecipeName, version: &Version) -> Result<Checkout, Error> {
        let place = self.existing(recipe)?;
        let folder = tempfile::Builder::new()
            .prefix("potluck-recipe-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|e| io_error(Path::new("a temporary folder"), e))?;
        let into = checkout::open(&folder)?;
        let budget = Budget::new(recipe);
        let working_files = place.is_symlink() || !is_repository(&place);
        let facts = if working_files && *version == Version::Newest {
            tree::from_folder(&place, &into, budget)?;
            Facts { recipe: recipe.clone(), version: None, commit: None }
        } else {
            let commit = self.commit(recipe, &place, version)?;
            tree::from_git(&place, &commit, &into, budget)?;
            let version = release_at(&place, &commit)?;
            Facts { recipe: recipe.clone(), version, commit: Some(commit) }
        };
        Checkout::new(facts, folder)
    }

    /// A private copy of one version of a recipe that need not be here, and is
    /// not taken in: of a folder's own files, or of a clone made for this once.
    ///
    /// # Errors
    /// As [`Store::add`] and [`Store::checkout`].
    pub fn look(&self, source: &str, version: &Version) -> Result<Checkout, Error> {
        let source = match Source::parse(source)? {
            // A recipe that is here, even where a folder is called so, too.
            Source::Name(name) if self.place(&name).is_dir() => {
                return self.checkout(&name, version);
            }
            source => self.resolve(source)?,
        };
        let name = source.name()?;
        let folder = tempfile::Builder::new()
            .prefix("potluck-look-")
            .tempdir()
            .map_err(|e| io_error(Path::new("a temporary folder"), e))?;
        let aside = Store::new(folder.path());
        match &source {
            Source::Folder(folder) if !is_bare(folder) => {
                let place = aside.place(&name);
                std::os::unix::fs::symlink(folder, &place).map_err(|e| io_error(&place, e))?;
            }
            source => aside.add_resolved(&name, source)?,
        }
        aside.checkout(&name, version)
    }

    fn place(&self, recipe: &RecipeName) -> PathBuf {
        self.folder.join(recipe.as_str())
    }

    fn existing(&self, recipe: &RecipeName) -> Result<PathBuf, Error> {
        let place = self.place(recipe);
        if place.is_dir() { Ok(place) } else { Err(Error::Unknown(recipe.clone())) }
    }

    /// Folders with their links resolved; a name that is not here but is a
    /// folder's counts as that folder.
    fn resolve(&self, source: Source) -> Result<Source, Error> {
        match source {
            Source::Folder(folder) => Ok(Source::Folder(Source::canonical(&folder)?)),
            Source::Name(name) if !self.place(&name).is_dir() => {
                match Source::canonical(Path::new(name.as_str())) {
                    Ok(folder) => Ok(Source::Folder(folder)),
                    Err(_) => Err(Error::Unknown(name)),
                }
            }
            source => Ok(source),
        }
    }

    fn add_resolved(&self, name: &RecipeName, source: &Source) -> Result<(), Error> {
        let place = self.place(name);
        let (address, linked) = match source {
            Source::Name(name) => return self.existing(name).map(|_| ()),
            Source::Git(url) => (url.clone(), None),
            Source::Folder(folder) => {
                let text = folder.to_str().ok_or_else(|| Error::Source {
                    given: folder.display().to_string(),
                    reason: "its path is not UTF-8".into(),
                })?;
                (text.to_owned(), Some(folder).filter(|folder| !is_repository(folder)))
            }
        };
        if place.is_symlink() || place.exists() {
            let here = match fs::read_link(&place) {
                Ok(target) => target.display().to_string(),
                Err(_) => origin(&place).unwrap_or_else(|| "this folder".into()),
            };
            return if here == address {
                self.update(name)
            } else {
                Err(Error::Exists { recipe: name.clone(), origin: here })
            };
        }
        fs::create_dir_all(&self.folder).map_err(|e| io_error(&self.folder, e))?;
        match linked {
            Some(folder) => {
                std::os::unix::fs::symlink(folder, &place).map_err(|e| io_error(&place, e))
            }
            None => self.clone_into(&place, name, &address),
        }
    }

    /// Clones beside and renames, so that a broken clone is never taken for a
    /// recipe.
    fn clone_into(&self, place: &Path, name: &RecipeName, address: &str) -> Result<(), Error> {
        let beside = tempfile::Builder::new()
            .prefix(".adding-")
            .tempdir_in(&self.folder)
            .map_err(|e| io_error(&self.folder, e))?;
        let target = beside.path().join(name.as_str());
        let mut clone = git::command(None);
        clone
            .args(["clone", "--quiet", "--no-recurse-submodules", "--template=", "--origin=origin"])
            .args(["--no-local", "--", address])
            .arg(&target);
        run(clone, &format!("cloning {address}"), REMOTE)?;
        match fs::rename(&target, place) {
            // Somebody added it meanwhile; theirs is as good.
            Err(_) if place.is_dir() => Ok(()),
            renamed => renamed.map_err(|e| io_error(place, e)),
        }
    }

    /// The commit that a version stands for.
    fn commit(
        &self,
        recipe: &RecipeName,
        place: &Path,
        version: &Version,
    ) -> Result<String, Error> {
        let unknown = |version: &str, known: &[String]| Error::UnknownVersion {
            recipe: recipe.clone(),
            version: version.into(),
            nearest: crate::home::error::nearest(version, known).cloned(),
        };
        if !is_repository(place) {
            let Version::Named(version) = version else { return Err(unknown("newest", &[])) };
            return Err(unknown(version, &[]));
        }
        let releases = self.versions(recipe)?;
        let candidates = match version {
            Version::Newest => match releases.first() {
                Some(tag) => vec![format!("refs/tags/{tag}")],
                None => vec!["refs/remotes/origin/HEAD".into(), "HEAD".into()],
            },
            Version::Named(name) => {
                // abra marks a deploy of changed files so.
                let name = name.strip_suffix("+U").unwrap_or(name);
                if !is_plain(name) {
                    return Err(unknown(name, &releases));
                }
                let mut candidates = vec![
                    format!("refs/tags/{name}"),
                    format!("refs/heads/{name}"),
                    format!("refs/remotes/origin/{name}"),
                ];
                if (7..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_hexdigit()) {
                    candidates.push(name.into());
                }
                candidates
            }
        };
        let found = candidates.iter().find_map(|candidate| commit_of(place, candidate));
        found.ok_or_else(|| match version {
            Version::Named(name) => unknown(name, &releases),
            Version::Newest => unknown("newest", &[]),
        })
    }
}

/// Whether a version can be a tag, a branch or a commit, and not one of git's
/// expressions (`main~1`, `@{upstream}`, `a..b`).
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-' | '/');
    !name.is_empty() && !name.starts_with('-') && !name.contains("..") && name.chars().all(plain)
}

/// The id of the commit a reference or abbreviation leads to.
fn commit_of(place: &Path, reference: &str) -> Option<String> {
    let mut parse = git::command(Some(place));
    parse
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
        .arg(format!("{reference}^{{commit}}"));
    // A reference that is not there is not an error, and git says no more.
    let id = run(parse, "looking for a version", LOCAL).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The newest release tag on a commit.
fn release_at(place: &Path, commit: &str) -> Result<Option<String>, Error> {
    let mut tags = git::command(Some(place));
    tags.args(["tag", "--list", "--points-at", commit]);
    let tags = run(tags, "looking for the commit's release", LOCAL)?;
    Ok(newest_first(tags.lines()).into_iter().next())
}

/// Where a clone came from.
fn origin(place: &Path) -> Option<String> {
    let mut config = git::command(Some(place));
    config.args(["config", "--get", "remote.origin.url"]);
    run(config, "reading the clone's origin", LOCAL).ok().map(|url| url.trim().to_owned())
}

/// Whether a folder is itself a git repository, bare or with a work tree.
fn is_repository(folder: &Path) -> bool {
    folder.join(".git").exists() || is_bare(folder)
}

fn is_bare(folder: &Path) -> bool {
    !folder.join(".git").exists()
        && folder.join("HEAD").is_file()
        && folder.join("objects").is_dir()
}

fn io_error(path: &Path, source: io::Error) -> Error {
    Error::Io { path: path.display().to_string(), source }
}
