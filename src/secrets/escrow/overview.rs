//! Which of an app's secrets are kept, and who can read them, as the heads of the files
//! say: for which no private key is needed.

use std::collections::BTreeMap;

use super::{
    Error, Recipients, Tag,
    folder::{Folder, Stem},
    seal::{self, Header},
};
use crate::{home::StackName, secrets::SecretVersion};

/// Says of each version whether it is kept and who can read it, and adds those that are
/// kept and otherwise unknown.
///
/// # Errors
/// A folder that cannot be listed.
pub fn mark_kept(
    rows: &mut Vec<SecretVersion>,
    stack: &StackName,
    folder: &Folder,
    recipients: &Recipients,
) -> Result<(), Error> {
    let mut found: BTreeMap<Stem, Result<Header, String>> = BTreeMap::new();
    for file in folder.files()? {
        if file.unfinished.is_none() && file.stem.is_of_swarm() {
            let header = folder.read(&file).map_err(|e| e.to_string());
            let header = header.and_then(|sealed| seal::header(&sealed));
            found.insert(file.stem, header);
        }
    }
    for row in rows.iter_mut() {
        let Ok(stem) = Stem::of(&row.full_name, stack) else { continue };
        if let Some(found) = found.remove(&stem) {
            describe(row, found, recipients);
        }
    }
    for (stem, found) in found {
        let (name, version) = stem.as_str().rsplit_once('_').unwrap_or((stem.as_str(), ""));
        let mut row = SecretVersion {
            name: name.into(),
            version: version.into(),
            full_name: stem.full_name(stack),
            ..SecretVersion::default()
        };
        describe(&mut row, found, recipients);
        rows.push(row);
    }
    Ok(())
}

fn describe(row: &mut SecretVersion, found: Result<Header, String>, recipients: &Recipients) {
    row.kept = true;
    match found {
        Ok(header) => {
            let name = |tag: &Tag| recipients.name_of(tag).unwrap_or("a removed key").to_owned();
            row.readers = header.readers.map(|tags| {
                let mut names: Vec<String> = tags.iter().map(name).collect();
                names.sort();
                names.dedup();
                names
            });
            row.rotate_because_of = header.former.into_iter().map(|former| former.name).collect();
            row.rotate_because_of.dedup();
        }
        Err(_) => {
            row.readers = Some(Vec::new());
        }
    }
}
