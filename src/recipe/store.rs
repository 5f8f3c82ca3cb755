//! Recipes on this machine: clones of git repositories and linked folders, and
//! private checkouts of one version of one of them.
//!
//! A clone is shared by all operations, with abra too, so nothing here ever touches its
//! working files: versions are read from git's objects. Wherever it comes from, git never
//! runs in it: its objects are copied as data into a repository of ours, and read there.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    Chaos, Checkout, Error, Source, chaos,
    checkout::{self, Facts},
    error::{Releases, Unreadable},
    git::{self, Cache, Kind, NewClone, REMOTE, Repository, run_fetch},
    signed::{self, By},
    tree::{self, Budget},
    version::{Release, newest_first},
};
use crate::{
    hint::nearest,
    home::{EnvFile, Home, RecipeAddress, RecipeName},
};

/// The folder of recipes.
#[derive(Debug, Clone)]
pub struct Store {
    pub folder: PathBuf,
    cache: Option<Cache>,
    offline: bool,
    /// Whose files say who may sign versions.
    home: Option<Home>,
    /// Where the recipe is fetched from if it is not here, and has to be from if it is.
    address: Option<RecipeAddress>,
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
    /// The files of the recipe's folder as they are, committed or not.
    Working,
}

/// Where a recipe is that is only looked at.
enum Aside<'a> {
    Here(&'a Store, RecipeName),
    There {
        store: Box<Store>,
        name: RecipeName,
        /// Removed afterwards.
        _folder: tempfile::TempDir,
    },
}

impl Aside<'_> {
    fn with<T>(
        &self,
        read: impl FnOnce(&Store, &RecipeName) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self {
            Aside::Here(store, name) => read(store, name),
            Aside::There { store, name, .. } => read(store, name),
        }
    }
}

