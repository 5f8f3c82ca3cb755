//! `std:backupbot`: what the `backupbot.*` labels of recipes ask for, in both
//! of their versions. The host hands over labels, mounts and volumes, and runs
//! the hooks before a restore: no hook of the interface comes that early.

use std::collections::{BTreeMap, BTreeSet};

use potluck_sdk::{
    Backup, Command, Context, Failure, Item, Result, Volume, options, report, services,
};
use serde::Deserialize;

/// The plugin.
pub struct Backupbot;

/// What the host tells of the stack.
#[derive(Debug, Deserialize)]
struct Stack {
    services: BTreeMap<String, Service>,
    /// The app's own.
    volumes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Service {
    labels: BTreeMap<String, String>,
    /// Where it mounts volumes, by their key.
    mounts: BTreeMap<String, String>,
}

const ENABLED: &str = "backupbot.backup";
const VOLUMES: &str = "backupbot.backup.volumes.";
/// The first version's: paths inside the container, and a command that prints.
const PATHS: &str = "backupbot.backup.path";
const PRINTS: &str = "backupbot.backup.command";
const BEFORE: &str = "backupbot.backup.pre-hook";
const AFTER: &str = "backupbot.backup.post-hook";
const AFTER_RESTORE: &str = "backupbot.restore.post-hook";

/// Runs the command that is its argument. The host runs those before a restore
/// the same way.
const RUNNER: &str = include_str!("runner.sh");

impl Stack {
    fn read() -> Result<Self> {
        let stack: Stack = options()?;
        let says = |service: &Service| service.labels.get(ENABLED).is_some_and(|v| truth(v));
        if !stack.services.values().any(says) {
            return Err(Failure::new("the app's labels turn its backups off")
                .hint(format!("one of its services has to carry `{ENABLED}=true`")));
        }
        Ok(stack)
    }

    /// Labels by key and value, with their service.
    fn labels(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.services.iter().flat_map(|(service, about)| {
            let labels = about.labels.iter();
            labels.map(|(key, value)| (service.as_str(), key.as_str(), value.as_str()))
        })
    }

    fn hooks(&self, label: &str) -> impl Iterator<Item = (&str, &str)> {
        self.labels()
            .filter(move |(_, key, value)| *key == label && !value.trim().is_empty())
            .map(|(service, _, value)| (service, value))
    }

    fn plan(&self) -> Result<Vec<Volume>> {
        if let Some((service, _)) = self.hooks(PRINTS).next() {
            return Err(Failure::new(format!(
                "`{PRINTS}` of the service `{service}` is not supported, because its output cannot \
                 be restored"
            ))
            .hint(format!(
                "the recipe can write a file in a volume in `{BEFORE}`, or use a plugin"
            )));
        }
        let mut left_out = BTreeSet::new();
        let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (_, key, value) in self.labels() {
            let Some(rest) = key.strip_prefix(VOLUMES) else { continue };
            let (volume, path) = match rest.strip_suffix(".path") {
                Some(volume) => (volume, true),
                None => (rest, false),
            };
            if !self.volumes.iter().any(|known| known == volume) {
                report::warn(format!("the label `{key}` is for no volume of the app"));
            } else if path {
                let paths = list(value).map(|path| path.trim_start_matches('/').to_owned());
                parts.entry(volume).or_default().extend(paths);
            } else if !truth(value) {
                left_out.insert(volume);
            }
        }
        self.paths_in_containers(&mut parts)?;
        let volumes = self.volumes.iter().map(String::as_str).filter(|v| !left_out.contains(v));
        Ok(volumes
            .map(|name| {
                let mut paths = parts.remove(name).unwrap_or_default();
                // All of it is more than any part of it.
                if paths.iter().any(String::is_empty) {
                    paths.clear();
                }
                Volume { name: name.into(), paths, exclude: Vec::new() }
            })
            .collect())
    }

    /// The first version of the labels: the volumes that a service mounts are
    /// taken by these paths only.
    fn paths_in_containers<'a>(&'a self, parts: &mut BTreeMap<&'a str, Vec<String>>) -> Result {
        for (service, value) in self.hooks(PATHS) {
            let mounts = &self.services[service].mounts;
            for path in list(value) {
                let inside = |(volume, target): (&'a String, &'a String)| {
                    let rest = path.strip_prefix(target.trim_end_matches('/'))?;
                    let whole = rest.is_empty() || rest.starts_with('/');
                    whole.then(|| (target.len(), volume.as_str(), rest.trim_matches('/')))
                };
                let (_, volume, rest) = mounts.iter().filter_map(inside).max().context(format!(
                    "`{path}`, which the labels of `{service}` name, is in none of its volumes"
                ))?;
                parts.entry(volume).or_default().push(rest.to_owned());
            }
        }
        Ok(())
    }

    /// Runs a label's commands, all of them; the first failure is told.
    fn run(&self, label: &str) -> Result {
        let mut outcome = Ok(());
        for (service, hook) in self.hooks(label) {
            let command = Command::new(["sh", "-c", RUNNER, "sh", hook]);
            let ran = services::run(service, command);
            let ran = ran.context(format!("`{label}` of the service `{service}`"));
            if let Err(failure) = ran.map(drop) {
                match outcome {
                    Ok(()) => outcome = Err(failure),
                    Err(_) => report::error(&failure),
                }
            }
        }
        outcome
    }
}

fn truth(value: &str) -> bool {
    matches!(value.trim().to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on")
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|path| !path.is_empty())
}

impl Backup for Backupbot {
    fn plan() -> Result<Vec<Item>> {
        Ok(Stack::read()?.plan()?.into_iter().map(Item::Volume).collect())
    }

    fn before_backup() -> Result {
        Stack::read()?.run(BEFORE)
    }

    fn after_backup(_: bool) -> Result {
        Stack::read()?.run(AFTER)
    }

    fn after_restore() -> Result {
        Stack::read()?.run(AFTER_RESTORE)
    }
}

potluck_sdk::export!(Backupbot: backup);

#[cfg(test)]
mod tests;
