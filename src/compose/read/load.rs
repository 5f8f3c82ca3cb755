//! The pipeline of one load, in docker's order: per file YAML, version,
//! forbidden keys, interpolation, schema, typed values; then merge, then
//! warnings. `extends` comes before the schema, `include` after the values.
//! Problems of all files are collected as far as each file gets.

use std::path::{Path, PathBuf};

use crate::compose::{
    Config, LoadOptions, Problems, Source, Warning,
    decode::{self, Decoder},
    model::File,
    problem::{Sink, Spot, Texts},
    schema::{self, Version},
};

use super::{
    entries, extends, include,
    interpolate::{self, Note, NoteKind},
    merge, oddities, older,
    others::Others,
    profiles, unused,
    yaml::{self, Map, Node, Value},
};

/// Keys of services that docker says it ignores (docker/cli,
/// `compose/types.UnsupportedProperties`). It says the same about `restart`, but
/// uses it, so this is not repeated here.
const UNSUPPORTED: &[&str] = &[
    "build",
    "cgroupns_mode",
    "cgroup_parent",
    "devices",
    "domainname",
    "external_links",
    "ipc",
    "links",
    "mac_address",
    "network_mode",
    "pid",
    "privileged",
    "security_opt",
    "shm_size",
    "userns_mode",
];

/// Keys of services that docker refuses, and that mean nothing in a swarm.
const MEANINGLESS: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "cgroup",
    "cpu_shares",
    "cpuset",
    "develop",
    "mem_swappiness",
    "memswap_limit",
    "oom_kill_disable",
    "pull_policy",
    "storage_opt",
    "uts",
];

/// Keys of services that docker calls deprecated.
const DEPRECATED: &[(&str, &str)] = &[
    ("container_name", "Setting the container name is not supported."),
    (
        "expose",
        "Exposing ports is unnecessary - services on the same network can access each other's \
         containers on any port.",
    ),
];

pub fn load(
    sources: &[Source],
    options: &LoadOptions<'_>,
) -> Result<(Config, Vec<Warning>), Problems> {
    let mut loader = Loader::new(options);
    let mut merged: Option<File> = None;
    if sources.is_empty() {
        loader.sink.push(Spot::default(), "", "no compose file was given");
    }
    for source in sources {
        let place = Place { folder: options.working_dir.to_owned(), file: None };
        let Some(file) = loader.file(source.clone(), &place, &mut vec![]) else { continue };
        match &mut merged {
            None => merged = Some(file),
            Some(base) => merge::merge(base, file, &mut loader.notes),
        }
    }
    let Loader { texts, sink, ignored, odd, mut notes, newest, .. } = loader;
    sink.finish(&texts)?;
    let mut file = merged.unwrap_or_default();
    unused::find(&file, &mut notes);
    profiles::select(&mut file, options.profiles);
    let mut found = [ignored, odd.clone()].concat();
    found.sort();
    found.dedup();
    let warnings = found
        .into_iter()
        .map(|(at, message)| Warning { position: texts.position(at), message })
        .collect();
    // Without a problem there is at least one file.
    let version = newest.unwrap_or(Version(schema::NEWEST));
    Ok((Config { version, file, texts, notes, odd }, warnings))
}

/// Where a file stands.
pub struct Place {
    /// Its relative paths resolve against this.
    pub folder: PathBuf,
    /// The file itself, when another one named it; docker does not say where
    /// the others are.
    pub file: Option<PathBuf>,
}

/// A file's tree, interpolated.
pub struct Tree {
    pub root: Map,
    at: Spot,
    version: Version,
}

/// What one load works with.
pub struct Loader<'a> {
    pub options: &'a LoadOptions<'a>,
    pub sink: Sink,
    pub notes: Vec<Note>,
    /// Of the first file.
    version: Option<Version>,
    /// Of all files: what is printed of them all must have it.
    newest: Option<Version>,
    texts: Texts,
    /// What docker says it ignores.
    ignored: Vec<(Spot, String)>,
    /// What else docker warns of.
    odd: Vec<(Spot, String)>,
    /// Files that others named.
    others: Others,
    /// Bytes of services copied by `extends`.
    pub copied: usize,
    /// Bytes that variables brought.
    filled: usize,
    /// Ports of all services, ranges expanded.
    ports: usize,
}

impl<'a> Loader<'a> {
    pub fn new(options: &'a LoadOptions<'a>) -> Self {
        Self {
            options,
            sink: Sink::default(),
            notes: vec![],
            version: None,
            newest: None,
            texts: Texts::default(),
            ignored: vec![],
            odd: vec![],
            others: Others::default(),
            copied: 0,
            filled: 0,
            ports: 0,
        }
    }

