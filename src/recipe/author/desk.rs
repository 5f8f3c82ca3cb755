//! A clone that a maintainer works in.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use cap_std::{ambient_authority, fs::Dir};
use tempfile::TempDir;

use super::{
    spots::Texts,
    together::{Contents, replace},
};
use crate::{
    bounded,
    home::RecipeName,
    recipe::{
        Error, SAMPLE, Store,
        error::Unreadable,
        git::{self, Kind, LOCAL, REMOTE, Repository, in_copy, local, person, remote},
        inside::leaves,
        tree::{self, Budget},
    },
};

/// Bytes of a clone's index.
const INDEX: u64 = 64 << 20;
/// Bytes of a file that is read to be changed.
const TEXT: u64 = 4 << 20;

/// A clone, looked at once.
#[derive(Debug)]
pub struct Desk {
    recipe: RecipeName,
    place: PathBuf,
    repository: Repository,
    head: String,
    /// `main`; none where HEAD is on no branch.
    branch: Option<String>,
    /// What git works with besides: an index.
    scratch: TempDir,
}

/// A file that is not as the last commit has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    pub path: String,
    /// `changed`, `removed` or `new` (to git).
    pub how: &'static str,
}

/// Who commits, where git's own configuration does not say it.
#[derive(Debug, Clone, Default)]
pub struct Person {
    pub name: Option<String>,
    pub email: Option<String>,
}

impl Person {
    fn settings(&self, command: &mut Command) {
        let settings = [("user.name", &self.name), ("user.email", &self.email)];
        for (key, value) in settings {
            if let Some(value) = value {
                command.arg("-c").arg(format!("{key}={value}"));
            }
        }
    }
}

/// A release that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub id: String,
    pub branch: String,
}

impl Desk {
    /// Of a recipe that is a git repository with files.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::NotRepository`], [`Error::Repository`], [`Error::Git`].
    pub fn open(store: &Store, recipe: &RecipeName) -> Result<Self, Error> {
        let place = store.existing(recipe)?;
        let place = place.canonicalize().map_err(|e| io_error(&place, e))?;
        match git::kind(&place).map_err(|why| why.at(&place))? {
            Kind::Plain => {
                return Err(Error::NotRepository { folder: place.display().to_string() });
            }
            Kind::Repository(_) if !place.join(".git").exists() => {
                return Err(Unreadable::Bare.at(&place));
            }
            Kind::Repository(_) => {}
        }
        let repository = Repository::copied(&place)?;
        let Some(head) = repository.commit("HEAD") else {
            return Err(Unreadable::Odd("nothing was committed yet".into()).at(&place));
        };
        let branch = repository.refs.branch().map(str::to_owned);
        let scratch = git::private()?;
        Ok(Desk { recipe: recipe.clone(), place, repository, head, branch, scratch })
    }

    /// The commit that its files were changed from.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Where it was cloned from.
    ///
    /// # Errors
    /// [`Error::Git`].
    pub fn origin(&self) -> Result<Option<String>, Error> {
        crate::recipe::store::origin(&self.place)
    }

    /// git that compares with a copy of the files.
    fn copy(&self) -> Result<(TempDir, impl Fn() -> Command + use<>), Error> {
        let copy = git::private()?;
        let into = Dir::open_ambient_dir(copy.path(), ambient_authority())
            .map_err(|e| io_error(copy.path(), e))?;
        tree::from_folder(&self.place, &into, Budget::new(&self.recipe))?;
        let command = in_copy(&self.repository, copy.path(), &self.scratch.path().join("compare"));
        let mut read = command();
        read.args(["read-tree", &self.head]);
        git::run(read, COMPARING, LOCAL)?;
        Ok((copy, command))
    }

