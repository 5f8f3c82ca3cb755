//! A private copy of one version of a recipe.

use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
};

use cap_std::{ambient_authority, fs::Dir};
use tempfile::TempDir;

use super::{Chaos, ComponentRef, Error, Manifest, Signed, abra, error::Unsigned, inside::leaves};
use crate::{bounded, compose, home::RecipeName};

/// Longest file that is read at once, in bytes; a component is the largest.
const MAX_READ: u64 = 64 << 20;
const MANIFEST: &str = "recipe.yml";
/// The recipe's sample of an app's settings.
pub const SAMPLE: &str = ".env.sample";
/// What services answer on the simulated server of a recipe's test.
pub const ANSWERS: &str = "tests/simulated.yml";
/// Read when the settings name no compose files, in this order.
const COMPOSE_FILES: [&str; 2] = ["compose.yml", "compose.yaml"];

/// A private copy of one version of a recipe. Removed when dropped.
#[derive(Debug)]
pub struct Checkout {
    pub recipe: RecipeName,
    /// Release tag, if this is one.
    pub version: Option<String>,
    /// Full commit id; none for a linked folder's working files.
    pub commit: Option<String>,
    /// How it differs from the last commit; none for a version, and for the files of a linked
    /// folder that has no git or nothing that is not committed.
    pub chaos: Option<Chaos>,
    /// Who signed it, where the operator's folder says who may.
    pub signed: Option<Signed>,
    pub manifest: Manifest,
    /// Why there is no manifest, for a recipe that is only inspected.
    manifest_error: Option<Error>,
    /// Why it must not be used, for a recipe that is only inspected.
    unsigned: Option<Box<Unsigned>>,
    /// Reads cannot leave it, symbolic links included.
    files: Dir,
    folder: TempDir,
}

/// The source of a checkout; its files are in the folder already.
pub(super) struct Facts {
    pub recipe: RecipeName,
    pub version: Option<String>,
    pub commit: Option<String>,
}

