//! `extends` of the Compose specification: a service that begins as a copy of
//! another one, from the same file or from another. Docker refuses it in a stack.
//!
//! It is resolved on the tree, before the schema is checked: what is copied is
//! checked where it ends up, and its problems show the place it came from.
//! Relative paths in a service from another folder become absolute.

pub(super) mod overlay;
pub(super) mod relocate;

use std::{
    collections::HashMap,
    path::{Path as FilePath, PathBuf},
    rc::Rc,
};

use super::{
    super::problem::{Path, Spot},
    interpolate::{Note, NoteKind},
    load::{Loader, Place},
    others::{DEEPEST, locate},
    yaml::{Map, Node, Value},
};
use crate::hint::nearest;

/// Bytes of tree that all copies of a load may make up.
const LARGEST_COPY: usize = 64 << 20;
/// Bytes that one node costs besides its text.
const NODE_WEIGHT: usize = 96;

/// The services of one file.
struct Services {
    /// None for the file that is being read.
    file: Option<PathBuf>,
    folder: PathBuf,
    services: Map,
}

/// Resolves all services of a file.
struct Resolver<'l, 'a> {
    loader: &'l mut Loader<'a>,
    files: HashMap<PathBuf, Option<Rc<Services>>>,
    /// Services on the way down, for cycles.
    trail: Vec<(Option<PathBuf>, String)>,
}

/// Replaces every service of the tree that extends another one.
pub fn resolve(loader: &mut Loader<'_>, root: &mut Map, place: &Place) {
    let Some(Node { value: Value::Map(services), .. }) = root.get("services") else { return };
    let extends = |entry: &&super::yaml::Entry| match &entry.value.value {
        Value::Map(service) => service.get("extends").is_some(),
        _ => false,
    };
    let names: Vec<String> =
        services.0.iter().filter(extends).map(|entry| entry.key.clone()).collect();
    if names.is_empty() {
        return;
    }
    let here = Rc::new(Services {
        file: place.file.clone(),
        folder: place.folder.clone(),
        services: services.clone(),
    });
    let mut resolver = Resolver { loader, files: HashMap::new(), trail: vec![] };
    let mut resolved = HashMap::new();
    for name in names {
        if let Some(service) = resolver.service(&here, &name) {
            resolved.insert(name, service);
        }
    }
    let services = root.0.iter_mut().find(|entry| entry.key == "services");
    let Some(Value::Map(services)) = services.map(|entry| &mut entry.value.value) else { return };
    for entry in &mut services.0 {
        match resolved.remove(&entry.key) {
            Some(service) => entry.value.value = Value::Map(service),
            // The problem is reported; the schema need not report it again.
            None => {
                if let Value::Map(service) = &mut entry.value.value {
                    service.0.retain(|entry| entry.key != "extends");
                }
            }
        }
    }
}

impl Resolver<'_, '_> {
    /// A service with everything that it extends.
    fn service(&mut self, here: &Rc<Services>, name: &str) -> Option<Map> {
        let Some(Node { value: Value::Map(service), .. }) = here.services.get(name) else {
            return Some(Map::default());
        };
        let root = Path::Root;
        let services = root.key("services");
        let path = services.key(name);
        self.charge(service, path)?;
        let mut service = service.clone();
        let Some(index) = service.0.iter().position(|entry| entry.key == "extends") else {
            return Some(service);
        };
        let extends = service.0.remove(index);
        let path = path.key("extends");
        self.loader.notes.push(Note {
            at: extends.at,
            path: path.to_string(),
            kind: NoteKind::BeyondDocker,
        });
        let (base_name, at, file) = self.target(&extends.value, path)?;
        let there = match file {
            Some(file) => self.file(here, &file, at, path)?,
            None => Rc::clone(here),
        };
        if there.services.get(&base_name).is_none() {
            let known = there.services.0.iter().map(|entry| entry.key.as_str());
            let hint = nearest(&base_name, known).map(|near| format!("did you mean `{near}`?"));
            let message = format!("there is no service `{base_name}` to extend");
            self.loader.sink.fault(at, path, message, hint);
            return None;
        }
        let step = (here.file.clone(), name.to_owned());
        if self.trail.contains(&step) {
            self.loader.sink.push(at, path, "this service extends itself in the end");
            return None;
        }
        if self.trail.len() >= DEEPEST {
            let message = format!("services extend each other more than {DEEPEST} levels deep");
            self.loader.sink.push(at, path, message);
            return None;
        }
        self.trail.push(step);
        let base = self.service(&there, &base_name);
        self.trail.pop();
        let mut base = base?;
        if there.folder != here.folder {
            relocate::relocate(&mut base, &there.folder);
        }
        Some(overlay::service(base, service))
    }