    /// Files that are not as the last commit has them, and that git does not ignore; sorted.
    ///
    /// # Errors
    /// [`Error::Git`], [`Error::TooLarge`], [`Error::Io`].
    pub fn differences(&self) -> Result<Vec<Difference>, Error> {
        let (_copy, command) = self.copy()?;
        let mut status = command();
        status.args(["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"]);
        status.arg("--ignore-submodules=all");
        let said = git::run(status, COMPARING, LOCAL)?;
        let mut found: Vec<Difference> = said
            .split_terminator('\0')
            .filter_map(|line| {
                let how = match line.get(..2)? {
                    "??" => "new",
                    code if code.contains('D') => "removed",
                    _ => "changed",
                };
                Some(Difference { path: line.get(3..)?.to_owned(), how })
            })
            .collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// The differences as a patch.
    ///
    /// # Errors
    /// As [`Desk::differences`].
    pub fn patch(&self) -> Result<String, Error> {
        let (_copy, command) = self.copy()?;
        // New files are part of it.
        let mut add = command();
        add.args(["add", "--all", "--intent-to-add"]);
        git::run(add, COMPARING, LOCAL)?;
        let mut diff = command();
        diff.args(["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames"]);
        diff.arg("--ignore-submodules=all").arg(&self.head);
        git::run(diff, COMPARING, LOCAL)
    }

    /// Makes these files as the last commit has them; new ones are removed.
    ///
    /// # Errors
    /// [`Error::Git`], [`Error::Io`].
    pub fn reset(&self, differences: &[Difference]) -> Result<(), Error> {
        let copy = git::private()?;
        let from = Dir::open_ambient_dir(copy.path(), ambient_authority())
            .map_err(|e| io_error(copy.path(), e))?;
        tree::from_git(self.repository.path(), &self.head, &from, Budget::new(&self.recipe))?;
        let into = self.files()?;
        for Difference { path, how } in differences {
            let failed = |source| Error::Io { path: path.clone(), source };
            if leaves(Path::new(path)) {
                return Err(Error::Outside { path: path.clone() });
            }
            clear(&into, path).map_err(failed)?;
            if *how != "new" {
                restore(&from, &into, Path::new(path)).map_err(failed)?;
            }
        }
        // What was put into the index goes, too.
        let index = self.scratch.path().join("index");
        let mut read = self.with_index(&index);
        read.args(["read-tree", &self.head]);
        git::run(read, "writing the clone's index", LOCAL)?;
        self.give_index(&index)
    }

    /// A file as it is now; none where it is missing.
    ///
    /// # Errors
    /// [`Error::Outside`], [`Error::Io`].
    pub fn text(&self, path: &str) -> Result<Option<String>, Error> {
        let failed = |source| Error::Io { path: path.into(), source };
        match self.files()?.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => {
                let file = opened.map_err(failed)?;
                if !file.metadata().map_err(failed)?.is_file() {
                    return Err(failed(io::Error::other("it is not a regular file")));
                }
                let bytes = bounded::read(file, TEXT).map_err(failed)?;
                String::from_utf8(bytes)
                    .map(Some)
                    .map_err(|_| failed(io::Error::other("it is not UTF-8")))
            }
        }
    }

    /// The texts that name images, as they are now.
    ///
    /// # Errors
    /// As [`Desk::text`].
    pub fn texts(&self) -> Result<Texts, Error> {
        let entries = self.files()?.entries().map_err(|e| io_error(&self.place, e))?;
        let mut texts = Texts { sample: self.text(SAMPLE)?, ..Texts::default() };
        for entry in entries {
            let entry = entry.map_err(|e| io_error(&self.place, e))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_compose(&name)
                && let Some(text) = self.text(&name)?
            {
                texts.compose.insert(name, text);
            }
        }
        Ok(texts)
    }

    /// The same, as a commit has them.
    ///
    /// # Errors
    /// [`Error::Repository`] where there is no such commit, [`Error::Git`].
    pub fn texts_at(&self, reference: &str) -> Result<Texts, Error> {
        let Some(commit) = self.repository.commit(reference) else {
            return Err(Unreadable::Odd(format!("it has no commit `{reference}`")).at(&self.place));
        };
        let action = "reading the compose files of a commit";
        let mut list = local(self.repository.path());
        list.args(["ls-tree", "-z", "--name-only", &commit]);
        let names = git::run(list, action, LOCAL)?;
        let mut texts = Texts::default();
        for name in names.split_terminator('\0') {
            if name != SAMPLE && !is_compose(name) {
                continue;
            }
            let mut read = local(self.repository.path());
            read.args(["cat-file", "blob", &format!("{commit}:{name}")]);
            let text = git::run(read, action, LOCAL)?;
            match name == SAMPLE {
                true => texts.sample = Some(text),
                false => drop(texts.compose.insert(name.to_owned(), text)),
            }
        }
        Ok(texts)
    }

    /// Changes several files, or none of them.
    ///
    /// # Errors
    /// [`Error::Outside`], [`Error::Io`].
    pub fn write(&self, contents: &Contents) -> Result<(), Error> {
        replace(&self.files()?, contents)
    }

