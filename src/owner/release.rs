//! What a stack ran well: one config for each of its last releases,
//! `potluck.<stack>.r14`; pure.
//!
//! A release is recorded when a deploy, an upgrade or a rollback is complete and its
//! services were seen to run. It has everything that is needed to bring them back without
//! the recipe, except the contents of secrets and configs: those stay on the swarm for as
//! long as a kept release names them. Foreign data, as journals are: replaying one
//! asks for consent as for any other deploy.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    packed::{TooLarge, pack, unpack},
    plain::strange,
    record::{KIND_LABEL, Unreadable, own_name},
};
use crate::{
    compose::{Stack, StackService, StackVolume},
    engine::{STACK_LABEL, api, label},
    home::{RecipeName, StackName, lock_file::RecipePin},
    text,
};

/// The label's value on releases.
const RELEASE_KIND: &str = "release";
/// The stack whose release it is.
pub(crate) const RELEASE_OF: &str = "org.potluck.release-of";
/// The newest form of a release that is understood.
const FORMAT: u32 = 1;
/// Releases of a stack that are kept.
pub(crate) const MOST: usize = 10;
/// Bytes of a stack's releases that are kept, as the swarm has them; the newest is kept
/// however large it is.
pub(crate) const LARGEST: usize = 500_000;
/// How long the set of an upgrade is kept at least.
const HELD: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The largest number that a release is read with: there is always a next one.
pub(crate) const LARGEST_NUMBER: u64 = 1 << 53;
/// Characters of each foreign text that are shown.
const SHOWN: usize = 120;

/// A state of an app that was seen to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Release {
    /// Counts a stack's releases, from 1.
    pub number: u64,
    /// The operation that brought it.
    pub operation: String,
    /// The account and the machine that did.
    pub user: String,
    pub host: String,
    pub at: Timestamp,
    pub app: String,
    pub recipe: String,
    /// The recipe's version, as hooks and people know it.
    pub version: String,
    /// What names that version to git.
    pub pin: RecipePin,
    /// A digest of each setting, too short to find its value by trying.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The backup set that was taken right before it.
    #[serde(default)]
    pub set: Option<String>,
    /// Migrations of data that were run to get here.
    #[serde(default)]
    pub migrated: Vec<String>,
    /// The release whose state it brought back.
    #[serde(default)]
    pub replays: Option<u64>,
    /// Whether the data of that time came back with it.
    #[serde(default)]
    pub restored: bool,
    pub services: Vec<Service>,
    #[serde(default)]
    pub networks: BTreeMap<String, api::NetworkCreateRequest>,
    #[serde(default)]
    pub external_networks: Vec<String>,
    /// Full names of the secrets and the configs that its services have.
    #[serde(default)]
    pub secrets: BTreeSet<String>,
    #[serde(default)]
    pub configs: BTreeSet<String>,
    #[serde(default)]
    pub volumes: Vec<StackVolume>,
}

/// A service of a release. What it refers to has names; its image has a digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Service {
    pub key: String,
    pub spec: api::ServiceSpec,
    #[serde(default)]
    pub depends_on: Vec<String>,
}

/// A release as it is on the swarm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    /// The config's id.
    pub config: String,
    /// Bytes of its content.
    pub bytes: usize,
    pub release: Release,
}

/// The config that a release is kept as.
///
/// # Errors
/// [`TooLarge`].
pub(crate) fn spec(stack: &StackName, release: &Release) -> Result<api::ConfigSpec, TooLarge> {
    let labels = HashMap::from([
        (KIND_LABEL.to_owned(), RELEASE_KIND.to_owned()),
        (RELEASE_OF.to_owned(), stack.to_string()),
    ]);
    Ok(api::ConfigSpec {
        name: Some(name(stack, release.number)),
        labels: Some(labels),
        data: Some(pack(release, FORMAT)?),
        ..Default::default()
    })
}

/// The name of a release's config.
pub(crate) fn name(stack: &StackName, number: u64) -> String {
    own_name(stack, &format!(".r{number}"))
}

/// Bytes of a release's content, without its encoding.
pub(crate) fn bytes(spec: &api::ConfigSpec) -> usize {
    spec.data.as_ref().map_or(0, |data| data.len() / 4 * 3)
}

