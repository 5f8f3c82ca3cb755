//! `include` of the Compose specification: other files whose services, networks,
//! volumes, secrets and configs become part of this one. Their relative paths
//! resolve against their own folder. Docker refuses it in a stack.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value as Json;

use crate::compose::{
    model::File,
    print,
    problem::{Path, Sink, Spot},
};

use super::{
    load::{Loader, Place},
    merge,
    others::{DEEPEST, locate},
    yaml::{Map, Node, Value},
};

/// Adds what the tree's `include` names to the file made of it.
pub fn include(
    loader: &mut Loader<'_>,
    root: &Map,
    file: &mut File,
    place: &Place,
    trail: &mut Vec<PathBuf>,
) {
    let Some(Node { value: Value::List(items), .. }) = root.get("include") else { return };
    for item in items {
        if let Some(included) = group(loader, item, place, trail) {
            unite(file, included, item.at, &mut loader.sink);
        }
    }
}

/// One entry of `include`: a file, or several of which the later ones are
/// overlays.
fn group(
    loader: &mut Loader<'_>,
    item: &Node,
    place: &Place,
    trail: &mut Vec<PathBuf>,
) -> Option<File> {
    let (paths, folder) = match &item.value {
        Value::Str(path) => (vec![path.as_str()], None),
        Value::Map(map) => {
            let paths = match map.get("path").map(|node| &node.value) {
                Some(Value::Str(path)) => vec![path.as_str()],
                Some(Value::List(items)) => items.iter().filter_map(text).collect(),
                _ => vec![],
            };
            (paths, map.get("project_directory").and_then(text))
        }
        _ => return None,
    };
    let mut folder = folder.map(|folder| crate::compose::decode::clean(&place.folder.join(folder)));
    let mut merged: Option<File> = None;
    for path in paths {
        let path = match locate(&place.folder, path) {
            Ok(path) => path,
            Err(message) => {
                let hint = "put a copy into a file and include that";
                loader.sink.hint(item.at, "include", message, hint);
                return None;
            }
        };
        if trail.contains(&path) || place.file.as_ref() == Some(&path) {
            let message = format!("{} includes itself", path.display());
            loader.sink.push(item.at, "include", message);
            return None;
        }
        if trail.len() >= DEEPEST {
            let message = format!("files include each other more than {DEEPEST} levels deep");
            loader.sink.push(item.at, "include", message);
            return None;
        }
        let source = loader.other(&path, item.at, "include")?;
        let folder =
            folder.get_or_insert_with(|| path.parent().map(Into::into).unwrap_or_default()).clone();
        trail.push(path.clone());
        let file = loader.file(source, &Place { folder, file: Some(path) }, trail);
        trail.pop();
        match (&mut merged, file?) {
            (Some(base), over) => merge::merge(base, over, &mut loader.notes),
            (None, file) => merged = Some(file),
        }
    }
    merged
}

fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

/// Adds what was included. The same name twice is an error, unless both are the
/// same thing.
fn unite(file: &mut File, included: File, at: Spot, sink: &mut Sink) {
    let mut add = Uniter { at, sink };
    add.all("services", &mut file.services, included.services, |service| {
        Json::from(vec![print::service(service), service.profiles.clone().into()])
    });
    add.all("networks", &mut file.networks, included.networks, print::network);
    add.all("volumes", &mut file.volumes, included.volumes, print::volume);
    add.all("secrets", &mut file.secrets, included.secrets, print::file_object);
    add.all("configs", &mut file.configs, included.configs, print::file_object);
}

struct Uniter<'s> {
    at: Spot,
    sink: &'s mut Sink,
}

impl Uniter<'_> {
    fn all<T>(
        &mut self,
        section: &str,
        here: &mut BTreeMap<String, T>,
        included: BTreeMap<String, T>,
        show: impl Fn(&T) -> Json,
    ) {
        for (name, thing) in included {
            match here.get(&name) {
                Some(present) if show(present) == show(&thing) => {}
                Some(_) => {
                    let root = Path::Root;
                    let section_path = root.key(section);
                    self.sink.hint(
                        self.at,
                        section_path.key(&name),
                        "this is defined already, and `include` brings a second definition",
                        "to change what is included, use `extends` or an overlay file",
                    );
                }
                None => {
                    here.insert(name, thing);
                }
            }
        }
    }
}
