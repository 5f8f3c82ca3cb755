//! The manifest of a set: what is in it, which snapshot holds what, and what
//! the app was when it was taken. Stored last, as `manifest.json`.
//!
//! It holds no commands and no secrets: how a dump is restored is asked of the
//! recipe's plugin at that time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    EMPTY, ItemKind, ItemName, MANIFEST, SIZE, SetId, TAG, WARNINGS,
    signed::{FORMAT, Signature, unseal},
};

/// Name of the file in the manifest's snapshot.
pub const FILE: &str = "manifest.json";
/// Largest manifest; a larger one is not potluck's.
pub const LIMIT: usize = 4 * 1024 * 1024;

/// What a set holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Version of potluck that took the set.
    pub potluck: String,
    pub set: SetId,
    pub app: String,
    pub server: String,
    pub stack: String,
    pub recipe: String,
    /// Release of the recipe; none for an unreleased one.
    pub version: Option<String>,
    /// Full commit id of the recipe.
    pub commit: Option<String>,
    /// When the set was begun.
    pub created: Timestamp,
    pub items: Vec<Item>,
    /// The warnings at the time of the backup, to be shown before a restore.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One item of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub name: ItemName,
    pub kind: ItemKind,
    /// Bytes of data before compression.
    pub bytes: u64,
    /// Id as restic told it: its first 8 digits up to 0.16, then all 64; the tags
    /// find the whole. None for a volume that was empty, of which restic makes
    /// no snapshot.
    pub snapshot: Option<String>,
    /// Digest of what the snapshot holds, which is the same in every copy of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeFacts>,
    /// The service that a dump came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The plugin that planned the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
}

/// Facts about a volume that restic does not store: it saves the content of
/// a folder, not the folder itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFacts {
    /// Docker's name of it when it was taken.
    pub name: String,
    /// Owner and mode of the volume's own folder.
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
    /// Paths inside the volume that were taken; all of it when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

impl Item {
    /// How tags and lists call it, `dump/wordpress.sql`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

impl Manifest {
    pub fn format() -> u32 {
        FORMAT
    }

    /// How many snapshots the set has besides the manifest's own.
    pub fn snapshots(&self) -> usize {
        self.items.iter().filter(|i| i.snapshot.is_some()).count()
    }

    /// The tags of its snapshot; what a list shows of a set, and what the next one is
    /// compared with, comes from here, so that neither needs a further call to restic.
    pub fn tags(&self) -> Vec<String> {
        let mut tags = vec![
            TAG.into(),
            format!("app:{}", self.app),
            format!("set:{}", self.set),
            format!("item:{MANIFEST}"),
            format!("items:{}", self.snapshots()),
            format!("bytes:{}", self.bytes()),
        ];
        // A version is a git tag; one that could not be a restic tag is only in
        // the manifest.
        let plain = |c: char| c.is_ascii_alphanumeric() || "+.-_~".contains(c);
        let version = self.version.as_ref().filter(|v| v.len() <= 100 && v.chars().all(plain));
        tags.extend(version.map(|version| format!("version:{version}")));
        for item in &self.items {
            tags.push(match item.snapshot {
                Some(_) => format!("{SIZE}:{}:{}", item.label(), item.bytes),
                None => format!("{EMPTY}:{}", item.label()),
            });
        }
        if !self.warnings.is_empty() {
            tags.push(format!("{WARNINGS}:{}", self.warnings.len()));
        }
        tags
    }

    pub fn bytes(&self) -> u64 {
        self.items.iter().map(|i| i.bytes).sum()
    }

    /// Reads a manifest, no matter who made it.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(stored: &[u8], set: &SetId) -> Result<Self, String> {
        Self::open(stored, set).map(|(manifest, _)| manifest)
    }

    /// Reads a manifest, and who signed it; the set's name comes from the snapshot's tags and
    /// must agree.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn open(stored: &[u8], set: &SetId) -> Result<(Self, Signature), String> {
        let (json, signature) = unseal(stored)?;
        let manifest: Manifest = serde_json::from_slice(&json).map_err(|e| e.to_string())?;
        let is_signed = signature != Signature::Missing;
        if (manifest.format == FORMAT) != is_signed {
            return Err(format!("its format cannot be {}", manifest.format));
        }
        if manifest.set != *set {
            return Err(format!("it belongs to the set {}", manifest.set));
        }
        for item in &manifest.items {
            let id = item.snapshot.as_deref();
            if id.is_some_and(|id| !is_id(id)) {
                return Err(format!("`{}` names no snapshot", item.name));
            }
            if (item.kind == ItemKind::Volume) != item.volume.is_some() {
                return Err(format!("`{}` does not describe its volume", item.name));
            }
            if item.kind != ItemKind::Volume && id.is_none() {
                return Err(format!("`{}` has no snapshot", item.name));
            }
            if item.tree.as_deref().is_some_and(|tree| !is_id(tree)) {
                return Err(format!("`{}` names no tree", item.name));
            }
        }
        Ok((manifest, signature))
    }
}

