//! A part of a set: some of its items, or some files of one of its volumes.

use std::path::Path;

use crate::{
    backup::{
        Error, ItemKind,
        restic::Restic,
        set::manifest::{Item, Manifest},
        volume::relative,
    },
    text::line,
};

/// What of a set is restored, as a person names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Part {
    /// Everything but its settings.
    #[default]
    All,
    /// These items: `uploads`, `volume/uploads`.
    Items(Vec<String>),
    /// Files and folders of one volume: `uploads/2026/a.jpg`, `volume/uploads/2026`.
    Paths(Vec<String>),
}

impl Part {
    /// As a journal has it.
    pub(in crate::operation) fn rows(&self) -> (Vec<String>, Vec<String>) {
        match self {
            Part::All => (Vec::new(), Vec::new()),
            Part::Items(items) => (items.clone(), Vec::new()),
            Part::Paths(paths) => (Vec::new(), paths.clone()),
        }
    }

    /// From a journal.
    pub(in crate::operation) fn of(items: &[String], paths: &[String]) -> Self {
        match (items, paths) {
            ([], []) => Part::All,
            (items, []) => Part::Items(items.to_vec()),
            (_, paths) => Part::Paths(paths.to_vec()),
        }
    }

    /// Leaves of a manifest what is meant. Of a volume whose files are named, these are its
    /// paths then: the rest of it stays.
    ///
    /// # Errors
    /// [`Error::NoItem`] with what the set has.
    pub(super) fn take(&self, mut manifest: Manifest) -> Result<Manifest, Error> {
        let items = manifest.items.iter().filter(|item| item.kind != ItemKind::Settings);
        let items: Vec<Item> = items.cloned().collect();
        manifest.items = match self {
            Part::All => items,
            Part::Items(wanted) => {
                let mut taken: Vec<Item> = Vec::new();
                for wanted in wanted {
                    let item = one(&manifest, &items, wanted)?;
                    if !taken.iter().any(|it| (it.kind, &it.name) == (item.kind, &item.name)) {
                        taken.push(item.clone());
                    }
                }
                taken
            }
            Part::Paths(paths) => vec![of_paths(&manifest, &items, paths)?],
        };
        Ok(manifest)
    }
}

fn no(manifest: &Manifest, reason: String) -> Error {
    Error::NoItem { set: manifest.set.clone(), reason }
}

fn names(item: &Item) -> [String; 2] {
    [format!("{}/{}", item.kind, item.name), item.name.to_string()]
}

fn one<'a>(manifest: &Manifest, items: &'a [Item], wanted: &str) -> Result<&'a Item, Error> {
    let is_it = |item: &&Item| names(item).iter().any(|name| name == wanted);
    let mut found = items.iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(item), None) => Ok(item),
        (Some(item), Some(other)) => Err(no(
            manifest,
            format!(
                "`{}` is the name of two items: write {} or {}",
                item.name,
                names(item)[0],
                names(other)[0]
            ),
        )),
        (None, _) if manifest.items.iter().any(|item| is_it(&item)) => {
            let Manifest { app, set, .. } = manifest;
            Err(no(
                manifest,
                format!(
                    "`{wanted}` has the app's settings, which only a rebuild (`--to-server`) puts \
                     back: `potluck backup download {app} {set} settings.tar -O -` gives them"
                ),
            ))
        }
        (None, _) => {
            let all: Vec<String> = items.iter().map(|item| names(item)[0].clone()).collect();
            let all = all.join(", ");
            Err(no(
                manifest,
                format!("no item is called `{}`; it has {}", line(wanted), line(&all)),
            ))
        }
    }
}

/// The one volume of which files are named, with their paths in it.
fn of_paths(manifest: &Manifest, items: &[Item], paths: &[String]) -> Result<Item, Error> {
    let mut found: Option<Item> = None;
    for path in paths {
        // The longest name of an item that it begins with.
        let begins = |item: &&Item| -> Option<usize> {
            let rest = |name: &String| path.strip_prefix(name.as_str())?.strip_prefix('/');
            names(item).iter().filter(|name| rest(name).is_some()).map(String::len).max()
        };
        let item = items
            .iter()
            .filter(|item| item.kind == ItemKind::Volume)
            .filter_map(|item| Some((begins(&item)?, item)))
            .max_by_key(|(length, _)| *length);
        let Some((length, item)) = item else {
            let volumes = items.iter().filter(|item| item.kind == ItemKind::Volume);
            let volumes: Vec<String> = volumes.map(|item| item.name.to_string()).collect();
            return Err(no(
                manifest,
                format!(
                    "`{}` begins with no volume and a slash; it has the volumes {}",
                    line(path),
                    line(&volumes.join(", "))
                ),
            ));
        };
        let inside =
            relative(&path[length + 1..]).map_err(|reason| no(manifest, reason))?.join("/");
        let taken = found.get_or_insert_with(|| {
            let mut item = item.clone();
            if let Some(facts) = &mut item.volume {
                facts.paths.clear();
            }
            item
        });
        if taken.name != item.name {
            let reason = format!(
                "files of two volumes, {} and {}: restore one after the other",
                taken.name, item.name
            );
            return Err(no(manifest, reason));
        }
        let whole = item.volume.as_ref().map(|facts| facts.paths.as_slice()).unwrap_or_default();
        let is_within = |of: &String| Path::new(&inside).starts_with(of.trim_matches('/'));
        if !whole.is_empty() && !whole.iter().any(is_within) {
            let reason = format!("`{}` is not in the backup of `{}`", line(&inside), item.name);
            return Err(no(manifest, reason));
        }
        if let Some(facts) = &mut taken.volume {
            facts.paths.push(inside);
        }
    }
    found.ok_or_else(|| no(manifest, "no path is named".into()))
}

