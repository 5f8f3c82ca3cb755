//! Recipes from before plugins say what to back up by `backupbot.*` labels on
//! their services. `std:backupbot` speaks for them; as plugins see no labels,
//! the host hands these over as its options.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Serialize;

use crate::{
    compose::Stack,
    engine::api::MountType,
    home::Grant,
    plugin::Command,
    recipe::{ComponentRef, PluginEntry, Standard, manifest::PluginLimits},
};

use super::{
    App, Error,
    hooks::{Component, components},
};

const NAME: &str = "backupbot";
const PREFIX: &str = "backupbot.";
/// The one label that the host itself acts on: the interface has no hook for the
/// moment before a restore, and `plan` only reads.
const BEFORE_RESTORE: &str = "backupbot.restore.pre-hook";
/// Labels whose value is run in the service that carries them.
const COMMANDS: [&str; 4] = [
    "backupbot.backup.pre-hook",
    "backupbot.backup.post-hook",
    BEFORE_RESTORE,
    "backupbot.restore.post-hook",
];
/// For what runs before a restore.
const HOOK: Duration = Duration::from_secs(60 * 60);
/// How the plugin runs them, too.
const RUNNER: &str = include_str!("../../plugins/std/backupbot/src/runner.sh");
/// How a component names the role that it exports. Nothing may be imported by
/// that name, so that its bytes hold it only for the role.
const ROLE: &[u8] = b"potluck:recipe/backup@";

/// What `std:backupbot` is told of the stack.
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

/// The plugin that a recipe with such labels needs and does not list: none of
/// its own plays the backup role.
pub(super) fn implied(stack: &Stack, listed: &[Component]) -> Option<PluginEntry> {
    let labelled = stack.services.iter().any(|service| labels(service).next().is_some());
    let taken = |c: &Component| c.entry.name == NAME || plays_backup(&c.bytes);
    if !labelled || listed.iter().any(taken) {
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

/// Hands `std:backupbot` the labels; leaves other plugins as they are.
pub(super) fn add_labels(entry: &mut PluginEntry, stack: &Stack) {
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

/// What runs in a service before its app is restored, and whether the plugin
/// may run anything there.
pub(crate) struct RestoreHook {
    pub label: &'static str,
    pub service: String,
    pub command: Command,
    pub grant: Grant,
    pub granted: bool,
}

/// What labels ask for before a restore, where `std:backupbot` speaks for them.
/// As with the commands of a dump, the plugin's grants count.
///
/// # Errors
/// Components that are not there.
pub(crate) fn before_restore(app: &App) -> Result<Vec<RestoreHook>, Error> {
    let components = components(app)?;
    let Some(spokesman) = components.iter().find(|c| is_backupbot(&c.entry)) else {
        return Ok(Vec::new());
    };
    let hooks = app.stack.services.iter().filter_map(|service| {
        let (_, hook) = labels(service).find(|(key, _)| *key == BEFORE_RESTORE)?;
        let argv = ["sh", "-c", RUNNER, "sh", hook].map(str::to_owned);
        let grant = Grant::Exec(service.key.clone());
        (!hook.trim().is_empty()).then(|| RestoreHook {
            label: BEFORE_RESTORE,
            service: service.key.clone(),
            command: Command {
                argv: argv.into(),
                env: Vec::new(),
                user: None,
                workdir: None,
                timeout: Some(HOOK),
            },
            granted: spokesman.entry.grants.contains(&grant),
            grant,
        })
    });
    Ok(hooks.collect())
}

fn is_backupbot(entry: &PluginEntry) -> bool {
    matches!(entry.component, ComponentRef::Standard(standard) if standard.name == NAME)
}

fn labels(service: &crate::compose::StackService) -> impl Iterator<Item = (&str, &str)> {
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

fn plays_backup(component: &[u8]) -> bool {
    component.windows(ROLE.len()).any(|window| window == ROLE)
}
