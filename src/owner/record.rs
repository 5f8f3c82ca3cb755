//! The record of what an app owns on a swarm: one config a stack,
//! `potluck.<stack>.owner`; pure.
//!
//! A config's name is unique on a swarm, so if two commands create the record at once, one
//! succeeds. Its content, which swarm never changes, says who owns the stack; the list of
//! owned objects changes with every deploy, so it is a label, which is updated by version.
//! It has no stack label: docker neither lists it with the stack nor removes it. Somebody
//! else may have written it: its names and ids are only used for comparisons.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    engine::{Kind, api},
    home::StackName,
};

/// Marks configs that potluck itself keeps on the swarm (an owner record): they
/// are never removed as leftovers.
pub(crate) const KIND_LABEL: &str = "org.potluck.kind";
/// Its value on owner records.
pub(crate) const OWNER_KIND: &str = "owner";
/// What is owned, as JSON.
const OWNED_LABEL: &str = "org.potluck.owned";
/// The newest form of a record that is understood.
const FORMAT: u32 = 1;
/// Swarm's longest name for a config, in bytes.
const LONGEST_NAME: usize = 64;
/// Longest record that is read, in bytes: an app of hundreds of services.
const MAX_RECORD: usize = 256 * 1024;

/// The owner of a stack. Never changes while the record exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub app: String,
    /// The recipe's name.
    pub recipe: String,
    /// Distinguishes this record from one that was made after it was removed.
    pub id: String,
}

#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
    #[serde(flatten)]
    owner: Owner,
}

/// The owned objects: names, each with its id. Without an id, the object is about to be created.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Owned {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    services: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    networks: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    secrets: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    configs: BTreeMap<String, String>,
    /// For a volume, which has no id: the node where it was seen.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    volumes: BTreeMap<String, String>,
}

/// A name without an id: about to be created.
const CLAIMED: &str = "";