/// Looks for the files that are named, and counts their bytes.
///
/// # Errors
/// [`Error::NoItem`] for one that the set lacks, and restic's failures.
pub(super) async fn measure(
    part: &Part,
    restic: &Restic,
    manifest: &mut Manifest,
) -> Result<(), Error> {
    if !matches!(part, Part::Paths(_)) {
        return Ok(());
    }
    let set = manifest.set.clone();
    for item in &mut manifest.items {
        let Some(facts) = &item.volume else { continue };
        item.bytes = 0;
        for path in &facts.paths {
            let lacks = || Error::NoItem {
                set: set.clone(),
                reason: format!("`{}` has no `{}`", item.name, line(path)),
            };
            let snapshot = item.snapshot.as_ref().ok_or_else(lacks)?;
            let parent = Path::new(path).parent().unwrap_or(Path::new(""));
            let listed = restic.ls(snapshot, parent, false).await?;
            let mut found = listed.into_iter();
            let found = found.find(|it| it.path.trim_start_matches('/') == path);
            let found = found.ok_or_else(lacks)?;
            item.bytes += match found.kind.as_str() {
                "dir" => {
                    let below = restic.ls(snapshot, Path::new(path), true).await?;
                    below.iter().map(|it| it.size).sum()
                }
                _ => found.size,
            };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::set::manifest::VolumeFacts;

    fn manifest() -> Manifest {
        let item = |kind: ItemKind, name: &str, paths: Option<&[&str]>| Item {
            name: crate::backup::set::ItemName::new(name).unwrap(),
            kind,
            bytes: 1,
            snapshot: Some("ab".repeat(32)),
            tree: None,
            milliseconds: 0,
            volume: paths.map(|paths| VolumeFacts {
                name: format!("w_{name}"),
                uid: 0,
                gid: 0,
                mode: 0o755,
                paths: paths.iter().map(|it| (*it).to_owned()).collect(),
            }),
            service: None,
            plugin: None,
        };
        Manifest {
            format: 2,
            potluck: "0".into(),
            set: "20261121T203015Z-3fa9c1".parse().unwrap(),
            app: "w".into(),
            server: "s".into(),
            stack: "w".into(),
            recipe: "w".into(),
            version: None,
            commit: None,
            created: "2026-11-21T20:30:15Z".parse().unwrap(),
            items: vec![
                item(ItemKind::Dump, "db", None),
                item(ItemKind::Volume, "db", Some(&["backup.sql"])),
                item(ItemKind::Volume, "up", Some(&[])),
                item(ItemKind::Settings, "settings.tar", None),
            ],
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_part_is_what_was_named() {
        let take = |part: Part| {
            let taken = part.take(manifest()).map_err(|error| error.to_string())?;
            let row = |item: &Item| {
                let paths = item.volume.as_ref().map(|facts| facts.paths.join(" "));
                format!("{}/{}:{}", item.kind, item.name, paths.unwrap_or_default())
            };
            Ok::<_, String>(taken.items.iter().map(row).collect::<Vec<_>>().join(", "))
        };
        let items = |all: &[&str]| Part::Items(all.iter().map(|it| (*it).to_owned()).collect());
        let paths = |all: &[&str]| Part::Paths(all.iter().map(|it| (*it).to_owned()).collect());
        for (part, expected) in [
            (Part::All, Ok("dump/db:, volume/db:backup.sql, volume/up:")),
            (items(&["up", "volume/up"]), Ok("volume/up:")),
            (items(&["dump/db"]), Ok("dump/db:")),
            (items(&["db"]), Err("the name of two items: write dump/db or volume/db")),
            (items(&["settings.tar"]), Err("`settings.tar` has the app's settings, which only a")),
            (items(&["up.tar"]), Err("no item is called `up.tar`; it has dump/db")),
            (paths(&["up/a/b", "volume/up/./c/"]), Ok("volume/up:a/b c")),
            (paths(&["db/backup.sql"]), Ok("volume/db:backup.sql")),
            (paths(&["db/other"]), Err("`other` is not in the backup of `db`")),
            (paths(&["up"]), Err("begins with no volume and a slash; it has the volumes db, up")),
            (paths(&["up/../x"]), Err("not a path inside the volume")),
            (paths(&["up/"]), Err("not a path inside the volume")),
            (paths(&["up/a", "db/backup.sql"]), Err("files of two volumes, up and db")),
        ] {
            let found = take(part.clone());
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{part:?}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                other => panic!("{part:?}: {other:?}"),
            }
            let (items, paths) = part.rows();
            assert_eq!(Part::of(&items, &paths), part);
        }
    }
}
