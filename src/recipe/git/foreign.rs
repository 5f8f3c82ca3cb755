//! A repository that somebody else made, as data: git never runs in it.
//!
//! A repository's configuration names programs (`core.sshCommand`, filters, hooks), other
//! folders (`include.path`, alternates, `core.worktree`) and servers (partial clones fetch
//! what is missing). Of all that, only the address of `origin` is read, as text. References
//! and objects are copied, as regular files and within limits, into a repository of ours;
//! packs are indexed anew and everything is checked there by `git fsck`.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read, Seek, Write},
    path::Path,
    process::Stdio,
};

use rustix::fs::FileType;

use super::{LOCAL, folder::Folder, local, refs::Refs, run};
use crate::recipe::error::{Error, Unreadable};

/// A recipe's history with the components of its plugins.
const BYTES: u64 = 1 << 30;
const LOOSE: usize = 200_000;
const PACKS: usize = 1000;
/// Bytes of a repository's own configuration.
const CONFIG: u64 = 1 << 20;
/// Bytes of the list of commits at which a history was cut off.
const SHALLOW: u64 = 4 << 20;

/// What a folder is to git.
#[derive(Debug)]
pub(in crate::recipe) enum Kind {
    Plain,
    /// With its git directory.
    Repository(Folder),
}

