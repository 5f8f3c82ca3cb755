//! Compares an item with the same item of the last backup: a complete dump can still come
//! from the wrong database, or from an emptied one. A dump that is much smaller fails the
//! backup, unless its plugin says that it may shrink; of everything else it is a warning,
//! because files are removed for good reasons.

use std::collections::BTreeSet;

use indicatif::HumanBytes;

use super::{ItemKind, SetSummary, manifest::Item};

/// A warning is given below this part of the previous size, in percent; of a dump that keeps
/// its size, below that which is surprising.
const LITTLE: u64 = 10;
const SURPRISING: u64 = 50;
/// Items that were smaller than this may shrink without a warning.
const SMALL: u64 = 4096;

/// What is smaller than before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shrunk {
    /// So much that it is not believed.
    pub refused: Vec<String>,
    pub warned: Vec<String>,
}

/// The items that are much smaller than before. `kept` are those whose size is to be kept,
/// which are refused below `least` percent of it.
pub(crate) fn shrunk(
    now: &[Item],
    last: &SetSummary,
    kept: &BTreeSet<String>,
    least: u8,
) -> Shrunk {
    let mut shrunk = Shrunk::default();
    for item in now.iter().filter(|item| item.kind != ItemKind::Settings) {
        let Some(old) = last.sizes.get(&item.label()).copied().filter(|old| *old >= SMALL) else {
            continue;
        };
        let below =
            |percent: u64| u128::from(item.bytes) * 100 < u128::from(old) * u128::from(percent);
        let is_kept = kept.contains(&item.label());
        let told = || {
            format!(
                "the {} `{}` has {} only, {} in the last backup ({})",
                item.kind,
                item.name,
                HumanBytes(item.bytes),
                HumanBytes(old),
                last.id
            )
        };
        if is_kept && below(least.into()) {
            shrunk.refused.push(told());
        } else if below(if is_kept { SURPRISING } else { LITTLE }) {
            shrunk.warned.push(told());
        }
    }
    shrunk
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backup::set::ItemName, home::SMALLEST_DUMP};

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
    fn a_dump_that_is_much_smaller_is_refused_and_the_rest_is_a_warning() {
        use ItemKind::{Custom, Dump, Settings, Volume};
        for (kind, kept, before, now, refused, warned) in [
            (Dump, true, 100_000, 10_000, 1, 0),
            (Dump, true, 100_000, 24_999, 1, 0),
            (Dump, true, 100_000, 25_000, 0, 1),
            (Dump, true, 100_000, 49_999, 0, 1),
            (Dump, true, 100_000, 50_000, 0, 0),
            (Dump, true, 4_095, 1, 0, 0),
            (Dump, true, 4_096, 1, 1, 0),
            (Dump, true, 100, 100_000, 0, 0),
            (Dump, true, u64::MAX, u64::MAX - 1, 0, 0),
            (Dump, false, 100_000, 9_999, 0, 1),
            (Dump, false, 100_000, 10_000, 0, 0),
            (Custom, false, 100_000, 9_999, 0, 1),
            (Volume, false, 3_600_000_000, 1_500_000, 0, 1),
            (Settings, false, 100_000, 1, 0, 0),
        ] {
            let label = item(kind, before).label();
            let last = SetSummary {
                sizes: [(label.clone(), before)].into(),
                ..SetSummary::new("20261121T203015Z-3fa9c1".parse().unwrap(), "w", "s")
            };
            let kept: BTreeSet<String> = kept.then_some(label).into_iter().collect();
            let said = shrunk(&[item(kind, now)], &last, &kept, SMALLEST_DUMP);
            let counts = (said.refused.len(), said.warned.len());
            assert_eq!(counts, (refused, warned), "{kind} {before} → {now}: {said:?}");
            assert_eq!(shrunk(&[], &last, &kept, SMALLEST_DUMP), Shrunk::default());
            // The operator wants no limit.
            assert!(shrunk(&[item(kind, now)], &last, &kept, 0).refused.is_empty());
        }
    }
}