    /// One file with all that it includes; none when it can't be read at all. `trail` holds
    /// the files that included it.
    pub fn file(
        &mut self,
        source: Source,
        place: &Place,
        trail: &mut Vec<PathBuf>,
    ) -> Option<File> {
        let mut tree = self.tree(source, place)?;
        self.sink.stage();
        extends::resolve(self, &mut tree.root, place);
        yaml::reject_odd_numbers(&tree.root, &mut self.sink);
        self.sink.stage();
        let twice =
            schema::check(&tree.root, tree.at, tree.version, &mut self.sink, &mut self.notes);
        schema::drop_twice(&mut tree.root, &twice);
        self.sink.stage();
        schema::drop_unset(&mut tree.root);
        entries::find(&tree.root, self.options.environment, &mut self.notes);
        find_ignored(&tree.root, &mut self.ignored);
        let mut decoder = Decoder {
            port_count: &mut self.ports,
            sink: &mut self.sink,
            warnings: &mut self.odd,
            notes: &mut self.notes,
            lookup: self.options.environment,
            files: self.options.files,
            working_dir: &place.folder,
            elsewhere: place.folder != self.options.working_dir,
            home_dir: self.options.home_dir,
            version: self.version.unwrap_or(tree.version),
        };
        let mut file = decode::decode(&tree.root, &mut decoder);
        include::include(self, &tree.root, &mut file, place, trail);
        Some(file)
    }

    /// One file's tree as it is written, older keys in their new places.
    pub fn written(&mut self, source: Source) -> Option<Map> {
        let index = self.texts.push(source);
        let text = self.texts.text(index).to_owned();
        let (root, _) = yaml::read_with_marks(&text, index, &mut self.sink)?;
        let Node { value: Value::Map(mut root), .. } = root else { return None };
        older::move_keys(&mut root, &mut self.notes);
        Some(root)
    }

    /// The texts that were read, unless something is wrong with them.
    ///
    /// # Errors
    /// All problems.
    pub fn finish(self) -> Result<Texts, Problems> {
        self.sink.finish(&self.texts)?;
        Ok(self.texts)
    }

    /// Reads and interpolates one file.
    pub fn tree(&mut self, source: Source, place: &Place) -> Option<Tree> {
        let index = self.texts.push(source);
        let text = self.texts.text(index).to_owned();
        let (root, marks) = yaml::read_with_marks(&text, index, &mut self.sink)?;
        let Node { value: Value::Map(mut root), at } = root else { return None };
        let version = self.version_of(&root, at, place)?;
        oddities::find(&root, &text, marks, index > 0 && place.file.is_none(), &mut self.notes);
        older::move_keys(&mut root, &mut self.notes);
        self.sink.stage();
        schema::check_forbidden(&root, &mut self.sink);
        if self.options.interpolate {
            let lookup = self.options.environment;
            let (sink, notes) = (&mut self.sink, &mut self.notes);
            interpolate::interpolate(&mut root, lookup, sink, notes, &mut self.filled);
        }
        Some(Tree { root, at, version })
    }

    /// The file's version. Docker wants that of the first file; each file is read
    /// by its own here.
    fn version_of(&mut self, root: &Map, at: Spot, place: &Place) -> Option<Version> {
        let at = root.entry("version").map_or(at, |e| e.value.at);
        let version = match Version::of(root) {
            Ok(version) => version,
            Err((at, shown)) if schema::is_before_3(&shown) => {
                let message = format!(
                    "version {shown} of the format is read as version {}, as docker compose does",
                    Version(schema::NEWEST)
                );
                self.ignored.push((at, message));
                let (path, kind) = ("version".to_owned(), NoteKind::BeyondDocker);
                self.notes.push(Note { at, path, kind });
                Version(schema::NEWEST)
            }
            Err((at, shown)) => {
                self.sink.hint(
                    at,
                    "version",
                    format!("`{shown}` is not a version that swarm knows"),
                    format!("remove `version`, or use \"3.0\" to \"{}\"", Version(schema::NEWEST)),
                );
                return None;
            }
        };
        // Files that others name are ours to judge: docker knows none.
        if place.file.is_some() {
            return Some(version);
        }
        let first = *self.version.get_or_insert(version);
        self.newest = self.newest.max(Some(version));
        if first != version {
            let message = format!(
                "this file has version {version}, the first one {first}: each is read by its own"
            );
            self.ignored.push((at, message));
            let (path, kind) = ("version".to_owned(), NoteKind::BeyondDocker);
            self.notes.push(Note { at, path, kind });
        }
        Some(version)
    }

    /// Reads a file that another one names at `at`. Problems are reported.
    pub fn other(&mut self, path: &Path, at: Spot, key: &str) -> Option<Source> {
        match self.others.read(path, self.options) {
            Ok(source) => Some(source),
            Err(message) => {
                self.sink.push(at, key, message);
                None
            }
        }
    }
}

/// Collects what docker warns of.
fn find_ignored(root: &Map, found: &mut Vec<(Spot, String)>) {
    if let Some(name) = root.entry("name") {
        let message = "ignoring `name`: a stack is named when it is deployed";
        found.push((name.at, message.to_owned()));
    }
    let Some(Node { value: Value::Map(services), .. }) = root.get("services") else { return };
    for service in &services.0 {
        let Value::Map(keys) = &service.value.value else { continue };
        for entry in &keys.0 {
            let name = &service.key;
            let key = entry.key.as_str();
            if UNSUPPORTED.contains(&key) || MEANINGLESS.contains(&key) {
                let message =
                    format!("service {name}: ignoring unsupported option `{}`", entry.key);
                found.push((entry.at, message));
            }
            if let Some((key, why)) = DEPRECATED.iter().find(|(key, _)| *key == entry.key) {
                let message = format!("service {name}: ignoring deprecated option `{key}`: {why}");
                found.push((entry.at, message));
            }
        }
    }
}