fn is_id(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::{super::signing::signing, *};
    use crate::home::Fingerprint;

    fn example() -> Manifest {
        Manifest {
            format: FORMAT,
            potluck: "0.1.0".into(),
            set: "20261121T203015Z-3fa9c1".parse().unwrap(),
            app: "wiki.example.org".into(),
            server: "default".into(),
            stack: "wiki_example_org".into(),
            recipe: "wiki".into(),
            version: Some("1.0.0+2".into()),
            commit: None,
            created: "2026-11-21T20:30:15Z".parse().unwrap(),
            items: vec![
                Item {
                    name: ItemName::new("data").unwrap(),
                    kind: ItemKind::Volume,
                    bytes: 0,
                    snapshot: None,
                    tree: None,
                    milliseconds: 0,
                    volume: Some(VolumeFacts {
                        name: "wiki_example_org_data".into(),
                        uid: 33,
                        gid: 33,
                        mode: 0o755,
                        paths: Vec::new(),
                    }),
                    service: None,
                    plugin: None,
                },
                Item {
                    name: ItemName::new("wiki.sql").unwrap(),
                    kind: ItemKind::Dump,
                    bytes: 7,
                    snapshot: Some("ab".repeat(32)),
                    tree: Some("cd".repeat(32)),
                    milliseconds: 12,
                    volume: None,
                    service: Some("db".into()),
                    plugin: Some("wiki".into()),
                },
            ],
            warnings: vec!["`dump.gz` of the volume `data` may not be a dump: it is empty".into()],
        }
    }

    #[test]
    fn a_manifest_reads_as_it_was_written() {
        let manifest = example();
        let stored = signing(7).seal(&manifest);
        let (back, signature) = Manifest::open(&stored, &manifest.set).unwrap();
        assert_eq!(back, manifest);
        let stored: serde_json::Value = serde_json::from_slice(&stored).unwrap();
        let key = hex::decode(stored["key"].as_str().unwrap()).unwrap();
        assert_eq!(signature, Signature::By(Fingerprint::of(&key)));
        assert_eq!((back.snapshots(), back.bytes()), (1, 7));
    }

    #[test]
    fn a_manifest_that_is_wrong_is_refused_with_the_reason() {
        let good = serde_json::to_string_pretty(&Manifest { format: 1, ..example() }).unwrap();
        let set = example().set;
        let (_, signature) = Manifest::open(good.as_bytes(), &set).unwrap();
        assert_eq!(signature, Signature::Missing);
        for (from, to, reason) in [
            ("\"format\": 1", "\"format\": 3", "its format is 3"),
            ("\"format\": 1", "\"format\": 2", "missing field `key`"),
            ("cdcd", "../x", "`wiki.sql` names no tree"),
            ("3fa9c1", "000000", "it belongs to the set 20261121T203015Z-000000"),
            ("abab", "../x", "`wiki.sql` names no snapshot"),
            ("wiki.sql", "a,b", "cannot name an item"),
            ("\"kind\": \"dump\"", "\"kind\": \"volume\"", "does not describe its volume"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good, "{from} is not in the example");
            let error = Manifest::parse(bad.as_bytes(), &set).unwrap_err();
            assert!(error.contains(reason), "{from} -> {to}: {error}");
        }
        let cut_off = Manifest::parse(&good.as_bytes()[..good.len() / 2], &set).unwrap_err();
        assert!(cut_off.contains("EOF"), "{cut_off}");
        assert!(Manifest::parse(b"", &set).is_err());
        assert!(Manifest::parse(b"\xff\xfe", &set).is_err());
    }

    #[test]
    fn a_signature_is_of_one_text_and_one_key() {
        let set = example().set;
        let stored = String::from_utf8(signing(7).seal(&example())).unwrap();
        let other = String::from_utf8(signing(8).seal(&example())).unwrap();
        let envelope = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let of = |text: &str| Manifest::open(text.as_bytes(), &set).unwrap().1;
        assert_eq!(of(&stored.replace("mariadb", "x")), of(&stored));
        assert_eq!(of(&stored.replacen("wiki.example", "evil.example", 1)), Signature::Wrong);
        for part in ["key", "signature"] {
            let mut mixed = envelope(&stored);
            mixed[part] = envelope(&other)[part].clone();
            assert_eq!(of(&mixed.to_string()), Signature::Wrong, "{part} of another");
            mixed[part] = "zz".into();
            assert_eq!(of(&mixed.to_string()), Signature::Wrong, "{part} is nonsense");
        }
        // The manifest of the first form in an envelope, and the second without one.
        let old = signing(7).seal(&Manifest { format: 1, ..example() });
        assert!(Manifest::open(&old, &set).unwrap_err().contains("its format cannot be 1"));
    }
}
