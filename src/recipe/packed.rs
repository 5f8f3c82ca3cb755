//! A recipe's files in a tar, and a recipe made of such files again: for a backup, whose
//! restore must not depend on a repository that may be gone by then.
//!
//! The same files give the same bytes, whenever they are packed. What is unpacked is foreign:
//! nothing of it leaves the folder that it is unpacked into, and links come last, so that
//! nothing is written through one.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
};

use cap_std::{ambient_authority, fs::Dir};

use super::{
    Checkout, Error, Source, Store,
    git::{self, LOCAL, local},
    tree::{self, Budget},
};
use crate::home::RecipeName;

/// Whose commit it is that is made of a backup's files.
const AUTHOR: [&str; 4] = ["-c", "user.name=potluck", "-c", "user.email=potluck@localhost"];

impl Checkout {
    /// Adds its files to a tar, below a folder of this name.
    ///
    /// # Errors
    /// What cannot be read or written.
    pub fn pack<W: Write>(&self, tar: &mut tar::Builder<W>, below: &str) -> io::Result<()> {
        pack_folder(self.dir(), tar, Path::new(below))
    }
}

fn pack_folder<W: Write>(folder: &Dir, tar: &mut tar::Builder<W>, at: &Path) -> io::Result<()> {
    let mut names: Vec<_> =
        folder.entries()?.map(|entry| entry.map(|it| it.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    for name in names {
        let (path, facts) = (at.join(&name), folder.symlink_metadata(&name)?);
        // Without a time: it is that of the private copy.
        let mut header = tar::Header::new_gnu();
        if facts.is_dir() {
            pack_folder(&folder.open_dir(&name)?, tar, &path)?;
        } else if facts.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o777);
            tar.append_link(&mut header, path, folder.read_link_contents(&name)?)?;
        } else {
            let mode = cap_std::fs::PermissionsExt::mode(&facts.permissions());
            header.set_mode(if mode & 0o100 != 0 { 0o755 } else { 0o644 });
            header.set_size(facts.len());
            tar.append_data(&mut header, path, folder.open(&name)?.take(facts.len()))?;
        }
    }
    Ok(())
}

/// Files that are being unpacked.
#[derive(Debug)]
pub struct Unpacking {
    into: Dir,
    links: Vec<(PathBuf, PathBuf)>,
    /// Whether there was any.
    pub any: bool,
}

impl Unpacking {
    /// Into an empty folder.
    ///
    /// # Errors
    /// A folder that cannot be opened.
    pub fn new(into: &Path) -> io::Result<Self> {
        let into = Dir::open_ambient_dir(into, ambient_authority())?;
        Ok(Unpacking { into, links: Vec::new(), any: false })
    }

    /// Takes an entry of the tar; `path` is its place in the recipe.
    ///
    /// # Errors
    /// A path that leads elsewhere; what cannot be read or written.
    pub fn take<R: Read>(&mut self, path: &Path, entry: &mut tar::Entry<'_, R>) -> io::Result<()> {
        let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if path.as_os_str().is_empty() || !is_plain {
            return Err(odd("a file of the recipe has a path that leads out of it"));
        }
        let kind = entry.header().entry_type();
        if kind.is_symlink() {
            let target = entry.link_name()?.ok_or_else(|| odd("a link leads nowhere"))?;
            self.links.push((path.to_owned(), target.into_owned()));
        } else if kind.is_file() {
            self.folder_of(path)?;
            let mut options = cap_std::fs::OpenOptions::new();
            let mut file = self.into.open_with(path, options.write(true).create_new(true))?;
            let executable = entry.header().mode()? & 0o100 != 0;
            io::copy(entry, &mut file)?;
            let mode = if executable { 0o755 } else { 0o644 };
            file.set_permissions(cap_std::fs::PermissionsExt::from_mode(mode))?;
        } else {
            return Err(odd("the recipe has something that is neither a file nor a link"));
        }
        self.any = true;
        Ok(())
    }