    /// Commits these files as they are, if there are any, and puts an annotated tag with notes
    /// there, if one is given; it is signed where the person's git signs tags.
    ///
    /// # Errors
    /// [`Error::Git`], also where git does not know who the person is; [`Error::Repository`]
    /// where the clone changed meanwhile.
    pub fn release(
        &self,
        paths: &[String],
        message: &str,
        tag: Option<(&str, &str)>,
        who: &Person,
    ) -> Result<Commit, Error> {
        let odd = |text: &str| Unreadable::Odd(text.into()).at(&self.place);
        let Some(branch) = self.branch.clone() else {
            return Err(odd("its HEAD is on no branch: `git switch main` goes to one"));
        };
        let (_, now) = git::look(&self.place)?;
        if now.head() != Some(&self.head) {
            return Err(odd("something was committed meanwhile; try again"));
        }
        let index = self.scratch.path().join("commit");
        let files = in_copy(&self.repository, &self.place, &index);
        let mut id = self.head.clone();
        if !paths.is_empty() {
            let action = "committing the release";
            let mut read = files();
            read.args(["read-tree", &self.head]);
            git::run(read, action, LOCAL)?;
            let mut add = files();
            add.args(["add", "--all", "--force", "--"]).args(paths);
            git::run(add, action, LOCAL)?;
            let mut write = files();
            write.arg("write-tree");
            let tree = git::run(write, action, LOCAL)?;
            let mut commit = person(self.repository.path());
            who.settings(&mut commit);
            commit.args(["commit-tree", "-p", &self.head, "-m", message]);
            if self.signs("commit.gpgSign") {
                commit.arg("-S");
            }
            commit.arg(tree.trim());
            id = git::run(commit, action, REMOTE)?.trim().to_owned();
        }
        let action = "making the tag of the release";
        if let Some((tag, notes)) = tag {
            let mut make = person(self.repository.path());
            who.settings(&mut make);
            make.args(["tag", "--annotate", "--cleanup=whitespace", "-m", notes, "--", tag, &id]);
            git::run(make, action, REMOTE)?;
        }
        let mut branches = local(self.repository.path());
        branches.args(["update-ref", "--", &format!("refs/heads/{branch}"), &id, &self.head]);
        git::run(branches, action, LOCAL)?;
        let mut pack = local(self.repository.path());
        pack.args(["repack", "-q"]);
        git::run(pack, action, LOCAL)?;
        self.repository.give_back(&self.place)?;
        if !paths.is_empty() {
            self.follow(&index, &id)?;
        }
        Ok(Commit { id, branch })
    }

    /// Brings the branch to what was fetched from `origin`, with its files.
    ///
    /// # Errors
    /// [`Error::Repository`] where something is not committed, or was not published.
    pub fn forward(&self) -> Result<(), Error> {
        let odd = |text: &str| Unreadable::Odd(text.into()).at(&self.place);
        let Some(branch) = &self.branch else {
            return Err(odd("its HEAD is on no branch: `git switch main` goes to one"));
        };
        let Some(target) = self.repository.commit(&format!("refs/remotes/origin/{branch}")) else {
            return Err(odd("`origin` has no branch of this name"));
        };
        if target == self.head {
            return Ok(());
        }
        let action = "bringing the clone up to date";
        let mut ancestor = local(self.repository.path());
        ancestor.args(["merge-base", "--is-ancestor", &self.head, &target]);
        if !git::said(ancestor, action, LOCAL)?.0 {
            return Err(odd("it has commits that were not published: `git pull` merges them"));
        }
        if !self.differences()?.is_empty() {
            return Err(odd("something is not committed there"));
        }
        let mut names = local(self.repository.path());
        names.args(["diff-tree", "-r", "-z", "--no-renames", "--name-only", &self.head, &target]);
        let names = git::run(names, action, LOCAL)?;
        let copy = git::private()?;
        let from = Dir::open_ambient_dir(copy.path(), ambient_authority())
            .map_err(|e| io_error(copy.path(), e))?;
        tree::from_git(self.repository.path(), &target, &from, Budget::new(&self.recipe))?;
        let into = self.files()?;
        for path in names.split_terminator('\0') {
            let failed = |source| Error::Io { path: path.into(), source };
            clear(&into, path).map_err(failed)?;
            if from.symlink_metadata(path).is_ok() {
                restore(&from, &into, Path::new(path)).map_err(failed)?;
            }
        }
        let mut update = local(self.repository.path());
        update.args(["update-ref", "--", &format!("refs/heads/{branch}"), &target, &self.head]);
        git::run(update, action, LOCAL)?;
        self.repository.give_back(&self.place)?;
        let index = self.scratch.path().join("index");
        let mut read = self.with_index(&index);
        read.args(["read-tree", &target]);
        git::run(read, action, LOCAL)?;
        self.give_index(&index)
    }

