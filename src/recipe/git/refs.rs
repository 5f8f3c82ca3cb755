//! The references of a repository, read as data: HEAD, branches, tags and what
//! was fetched from `origin` (gitrepository-layout(5), git-pack-refs(1)). What
//! git would not accept as a reference is skipped, and so are references that
//! change what others mean (`refs/replace`).

use std::{collections::BTreeMap, io};

use rustix::fs::FileType;

use super::folder::Folder;
use crate::{recipe::error::Unreadable, text::is_hidden};

/// Bytes of `packed-refs`: some 300 000 references.
const PACKED: u64 = 32 << 20;
/// Bytes of one reference's file.
const LOOSE: u64 = 4096;
const COUNT: usize = 100_000;
const DEPTH: usize = 16;
/// Symbolic references behind one another.
const HOPS: usize = 5;

/// Where HEAD is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::recipe) enum Head {
    /// On a branch, `refs/heads/main`, which may have no commit yet.
    Branch(String),
    Commit(String),
}

/// Names, in full, and the ids they lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::recipe) struct Refs {
    pub head: Head,
    pub all: BTreeMap<String, String>,
}

impl Refs {
    /// Those of a git directory.
    pub fn read(git_dir: &Folder) -> Result<Self, Unreadable> {
        if git_dir.kind("reftable")?.is_some() {
            return Err(Unreadable::Reftable);
        }
        let mut found = BTreeMap::new();
        if let Some(packed) = git_dir.read_if_any("packed-refs", PACKED)? {
            for line in String::from_utf8_lossy(&packed).lines() {
                // A header, and the commits that annotated tags lead to.
                if line.starts_with(['#', '^']) {
                    continue;
                }
                if let Some((id, name)) = line.split_once(' ')
                    && is_wanted(name)
                {
                    found.insert(name.to_owned(), Value::parse(id)?);
                }
            }
        }
        for below in ["heads", "tags", "remotes/origin"] {
            let mut folder = git_dir.folder("refs")?;
            let mut missing = false;
            for part in below.split('/') {
                match folder.folder(part) {
                    Ok(inside) => folder = inside,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => missing = true,
                    Err(error) => return Err(error.into()),
                }
            }
            if !missing {
                walk(&folder, &format!("refs/{below}"), DEPTH, &mut found)?;
            }
        }
        let head = git_dir.read("HEAD", LOOSE)?;
        let head = match Value::parse(String::from_utf8_lossy(&head).trim_end())? {
            Value::Symbolic(name) => Head::Branch(name),
            Value::Id(id) => Head::Commit(id),
            Value::Nothing => return Err(Unreadable::Odd("its HEAD is invalid".into())),
        };
        let all = found.keys().filter_map(|name| Some((name.clone(), resolve(&found, name)?)));
        Ok(Refs { head, all: all.collect() })
    }

    /// The commit that HEAD is on.
    pub fn head(&self) -> Option<&str> {
        match &self.head {
            Head::Commit(id) => Some(id),
            Head::Branch(name) => self.all.get(name).map(String::as_str),
        }
    }

    /// The short name of the branch that HEAD is on.
    pub fn branch(&self) -> Option<&str> {
        match &self.head {
            Head::Branch(name) => name.strip_prefix("refs/heads/"),
            Head::Commit(_) => None,
        }
    }

    /// The short names of all tags.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.all.keys().filter_map(|name| name.strip_prefix("refs/tags/"))
    }

    /// As git's `packed-refs` has them.
    pub fn packed(&self) -> String {
        self.all.iter().map(|(name, id)| format!("{id} {name}\n")).collect()
    }

    /// As git's `HEAD` has it. A branch without a commit, which git would not
    /// take either when it is no branch, is written as a missing one.
    pub fn head_file(&self) -> String {
        match &self.head {
            Head::Commit(id) => format!("{id}\n"),
            Head::Branch(name) if self.all.contains_key(name) => format!("ref: {name}\n"),
            Head::Branch(_) => "ref: refs/heads/main\n".into(),
        }
    }
}

/// What one reference holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Id(String),
    Symbolic(String),
    /// Nothing that git understands.
    Nothing,
}

impl Value {
    fn parse(text: &str) -> Result<Self, Unreadable> {
        if let Some(name) = text.strip_prefix("ref:") {
            let name = name.trim();
            return Ok(if is_plain(name) { Value::Symbolic(name.into()) } else { Value::Nothing });
        }
        let id = text.trim_end();
        if !id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(Value::Nothing);
        }
        match id.len() {
            40 => Ok(Value::Id(id.into())),
            64 => Err(Unreadable::Sha256),
            _ => Ok(Value::Nothing),
        }
    }
}

