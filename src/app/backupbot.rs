//! Recipes that are older than plugins say what to back up in `backupbot.*` labels on their
//! services. `std:backupbot` serves them; because plugins cannot see labels, the host
//! passes these as the plugin's options.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    compose::Stack,
    engine::api::MountType,
    home::Grant,
    recipe::{ComponentRef, PluginEntry, Standard, manifest::PluginLimits},
};

const NAME: &str = "backupbot";
const PREFIX: &str = "backupbot.";
/// The only label that the host itself acts on: the interface has no hook that
/// runs before a restore, and `plan` only reads.
pub(crate) const BEFORE_RESTORE: &str = "backupbot.restore.pre-hook";
/// Labels whose value is run in the service that carries them.
const COMMANDS: [&str; 4] = [
    "backupbot.backup.pre-hook",
    "backupbot.backup.post-hook",
    BEFORE_RESTORE,
    "backupbot.restore.post-hook",
];

/// What `std:backupbot` is told about the stack.
#[derive(Serialize)]
struct Labelled<'a> {
    services: BTreeMap<&'a str, Service<'a>>,
    /// Keys of the app's own volumes.
    volumes: Vec<&'a str>,
}

#[derive(Serialize)]
struct Service<'a> {
    labels: BTreeMap<&'a str, &'a str>,
    /// Where it mounts volumes, by their key.
    mounts: BTreeMap<&'a str, &'a str>,
}

/// The plugin for a recipe that has such labels but no plugin of its own with the
/// backup role.
pub(crate) fn implied(stack: &Stack) -> Option<PluginEntry> {
    let labelled = stack.services.iter().any(|service| labels(service).next().is_some());
    if !labelled {
        return None;
    }
    let runs = |service: &&crate::compose::StackService| {
        labels(service).any(|(key, value)| COMMANDS.contains(&key) && !value.trim().is_empty())
    };
    let grants = stack.services.iter().filter(runs).map(|s| Grant::Exec(s.key.clone()));
    Some(PluginEntry {
        name: NAME.into(),
        component: ComponentRef::Standard(Standard::find(NAME).ok()?),
        sha256: None,
        options: serde_json::Value::Null,
        grants: grants.collect::<BTreeSet<_>>().into_iter().collect(),
        limits: PluginLimits::default(),
    })
}

/// Passes the labels to `std:backupbot`; does not change other plugins.
pub(crate) fn add_labels(entry: &mut PluginEntry, stack: &Stack) {
    if !is_backupbot(entry) {
        return;
    }
    let services = stack.services.iter().map(|service| {
        let about = Service { labels: labels(service).collect(), mounts: mounts(stack, service) };
        (service.key.as_str(), about)
    });
    let own = stack.volumes.iter().filter(|volume| !volume.external);
    let labelled = Labelled {
        services: services.collect(),
        volumes: own.map(|volume| volume.key.as_str()).collect(),
    };
    entry.options = serde_json::json!(labelled);
}

pub(crate) fn is_backupbot(entry: &PluginEntry) -> bool {
    matches!(entry.component, ComponentRef::Standard(standard) if standard.name == NAME)
}

pub(crate) fn labels(service: &crate::compose::StackService) -> impl Iterator<Item = (&str, &str)> {
    let all = service.spec.labels.iter().flatten();
    all.map(|(key, value)| (key.as_str(), value.as_str()))
        .filter(|(key, _)| key.starts_with(PREFIX))
}

fn mounts<'a>(
    stack: &'a Stack,
    service: &'a crate::compose::StackService,
) -> BTreeMap<&'a str, &'a str> {
    let container = service.spec.task_template.as_ref().and_then(|t| t.container_spec.as_ref());
    let mounts = container.and_then(|c| c.mounts.as_ref()).into_iter().flatten();
    mounts
        .filter(|mount| mount.typ == Some(MountType::VOLUME))
        .filter_map(|mount| {
            let source = mount.source.as_deref()?;
            let volume = stack.volumes.iter().find(|volume| volume.name == source)?;
            Some((volume.key.as_str(), mount.target.as_deref()?))
        })
        .collect()
}

/// Whether a plugin has the name by which potluck would add its own.
pub(crate) fn is_named(entry: &PluginEntry) -> bool {
    entry.name == NAME
}
