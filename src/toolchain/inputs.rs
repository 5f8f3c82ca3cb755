//! The inputs of a component in Python, as one digest: the module is run while it is
//! built, and may read any file in its folder, so all of them count.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

/// Folders and files that no component is made of.
const LEFT_OUT: [&str; 5] = [".venv", ".git", "__pycache__", "target", "built"];
const ENDINGS: [&str; 4] = ["wasm", "yml", "md", "part"];
const PIECE: usize = 64 << 10;

/// The digest of a folder's files and of `more`, 64 hex digits.
///
/// # Errors
/// Of reading them.
pub(super) fn digest(folder: &Path, more: &[String]) -> io::Result<String> {
    let mut sum = Sha256::new();
    for text in more {
        add(&mut sum, text.as_bytes());
    }
    below(folder, &mut sum)?;
    Ok(hex::encode(sum.finalize()))
}

/// With its length, so that no two lists of texts are one.
fn add(sum: &mut Sha256, bytes: &[u8]) {
    sum.update((bytes.len() as u64).to_be_bytes());
    sum.update(bytes);
}

fn below(folder: &Path, sum: &mut Sha256) -> io::Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if !LEFT_OUT.iter().any(|left| name == *left) && !ENDINGS.contains(&ending) {
            paths.push((name, path));
        }
    }
    paths.sort();
    sum.update((paths.len() as u64).to_be_bytes());
    for (name, path) in paths {
        add(sum, name.as_encoded_bytes());
        // Follows links, as Python does.
        let Ok(facts) = fs::metadata(&path) else { continue };
        if facts.is_dir() {
            below(&path, sum)?;
        } else if facts.is_file() {
            let mut file = File::open(&path)?;
            sum.update(facts.len().to_be_bytes());
            let mut piece = vec![0; PIECE];
            loop {
                match file.read(&mut piece)? {
                    0 => break,
                    n => sum.update(&piece[..n]),
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_is_made_of_changes_its_digest_and_nothing_else_does() {
        let scratch = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = scratch.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let now = |more: &str| digest(scratch.path(), &[more.to_owned()]).unwrap();
        write("wiki.py", "x = 1");
        write(".potluck/potluck/__init__.py", "");
        write("tests/test_more.py", "");
        let first = now("1");
        for (path, text) in [
            ("wiki.wasm", "component"),
            ("tests/first.yml", "call: check"),
            ("__pycache__/wiki.pyc", "x"),
            (".venv/bin/python3", "x"),
            (".potluck/built/wiki.wasm", "x"),
        ] {
            write(path, text);
        }
        assert_eq!(now("1"), first);
        assert_ne!(now("2"), first);
        for (path, text) in
            [("wiki.py", "x = 2"), (".potluck/potluck/__init__.py", "y"), ("data/words.txt", "z")]
        {
            let before = now("1");
            write(path, text);
            assert_ne!(now("1"), before, "{path}");
        }
    }
}