    /// What `extends` names: the service, its place, and the file.
    fn target(&mut self, node: &Node, path: Path<'_>) -> Option<(String, Spot, Option<String>)> {
        match &node.value {
            Value::Str(name) => return Some((name.clone(), node.at, None)),
            Value::Map(map) => {
                let mut good = true;
                for entry in &map.0 {
                    if !matches!(entry.key.as_str(), "service" | "file") {
                        let hint = nearest(&entry.key, ["service", "file"]);
                        let hint = hint.map(|near| format!("did you mean `{near}`?"));
                        let message = "unknown key".to_owned();
                        self.loader.sink.fault(entry.at, path.key(&entry.key), message, hint);
                        good = false;
                    } else if !matches!(entry.value.value, Value::Str(_)) {
                        let message = format!("must be a string, not {}", entry.value.value.kind());
                        self.loader.sink.push(entry.value.at, path.key(&entry.key), message);
                        good = false;
                    }
                }
                if !good {
                    return None;
                }
                let text = |key: &str| match map.get(key) {
                    Some(Node { value: Value::Str(text), at }) => Some((text.clone(), *at)),
                    _ => None,
                };
                if let Some((name, at)) = text("service") {
                    return Some((name, at, text("file").map(|(file, _)| file)));
                }
                self.loader.sink.push(node.at, path, "`service` is missing");
            }
            other => {
                let message = format!("must be a string or a mapping, not {}", other.kind());
                self.loader.sink.push(node.at, path, message);
            }
        }
        None
    }

    /// The services of another file, read once.
    fn file(
        &mut self,
        here: &Services,
        file: &str,
        at: Spot,
        path: Path<'_>,
    ) -> Option<Rc<Services>> {
        let located = match locate(&here.folder, file) {
            Ok(located) => located,
            Err(message) => {
                self.loader.sink.push(at, path.key("file"), message);
                return None;
            }
        };
        if let Some(known) = self.files.get(&located) {
            return known.clone();
        }
        let read = self.read(&located, at, path).map(Rc::new);
        self.files.insert(located, read.clone());
        read
    }

    fn read(&mut self, file: &FilePath, at: Spot, path: Path<'_>) -> Option<Services> {
        let source = self.loader.other(file, at, &path.key("file").to_string())?;
        let folder = file.parent().map(Into::into).unwrap_or_default();
        let place = Place { folder, file: Some(file.to_owned()) };
        let tree = self.loader.tree(source, &place)?;
        let services = tree.root.0.into_iter().find(|entry| entry.key == "services");
        let services = match services.map(|entry| entry.value.value) {
            Some(Value::Map(services)) => services,
            _ => Map::default(),
        };
        Some(Services { file: place.file, folder: place.folder, services })
    }

    /// Accounts for a copy.
    fn charge(&mut self, service: &Map, path: Path<'_>) -> Option<()> {
        let weight: usize = service.0.iter().map(|e| NODE_WEIGHT + weigh(&e.value)).sum();
        let before = self.loader.copied;
        self.loader.copied = before.saturating_add(weight);
        if self.loader.copied <= LARGEST_COPY {
            return Some(());
        }
        // Once is enough.
        if before <= LARGEST_COPY {
            let at = service.0.first().map(|entry| entry.at).unwrap_or_default();
            self.loader.sink.push(at, path, "the copies that `extends` makes are too large");
        }
        None
    }
}

fn weigh(node: &Node) -> usize {
    NODE_WEIGHT
        + match &node.value {
            Value::Str(text) => text.len(),
            Value::List(items) => items.iter().map(weigh).sum(),
            Value::Map(map) => {
                map.0.iter().map(|e| NODE_WEIGHT + e.key.len() + weigh(&e.value)).sum()
            }
            _ => 0,
        }
}