    /// Makes the links.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn finish(self) -> io::Result<()> {
        for (path, target) in &self.links {
            self.folder_of(path)?;
            self.into.symlink_contents(target, path)?;
        }
        Ok(())
    }

    fn folder_of(&self, path: &Path) -> io::Result<()> {
        match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => self.into.create_dir_all(parent),
            None => Ok(()),
        }
    }
}

impl Store {
    /// The address that a recipe's clone was made from; none for a folder of this machine.
    ///
    /// # Errors
    /// As [`Store::versions`].
    pub fn address(&self, recipe: &RecipeName) -> Result<Option<String>, Error> {
        let place = self.place(recipe);
        if place.is_symlink() || !place.is_dir() {
            return Ok(None);
        }
        let Some(address) = super::store::origin(&place)? else { return Ok(None) };
        match Source::parse(&address) {
            Ok(Source::Git(url)) => Ok(Some(without_user(&url))),
            // What potluck would not fetch, it does not name either.
            Ok(Source::Folder(_) | Source::Name(_)) | Err(_) => Ok(None),
        }
    }

    /// Adds a recipe under a name that its address need not have.
    ///
    /// # Errors
    /// As [`Store::add`].
    pub fn add_as(&self, recipe: &RecipeName, address: &str) -> Result<(), Error> {
        match Source::parse(address)? {
            source @ Source::Git(_) => self.add_resolved(recipe, &source),
            Source::Folder(_) | Source::Name(_) => Err(Error::Source {
                given: address.to_owned(),
                reason: "expected the address of a git repository".into(),
            }),
        }
    }

    /// Adds a recipe that is made of files: one that had versions becomes a repository with
    /// one commit, which has the names that git knew it by; another one a folder.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Io`], [`Error::Git`], [`Error::TooLarge`].
    pub fn add_files(
        &self,
        recipe: &RecipeName,
        files: &Path,
        (version, commit): (Option<&str>, Option<&str>),
        address: Option<&str>,
    ) -> Result<(), Error> {
        let place = self.place(recipe);
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| Error::Io { path, source }
        };
        fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        let beside = tempfile::Builder::new()
            .prefix(".adding-")
            .tempdir_in(&self.folder)
            .map_err(failed(&self.folder))?;
        let target = beside.path().join(recipe.as_str());
        fs::create_dir(&target).map_err(failed(&target))?;
        let into = Dir::open_ambient_dir(&target, ambient_authority()).map_err(failed(&target))?;
        tree::from_folder(files, &into, Budget::new(recipe))?;
        if version.is_some() || commit.is_some() {
            commit_files(&target, version, commit, address)?;
        }
        if place.is_symlink() || place.exists() {
            let origin = "this folder".to_owned();
            return Err(Error::Exists { recipe: recipe.clone(), origin });
        }
        fs::rename(&target, &place).map_err(failed(&place))
    }
}

/// Makes a repository of the files in a folder of ours.
fn commit_files(
    folder: &Path,
    version: Option<&str>,
    commit: Option<&str>,
    address: Option<&str>,
) -> Result<(), Error> {
    let git_dir = folder.join(".git");
    let action = "making a repository of the recipe's files";
    let run = |arguments: &[&str]| {
        let mut command = local(&git_dir);
        command.arg("--work-tree").arg(folder).args(AUTHOR).args(arguments);
        git::run(command, action, LOCAL)
    };
    // The files as they are: no filter, no line endings.
    let info = git_dir.join("info");
    let failed = |source| Error::Io { path: info.display().to_string(), source };
    fs::create_dir_all(&info).map_err(failed)?;
    // With a work tree, git would write its path into the configuration.
    let mut init = local(&git_dir);
    init.args(["init", "--quiet", "--template="]);
    git::run(init, action, LOCAL)?;
    let plain = "* -text -filter -ident -working-tree-encoding\n";
    fs::write(info.join("attributes"), plain).map_err(failed)?;
    run(&["add", "--all", "--force"])?;
    let message = "Files of the recipe, from a backup";
    run(&["commit", "--quiet", "--no-gpg-sign", "--allow-empty", "-m", message])?;
    let names =
        [version.map(|it| format!("refs/tags/{it}")), commit.map(|it| format!("refs/heads/{it}"))];
    for name in names.iter().flatten() {
        run(&["update-ref", "--", name, "HEAD"])?;
    }
    if let Some(address) = address {
        run(&["config", "remote.origin.url", address])?;
    }
    Ok(())
}

