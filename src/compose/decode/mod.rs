//! Turns a checked tree into typed values, as docker's loader does (docker/cli,
//! `compose/loader`). The schema has been checked; what it does not check (sizes, dates
//! where text is expected, numbers out of range) is reported here.

mod cluster;
mod deploy;
mod environment;
mod fields;
mod keys;
mod section;
mod service;

use std::path::{Component, Path as FilePath, PathBuf};

use super::{
    Files,
    model::File,
    problem::{Path, Sink, Spot},
    read::{
        interpolate::{Lookup, Note},
        yaml::{Map, Node, Value},
    },
    schema::Version,
};

/// What decoding needs besides the tree, and where it reports problems.
pub struct Decoder<'a> {
    pub sink: &'a mut Sink,
    /// Positions and texts of what docker warns of.
    pub warnings: &'a mut Vec<(Spot, String)>,
    /// Values that are read differently than they look.
    pub notes: &'a mut Vec<Note>,
    pub lookup: Lookup<'a>,
    pub files: &'a dyn Files,
    pub working_dir: &'a FilePath,
    /// The file is in another folder than those given to the load.
    pub elsewhere: bool,
    pub home_dir: Option<&'a FilePath>,
    /// Ports of all services so far, ranges expanded.
    pub port_count: &'a mut usize,
    /// Of the first file.
    pub version: Version,
}

/// Decodes one file.
pub fn decode(root: &Map, decoder: &mut Decoder<'_>) -> File {
    let mut file = File { extras: fields::extras(root), ..File::default() };
    for entry in &root.0 {
        let Value::Map(map) = &entry.value.value else { continue };
        let path = Path::Root.key(&entry.key);
        match entry.key.as_str() {
            "services" => {
                for each in &map.0 {
                    if let Value::Map(keys) = &each.value.value {
                        let service = decoder.service(keys, each.at, path.key(&each.key));
                        file.services.insert(each.key.clone(), service);
                    }
                }
            }
            "networks" => {
                for (name, at, keys) in members(map) {
                    let network = decoder.network(name, keys, at, path.key(name));
                    file.networks.insert(name.to_owned(), network);
                }
            }
            "volumes" => {
                for (name, at, keys) in members(map) {
                    let volume = decoder.volume(name, keys, at, path.key(name));
                    file.volumes.insert(name.to_owned(), volume);
                }
            }
            "secrets" => {
                for (name, at, keys) in members(map) {
                    let secret = decoder.file_object("secret", name, keys, at, path.key(name));
                    file.secrets.insert(name.to_owned(), secret);
                }
            }
            "configs" => {
                for (name, at, keys) in members(map) {
                    let config = decoder.file_object("config", name, keys, at, path.key(name));
                    file.configs.insert(name.to_owned(), config);
                }
            }
            _ => {}
        }
    }
    file
}

/// Entries of a section; nothing counts as an empty mapping.
fn members(map: &Map) -> impl Iterator<Item = (&str, Spot, &Map)> {
    const EMPTY: &Map = &Map(Vec::new());
    map.0.iter().filter_map(|entry| match &entry.value {
        Node { value: Value::Map(keys), .. } => Some((entry.key.as_str(), entry.at, keys)),
        Node { value: Value::Null, .. } => Some((entry.key.as_str(), entry.at, EMPTY)),
        _ => None,
    })
}

impl Decoder<'_> {
    /// Docker's `absPath`: joined to the working folder and cleaned, unless
    /// absolute already.
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        clean(&self.working_dir.join(path)).to_string_lossy().into_owned()
    }
}

/// Go's `filepath.Clean`: `.` and `..` resolved without looking at the disk.
pub fn clean(path: &FilePath) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => {
                    out.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                _ => out.push(".."),
            },
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_in_go() {
        for (path, cleaned) in
            [("/a/./b/../c", "/a/c"), ("/../a", "/a"), ("a/..", "."), ("../a", "../a"), ("/", "/")]
        {
            assert_eq!(clean(FilePath::new(path)), PathBuf::from(cleaned), "{path}");
        }
    }
}