impl Checkout {
    pub(super) fn new(facts: Facts, folder: TempDir) -> Result<Self, Error> {
        let files = open(&folder)?;
        let Facts { recipe, version, commit } = facts;
        let manifest = Manifest::default();
        let manifest_error = None;
        let mut checkout = Checkout {
            recipe,
            version,
            commit,
            manifest,
            manifest_error,
            files,
            folder,
            chaos: None,
            signed: None,
            unsigned: None,
        };
        // A recipe may have none. One that cannot be read is something else than
        // none: its plugins would be left out silently.
        let none = checkout.files.symlink_metadata(MANIFEST);
        if !none.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            match checkout.text(MANIFEST).and_then(|text| Manifest::parse(&text)) {
                Ok(manifest) => checkout.manifest = manifest,
                Err(error) => checkout.manifest_error = Some(error),
            }
        }
        Ok(checkout)
    }

    /// One without files, of an app that comes back without its recipe.
    ///
    /// # Errors
    /// A temporary folder that cannot be made.
    pub(crate) fn without_files(
        recipe: RecipeName,
        version: Option<String>,
        commit: Option<String>,
    ) -> Result<Self, Error> {
        let folder = TempDir::new().map_err(Error::Temporary)?;
        Self::new(Facts { recipe, version, commit }, folder)
    }

    /// What is wrong with `recipe.yml`, so that the recipe's plugins are not known.
    pub fn manifest_error(&self) -> Option<&Error> {
        self.manifest_error.as_ref()
    }

    /// Why this version must not be used; none where that is not checked, or it is signed.
    pub fn unsigned(&self) -> Option<&Unsigned> {
        self.unsigned.as_deref()
    }

    /// With what became of the look at its signature.
    pub(super) fn judged(mut self, found: Result<Signed, Error>) -> Result<Self, Error> {
        match found {
            Ok(signed) => self.signed = Some(signed),
            Err(Error::Unsigned(unsigned)) => self.unsigned = Some(unsigned),
            Err(error) => return Err(error),
        }
        Ok(self)
    }

    /// One that may be used, and whose plugins are known.
    pub(super) fn sound(mut self) -> Result<Self, Error> {
        if let Some(unsigned) = self.unsigned.take() {
            return Err(Error::Unsigned(unsigned));
        }
        match self.manifest_error.take() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// Its files, below which no path leads out.
    pub(super) fn dir(&self) -> &Dir {
        &self.files
    }

    /// The private folder, to resolve paths against and to show. Its files are
    /// to be read through [`Checkout::read`], which follows no link out of it.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the recipe.
    ///
    /// # Errors
    /// [`Error::Outside`] for a path that leaves it; [`Error::Io`].
    pub fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        if leaves(Path::new(path)) {
            return Err(Error::Outside { path: path.into() });
        }
        self.read_inside(path).map_err(|source| failed(path, source))
    }

    fn read_inside(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = self.files.open(path)?;
        let facts = file.metadata()?;
        if facts.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        bounded::read(file, MAX_READ)
    }

    /// A plugin's component.
    ///
    /// # Errors
    /// As [`Checkout::read`]; [`Error::NotBuilt`].
    pub fn component(&self, component: &ComponentRef) -> Result<Cow<'static, [u8]>, Error> {
        match component {
            ComponentRef::Path(path) => self.read(path).map(Cow::Owned),
            ComponentRef::Standard(standard) => standard.component().map(Cow::Borrowed),
        }
    }

    /// A file of the recipe as text.
    ///
    /// # Errors
    /// As [`Checkout::read`], and for what is not UTF-8.
    pub fn text(&self, path: &str) -> Result<String, Error> {
        String::from_utf8(self.read(path)?).map_err(|e| Error::Io {
            path: path.into(),
            source: io::Error::new(io::ErrorKind::InvalidData, e.utf8_error()),
        })
    }

    /// Whether there is such a file inside the recipe.
    pub fn exists(&self, path: &str) -> bool {
        !leaves(Path::new(path)) && self.files.is_file(path)
    }

    /// Names in the recipe's folder itself, sorted; those that are not UTF-8 are
    /// left out, as no path of a recipe can name them.
    pub fn names(&self) -> Vec<String> {
        let entries = self.files.entries().into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Names in one of the recipe's folders, sorted; those of folders end in `/`.
    /// The recipe itself is the empty path.
    ///
    /// # Errors
    /// As [`Checkout::read`].
    pub fn list(&self, folder: &str) -> Result<Vec<String>, Error> {
        if leaves(Path::new(folder)) {
            return Err(Error::Outside { path: folder.into() });
        }
        let inside = if folder.is_empty() { "." } else { folder };
        let mut names = Vec::new();
        for entry in self.files.read_dir(inside).map_err(|source| failed(folder, source))? {
            let entry = entry.map_err(|source| failed(folder, source))?;
            let Ok(mut name) = entry.file_name().into_string() else { continue };
            if entry.file_type().map_err(|source| failed(folder, source))?.is_dir() {
                name.push('/');
            }
            names.push(name);
        }
        names.sort();
        Ok(names)
    }

    /// The recipe's files for [`compose::load`], with [`Checkout::path`] as
    /// working folder.
    pub fn files(&self) -> impl compose::Files + '_ {
        Files { checkout: self }
    }

    /// The compose files that `COMPOSE_FILE` lists, separated by `:`; the usual
    /// one when it lists none.
    ///
    /// # Errors
    /// As [`Checkout::read`], and for what is not UTF-8.
    pub fn compose_sources(&self, compose_file: &str) -> Result<Vec<compose::Source>, Error> {
        self.compose_files(compose_file).into_iter().collect()
    }

    /// As [`Checkout::compose_sources`], each file by itself.
    pub fn compose_files(&self, compose_file: &str) -> Vec<Result<compose::Source, Error>> {
        let mut names: Vec<_> =
            compose_file.split(':').map(str::trim).filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            let usual = COMPOSE_FILES.into_iter().find(|name| self.exists(name));
            names.push(usual.unwrap_or(COMPOSE_FILES[0]));
        }
        names
            .into_iter()
            .map(|name| Ok(compose::Source { name: name.into(), text: self.text(name)? }))
            .collect()
    }

    /// `.env.sample`, as text.
    ///
    /// # Errors
    /// As [`Checkout::read`], and for what is not UTF-8.
    pub fn sample(&self) -> Result<Option<String>, Error> {
        self.optional(SAMPLE)
    }

    /// What `abra.sh` exports, `X_VERSION=v1`: read as data, never run.
    ///
    /// # Errors
    /// As [`Checkout::read`], and for what is not UTF-8.
    pub fn abra_exports(&self) -> Result<abra::Exports, Error> {
        Ok(self.optional("abra.sh")?.map(|text| abra::exports(&text)).unwrap_or_default())
    }

    /// What the maintainers say of a version, `release/1.2.0+6.4.3`.
    ///
    /// # Errors
    /// As [`Checkout::read`], and for what is not UTF-8.
    pub fn release_notes(&self, version: &str) -> Result<Option<String>, Error> {
        if version.contains('/') || version.starts_with('.') {
            return Ok(None);
        }
        self.optional(&format!("release/{version}"))
    }

    /// Releases that have notes.
    ///
    /// # Errors
    /// As [`Checkout::read`].
    pub fn releases_with_notes(&self) -> Result<Vec<String>, Error> {
        match self.list("release") {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Vec::new())
            }
            names => names,
        }
    }

    fn optional(&self, path: &str) -> Result<Option<String>, Error> {
        match self.text(path) {
            Ok(text) => Ok(Some(text)),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Where a path in a recipe's folder leads, links followed as [`Checkout::read`]
/// follows them.
///
/// # Errors
/// [`Error::Outside`] for a path that leaves it; [`Error::Io`].
pub fn inside(recipe: &Path, path: &Path) -> Result<PathBuf, Error> {
    let shown = path.display().to_string();
    if leaves(path) {
        return Err(Error::Outside { path: shown });
    }
    let folder = Dir::open_ambient_dir(recipe, ambient_authority());
    let found = folder.and_then(|folder| folder.canonicalize(path));
    found.map(|found| recipe.join(found)).map_err(|source| failed(&shown, source))
}

/// A handle on the folder that no path leads out of.
pub(super) fn open(folder: &TempDir) -> Result<Dir, Error> {
    Dir::open_ambient_dir(folder.path(), ambient_authority())
        .map_err(|source| Error::Io { path: folder.path().display().to_string(), source })
}

fn failed(path: &str, source: io::Error) -> Error {
    // cap-std's refusal does not come from the system.
    if source.kind() == io::ErrorKind::PermissionDenied && source.raw_os_error().is_none() {
        Error::Outside { path: path.into() }
    } else {
        Error::Io { path: path.into(), source }
    }
}

struct Files<'a> {
    checkout: &'a Checkout,
}

impl compose::Files for Files<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let inside = match path.strip_prefix(self.checkout.path()) {
            Ok(inside) => inside,
            // An absolute path elsewhere is refused below.
            Err(_) => path,
        };
        let refused = |shown: &str| {
            let message = format!("`{shown}` leaves the recipe's folder");
            io::Error::new(io::ErrorKind::PermissionDenied, message)
        };
        let text = inside.to_str().ok_or_else(|| refused(&inside.to_string_lossy()))?;
        self.checkout.read(text).map_err(|error| match error {
            Error::Io { source, .. } => source,
            _ => refused(text),
        })
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.checkout.path()).unwrap_or(path).display().to_string()
    }
}