/// An address without the user's name, which may be a token.
fn without_user(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(mut url) if url.scheme() == "https" => match url.set_username("") {
            Ok(()) => url.into(),
            Err(()) => address.to_owned(),
        },
        Ok(_) | Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Version;

    fn packed(store: &Store, recipe: &RecipeName) -> Vec<u8> {
        let checkout = store.checkout(recipe, &Version::Newest).unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        checkout.pack(&mut tar, "recipe").unwrap();
        tar.into_inner().unwrap()
    }

    fn unpacked(tar: &[u8], into: &Path) -> io::Result<()> {
        fs::create_dir(into)?;
        let mut files = Unpacking::new(into)?;
        for entry in tar::Archive::new(tar).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.into_owned();
            files.take(path.strip_prefix("recipe").unwrap_or(&path), &mut entry)?;
        }
        files.finish()
    }

    #[test]
    fn a_recipe_comes_back_from_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("tiny/plugins")).unwrap();
        fs::write(at("tiny/compose.yml"), "services: {}\r\n").unwrap();
        fs::write(at("tiny/.gitattributes"), "* text=auto\n").unwrap();
        fs::write(at("tiny/.gitignore"), "plugins\n").unwrap();
        fs::write(at("tiny/plugins/a.wasm"), [0, 1, 2, 255]).unwrap();
        std::os::unix::fs::symlink("compose.yml", at("tiny/link")).unwrap();
        let recipe = RecipeName::new("tiny").unwrap();
        let before = Store::new(at("before"));
        before.add(at("tiny").to_str().unwrap()).unwrap();
        let tar = packed(&before, &recipe);
        assert_eq!(tar, packed(&before, &recipe), "the same files give the same bytes");
        unpacked(&tar, &at("files")).unwrap();

        // A folder without versions.
        let plain = Store::new(at("plain"));
        plain.add_files(&recipe, &at("files"), (None, None), None).unwrap();
        assert_eq!(packed(&plain, &recipe), tar);
        let again = plain.add_files(&recipe, &at("files"), (None, None), None);
        assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");

        // One with versions, by all its names.
        let store = Store::new(at("after"));
        let (version, commit) = ("1.0.0+2", "ab".repeat(20));
        let address = "https://token@git.example.org/tiny.git";
        let names = (Some(version), Some(commit.as_str()));
        store.add_files(&recipe, &at("files"), names, Some(address)).unwrap();
        assert_eq!(store.versions(&recipe).unwrap(), [version]);
        for name in [version, commit.as_str()] {
            let found = store.checkout(&recipe, &Version::Named(name.into())).unwrap();
            assert_eq!(found.version.as_deref(), Some(version), "{name}");
        }
        assert_eq!(packed(&store, &recipe), tar);
        let address = store.address(&recipe).unwrap();
        assert_eq!(address.as_deref(), Some("https://git.example.org/tiny.git"));
        assert_eq!(before.address(&recipe).unwrap(), None, "a folder of this machine");
    }

    #[test]
    fn files_that_lead_out_of_the_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        for (number, (first, second)) in
            [("recipe/../outside", None), ("recipe/a", Some("recipe/a/outside"))]
                .into_iter()
                .enumerate()
        {
            let mut tar = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            if let Some(second) = second {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, first, folder.path()).unwrap();
                let mut header = tar::Header::new_gnu();
                header.set_size(1);
                tar.append_data(&mut header, second, &b"x"[..]).unwrap();
            } else {
                header.set_size(1);
                // The library would refuse to write such a path.
                header.as_gnu_mut().unwrap().name[..first.len()].copy_from_slice(first.as_bytes());
                header.set_cksum();
                tar.append(&header, &b"x"[..]).unwrap();
            }
            let tar = tar.into_inner().unwrap();
            let done = unpacked(&tar, &folder.path().join(number.to_string()));
            assert!(done.is_err(), "{first} {second:?}");
            assert!(!outside.exists());
        }
    }
}