impl Owned {
    fn of(&self, kind: Kind) -> Option<&BTreeMap<String, String>> {
        match kind {
            Kind::Service => Some(&self.services),
            Kind::Network => Some(&self.networks),
            Kind::Secret => Some(&self.secrets),
            Kind::Config => Some(&self.configs),
            Kind::Volume => Some(&self.volumes),
            Kind::Task | Kind::Node | Kind::Container | Kind::Image | Kind::File => None,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> Option<&mut BTreeMap<String, String>> {
        match kind {
            Kind::Service => Some(&mut self.services),
            Kind::Network => Some(&mut self.networks),
            Kind::Secret => Some(&mut self.secrets),
            Kind::Config => Some(&mut self.configs),
            Kind::Volume => Some(&mut self.volumes),
            Kind::Task | Kind::Node | Kind::Container | Kind::Image | Kind::File => None,
        }
    }

    /// Whether an existing object is owned. The id decides; a name counts as
    /// long as the id of its object is unknown.
    pub fn has(&self, kind: Kind, name: &str, id: &str) -> bool {
        self.of(kind)
            .and_then(|all| all.get(name))
            .is_some_and(|known| kind == Kind::Volume || known == id || known == CLAIMED)
    }

    pub fn has_name(&self, kind: Kind, name: &str) -> bool {
        self.of(kind).is_some_and(|all| all.contains_key(name))
    }

    /// The name under which an id is owned.
    pub fn name_of(&self, kind: Kind, id: &str) -> Option<&str> {
        let mut all = self.of(kind)?.iter();
        all.find(|(_, known)| *known == id).map(|(name, _)| name.as_str())
    }

    /// Whether a name is claimed and the id of its object is unknown.
    pub fn claimed(&self, kind: Kind, name: &str) -> bool {
        self.of(kind).and_then(|all| all.get(name)).is_some_and(|known| known == CLAIMED)
    }

    /// Claims a name, and returns whether it is new.
    pub fn claim(&mut self, kind: Kind, name: &str) -> bool {
        let known = self.has_name(kind, name);
        if !known {
            self.put(kind, name, CLAIMED);
        }
        !known
    }

    pub fn put(&mut self, kind: Kind, name: &str, id: &str) {
        if let Some(all) = self.of_mut(kind) {
            all.insert(name.to_owned(), id.to_owned());
        }
    }

    pub fn drop_name(&mut self, kind: Kind, name: &str) {
        if let Some(all) = self.of_mut(kind) {
            all.remove(name);
        }
    }

    /// The node, by id, where each volume was seen; empty if it was not.
    pub fn nodes_of_volumes(&self) -> BTreeMap<String, String> {
        self.volumes.clone()
    }

    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.of(kind).into_iter().flatten().map(|(name, _)| name.as_str())
    }

    pub fn is_empty(&self) -> bool {
        *self == Owned::default()
    }

    /// What each kind has, for people: `2 services, 1 volume`.
    pub fn summary(&self) -> String {
        let kinds = [Kind::Service, Kind::Network, Kind::Config, Kind::Secret, Kind::Volume];
        let parts = kinds.iter().filter_map(|kind| {
            let count = self.names(*kind).count();
            (count > 0).then(|| format!("{count} {kind}{}", if count == 1 { "" } else { "s" }))
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    /// Adds what only `other` has.
    pub fn merge(&mut self, other: &Owned) {
        for kind in [Kind::Service, Kind::Network, Kind::Secret, Kind::Config, Kind::Volume] {
            let (Some(mine), Some(others)) = (self.of_mut(kind), other.of(kind)) else { continue };
            for (name, id) in others {
                let known = mine.entry(name.clone()).or_default();
                if known == CLAIMED {
                    known.clone_from(id);
                }
            }
        }
    }
}

/// The record as it is on the swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The config's id, and the version to change it by.
    pub config: String,
    pub version: u64,
    pub owner: Owner,
    pub owned: Owned,
}

/// Why a config with the record's name cannot be read as a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// A newer potluck wrote it.
    Newer,
    Broken(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Newer => f.write_str("a newer potluck wrote it"),
            Unreadable::Broken(reason) => f.write_str(reason),
        }
    }
}

/// The name of a stack's record.
pub(crate) fn name(stack: &StackName) -> String {
    own_name(stack, ".owner")
}

/// The name of a config that potluck keeps for a stack. A stack's name that leaves no
/// room is cut and told apart by its digest.
pub(super) fn own_name(stack: &StackName, tail: &str) -> String {
    let head = "potluck.";
    let room = LONGEST_NAME - head.len() - tail.len();
    let stack = stack.as_str();
    if stack.len() <= room {
        return format!("{head}{stack}{tail}");
    }
    let digest = hex::encode(Sha256::digest(stack.as_bytes()));
    // A stack's name is ASCII.
    format!("{head}{}.{}{tail}", &stack[..room - 9], &digest[..8])
}

/// The id of a config of potluck's own, and the version to change it by.
///
/// # Errors
/// One without them.
pub(super) fn id_and_version(config: &api::Config) -> Result<(String, u64), Unreadable> {
    let broken = |reason: &str| Unreadable::Broken(reason.to_owned());
    let index = config.version.as_ref().and_then(|version| version.index);
    Ok((
        config.id.clone().ok_or_else(|| broken("it has no id"))?,
        index.ok_or_else(|| broken("it has no version"))?,
    ))
}

/// What a config of potluck's own holds, in a format up to `newest`.
///
/// # Errors
/// Another format, or none.
pub(super) fn content<T: DeserializeOwned>(data: &[u8], newest: u32) -> Result<T, Unreadable> {
    let broken = |reason: &str| Unreadable::Broken(reason.to_owned());
    let format = serde_json::from_slice::<serde_json::Value>(data)
        .ok()
        .and_then(|content| content.get("format")?.as_u64())
        .ok_or_else(|| broken("it names no format"))?;
    if format > u64::from(newest) {
        return Err(Unreadable::Newer);
    }
    serde_json::from_slice(data).map_err(|error| broken(&error.to_string()))
}

impl Record {
    /// # Errors
    /// Anything but a record in a known format.
    pub fn read(config: &api::Config) -> Result<Self, Unreadable> {
        let broken = |reason: &str| Unreadable::Broken(reason.to_owned());
        let spec = config.spec.as_ref().ok_or_else(|| broken("it has no specification"))?;
        let data = STANDARD
            .decode(spec.data.as_deref().unwrap_or_default())
            .map_err(|_| broken("its content is not base64"))?;
        if data.len() > MAX_RECORD {
            return Err(broken("it is too large"));
        }
        let content: Content = content(&data, FORMAT)?;
        let label = spec.labels.as_ref().and_then(|labels| labels.get(OWNED_LABEL));
        let owned = match label {
            None => Owned::default(),
            Some(text) if text.len() > MAX_RECORD => return Err(broken("it is too large")),
            Some(text) => serde_json::from_str(text).map_err(|e| broken(&e.to_string()))?,
        };
        let (config, version) = id_and_version(config)?;
        Ok(Record { config, version, owner: content.owner, owned })
    }
}

/// The config that a record is kept as.
pub(crate) fn spec(stack: &StackName, owner: &Owner, owned: &Owned) -> api::ConfigSpec {
    let content = Content { format: FORMAT, owner: owner.clone() };
    api::ConfigSpec {
        name: Some(name(stack)),
        labels: Some(HashMap::from([
            (KIND_LABEL.to_owned(), OWNER_KIND.to_owned()),
            (OWNED_LABEL.to_owned(), serde_json::json!(owned).to_string()),
        ])),
        data: Some(STANDARD.encode(serde_json::json!(content).to_string())),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner { app: "a.example".into(), recipe: "a".into(), id: "0a".into() }
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let stack = StackName::new("a_example").unwrap();
        let mut owned = Owned::default();
        owned.put(Kind::Service, "a_example_app", "s1");
        owned.claim(Kind::Volume, "a_example_data");
        let config = api::Config {
            id: Some("c1".into()),
            version: Some(api::ObjectVersion { index: Some(7) }),
            spec: Some(spec(&stack, &owner(), &owned)),
            ..Default::default()
        };
        let record = Record::read(&config).unwrap();
        assert_eq!((record.owner, record.owned, record.version), (owner(), owned, 7));
        let labels = config.spec.unwrap().labels.unwrap();
        assert!(!labels.contains_key(crate::engine::STACK_LABEL), "docker would remove it");
    }

    #[test]
    fn what_is_no_record_is_said() {
        let config = |data: &str| api::Config {
            id: Some("c1".into()),
            version: Some(api::ObjectVersion { index: Some(7) }),
            spec: Some(api::ConfigSpec { data: Some(STANDARD.encode(data)), ..Default::default() }),
            ..Default::default()
        };
        for broken in ["", "{}", "[]", r#"{"format":1}"#, r#"{"format":"1","app":"a"}"#] {
            let read = Record::read(&config(broken));
            assert!(matches!(read, Err(Unreadable::Broken(_))), "{broken}: {read:?}");
        }
        assert_eq!(Record::read(&config(r#"{"format":2}"#)), Err(Unreadable::Newer));
        let mut labelled = config(r#"{"format":1,"app":"a","recipe":"a","id":"1"}"#);
        assert!(Record::read(&labelled).is_ok());
        let labels = HashMap::from([(OWNED_LABEL.to_owned(), "[1]".to_owned())]);
        labelled.spec.as_mut().unwrap().labels = Some(labels);
        assert!(matches!(Record::read(&labelled), Err(Unreadable::Broken(_))));
    }

    #[test]
    fn the_id_decides_once_it_is_known() {
        let mut owned = Owned::default();
        assert!(!owned.has(Kind::Service, "a", "1"));
        assert!(owned.claim(Kind::Service, "a"));
        assert!(!owned.claim(Kind::Service, "a"));
        assert!(owned.has(Kind::Service, "a", "1"));
        owned.put(Kind::Service, "a", "1");
        assert!(owned.has(Kind::Service, "a", "1"));
        assert!(!owned.has(Kind::Service, "a", "2"), "made anew by someone else");
        assert!(!owned.has(Kind::Network, "a", "1"));
        owned.put(Kind::Volume, "v", "node");
        assert!(owned.has(Kind::Volume, "v", "other-node"));
        assert_eq!(owned.summary(), "1 service, 1 volume");
    }

    #[test]
    fn names_of_records_fit_and_differ() {
        let name = |stack: &str| name(&StackName::new(stack).unwrap());
        assert_eq!(name("a_example"), "potluck.a_example.owner");
        let long = "a".repeat(63);
        let other = format!("{}b", "a".repeat(62));
        assert_eq!(name(&long).len(), LONGEST_NAME);
        assert_ne!(name(&long), name(&other));
    }
}