impl Store {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Store { folder: folder.into(), cache: None, offline: false, home: None, address: None }
    }

    /// The recipes of the operator's folder: copies are kept, and versions are used only if
    /// they are signed, where the folder says by whom.
    pub fn of(home: &Home) -> Self {
        let store = Store::new(home.recipes()).keeping(&home.recipe_cache());
        Store { home: Some(home.clone()), ..store.offline(home.is_offline()) }
    }

    /// The recipes of another folder, which keep no copies here; who may sign them is what it
    /// was.
    #[must_use]
    pub fn elsewhere(&self, folder: &Path) -> Self {
        Store { folder: folder.into(), cache: None, address: None, ..self.clone() }
    }

    /// For the app with these settings: a recipe that they name by its address is fetched if
    /// it is not here, and is that one's if it is.
    pub fn for_app(home: &Home, env: &EnvFile) -> Self {
        Store::of(home).from(env.recipe_address())
    }

    /// The same for a recipe that is named by its address.
    #[must_use]
    pub fn from(self, address: Option<RecipeAddress>) -> Self {
        Store { address, ..self }
    }

    /// What tells copies for different addresses apart.
    pub(super) fn address_of(&self, recipe: &RecipeName) -> Option<&str> {
        self.wanted(recipe).map(|address| address.url.as_str())
    }

    fn wanted(&self, recipe: &RecipeName) -> Option<&RecipeAddress> {
        self.address.as_ref().filter(|address| address.recipe == *recipe)
    }

    /// Whether the recipe of this address is here. A linked folder is what its name says.
    ///
    /// # Errors
    /// [`Error::Repository`].
    pub fn has(&self, address: &RecipeAddress) -> Result<bool, Error> {
        let place = self.place(&address.recipe);
        Ok(match place.is_dir() {
            true if !place.is_symlink() => {
                origin(&place)?.is_none_or(|origin| address.is_at(&origin))
            }
            there => there,
        })
    }

    /// Fetches a recipe that is named by its address, if it is not here.
    ///
    /// # Errors
    /// [`Error::OtherOrigin`] where another repository has its name, [`Error::Offline`], and
    /// what cloning ends in.
    pub fn provide(&self, recipe: &RecipeName) -> Result<(), Error> {
        let Some(address) = self.wanted(recipe) else { return Ok(()) };
        let place = self.place(recipe);
        // A link is the operator's own word.
        if place.is_symlink() {
            return Ok(());
        }
        if !place.is_dir() {
            return self.add_as(recipe, &address.url);
        }
        match origin(&place)? {
            Some(origin) if !address.is_at(&origin) => Err(Error::OtherOrigin {
                recipe: recipe.clone(),
                origin,
                wanted: address.url.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Fetches nothing: what is here has to do, and a recipe elsewhere cannot be added.
    #[must_use]
    pub fn offline(self, offline: bool) -> Self {
        Store { offline, ..self }
    }

    /// Keeps the copies of repositories that it makes, in this private folder.
    #[must_use]
    pub fn keeping(mut self, copies: &Path) -> Self {
        self.cache = Some(Cache::new(copies));
        self
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

    /// Adds a recipe: clones a git address or a folder that is a git
    /// repository, links any other folder. A name must exist here already. Adding
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

    /// Removes a recipe that was just added: the link, or the whole clone.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn take_out(&self, recipe: &RecipeName) -> Result<(), Error> {
        let place = self.place(recipe);
        let removed = match place.is_symlink() {
            true => fs::remove_file(&place),
            false => fs::remove_dir_all(&place),
        };
        removed.map_err(|e| io_error(&place, e))
    }

    /// Fetches new versions of a clone; nothing to do for a linked folder, nor offline. Returns the tags
    /// that were moved upstream: they stay what they were here.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Git`].
    pub fn update(&self, recipe: &RecipeName) -> Result<Vec<String>, Error> {
        self.provide(recipe)?;
        let place = self.existing(recipe)?;
        if place.is_symlink() || self.offline {
            return Ok(Vec::new());
        }
        let Some(address) = origin(&place)? else { return Ok(Vec::new()) };
        let ours = Repository::copied(&place)?;
        let from = match folder_of(&address)? {
            Some(folder) => Some(Repository::copied(&folder)?),
            None => None,
        };
        let mut fetch = match &from {
            Some(_) => git::local(ours.path()),
            None => git::remote(ours.path()),
        };
        fetch.args(["fetch", "--no-progress", "--no-tags", "--no-recurse-submodules"]).args([
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--",
        ]);
        match &from {
            Some(from) => fetch.arg(from.path()),
            None => fetch.arg(&address),
        };
        fetch.args(["+refs/heads/*:refs/remotes/origin/*", "refs/tags/*:refs/tags/*"]);
        let moved = run_fetch(fetch, &format!("fetching the recipe `{recipe}`"), REMOTE)?;
        ours.give_back(&place)?;
        Ok(moved)
    }

    /// Release tags, newest first; none for a folder without git.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Repository`].
    pub fn versions(&self, recipe: &RecipeName) -> Result<Vec<String>, Error> {
        let place = self.existing(recipe)?;
        if !is_repository(&place) {
            return Ok(Vec::new());
        }
        let (_, refs) = git::look(&place)?;
        Ok(newest_first(refs.tags()))
    }

    /// A private copy of one version.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::UnknownVersion`], [`Error::TooLarge`],
    /// [`Error::Repository`], [`Error::Git`], [`Error::Manifest`].
    pub fn checkout(&self, recipe: &RecipeName, version: &Version) -> Result<Checkout, Error> {
        self.examine(recipe, version)?.sound()
    }

    /// As [`Store::checkout`], of a recipe whose manifest may be wrong
    /// ([`Checkout::manifest_error`]): to find all of its problems.
    ///
    /// # Errors
    /// As [`Store::checkout`], but for the manifest.
    pub fn examine(&self, recipe: &RecipeName, version: &Version) -> Result<Checkout, Error> {
        self.provide(recipe)?;
        let place = self.existing(recipe)?;
        let bare = is_bare(&place);
        let has_git = is_repository(&place);
        let is_asked = *version == Version::Working;
        if is_asked && bare {
            let path = place.display().to_string();
            return Err(Error::Repository { path, why: Unreadable::Bare });
        }
        if is_asked || place.is_symlink() && !bare || !has_git {
            if let Version::Named(version) = version
                && !has_git
            {
                return Err(unknown(recipe, version, Releases::NoGit));
            }
            if matches!(version, Version::Newest | Version::Working) {
                let (folder, into) = private_folder()?;
                tree::from_folder(&place, &into, Budget::new(recipe))?;
                let facts = Facts { recipe: recipe.clone(), version: None, commit: None };
                let mut checkout = Checkout::new(facts, folder)?;
                checkout.chaos = match (self.chaos(&place, checkout.path()), is_asked) {
                    (Ok(chaos), true) => Some(chaos),
                    (Ok(chaos), false) => Some(chaos).filter(|chaos| !chaos.changed.is_empty()),
                    // Of a clone it is known; a linked folder may be what git calls a worktree.
                    (Err(error), true) if !place.is_symlink() => return Err(error),
                    (Err(_), true) => Some(Chaos { head: None, changed: Vec::new() }),
                    (Err(_), false) => None,
                };
                return Ok(checkout);
            }
        }
        let place = place.canonicalize().map_err(|e| io_error(&place, e))?;
        let repository = Repository::kept(&place, self.cache.as_ref(), true)?;
        match self.read(recipe, &repository, version) {
            // Objects may have come since without any reference that moved, and
            // a cache may have been damaged.
            Err(Error::Git { .. } | Error::UnknownVersion { .. }) if repository.cached => {
                let anew = Repository::kept(&place, self.cache.as_ref(), false)?;
                self.read(recipe, &anew, version)
            }
            checkout => checkout,
        }
    }

    /// How a copy of a folder's files differs from the folder's last commit.
    fn chaos(&self, place: &Path, copy: &Path) -> Result<Chaos, Error> {
        if !is_repository(place) {
            return Ok(Chaos { head: None, changed: Vec::new() });
        }
        let place = place.canonicalize().map_err(|e| io_error(place, e))?;
        let repository = Repository::kept(&place, self.cache.as_ref(), true)?;
        chaos::of(&repository, copy)
    }

    /// A copy of one version out of a repository of ours.
    fn read(
        &self,
        recipe: &RecipeName,
        repository: &Repository,
        version: &Version,
    ) -> Result<Checkout, Error> {
        let (found_by, commit) = commit(recipe, repository, version)?;
        let signers = match &self.home {
            Some(home) => home.recipe_signers(recipe).map_err(|e| Error::Signers(e.to_string()))?,
            None => None,
        };
        let signed = signers.map(|signers| {
            let by = found_by.strip_prefix("refs/tags/").map_or(By::Commit, By::Tag);
            signed::check(recipe, repository, (by, &commit), &signers)
        });
        let (folder, into) = private_folder()?;
        tree::from_git(repository.path(), &commit, &into, Budget::new(recipe))?;
        // A release of the same commit that somebody else tagged is not what was asked for.
        let tag = found_by.strip_prefix("refs/tags/");
        let version = match tag.filter(|tag| Release::parse(tag).is_some()) {
            Some(tag) => Some(tag.to_owned()),
            // Which tags of a commit are believed, only their signatures say.
            None if signed.is_some() => None,
            None => newest_first(repository.tags_at(&commit)?.lines()).into_iter().next(),
        };
        let facts = Facts { recipe: recipe.clone(), version, commit: Some(commit) };
        let checkout = Checkout::new(facts, folder)?;
        match signed {
            Some(found) => checkout.judged(found),
            None => Ok(checkout),
        }
    }

    /// A private copy of one version of a recipe that need not exist here and
    /// is not added: of a folder's own files, or of a temporary clone.
    ///
    /// # Errors
    /// As [`Store::add`] and [`Store::checkout`].
    pub fn look(&self, source: &str, version: &Version) -> Result<Checkout, Error> {
        self.examine_source(source, version)?.sound()
    }

    /// As [`Store::look`], of a recipe whose manifest may be wrong.
    ///
    /// # Errors
    /// As [`Store::add`] and [`Store::examine`].
    pub fn examine_source(&self, source: &str, version: &Version) -> Result<Checkout, Error> {
        self.aside(source)?.with(|store, name| store.examine(name, version))
    }

    /// Release tags, newest first, of a recipe that need not exist here and is not added.
    ///
    /// # Errors
    /// As [`Store::add`] and [`Store::versions`].
    pub fn look_versions(&self, source: &str) -> Result<Vec<String>, Error> {
        self.aside(source)?.with(Store::versions)
    }

    /// The recipe that somebody works on: by its name here, or by its folder, wherever that is;
    /// with the store that has it.
    ///
    /// # Errors
    /// [`Error::Source`], [`Error::Unknown`], [`Error::NotRecipe`]; also for an address, which is
    /// nothing to work in.
    pub fn at_hand(&self, given: &str) -> Result<(Store, RecipeName), Error> {
        let source = match Source::parse(given)? {
            Source::Name(name) if self.place(&name).is_dir() => return Ok((self.clone(), name)),
            source => self.resolve(source)?,
        };
        let name = source.name()?;
        match &source {
            Source::Folder(folder) => {
                let parent = folder.parent().unwrap_or(folder);
                let written = folder.file_name().unwrap_or_default();
                if written != name.as_str() {
                    return Err(Error::Source {
                        given: given.into(),
                        reason: format!("the folder of a recipe has its name: `{name}`"),
                    });
                }
                // Somewhere on the machine: the likeliest mistake is another folder.
                let is_of_recipe = ["compose.yml", "compose.yaml", ".git", super::SAMPLE, "HEAD"]
                    .iter()
                    .any(|file| folder.join(file).symlink_metadata().is_ok());
                match is_of_recipe {
                    true => Ok((self.elsewhere(parent), name)),
                    false => Err(Error::NotRecipe { folder: folder.display().to_string() }),
                }
            }
            _ => Err(Error::Source {
                given: given.into(),
                reason: "it is an address; `potluck recipe fetch` makes a clone to work in".into(),
            }),
        }
    }

    /// A recipe where it can be read: here, or in a temporary folder.
    fn aside(&self, source: &str) -> Result<Aside<'_>, Error> {
        let source = match Source::parse(source)? {
            // A recipe that exists here, even if a folder has the same name.
            Source::Name(name) if self.place(&name).is_dir() => {
                return Ok(Aside::Here(self, name));
            }
            source => self.resolve(source)?,
        };
        let name = source.name()?;
        let folder =
            tempfile::Builder::new().prefix("potluck-look-").tempdir().map_err(Error::Temporary)?;
        let aside = Store::new(folder.path()).offline(self.offline);
        match &source {
            Source::Folder(folder) => {
                let place = aside.place(&name);
                std::os::unix::fs::symlink(folder, &place).map_err(|e| io_error(&place, e))?;
            }
            source => aside.add_resolved(&name, source)?,
        }
        Ok(Aside::There { store: Box::new(aside), name, _folder: folder })
    }

    pub fn place(&self, recipe: &RecipeName) -> PathBuf {
        self.folder.join(recipe.as_str())
    }

    /// An unknown recipe, with the one that was probably meant.
    fn unknown(&self, recipe: &RecipeName) -> Error {
        let here = self.list().unwrap_or_default();
        let nearest = nearest(recipe.as_str(), &here).cloned();
        Error::Unknown { recipe: recipe.clone(), nearest }
    }

    pub(super) fn existing(&self, recipe: &RecipeName) -> Result<PathBuf, Error> {
        let place = self.place(recipe);
        if place.is_dir() {
            return Ok(place);
        }
        Err(match fs::read_link(&place) {
            Ok(folder) => {
                Error::FolderGone { recipe: recipe.clone(), folder: folder.display().to_string() }
            }
            Err(_) => self.unknown(recipe),
        })
    }

    /// Folders with their links resolved; an unknown name that is also the
    /// name of a folder counts as that folder.
    fn resolve(&self, source: Source) -> Result<Source, Error> {
        match source {
            Source::Folder(folder) => Ok(Source::Folder(Source::canonical(&folder)?)),
            Source::Name(name) if !self.place(&name).is_dir() => {
                match Source::canonical(Path::new(name.as_str())) {
                    Ok(folder) => Ok(Source::Folder(folder)),
                    Err(_) => Err(self.unknown(&name)),
                }
            }
            source => Ok(source),
        }
    }

    pub(super) fn add_resolved(&self, name: &RecipeName, source: &Source) -> Result<(), Error> {
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
                Err(_) => origin(&place)?.unwrap_or_else(|| "this folder".into()),
            };
            return if here == address {
                // An upgrade says which tags were moved.
                self.update(name).map(drop)
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
        let local = folder_of(address)?;
        if self.offline && local.is_none() {
            return Err(Error::Offline { recipe: name.clone(), address: address.into() });
        }
        let beside = tempfile::Builder::new()
            .prefix(".adding-")
            .tempdir_in(&self.folder)
            .map_err(|e| io_error(&self.folder, e))?;
        let target = beside.path().join(name.as_str());
        let clone = NewClone { address, folder: local, beside: beside.path() };
        let commit = clone.make(&target)?;
        if let Some(commit) = commit {
            let git_dir = target.join(".git");
            // Before they are written: a few kilobytes can name a billion files.
            tree::is_small(&git_dir, &commit, Budget::new(name))?;
            git::write_files(&git_dir, &target)?;
        }
        match fs::rename(&target, place) {
            // Somebody added it meanwhile; theirs is as good.
            Err(_) if place.is_dir() => Ok(()),
            renamed => renamed.map_err(|e| io_error(place, e)),
        }
    }
}

/// The reference that a version is found by, and its commit.
fn commit(
    recipe: &RecipeName,
    repository: &Repository,
    version: &Version,
) -> Result<(String, String), Error> {
    let releases = newest_first(repository.refs.tags());
    let candidates = match version {
        Version::Newest => match releases.is_empty() {
            // A tag of something else than a commit keeps nobody from the releases before it.
            false => releases.iter().map(|tag| format!("refs/tags/{tag}")).collect(),
            true => vec!["refs/remotes/origin/HEAD".into(), "HEAD".into()],
        },
        Version::Named(name) => {
            // abra marks a deploy of changed files so.
            let name = name.strip_suffix("+U").unwrap_or(name);
            if !is_plain(name) {
                return Err(unknown(recipe, name, Releases::Known(releases)));
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
        Version::Working => vec!["HEAD".into()],
    };
    let found = candidates.into_iter().find_map(|it| repository.commit(&it).map(|id| (it, id)));
    found.ok_or_else(|| {
        let wanted = match version {
            Version::Named(name) => name,
            Version::Newest | Version::Working => "newest",
        };
        unknown(recipe, wanted, Releases::Known(releases))
    })
}

fn unknown(recipe: &RecipeName, version: &str, releases: Releases) -> Error {
    Error::UnknownVersion { recipe: recipe.clone(), version: version.into(), releases }
}

/// A private folder for a copy, and a handle on it that no path leads out of.
fn private_folder() -> Result<(tempfile::TempDir, cap_std::fs::Dir), Error> {
    let folder = tempfile::Builder::new()
        .prefix("potluck-recipe-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .map_err(Error::Temporary)?;
    let into = checkout::open(&folder)?;
    Ok((folder, into))
}

/// Whether a version can be a tag, a branch or a commit, and not one of git's
/// expressions (`main~1`, `@{upstream}`, `a..b`).
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-' | '/');
    !name.is_empty() && !name.starts_with('-') && !name.contains("..") && name.chars().all(plain)
}

/// Where a clone came from, as its configuration says; none if it is not a clone.
pub(super) fn origin(place: &Path) -> Result<Option<String>, Error> {
    match git::kind(place).map_err(|why| why.at(place))? {
        Kind::Repository(git_dir) => git::origin(&git_dir),
        Kind::Plain => Ok(None),
    }
}

/// The folder that an address means, if it means one on this machine: git would
/// start a program in it.
pub(super) fn folder_of(address: &str) -> Result<Option<PathBuf>, Error> {
    match Source::parse(address)? {
        Source::Folder(folder) => Ok(Some(folder)),
        Source::Git(url) if url.starts_with("file:") => {
            let path = url::Url::parse(&url).ok().and_then(|url| url.to_file_path().ok());
            path.map(Some).ok_or_else(|| Error::Source {
                given: address.into(),
                reason: "it names no folder of this machine".into(),
            })
        }
        Source::Git(_) => Ok(None),
        Source::Name(recipe) => Err(Error::Unknown { recipe, nearest: None }),
    }
}

/// Whether a folder is itself a git repository, bare or with a work tree.
pub(super) fn is_repository(folder: &Path) -> bool {
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
