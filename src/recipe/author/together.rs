//! Several files of a folder are changed, or none of them: each new one is written beside the
//! old one and takes its place once all are there; if one cannot, those before it get their
//! old content back.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

use cap_std::fs::{Dir, OpenOptions};

use crate::recipe::{Error, inside::leaves};

/// New contents by path; none for a file that is removed.
pub type Contents = BTreeMap<String, Option<String>>;

/// Changes all of them; folders that they are in are made.
///
/// # Errors
/// [`Error::Outside`], [`Error::Io`]; the files are then as they were.
pub fn replace(folder: &Dir, contents: &Contents) -> Result<(), Error> {
    let mut done: Vec<&str> = Vec::new();
    let replaced = prepare(folder, contents).and_then(|()| {
        contents.iter().try_for_each(|(path, content)| {
            done.push(path);
            let failed = |source| Error::Io { path: path.clone(), source };
            match content {
                Some(_) => folder.rename(beside(path), folder, path).map_err(failed),
                None => folder.remove_file(path).map_err(failed),
            }
        })
    });
    if replaced.is_err() {
        done.into_iter().for_each(|path| undo(folder, path));
    }
    for path in contents.keys() {
        for left in [beside(path), kept(path)] {
            // What is left there is in nobody's way the next time.
            let _ = folder.remove_file(left);
        }
    }
    replaced
}

/// Writes the new contents beside the files, and keeps the old ones there.
fn prepare(folder: &Dir, contents: &Contents) -> Result<(), Error> {
    for (path, content) in contents {
        let failed = |source| Error::Io { path: path.clone(), source };
        if leaves(Path::new(path)) {
            return Err(Error::Outside { path: path.clone() });
        }
        if let Some(parent) = Path::new(path).parent().filter(|it| !it.as_os_str().is_empty()) {
            folder.create_dir_all(parent).map_err(failed)?;
        }
        for left in [beside(path), kept(path)] {
            absent(folder.remove_file(left)).map_err(failed)?;
        }
        if let Some(content) = content {
            let mut options = OpenOptions::new();
            let file = folder.open_with(beside(path), options.write(true).create_new(true));
            let mut file = file.map_err(failed)?;
            file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        absent(folder.hard_link(path, folder, kept(path)))
            .or_else(|_| folder.copy(path, folder, kept(path)).map(drop))
            .map_err(failed)?;
    }
    Ok(())
}

/// Gives a file its old content back, or removes one that did not exist. Nothing more can be
/// done where that fails: the error that led here is the one to know.
fn undo(folder: &Dir, path: &str) {
    let old = folder.rename(kept(path), folder, path);
    if old.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        let _ = folder.remove_file(path);
    }
}

fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn beside(path: &str) -> String {
    format!("{path}.potluck-new")
}

fn kept(path: &str) -> String {
    format!("{path}.potluck-old")
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(inside) = folders.pop() {
            for entry in std::fs::read_dir(inside).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(folder).unwrap().display().to_string();
                    found.push(format!("{name}={}", std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    fn contents(all: &[(&str, Option<&str>)]) -> Contents {
        let owned = |(path, content): &(&str, Option<&str>)| {
            ((*path).to_owned(), content.map(str::to_owned))
        };
        all.iter().map(owned).collect()
    }

    #[test]
    fn all_files_are_changed_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        write("a", "1");
        write("b", "2");
        // What an earlier one left.
        write("a.potluck-new", "?");
        let all = contents(&[("a", Some("3")), ("b", None), ("new/c", Some("4"))]);
        replace(&dir, &all).unwrap();
        assert_eq!(files(folder.path()), ["a=3", "new/c=4"]);

        // A folder cannot be replaced by a file.
        std::fs::create_dir_all(folder.path().join("z/full")).unwrap();
        let all =
            contents(&[("a", Some("5")), ("d", Some("6")), ("new/c", None), ("z", Some("7"))]);
        assert!(matches!(replace(&dir, &all), Err(Error::Io { path, .. }) if path == "z"));
        assert_eq!(files(folder.path()), ["a=3", "new/c=4"]);
        let all = contents(&[("a", Some("5")), ("gone", None)]);
        assert!(matches!(replace(&dir, &all), Err(Error::Io { path, .. }) if path == "gone"));
        assert_eq!(files(folder.path()), ["a=3", "new/c=4"]);
        let all = contents(&[("a", Some("5")), ("../x", Some("6"))]);
        assert!(matches!(replace(&dir, &all), Err(Error::Outside { .. } | Error::Io { .. })));
        assert_eq!(files(folder.path()), ["a=3", "new/c=4"]);
    }
}