/// The configuration of a repository of ours that was copied from a partial clone, which lacks
/// objects that its server has. Where they would come from is no address that git may use.
const PARTIAL: &str = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\t\
                       partialClone = nowhere\n[remote \"nowhere\"]\n\turl = none::\n\tpromisor = \
                       true\n";

/// Inspects a folder without opening anything outside of it.
pub(in crate::recipe) fn kind(place: &Path) -> Result<Kind, Unreadable> {
    let folder = Folder::open(place)?;
    match folder.kind(".git")? {
        Some(FileType::Directory) => Ok(Kind::Repository(folder.folder(".git")?)),
        Some(FileType::RegularFile) => Err(Unreadable::Pointer),
        Some(_) => Err(Unreadable::Link),
        None if is_bare(&folder)? => Ok(Kind::Repository(folder)),
        None => Ok(Kind::Plain),
    }
}

fn is_bare(folder: &Folder) -> io::Result<bool> {
    Ok(folder.kind("HEAD")? == Some(FileType::RegularFile)
        && folder.kind("objects")? == Some(FileType::Directory)
        && folder.kind("refs")? == Some(FileType::Directory))
}

/// The address of `origin`, as it is written.
pub(in crate::recipe) fn origin(git_dir: &Folder) -> Result<Option<String>, Error> {
    let action = "reading the address of a clone's origin";
    let failed =
        |error: io::Error| Error::Git { action: action.into(), message: error.to_string() };
    let Some(config) = git_dir.read_if_any("config", CONFIG).map_err(failed)? else {
        return Ok(None);
    };
    let mut file = tempfile::tempfile().map_err(failed)?;
    file.write_all(&config).and_then(|()| file.rewind()).map_err(failed)?;
    // git parses the text; it is not the configuration of any repository then.
    let nowhere = tempfile::tempdir().map_err(failed)?;
    let mut parse = local(nowhere.path());
    parse
        .args(["config", "--file=-", "--no-includes", "--null", "--get", "remote.origin.url"])
        .stdin(file);
    Ok(run(parse, action, LOCAL).ok().map(|url| url.trim_end_matches('\0').to_owned()))
}

/// Copies references and objects into a new bare repository at `into`, an
/// empty folder, and checks them.
pub(super) fn copy(git_dir: &Folder, refs: &Refs, into: &Path) -> Result<(), Unreadable> {
    lay_out(git_dir, refs, into)?;
    let objects = git_dir.folder("objects")?;
    refuse_alternates(&objects)?;
    let mut left = BYTES;
    loose(&objects, &into.join("objects"), &mut left)?;
    packs(&objects, into, &mut left)?;
    let mut check = local(into);
    check.args(["fsck", "--full", "--strict", "--no-dangling", "--no-reflogs", "--no-progress"]);
    checked(run(check, "checking the repository's objects", LOCAL))
}

fn checked(result: Result<String, Error>) -> Result<(), Unreadable> {
    match result {
        Ok(_) => Ok(()),
        Err(Error::NoGit) => Err(Unreadable::NoGit),
        Err(Error::Git { message, .. }) => Err(Unreadable::Damaged(message)),
        Err(error) => Err(Unreadable::Odd(error.to_string())),
    }
}

/// Everything of a bare repository but its objects.
fn lay_out(git_dir: &Folder, refs: &Refs, into: &Path) -> Result<(), Unreadable> {
    fs::create_dir_all(into.join("objects/pack"))?;
    fs::create_dir_all(into.join("refs"))?;
    fs::write(into.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
    fs::write(into.join("HEAD"), refs.head_file())?;
    fs::write(into.join("packed-refs"), refs.packed())?;
    if let Some(shallow) = shallow(git_dir)? {
        fs::write(into.join("shallow"), shallow)?;
    }
    Ok(())
}

/// The commits whose parents were never fetched: ids, one a line.
pub(super) fn shallow(git_dir: &Folder) -> Result<Option<String>, Unreadable> {
    let Some(text) = git_dir.read_if_any("shallow", SHALLOW)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&text);
    let is_id = |line: &str| line.len() == 40 && line.bytes().all(|b| b.is_ascii_hexdigit());
    if text.lines().all(is_id) {
        Ok(Some(text.into_owned()))
    } else {
        Err(Unreadable::Odd("its list of shallow commits is invalid".into()))
    }
}

/// Whether objects are kept in another repository, which is only named.
fn refuse_alternates(objects: &Folder) -> Result<(), Unreadable> {
    let info = match objects.folder("info") {
        Ok(info) => info,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match info.read_if_any("alternates", CONFIG)? {
        Some(text) if !text.trim_ascii().is_empty() => Err(Unreadable::Alternates),
        _ => Ok(()),
    }
}

fn loose(objects: &Folder, into: &Path, left: &mut u64) -> Result<(), Unreadable> {
    let mut count = 0;
    for (name, kind) in objects.names(LOOSE)? {
        if kind != FileType::Directory || !is_hex(&name, 2) {
            continue;
        }
        let folder = objects.folder(&name)?;
        let place = into.join(&name);
        fs::create_dir(&place)?;
        for (file, kind) in folder.names(LOOSE)? {
            if is_hex(&file, 62) {
                return Err(Unreadable::Sha256);
            }
            if kind != FileType::RegularFile || !is_hex(&file, 38) {
                continue;
            }
            count += 1;
            if count > LOOSE {
                return Err(Unreadable::TooLarge(format!("more than {LOOSE} loose objects")));
            }
            let (content, length) = folder.file(&file)?;
            take(left, length)?;
            // No more than was counted, should it grow meanwhile.
            let mut copy = fs::File::create_new(place.join(&file))?;
            io::copy(&mut content.take(length), &mut copy)?;
        }
    }
    Ok(())
}

/// Hands each pack to git as a stream, as if it were fetched: its index, which
/// git does not check against the pack, is rebuilt.
fn packs(objects: &Folder, into: &Path, left: &mut u64) -> Result<(), Unreadable> {
    let folder = match objects.folder("pack") {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut names = folder.names(PACKS * 8)?;
    names.retain(|(_, kind)| *kind == FileType::RegularFile);
    let of = |ending: &'static str| {
        let names = names.iter().map(|(name, _)| Path::new(name));
        names.filter(move |name| name.extension() == Some(OsStr::new(ending)))
    };
    if of("pack").count() > PACKS {
        return Err(Unreadable::TooLarge(format!("more than {PACKS} packs")));
    }
    if of("promisor").next().is_some() {
        fs::write(into.join("config"), PARTIAL)?;
    }
    for name in of("pack") {
        let (pack, length) = folder.file(name)?;
        take(left, length)?;
        let mut index = local(into);
        index.args(["index-pack", "--stdin", "--no-rev-index"]);
        // What this pack leads to may be missing; nothing of it is ever fetched.
        let is_partial = of("promisor").any(|other| other.file_stem() == name.file_stem());
        index.args(is_partial.then_some("--promisor="));
        index.arg(format!("--max-input-size={length}")).stdin(Stdio::from(pack));
        checked(run(index, "reading a pack of the repository", LOCAL))?;
    }
    Ok(())
}

fn take(left: &mut u64, bytes: u64) -> Result<(), Unreadable> {
    *left = left
        .checked_sub(bytes)
        .ok_or_else(|| Unreadable::TooLarge(format!("more than {} MiB", BYTES >> 20)))?;
    Ok(())
}

fn is_hex(name: &OsStr, length: usize) -> bool {
    name.len() == length
        && name.as_encoded_bytes().iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