fn walk(
    folder: &Folder,
    name: &str,
    depth: usize,
    found: &mut BTreeMap<String, Value>,
) -> Result<(), Unreadable> {
    for (part, kind) in folder.names(COUNT)? {
        let Some(part) = part.to_str() else { continue };
        let name = format!("{name}/{part}");
        if !is_plain(&name) {
            continue;
        }
        if found.len() >= COUNT {
            return Err(Unreadable::TooLarge(format!("more than {COUNT} references")));
        }
        match kind {
            FileType::Directory if depth > 0 => {
                walk(&folder.folder(part)?, &name, depth - 1, found)?;
            }
            FileType::RegularFile => {
                let content = folder.read(part, LOOSE)?;
                found.insert(name, Value::parse(String::from_utf8_lossy(&content).trim_end())?);
            }
            // A link, or too deep: nothing that git made.
            _ => {}
        }
    }
    Ok(())
}

fn resolve(found: &BTreeMap<String, Value>, name: &str) -> Option<String> {
    let mut name = name;
    for _ in 0..=HOPS {
        match found.get(name)? {
            Value::Id(id) => return Some(id.clone()),
            Value::Symbolic(next) => name = next,
            Value::Nothing => return None,
        }
    }
    None
}

fn is_wanted(name: &str) -> bool {
    ["refs/heads/", "refs/tags/", "refs/remotes/origin/"]
        .iter()
        .any(|folder| name.starts_with(folder))
        && is_plain(name)
}

/// The rules of git-check-ref-format(1); and no invisible characters.
pub(super) fn is_plain(name: &str) -> bool {
    let bad = |c: char| {
        c.is_control()
            || is_hidden(c)
            || c.is_whitespace()
            || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    };
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && part.strip_suffix(".lock").is_none()
    };
    name.starts_with("refs/")
        && name.len() < 1000
        && !name.contains(bad)
        && !name.contains("..")
        && !name.contains("@{")
        && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn read(files: &[(&str, &str)]) -> Result<Refs, Unreadable> {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("refs")).unwrap();
        for (name, content) in files {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Refs::read(&Folder::open(place.path()).unwrap())
    }

    #[test]
    fn packed_and_loose_references_are_read_and_resolved() {
        let refs = read(&[
            ("HEAD", "ref: refs/heads/main\n"),
            (
                "packed-refs",
                &format!(
                    "# pack-refs with: peeled\n{A} refs/heads/main\n{A} refs/tags/1.0.0+1\n^{B}\n\
                     {A} refs/replace/{B}\n{A} refs/tags/../../x\n{A} refs/tags/a b\nx\n"
                ),
            ),
            ("refs/heads/main", &format!("{B}\n")),
            ("refs/remotes/origin/HEAD", "ref: refs/remotes/origin/deep/er\n"),
            ("refs/remotes/origin/deep/er", A),
            ("refs/remotes/other/main", A),
            ("refs/tags/broken", "no id"),
            ("refs/tags/round", "ref: refs/tags/round"),
            ("refs/tags/x.lock", A),
            ("refs/tags/up", "ref: ../../../../etc/passwd"),
        ])
        .unwrap();
        assert_eq!(refs.head(), Some(B));
        assert_eq!(refs.tags().collect::<Vec<_>>(), ["1.0.0+1"]);
        assert_eq!(
            refs.packed(),
            format!(
                "{B} refs/heads/main\n{A} refs/remotes/origin/HEAD\n\
                 {A} refs/remotes/origin/deep/er\n{A} refs/tags/1.0.0+1\n"
            )
        );
        assert_eq!(refs.head_file(), "ref: refs/heads/main\n");
    }

    #[test]
    fn what_is_not_read_says_why() {
        let sha256 = "c".repeat(64);
        for (files, wanted) in [
            (&[("HEAD", sha256.as_str())][..], Unreadable::Sha256),
            (&[("HEAD", A), ("refs/tags/x", &sha256)], Unreadable::Sha256),
            (&[("HEAD", A), ("reftable/tables.list", "")], Unreadable::Reftable),
            (&[("HEAD", "x")], Unreadable::Odd("its HEAD is invalid".into())),
        ] {
            assert_eq!(read(files).unwrap_err(), wanted);
        }
        let unborn = read(&[("HEAD", "ref: refs/heads/x")]).unwrap();
        assert_eq!((unborn.head(), unborn.head_file().as_str()), (None, "ref: refs/heads/main\n"));
    }
}
