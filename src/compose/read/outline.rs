//! Files as one tree, with variables as they are written: for what rewrites a compose
//! file of others, instead of deploying it.
//!
//! `extends` and `include` are resolved, anchors and merge keys are gone, and overlays are
//! merged by the rules of the Compose specification. Nothing is checked against a schema:
//! what a swarm refuses is what the reader of the tree wants to see.

use std::path::PathBuf;

use crate::compose::{
    LoadOptions, Problems, Source,
    decode::clean,
    problem::{Spot, Texts},
};

use super::{
    extends::{self, overlay, relocate},
    load::{Loader, Place},
    others::{DEEPEST, locate},
    yaml::{Entry, Map, Node, Value},
};

/// The tree, and where its nodes stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    pub root: Map,
    texts: Texts,
}

impl Outline {
    /// `compose.yml:12`; none for a node that is not of a file.
    pub fn line(&self, at: Spot) -> Option<String> {
        (at.line > 0).then(|| format!("{}:{}", self.texts.name(at), at.line))
    }
}

/// Reads files, the later ones over the earlier.
///
/// # Errors
/// What is not YAML, and what `extends` and `include` name in vain.
pub fn outline(sources: &[Source], options: &LoadOptions<'_>) -> Result<Outline, Problems> {
    let mut loader = Loader::new(options);
    let mut root: Option<Map> = None;
    for source in sources {
        let place = Place { folder: options.working_dir.to_owned(), file: None };
        let Some(next) = file(&mut loader, source.clone(), &place, &mut vec![]) else { continue };
        root = Some(match root {
            None => next,
            Some(base) => over(base, next),
        });
    }
    let texts = loader.finish()?;
    Ok(Outline { root: root.unwrap_or_default(), texts })
}

/// One file with what it extends and includes. `trail` holds the files that included it.
fn file(
    loader: &mut Loader<'_>,
    source: Source,
    place: &Place,
    trail: &mut Vec<PathBuf>,
) -> Option<Map> {
    let mut root = loader.written(source)?;
    extends::resolve(loader, &mut root, place);
    let Some(index) = root.0.iter().position(|entry| entry.key == "include") else {
        return Some(root);
    };
    let entry = root.0.remove(index);
    let Value::List(items) = entry.value.value else { return Some(root) };
    for item in items {
        for path in paths(&item) {
            let located = match locate(&place.folder, &path) {
                Ok(located) => located,
                Err(message) => {
                    loader.sink.push(item.at, "include", message);
                    continue;
                }
            };
            if trail.contains(&located) || trail.len() >= DEEPEST {
                let message = format!("`{path}` includes itself, or files are included too deeply");
                loader.sink.push(item.at, "include", message);
                continue;
            }
            let Some(source) = loader.other(&located, item.at, "include") else { continue };
            let folder = clean(&located.parent().map(PathBuf::from).unwrap_or_default());
            let moved = folder != place.folder;
            trail.push(located.clone());
            let included = file(loader, source, &Place { folder, file: Some(located) }, trail);
            let inner = trail.pop().and_then(|path| path.parent().map(PathBuf::from));
            let Some(mut included) = included else { continue };
            if let Some(folder) = inner.filter(|_| moved) {
                for service in services(&mut included) {
                    if let Value::Map(service) = &mut service.value.value {
                        relocate::relocate(service, &folder);
                    }
                }
            }
            // What includes has the last word.
            root = over(included, root);
        }
    }
    Some(root)
}

fn paths(item: &Node) -> Vec<String> {
    let text = |node: &Node| match &node.value {
        Value::Str(text) => Some(text.clone()),
        _ => None,
    };
    match &item.value {
        Value::Str(path) => vec![path.clone()],
        Value::Map(map) => match map.get("path") {
            Some(Node { value: Value::List(items), .. }) => items.iter().filter_map(text).collect(),
            Some(node) => text(node).into_iter().collect(),
            None => vec![],
        },
        _ => vec![],
    }
}

fn services(root: &mut Map) -> &mut [Entry] {
    match root.0.iter_mut().find(|entry| entry.key == "services") {
        Some(Entry { value: Node { value: Value::Map(services), .. }, .. }) => &mut services.0,
        _ => &mut [],
    }
}

/// A file over another: services merge key by key, what is at the top likewise.
fn over(mut base: Map, next: Map) -> Map {
    for entry in next.0 {
        let Some(present) = base.0.iter_mut().find(|present| present.key == entry.key) else {
            base.0.push(entry);
            continue;
        };
        match (&mut present.value.value, entry.value.value) {
            (Value::Map(present), Value::Map(next)) => {
                let is_services = entry.key == "services";
                for item in next.0 {
                    merge(present, item, is_services);
                }
            }
            (_, Value::Null) => {}
            (present, value) => *present = value,
        }
    }
    base
}

fn merge(section: &mut Map, item: Entry, is_services: bool) {
    let Some(present) = section.0.iter_mut().find(|present| present.key == item.key) else {
        section.0.push(item);
        return;
    };
    match (&mut present.value.value, item.value.value) {
        (Value::Map(base), Value::Map(next)) if is_services => {
            let merged = overlay::service(std::mem::take(base), next);
            *base = merged;
        }
        (_, Value::Null) => {}
        (present, value) => *present = value,
    }
}
