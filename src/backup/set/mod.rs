//! Sets: all snapshots of one backup of one app, identified by their tags.
//!
//! Every snapshot carries `potluck`, `app:<app>`, `set:<id>` and `item:<item>`. The
//! manifest snapshot comes last and says in its tags how many others there are, and which
//! items have none because they are empty, so that a list of snapshots is enough to tell a
//! complete set from an incomplete one. restic splits the values of `--tag` at commas, so
//! no value of a tag may contain one.

pub(crate) mod census;
pub(crate) mod choose;
pub(crate) mod compare;
pub(crate) mod exec;
pub(crate) mod facts;
pub(crate) mod holding;
pub(crate) mod judged;
pub mod manifest;
pub(crate) mod open;
pub(crate) mod plan;
pub mod proof;
pub(crate) mod signed;
pub(crate) mod signing;
pub(crate) mod snapshots;
pub mod stream;
pub(crate) mod take;
pub mod trust;
pub(crate) mod whose;

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::restic::Snapshot;
use crate::home::AppName;

/// The tag of everything that potluck stores.
pub const TAG: &str = "potluck";
/// The item that makes a set complete.
pub const MANIFEST: &str = "manifest";

/// The tag of an item that holds nothing, at the manifest's snapshot: restic makes
/// none of an empty folder.
const EMPTY: &str = "empty";
/// The tag of an item's size, at the manifest's snapshot: with it, a list of snapshots is
/// enough to see that an item shrank.
const SIZE: &str = "size";
/// The tag that says, at the manifest's snapshot, the number of warnings while the set
/// was taken. The texts are in the manifest.
const WARNINGS: &str = "warnings";

/// Name of a set: when it was begun, in UTC, and six random digits,
/// `20261121T203015Z-3fa9c1`. Sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SetId(String);

/// Text that is no set's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a backup")]
pub struct InvalidSetId(String);

impl SetId {
    /// A name for a set that begins now.
    pub fn new(now: Timestamp, random: [u8; 3]) -> Self {
        SetId(format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), hex::encode(random)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the set was begun.
    pub fn begun(&self) -> Timestamp {
        time_of(&self.0).expect("a SetId is made only from text whose time was parsed")
    }
}

fn time_of(id: &str) -> Option<Timestamp> {
    let (time, random) = id.split_once('-')?;
    let digits = random.len() == 6
        && random.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && time.len() == 16;
    if !digits {
        return None;
    }
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

impl FromStr for SetId {
    type Err = InvalidSetId;
    fn from_str(text: &str) -> Result<Self, InvalidSetId> {
        match time_of(text) {
            Some(_) => Ok(SetId(text.into())),
            None => Err(InvalidSetId(text.chars().take(64).collect())),
        }
    }
}

impl TryFrom<String> for SetId {
    type Error = InvalidSetId;
    fn try_from(text: String) -> Result<Self, InvalidSetId> {
        text.parse()
    }
}

impl From<SetId> for String {
    fn from(id: SetId) -> String {
        id.0
    }
}

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    Volume,
    Dump,
    Custom,
    /// Settings, lock file and rendered stack; always there.
    Settings,
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ItemKind::Volume => "volume",
            ItemKind::Dump => "dump",
            ItemKind::Custom => "custom",
            ItemKind::Settings => "settings",
        })
    }
}

/// An item's name within its set. It becomes a tag and, for what is streamed, a
/// file name in the snapshot: letters, digits, `.`, `-` and `_`, at most 100.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ItemName(String);

/// A name that cannot be a tag or a file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name an item: use up to 100 letters, digits, `.`, `-` and `_`, not first `.` or `-`"
)]
pub struct InvalidItemName(String);

