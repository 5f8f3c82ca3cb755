//! Compares an item with the same item of the last backup: a complete dump can still come
//! from the wrong database, or from an emptied one. This is only a warning, because data
//! may be deleted for good reasons.

use indicatif::HumanBytes;

use super::{
    ItemKind, SetSummary,
    manifest::{self, Item, Manifest},
    snapshots::{Sets, sets_of},
};
use crate::{
    backup::{
        error::Error,
        restic::{Restic, Unreadable},
    },
    home::AppName,
};

/// A warning is given below this part of the previous size.
const PART: u64 = 10;
/// Items that were smaller than this may shrink without a warning.
const SMALL: u64 = 4096;

/// What is known of earlier backups.
pub(crate) struct Before {
    /// The manifest of the newest complete set, if there is one.
    pub last: Result<Option<Manifest>, Error>,
    pub unreadable: Option<Unreadable>,
}

/// Looks for earlier backups.
pub(crate) async fn before(restic: &Restic, app: &AppName) -> Before {
    match sets_of(restic, app).await {
        Ok(Sets { sets, unreadable }) => Before { last: last(restic, sets).await, unreadable },
        Err(error) => Before { last: Err(error), unreadable: None },
    }
}

/// The manifest of the newest complete set, if there is one.
async fn last(restic: &Restic, sets: Vec<SetSummary>) -> Result<Option<Manifest>, Error> {
    let newest = sets.into_iter().find(|set| set.complete);
    let Some((set, snapshot)) = newest.and_then(|set| Some((set.id, set.manifest?))) else {
        return Ok(None);
    };
    let json = restic.read(&snapshot, manifest::FILE, manifest::LIMIT).await?;
    match Manifest::parse(&json, &set) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(reason) => Err(Error::Manifest { set, reason }),
    }
}

/// The warnings for items that are much smaller than before.
pub(crate) fn shrunk(now: &[Item], last: &Manifest) -> Vec<String> {
    let same = |item: &&Item, old: &&Item| item.name == old.name && item.kind == old.kind;
    now.iter()
        .filter(|item| item.kind != ItemKind::Settings)
        .filter_map(|item| {
            let old = last.items.iter().find(|old| same(&item, old))?;
            let little = old.bytes >= SMALL && item.bytes < old.bytes / PART;
            little.then(|| {
                format!(
                    "the {} `{}` has {} only, {} in the last backup ({})",
                    item.kind,
                    item.name,
                    HumanBytes(item.bytes),
                    HumanBytes(old.bytes),
                    last.set
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::set::ItemName;

    fn item(kind: ItemKind, bytes: u64) -> Item {
        Item {
            name: ItemName::new("wiki.sql").unwrap(),
            kind,
            bytes,
            snapshot: Some("ab".repeat(32)),
            tree: None,
            milliseconds: 0,
            volume: None,
            service: None,
            plugin: None,
        }
    }

    #[test]
    fn only_a_small_part_of_what_was_large_is_worth_a_word() {
        use ItemKind::{Dump, Settings, Volume};
        for (kind, before, now, told) in [
            (Dump, 100_000, 9_999, true),
            (Dump, 100_000, 10_000, false),
            (Dump, 100_000, 0, true),
            (Dump, 4_095, 1, false),
            (Dump, 100, 100_000, false),
            (Volume, 3_600_000_000, 1_500_000, true),
            (Settings, 100_000, 1, false),
        ] {
            let last = Manifest {
                format: Manifest::format(),
                potluck: String::new(),
                set: "20261121T203015Z-3fa9c1".parse().unwrap(),
                app: "w".into(),
                server: "s".into(),
                stack: "w".into(),
                recipe: "w".into(),
                version: None,
                commit: None,
                created: "2026-11-21T20:30:15Z".parse().unwrap(),
                items: vec![item(kind, before)],
                warnings: Vec::new(),
            };
            let said = shrunk(&[item(kind, now)], &last);
            assert_eq!(said.len(), usize::from(told), "{before} → {now}: {said:?}");
            assert!(shrunk(&[], &last).is_empty());
        }
    }
}