/// The secrets and the configs that specs refer to by name.
pub(crate) fn named<'a>(
    specs: impl Iterator<Item = &'a api::ServiceSpec>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut secrets, mut configs) = (BTreeSet::new(), BTreeSet::new());
    for spec in specs {
        let container = spec.task_template.as_ref().and_then(|task| task.container_spec.as_ref());
        let Some(container) = container else { continue };
        secrets.extend(container.secrets.iter().flatten().filter_map(|it| it.secret_name.clone()));
        configs.extend(container.configs.iter().flatten().filter_map(|it| it.config_name.clone()));
        let privileges = container.privileges.as_ref();
        let credential = privileges.and_then(|it| it.credential_spec.as_ref());
        configs.extend(credential.and_then(|it| it.config.clone()));
    }
    (secrets, configs)
}

/// A digest of each setting: two that differ are seen to, and nobody finds a value by
/// trying, because many have the same.
pub(crate) fn digests(settings: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let digest = |(name, value): (&String, &String)| {
        let all = Sha256::digest(format!("{name}={value}"));
        (name.clone(), hex::encode(&all[..3]))
    };
    settings.iter().map(digest).collect()
}

/// Names of the settings that differ.
pub(crate) fn changed(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

impl Release {
    /// Whether it brings the same as another.
    pub fn is_same(&self, other: &Release) -> bool {
        let of = |release: &Release| {
            let same = Release {
                number: 0,
                operation: String::new(),
                user: String::new(),
                host: String::new(),
                at: Timestamp::UNIX_EPOCH,
                set: None,
                migrated: Vec::new(),
                replays: None,
                restored: false,
                ..release.clone()
            };
            serde_json::json!(same)
        };
        of(self) == of(other)
    }

    /// The stack that brings it. What its services refer to exists already.
    pub fn stack(&self, name: &StackName) -> Stack {
        let service = |service: &Service| StackService {
            key: service.key.clone(),
            spec: service.spec.clone(),
            depends_on: service.depends_on.clone(),
        };
        Stack {
            name: name.clone(),
            networks: self.networks.clone(),
            external_networks: self.external_networks.clone(),
            secrets: BTreeMap::new(),
            external_secrets: self.secrets.iter().cloned().collect(),
            configs: BTreeMap::new(),
            external_configs: self.configs.iter().cloned().collect(),
            volumes: self.volumes.clone(),
            services: self.services.iter().map(service).collect(),
        }
    }

    /// `r14`.
    pub fn name(&self) -> String {
        format!("r{}", self.number)
    }

    /// `r14, version 1.2.0, deployed by anna on laptop at …`.
    pub fn told(&self) -> String {
        let [version, user, host] =
            [&self.version, &self.user, &self.host].map(|text| text::line_of(text, SHOWN));
        let at = self.at.strftime("%Y-%m-%d %H:%M:%S UTC");
        format!("{}, version {version}, deployed by {user} on {host} at {at}", self.name())
    }
}

impl Kept {
    /// # Errors
    /// What is no release of this stack in a form that is understood.
    pub fn read(stack: &StackName, config: &api::Config) -> Result<Self, Unreadable> {
        let broken = |reason: &str| Unreadable::Broken(reason.to_owned());
        let spec = config.spec.as_ref().ok_or_else(|| broken("it has no specification"))?;
        let config = config.id.clone().ok_or_else(|| broken("it has no id"))?;
        let release: Release = unpack(spec, FORMAT)?;
        let of_stack = |service: &Service| {
            let name = service.spec.name.as_deref().and_then(|it| it.strip_prefix(stack.as_str()));
            name == Some(format!("_{}", service.key).as_str())
                && label(service.spec.labels.as_ref(), STACK_LABEL) == Some(stack.as_str())
        };
        if !release.services.iter().all(of_stack) {
            return Err(broken("it has services of another stack"));
        }
        if release.services.is_empty() {
            return Err(broken("it has no services"));
        }
        if RecipeName::new(&release.recipe).is_err() || !release.pin.is_sound() {
            return Err(broken("it names no recipe, or no version of one"));
        }
        let number = release.number;
        if !(1..=LARGEST_NUMBER).contains(&number) || spec.name != Some(name(stack, number)) {
            return Err(broken("its number is not that of its name"));
        }
        // Who follows these comes to an end.
        if release.replays.is_some_and(|replays| replays >= number) {
            return Err(broken("the release that it brings back is not an earlier one"));
        }
        let services: Vec<(&str, &api::ServiceSpec)> =
            release.services.iter().map(|it| (it.key.as_str(), &it.spec)).collect();
        if let Some(strange) = strange(&services, &release.networks) {
            return Err(Unreadable::Broken(text::line_of(&strange, SHOWN).into_owned()));
        }
        let bytes = bytes(spec);
        Ok(Kept { config, bytes, release })
    }
}

/// Sets that upgrades took and that are to be kept: that of the newest, until the next one
/// succeeds, and those of the last 14 days.
pub(crate) fn held<'a>(known: &'a [Kept], now: Timestamp) -> BTreeSet<&'a str> {
    let with_set = |kept: &'a Kept| Some((kept.release.at, kept.release.set.as_deref()?));
    let mut sets: Vec<_> = known.iter().filter_map(with_set).collect();
    sets.sort();
    let newest = sets.last().map(|(at, _)| *at);
    let is_young = |at: Timestamp| now.duration_since(at).as_secs() < HELD.as_secs();
    let held = sets.into_iter().filter(|(at, _)| Some(*at) == newest || is_young(*at));
    held.map(|(_, set)| set).collect()
}

