//! `environment` and `env_file` of services.

use std::{collections::BTreeMap, io, path::Path as FilePath};

use super::{Decoder, deploy::map_at};
use crate::compose::problem::{Path, Spot};
use crate::compose::read::{
    env::{self, Odd},
    interpolate::{Note, NoteKind},
    yaml::{Map, Node, Value},
};

/// By name; none for a name alone, for the engine to fill.
type Environment = BTreeMap<String, Option<String>>;

/// One entry of `env_file`.
struct EnvFile {
    at: Spot,
    path: String,
    /// Docker's form always is.
    required: bool,
}

impl Decoder<'_> {
    /// Environment files first, in order, then `environment`. A value that is
    /// missing or empty takes the one of the surrounding environment. Returns
    /// the files that were read, too.
    pub(super) fn environment(&mut self, map: &Map, path: Path<'_>) -> (Vec<String>, Environment) {
        let mut all = BTreeMap::new();
        let mut names = vec![];
        let path_of_files = path.key("env_file");
        for file in self.env_files(map, path_of_files) {
            let resolved = self.absolute(&file.path);
            let resolved = FilePath::new(&resolved);
            let shown = self.files.shown(resolved);
            let bytes = match self.files.read(resolved) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !file.required => continue,
                Err(error) => {
                    let message = format!("{shown} cannot be read: {error}");
                    self.sink.push(file.at, path_of_files, message);
                    continue;
                }
            };
            for (line, odd) in env::oddities(&bytes) {
                let place = format!("{shown}:{line}");
                let kind = match odd {
                    Odd::Quoted(name) => NoteKind::QuotesKept(format!("`{name}` in {place}")),
                    Odd::Invisible(c) => NoteKind::Invisible(c),
                    odd => NoteKind::EnvFileRaw(format!("{place}: {odd}")),
                };
                let path = match kind {
                    NoteKind::Invisible(_) => format!("{path_of_files} ({place})"),
                    _ => path_of_files.to_string(),
                };
                self.notes.push(Note { at: file.at, path, kind });
            }
            match env::parse(&bytes, self.lookup) {
                Ok(pairs) => all.extend(pairs.into_iter().map(|(k, v)| (k, Some(v)))),
                Err(why) => {
                    let message = format!("{shown} is not an environment file: {why}");
                    self.sink.push(file.at, path_of_files, message);
                }
            }
            // Of another folder, the path as written would mislead.
            let absolute = || resolved.to_string_lossy().into_owned();
            names.push(if self.elsewhere { absolute() } else { file.path });
        }
        all.extend(self.pairs_at(map, "environment", path));
        self.quotes(map, "environment", path);
        self.quotes(map, "labels", path);
        if let Some(deploy) = map_at(map, "deploy") {
            self.quotes(deploy, "labels", path.key("deploy"));
        }
        let filled = all
            .into_iter()
            .map(|(name, value)| {
                let value = self.fill(&name, value);
                (name, value)
            })
            .collect();
        (names, filled)
    }

    /// Notes items like `KEY="value"`, whose quotes are part of the value.
    fn quotes(&mut self, map: &Map, key: &str, path: Path<'_>) {
        let Some(Node { value: Value::List(items), .. }) = map.get(key) else { return };
        let path = path.key(key);
        for (index, item) in items.iter().enumerate() {
            let Value::Str(text) = &item.value else { continue };
            if let Some((name, value)) = text.split_once('=')
                && env::is_quoted(value)
            {
                let path = path.index(index).to_string();
                let kind = NoteKind::QuotesKept(format!("the value of `{name}`"));
                self.notes.push(Note { at: item.at, path, kind });
            }
        }
    }

    fn fill(&self, name: &str, value: Option<String>) -> Option<String> {
        match value {
            Some(value) if !value.is_empty() => Some(value),
            other => (self.lookup)(name).or(other),
        }
    }

    fn env_files(&mut self, map: &Map, path: Path<'_>) -> Vec<EnvFile> {
        let Some(node) = map.get("env_file") else { return vec![] };
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let path = path.index(index);
                match &item.value {
                    Value::Map(inner) => EnvFile {
                        at: item.at,
                        path: self.text_at(inner, "path", path),
                        required: inner.get("required").is_none()
                            || self.flag_at(inner, "required", path),
                    },
                    _ => EnvFile { at: item.at, path: self.text(item, path), required: true },
                }
            })
            .collect()
    }
}