impl ItemName {
    /// # Errors
    /// [`InvalidItemName`] for anything that could not be a tag and a file name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidItemName> {
        let name = name.into();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if (1..=100).contains(&name.len())
            && name.chars().all(plain)
            && !name.starts_with(['.', '-'])
        {
            Ok(ItemName(name))
        } else {
            Err(InvalidItemName(name.chars().take(120).collect()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ItemName {
    type Error = InvalidItemName;
    fn try_from(text: String) -> Result<Self, InvalidItemName> {
        Self::new(text)
    }
}

impl From<ItemName> for String {
    fn from(name: ItemName) -> String {
        name.0
    }
}

impl fmt::Display for ItemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tags of one item's snapshot.
pub fn item_tags(app: &AppName, set: &SetId, kind: ItemKind, name: &ItemName) -> Vec<String> {
    vec![TAG.into(), format!("app:{app}"), format!("set:{set}"), format!("item:{kind}/{name}")]
}

/// What restic's `--tag` takes to find the snapshots of an app, or of a set.
pub fn filter(app: &AppName, set: Option<&SetId>) -> String {
    match set {
        None => format!("{TAG},app:{app}"),
        Some(set) => format!("{TAG},app:{app},set:{set}"),
    }
}

/// What another machine's clock may be ahead of ours.
const CLOCKS: SignedDuration = SignedDuration::from_mins(10);

/// A set, as far as a list of snapshots shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetSummary {
    pub id: SetId,
    pub app: String,
    /// The server whose app it is, as the folder of the machine that took it calls it: apps
    /// of several servers may have one name, and one repository.
    pub server: String,
    /// When it was begun.
    #[serde(rename = "time")]
    pub begun: Timestamp,
    /// Version of the recipe; none for an unreleased one.
    pub version: Option<String>,
    /// Bytes of data before compression; none for an incomplete set.
    pub bytes: Option<u64>,
    /// Names of the items, `dump/wordpress.sql`, sorted.
    pub items: Vec<String>,
    /// Those of them that hold no files; sorted.
    pub empty: Vec<String>,
    /// Whether it can be restored: it has its manifest and every snapshot that
    /// the manifest counts.
    pub complete: bool,
    /// The number of warnings while it was taken; the plan of its restore shows them.
    pub warnings: usize,
    /// The command that removes an incomplete set; none for a complete one.
    pub remove: Option<String>,
    /// Full id of the manifest's snapshot.
    #[serde(skip)]
    pub manifest: Option<String>,
    /// Full ids of all its snapshots.
    pub snapshots: Vec<String>,
    /// Full id of each item's snapshot.
    #[serde(skip)]
    pub parts: BTreeMap<String, String>,
    /// Digest of what each item's snapshot holds.
    #[serde(skip)]
    pub trees: BTreeMap<String, String>,
    /// Bytes of each item, as the manifest's snapshot tells without being read.
    #[serde(skip)]
    pub sizes: BTreeMap<String, u64>,
}

impl SetSummary {
    /// A set of which nothing else is known yet.
    pub(crate) fn new(id: SetId, app: &str, server: &str) -> Self {
        SetSummary {
            begun: id.begun(),
            id,
            app: app.into(),
            server: server.into(),
            version: None,
            bytes: None,
            items: Vec::new(),
            empty: Vec::new(),
            complete: false,
            warnings: 0,
            remove: None,
            manifest: None,
            snapshots: Vec::new(),
            parts: BTreeMap::new(),
            trees: BTreeMap::new(),
            sizes: BTreeMap::new(),
        }
    }

    /// How far its time is ahead, if that is more than clocks may differ: one of them is
    /// wrong, or somebody forged it, so that it may not be the newest.
    pub(crate) fn ahead_of(&self, now: Timestamp) -> Option<SignedDuration> {
        let ahead = self.begun.duration_since(now);
        (ahead > CLOCKS).then_some(ahead)
    }
}

/// The sets among snapshots, newest first. Snapshots without our tags, or with
/// malformed ones, are left out.
pub fn sets(snapshots: &[Snapshot]) -> Vec<SetSummary> {
    // Those of another app or server that claim the same name are other sets.
    let mut sets: BTreeMap<(SetId, &str, &str), (SetSummary, Option<usize>)> = BTreeMap::new();
    for snapshot in snapshots {
        if !snapshot.tags.iter().any(|t| t == TAG) {
            continue;
        }
        let tag =
            |key: &str| snapshot.tags.iter().find_map(|t| t.strip_prefix(key)?.strip_prefix(':'));
        let (Some(app), Some(Ok(id)), Some(item)) =
            (tag("app"), tag("set").map(SetId::from_str), tag("item"))
        else {
            continue;
        };
        let server = snapshot.hostname.as_str();
        let (set, expected) = sets
            .entry((id.clone(), app, server))
            .or_insert_with(|| (SetSummary::new(id, app, server), None));
        set.snapshots.push(snapshot.id.clone());
        if item == MANIFEST {
            set.manifest = Some(snapshot.id.clone());
            set.version = tag("version").map(Into::into);
            set.bytes = tag("bytes").and_then(|b| b.parse().ok());
            let all = |key: &str| {
                let of_key = |tag: &String| Some(tag.strip_prefix(key)?.strip_prefix(':')?.into());
                snapshot.tags.iter().filter_map(of_key).collect::<Vec<String>>()
            };
            set.empty = all(EMPTY);
            let sizes = all(SIZE).into_iter().filter_map(|told| {
                let (item, bytes) = told.rsplit_once(':')?;
                Some((item.to_owned(), bytes.parse().ok()?))
            });
            set.sizes = sizes.collect();
            set.warnings = tag(WARNINGS).and_then(|n| n.parse().ok()).unwrap_or(0);
            *expected = tag("items").and_then(|n| n.parse().ok());
        } else {
            set.items.push(item.into());
            set.parts.insert(item.into(), snapshot.id.clone());
            set.trees.insert(item.into(), snapshot.tree.clone());
        }
    }
    let sets = sets.into_values().rev().map(|(mut set, expected)| {
        set.complete = set.manifest.is_some() && expected == Some(set.items.len());
        set.items.extend_from_slice(&set.empty);
        set.items.sort();
        set.empty.sort();
        set
    });
    sets.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: &str, tags: &[&str]) -> Snapshot {
        Snapshot {
            id: id.into(),
            time: Timestamp::UNIX_EPOCH,
            tags: tags.iter().map(|t| (*t).into()).collect(),
            paths: Vec::new(),
            tree: String::new(),
            hostname: "h".into(),
        }
    }

    #[test]
    fn a_set_id_reads_as_it_prints_and_sorts_by_time() {
        let early = SetId::new("2026-11-21T20:30:15Z".parse().unwrap(), [0xff; 3]);
        let late = SetId::new("2026-11-21T20:30:16Z".parse().unwrap(), [0; 3]);
        assert_eq!(early.as_str(), "20261121T203015Z-ffffff");
        assert_eq!(early.as_str().parse::<SetId>().unwrap(), early);
        assert_eq!(early.begun().to_string(), "2026-11-21T20:30:15Z");
        assert!(early < late);
    }

    #[test]
    fn other_text_is_no_set_id() {
        for bad in [
            "",
            "latest",
            "20261121T203015Z",
            "20261121T203015Z-FFFFFF",
            "20261321T203015Z-ffffff",
            "20261121T203015Z-fffff,",
            "20261121T203015Z-ffffff0",
            "../../etc-ffffff",
        ] {
            assert!(bad.parse::<SetId>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn an_item_name_is_safe_as_a_tag_and_as_a_file_name() {
        for good in ["wordpress.sql", "data", "a-b_c.1"] {
            assert!(ItemName::new(good).is_ok(), "{good:?} was refused");
        }
        for bad in ["", ".hidden", "-n", "a,b", "a/b", "a b", "ä", "a\nb", &"x".repeat(101)] {
            assert!(ItemName::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn no_tag_holds_a_comma() {
        let app = AppName::new("wiki.example.org").unwrap();
        let set = SetId::new(Timestamp::UNIX_EPOCH, [1, 2, 3]);
        let name = ItemName::new("data").unwrap();
        let tags = item_tags(&app, &set, ItemKind::Volume, &name);
        assert!(tags.iter().all(|t| !t.contains(',')), "{tags:?}");
    }

    #[test]
    fn only_a_set_with_its_manifest_and_all_items_is_complete() {
        let (a, b, c) =
            ("20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb", "20260103T000000Z-cccccc");
        let tags = |set: &str, item: &str| {
            vec![TAG.to_owned(), "app:w".into(), format!("set:{set}"), format!("item:{item}")]
        };
        let one = |id: &str, tags: &[String]| {
            snapshot(id, &tags.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let manifest = |set: &str, count: usize| {
            let mut tags = tags(set, MANIFEST);
            tags.extend([format!("items:{count}"), "bytes:12".into(), "version:1.0".into()]);
            tags.extend(["empty:volume/cache".into(), "warnings:3".into()]);
            tags.extend(["size:dump/x.sql:12", "size:odd", "size:volume/x:many"].map(Into::into));
            tags
        };
        let list = [
            one("1", &tags(a, "dump/x.sql")),
            one("2", &tags(a, "volume/data")),
            one("3", &manifest(a, 2)),
            one("4", &tags(b, "volume/data")),
            one("5", &tags(c, "volume/data")),
            one("6", &manifest(c, 2)),
            snapshot("7", &["somebody's", "set:x"]),
            snapshot("8", &[TAG, "app:w", "set:not-ours", "item:x"]),
        ];
        let found = sets(&list);
        let seen: Vec<_> = found.iter().map(|s| (s.id.as_str(), s.complete)).collect();
        assert_eq!(seen, [(c, false), (b, false), (a, true)]);
        assert_eq!(found[2].items, ["dump/x.sql", "volume/cache", "volume/data"]);
        assert_eq!(found[2].empty, ["volume/cache"]);
        assert_eq!((found[2].manifest.as_deref(), found[2].warnings), (Some("3"), 3));
        assert_eq!(found[2].sizes, [("dump/x.sql".to_owned(), 12)].into());
        assert_eq!((found[2].bytes, found[2].version.as_deref()), (Some(12), Some("1.0")));
    }

    #[test]
    fn snapshots_of_another_server_are_no_part_of_a_set() {
        let of = |id: &str, host: &str, item: &str, more: &[&str]| {
            let set = "set:20260101T000000Z-aaaaaa";
            let mut tags = vec![TAG, "app:w", set, item];
            tags.extend(more);
            Snapshot { hostname: host.into(), ..snapshot(id, &tags) }
        };
        let list = [
            of("1", "one", "item:volume/data", &[]),
            of("2", "one", "item:manifest", &["items:1"]),
            of("3", "two", "item:volume/data", &[]),
        ];
        let found = sets(&list);
        let seen: Vec<_> = found.iter().map(|set| (set.server.as_str(), set.complete)).collect();
        assert_eq!(seen, [("two", false), ("one", true)]);
        assert_eq!(found[1].parts["volume/data"], "1");
    }
}