    /// Whether the tag is signed.
    ///
    /// # Errors
    /// [`Error::Git`].
    pub fn is_signed(&self, tag: &str) -> Result<bool, Error> {
        let mut cat = local(self.repository.path());
        cat.args(["cat-file", "tag", &format!("refs/tags/{tag}")]);
        let text = git::run(cat, "reading the tag", LOCAL)?;
        Ok(["SSH SIGNATURE", "PGP SIGNATURE", "SIGNED MESSAGE"]
            .iter()
            .any(|kind| text.contains(&format!("-----BEGIN {kind}-----"))))
    }

    /// The branch, if it has commits that `origin` lacks, as far as that was fetched.
    pub fn ahead(&self) -> Option<&str> {
        let branch = self.branch.as_deref()?;
        let there = self.repository.commit(&format!("refs/remotes/origin/{branch}"));
        (there.as_ref() != Some(&self.head)).then_some(branch)
    }

    /// Where it is published.
    ///
    /// # Errors
    /// As [`Desk::publish`], for what is known before anything is sent.
    pub fn address(&self) -> Result<String, Error> {
        let Some(address) = self.origin()? else {
            return Err(Unreadable::Odd("it has no `origin` to publish to".into()).at(&self.place));
        };
        if crate::recipe::store::folder_of(&address)?.is_some() {
            return Err(Error::Source {
                given: address,
                reason: "git would run programs in that folder; push from the clone yourself"
                    .into(),
            });
        }
        Ok(address)
    }

    /// Sends the branch and a tag to `origin`, both or neither. The clone then knows that
    /// `origin` has them, as after git's own push.
    ///
    /// # Errors
    /// [`Error::Git`]; [`Error::Source`] for an origin that is no address of a host.
    pub fn publish(&self, branch: &str, tag: Option<&str>) -> Result<(), Error> {
        let address = self.address()?;
        let mut push = remote(self.repository.path());
        push.args(["push", "--atomic", "--no-verify", "--no-recurse-submodules", "--"])
            .arg(address);
        push.arg(format!("refs/heads/{branch}:refs/heads/{branch}"));
        if let Some(tag) = tag {
            push.arg(format!("refs/tags/{tag}:refs/tags/{tag}"));
        }
        git::run(push, "publishing the release", REMOTE)?;
        // What was sent is sent: where this cannot be noted, the next fetch does it.
        let _ = self.repository.give_back_ref(
            &self.place,
            &format!("refs/heads/{branch}"),
            &format!("refs/remotes/origin/{branch}"),
        );
        Ok(())
    }

    fn files(&self) -> Result<Dir, Error> {
        Dir::open_ambient_dir(&self.place, ambient_authority())
            .map_err(|e| io_error(&self.place, e))
    }

    /// Whether the person's git signs such things.
    fn signs(&self, key: &str) -> bool {
        let mut config = person(self.repository.path());
        config.args(["config", "--type=bool", "--get", key]);
        // Without an answer, it does not.
        git::run(config, "reading git's configuration", LOCAL).is_ok_and(|it| it.trim() == "true")
    }

    fn with_index(&self, index: &Path) -> Command {
        let mut command = local(self.repository.path());
        command.env("GIT_INDEX_FILE", index);
        command
    }

