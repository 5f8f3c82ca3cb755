//! Compares an item with the same item of the last backup: a complete dump can still come
//! from the wrong database, or from an emptied one. This is only a warning, because data
//! may be deleted for good reasons.

use indicatif::HumanBytes;

use super::{ItemKind, SetSummary, manifest::Item};

/// A warning is given below this part of the previous size.
const PART: u64 = 10;
/// Items that were smaller than this may shrink without a warning.
const SMALL: u64 = 4096;

/// The warnings for items that are much smaller than before.
pub(crate) fn shrunk(now: &[Item], last: &SetSummary) -> Vec<String> {
    now.iter()
        .filter(|item| item.kind != ItemKind::Settings)
        .filter_map(|item| {
            let old = *last.sizes.get(&item.label())?;
            let little = old >= SMALL && item.bytes < old / PART;
            little.then(|| {
                format!(
                    "the {} `{}` has {} only, {} in the last backup ({})",
                    item.kind,
                    item.name,
                    HumanBytes(item.bytes),
                    HumanBytes(old),
                    last.id
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
            let last = SetSummary {
                sizes: [(item(kind, before).label(), before)].into(),
                ..SetSummary::new("20261121T203015Z-3fa9c1".parse().unwrap(), "w")
            };
            let said = shrunk(&[item(kind, now)], &last);
            assert_eq!(said.len(), usize::from(told), "{before} → {now}: {said:?}");
            assert!(shrunk(&[], &last).is_empty());
        }
    }
}