/// Splits a stack's releases, newest first, into those that are kept when there is one more,
/// of so many bytes, and those that then go.
pub(crate) fn keep(mut known: Vec<Kept>, more: Option<usize>) -> (Vec<Kept>, Vec<Kept>) {
    known.sort_by_key(|kept| std::cmp::Reverse(kept.release.number));
    let (mut count, mut bytes) = (usize::from(more.is_some()), more.unwrap_or_default());
    let fits = |kept: &Kept| {
        count += 1;
        bytes += kept.bytes;
        count == 1 || (count <= MOST && bytes <= LARGEST)
    };
    let first_gone = known.iter().map(fits).position(|fits| !fits).unwrap_or(known.len());
    let gone = known.split_off(first_gone);
    (known, gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(number: u64) -> Release {
        Release {
            number,
            operation: number.to_string(),
            user: "anna".into(),
            host: "laptop".into(),
            at: "2026-11-26T03:00:00Z".parse().unwrap(),
            app: "a.example".into(),
            recipe: "a".into(),
            version: "1.0.0+1".into(),
            pin: RecipePin::default(),
            settings: BTreeMap::new(),
            set: None,
            migrated: Vec::new(),
            replays: None,
            restored: false,
            services: vec![Service {
                key: "app".into(),
                spec: api::ServiceSpec {
                    name: Some("a_example_app".into()),
                    labels: Some(HashMap::from([(STACK_LABEL.into(), "a_example".into())])),
                    task_template: Some(api::TaskSpec {
                        container_spec: Some(api::TaskSpecContainerSpec::default()),
                        ..Default::default()
                    }),
                    ..Default::default()
                },
                depends_on: Vec::new(),
            }],
            networks: BTreeMap::new(),
            external_networks: Vec::new(),
            secrets: BTreeSet::new(),
            configs: BTreeSet::new(),
            volumes: Vec::new(),
        }
    }

    fn stack() -> StackName {
        StackName::new("a_example").unwrap()
    }

    fn config(spec: api::ConfigSpec) -> api::Config {
        api::Config { id: Some("c1".into()), spec: Some(spec), ..Default::default() }
    }

    #[test]
    fn a_release_is_read_as_it_was_written() {
        let release = release(3);
        let spec = spec(&stack(), &release).unwrap();
        assert_eq!(spec.name.as_deref(), Some("potluck.a_example.r3"));
        let labels = spec.labels.clone().unwrap();
        assert!(!labels.contains_key(STACK_LABEL), "docker would remove it");
        let kept = Kept::read(&stack(), &config(spec)).unwrap();
        assert!(kept.bytes > 0);
        assert_eq!(kept.release, release);
        assert_eq!(kept.release.stack(&stack()).services[0].key, "app");
    }

    #[test]
    fn what_is_no_release_of_the_stack_is_said() {
        let mut of_another = release(1);
        of_another.services[0].spec.name = Some("b_example_app".into());
        let mut unlabelled = release(1);
        unlabelled.services[0].spec.labels = None;
        for other in [of_another, unlabelled] {
            let read = Kept::read(&stack(), &config(spec(&stack(), &other).unwrap()));
            assert!(matches!(read, Err(Unreadable::Broken(_))), "{read:?}");
        }
        let newer = pack(&release(1), FORMAT + 1).unwrap();
        let newer = api::ConfigSpec { data: Some(newer), ..Default::default() };
        assert_eq!(Kept::read(&stack(), &config(newer)), Err(Unreadable::Newer));
        for data in ["", "AA==", "no base64"] {
            let spec = api::ConfigSpec { data: Some(data.into()), ..Default::default() };
            let read = Kept::read(&stack(), &config(spec));
            assert!(matches!(read, Err(Unreadable::Broken(_))), "{data}");
        }
    }

    /// Why a release is none, once something of it is changed.
    fn refused(change: impl FnOnce(&mut Release)) -> String {
        let mut release = release(3);
        change(&mut release);
        match Kept::read(&stack(), &config(spec(&stack(), &release).unwrap())) {
            Err(Unreadable::Broken(reason)) => reason,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        let pinned = |version: &str| {
            let pin = RecipePin { version: Some(version.into()), ..RecipePin::default() };
            refused(|release| release.pin = pin)
        };
        assert!(pinned("1.0.0+1").starts_with("Ok"));
        for version in ["", "--upload-pack=x", "1.0.0\nA=b", "1 0", &"1".repeat(256)] {
            assert_eq!(pinned(version), "it names no recipe, or no version of one", "{version}");
        }
        let outside = refused(|release| release.recipe = "../../etc".into());
        assert_eq!(outside, "it names no recipe, or no version of one");
        assert_eq!(refused(|release| release.services.clear()), "it has no services");
    }

    #[test]
    fn numbers_that_lead_nowhere_are_refused() {
        for number in [0, LARGEST_NUMBER + 1, u64::MAX] {
            let reason = refused(|release| release.number = number);
            assert_eq!(reason, "its number is not that of its name", "{number}");
        }
        let mut renamed = spec(&stack(), &release(3)).unwrap();
        renamed.name = Some("potluck.a_example.r4".into());
        assert!(Kept::read(&stack(), &config(renamed)).is_err());
        for (replays, is_read) in [(Some(2), true), (Some(3), false), (Some(9), false)] {
            let read = refused(|release| release.replays = replays);
            assert_eq!(read.starts_with("Ok"), is_read, "{replays:?}: {read}");
        }
    }

    #[test]
    fn what_no_compose_file_gives_is_refused() {
        fn task(release: &mut Release) -> &mut api::TaskSpec {
            release.services[0].spec.task_template.as_mut().unwrap()
        }
        fn container(release: &mut Release) -> &mut api::TaskSpecContainerSpec {
            task(release).container_spec.as_mut().unwrap()
        }
        type Change = fn(&mut Release);
        let network = |release: &mut Release, request: api::NetworkCreateRequest| {
            release.networks.insert("a_example_default".into(), request);
        };
        let named =
            || api::NetworkCreateRequest { name: "a_example_default".into(), ..Default::default() };
        let of_networks = [
            (api::NetworkCreateRequest { name: "b_default".into(), ..named() }, "another name"),
            (api::NetworkCreateRequest { ingress: Some(true), ..named() }, "own ports"),
            (api::NetworkCreateRequest { config_only: Some(true), ..named() }, "than options"),
            (
                api::NetworkCreateRequest { config_from: Some(Default::default()), ..named() },
                "of another network",
            ),
        ];
        for (request, said) in of_networks {
            let reason = refused(|release| network(release, request));
            assert!(reason.ends_with(said), "{said}: {reason}");
        }
        assert!(refused(|release| network(release, named())).starts_with("Ok"));
        let of_services: [(Change, &str); 12] = [
            (|it| it.services[0].spec.task_template = None, "no task"),
            (|it| task(it).container_spec = None, "no container"),
            (|it| task(it).plugin_spec = Some(Default::default()), "a plugin of the engine"),
            (
                |it| task(it).network_attachment_spec = Some(Default::default()),
                "a network in place of a task",
            ),
            (|it| task(it).runtime = Some("plugin".into()), "a runtime of its own"),
            (
                |it| it.services[0].spec.networks = Some(vec![Default::default()]),
                "networks beside those of its task",
            ),
            (|it| task(it).networks = Some(vec![Default::default()]), "a network without a name"),
            (
                |it| {
                    container(it).privileges = Some(api::TaskSpecContainerSpecPrivileges {
                        seccomp: Some(Default::default()),
                        ..Default::default()
                    });
                },
                "a seccomp profile",
            ),
            (
                |it| {
                    container(it).privileges = Some(api::TaskSpecContainerSpecPrivileges {
                        app_armor: Some(Default::default()),
                        ..Default::default()
                    });
                },
                "an AppArmor mode",
            ),
            (
                |it| container(it).secrets = Some(vec![Default::default()]),
                "a secret without a name",
            ),
            (
                |it| container(it).configs = Some(vec![Default::default()]),
                "a config without a name",
            ),
            (|it| it.services.push(it.services[0].clone()), "a service twice"),
        ];
        for (change, said) in of_services {
            let reason = refused(change);
            assert!(reason.ends_with(said), "{said}: {reason}");
        }
    }

    #[test]
    fn the_newest_that_fit_are_kept() {
        let known = |bytes: &[usize]| {
            let kept = |(number, &bytes): (usize, &usize)| Kept {
                config: number.to_string(),
                bytes,
                release: release(number as u64 + 1),
            };
            bytes.iter().enumerate().map(kept).collect::<Vec<_>>()
        };
        for (bytes, more, kept) in [
            (&[1; 3][..], None, vec![3, 2, 1]),
            (&[1; 10], None, vec![10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
            (&[1; 10], Some(1), vec![10, 9, 8, 7, 6, 5, 4, 3, 2]),
            // Never the newest.
            (&[1, LARGEST + 1], None, vec![2]),
            (&[1, LARGEST], Some(1), vec![]),
            (&[LARGEST - 9, 5, 4], None, vec![3, 2, 1]),
            (&[LARGEST - 8, 5, 4], None, vec![3, 2]),
        ] {
            let (left, gone) = keep(known(bytes), more);
            let numbers: Vec<u64> = left.iter().map(|kept| kept.release.number).collect();
            assert_eq!(numbers, kept, "{bytes:?} {more:?}");
            assert_eq!(left.len() + gone.len(), bytes.len());
        }
    }

    #[test]
    fn the_set_of_the_newest_upgrade_is_held_and_each_for_two_weeks() {
        let now: Timestamp = "2026-11-26T03:00:00Z".parse().unwrap();
        let kept = |(number, days, set): (u64, i64, Option<&str>)| Kept {
            config: number.to_string(),
            bytes: 1,
            release: Release {
                at: now - SignedDuration::from_hours(24 * days),
                set: set.map(str::to_owned),
                ..release(number)
            },
        };
        for (all, sets) in [
            (vec![(3, 40, Some("c")), (2, 50, Some("b")), (1, 60, None)], vec!["c"]),
            (vec![(3, 1, None), (2, 50, Some("b")), (1, 60, Some("a"))], vec!["b"]),
            (vec![(2, 1, Some("b")), (1, 13, Some("a"))], vec!["a", "b"]),
            (vec![(2, 1, Some("b")), (1, 14, Some("a"))], vec!["b"]),
            (vec![(1, 1, None)], vec![]),
        ] {
            let known: Vec<Kept> = all.into_iter().map(kept).collect();
            assert_eq!(held(&known, now).into_iter().collect::<Vec<_>>(), sets);
        }
    }

    #[test]
    fn settings_that_differ_are_named_without_their_values() {
        let of = |all: &[(&str, &str)]| {
            digests(&all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
        };
        let before = of(&[("A", "1"), ("B", "2"), ("C", "3")]);
        assert_eq!(changed(&before, &of(&[("A", "1"), ("B", "x"), ("D", "4")])), ["B", "C", "D"]);
        assert!(changed(&before, &before).is_empty());
        // Equal values of two settings are not seen to be equal.
        assert_ne!(of(&[("A", "1")])["A"], of(&[("B", "1")])["B"]);
    }

    #[test]
    fn who_deployed_it_makes_no_other_release() {
        let again = Release { user: "ben".into(), at: Timestamp::UNIX_EPOCH, ..release(2) };
        assert!(release(1).is_same(&again));
        let other = Release { version: "2".into(), ..release(2) };
        assert!(!release(1).is_same(&other));
    }
}