    /// The clone's index has what was committed; what else is in it stays.
    fn follow(&self, committed: &Path, id: &str) -> Result<(), Error> {
        let Kind::Repository(git_dir) = git::kind(&self.place).map_err(|w| w.at(&self.place))?
        else {
            return Ok(());
        };
        let theirs = self.scratch.path().join("theirs");
        let read = git_dir.read_if_any("index", INDEX).map_err(|e| io_error(&self.place, e))?;
        let action = "writing the clone's index";
        let mut changed = local(self.repository.path());
        changed.args(["diff-tree", "-r", "--no-renames", "--raw", "-z", "--abbrev=40"]);
        changed.args([&self.head, id]);
        let said = git::run(changed, action, LOCAL)?;
        let mut lines = String::new();
        let mut parts = said.split_terminator('\0');
        while let (Some(facts), Some(path)) = (parts.next(), parts.next()) {
            let facts: Vec<_> = facts.split(' ').collect();
            if let [_, mode, _, blob, _] = facts[..] {
                lines += &format!("{mode} {blob}\t{path}\0");
            }
        }
        if let Some(read) = read {
            fs::write(&theirs, read).map_err(|e| io_error(&theirs, e))?;
            let input = self.scratch.path().join("lines");
            fs::write(&input, lines).map_err(|e| io_error(&input, e))?;
            let mut update = self.with_index(&theirs);
            update.args(["update-index", "-z", "--index-info"]);
            update.stdin(fs::File::open(&input).map_err(|e| io_error(&input, e))?);
            if git::run(update, action, LOCAL).is_ok() {
                return self.give_index(&theirs);
            }
        }
        // One that is split, or missing: what was committed has to do.
        self.give_index(committed)
    }

    /// As git does: a lock beside that only one can make, renamed.
    fn give_index(&self, index: &Path) -> Result<(), Error> {
        let Kind::Repository(git_dir) = git::kind(&self.place).map_err(|w| w.at(&self.place))?
        else {
            return Ok(());
        };
        let mut content = fs::File::open(index).map_err(|e| io_error(index, e))?;
        git_dir.write_new("index.lock", &mut content, 0o644).map_err(|error| {
            match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    Unreadable::Odd("`index.lock` exists: another git may be at work there".into())
                        .at(&self.place)
                }
                _ => io_error(&self.place, error),
            }
        })?;
        git_dir.rename("index.lock", "index").map_err(|error| {
            let _ = git_dir.remove("index.lock");
            io_error(&self.place, error)
        })
    }
}

const COMPARING: &str = "comparing the recipe's files with its last commit";

/// Whether a file of the recipe's folder is a compose file, by its name.
fn is_compose(name: &str) -> bool {
    name.starts_with("compose.") && (name.ends_with(".yml") || name.ends_with(".yaml"))
}

/// Removes what has this name.
fn clear(into: &Dir, path: &str) -> io::Result<()> {
    match into.symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(facts) if facts.is_dir() => into.remove_dir_all(path),
        _ => into.remove_file(path),
    }
}

/// One file of a commit over what was removed.
fn restore(from: &Dir, into: &Dir, path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        into.create_dir_all(parent)?;
    }
    let facts = from.symlink_metadata(path)?;
    if facts.is_symlink() {
        return into.symlink_contents(from.read_link_contents(path)?, path);
    }
    from.copy(path, into, path).map(drop)
}

/// A repository of the files in a folder that has none yet, with a first commit. Returns its id.
///
/// # Errors
/// [`Error::Git`], also where git does not know who the person is.
pub fn begin(folder: &Path, who: &Person) -> Result<String, Error> {
    let folder = folder.canonicalize().map_err(|e| io_error(folder, e))?;
    let git_dir = folder.join(".git");
    fs::create_dir(&git_dir).map_err(|e| io_error(&git_dir, e))?;
    let action = "making the recipe's repository";
    let mut init = local(&git_dir);
    init.args(["init", "--quiet", "--template=", "--initial-branch=main"]);
    git::run(init, action, LOCAL)?;
    // Without a work tree, of which it would write the path, it is a bare one to git.
    let mut bare = local(&git_dir);
    bare.args(["config", "core.bare", "false"]);
    git::run(bare, action, LOCAL)?;
    let mut add = local(&git_dir);
    add.arg("--work-tree").arg(&folder).args(["add", "--all"]);
    git::run(add, action, LOCAL)?;
    let mut write = local(&git_dir);
    write.arg("write-tree");
    let tree = git::run(write, action, LOCAL)?;
    let mut commit = person(&git_dir);
    who.settings(&mut commit);
    commit.args(["commit-tree", "-m", "Begin the recipe", tree.trim()]);
    let id = git::run(commit, action, REMOTE)?;
    let mut branch = local(&git_dir);
    branch.args(["update-ref", "--", "refs/heads/main", id.trim()]);
    git::run(branch, action, LOCAL)?;
    Ok(id.trim().to_owned())
}

fn io_error(path: &Path, source: io::Error) -> Error {
    Error::Io { path: path.display().to_string(), source }
}
