//! What a stack reaches beyond its own app; pure.
//!
//! It is computed from the converted specs, after interpolation, `extends`, merge and
//! conversion, never from the files: only what the swarm would receive counts, however it
//! was written. Most reach is computed from the specs alone; facts about the other stacks
//! of the server are passed in as [`Neighbour`]s. When in doubt, something counts as reach:
//! one question too many is answered only once.
//!
//! [`specs`] reads mounts, capabilities, networks, volumes and drivers, [`routes`] the
//! labels for reverse proxies, [`rule`] the rules in these; [`words`] describes each reach
//! in one sentence.

mod paths;
mod routed;
mod routes;
mod rule;
mod specs;
mod words;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{
    compose::Stack,
    engine::{STACK_LABEL, api},
    home::{EnvFile, Reach, StackName},
};

pub use routed::routed;
pub use routes::typed_hosts;
pub use words::sentence;

/// Stands for the stack where something belongs to no service.
pub const STACK: &str = "stack";

/// What each service reaches, by its key in the compose files.
pub type Reaches = BTreeMap<String, BTreeSet<Reach>>;

/// Facts beside the specs.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// The app's own domain. Its subdomains are its own, too.
    pub domain: &'a str,
    /// Hosts that the operator, not the recipe's sample, put into the settings.
    pub hosts: BTreeSet<String>,
    /// Networks that need no yes.
    pub shared_networks: Vec<String>,
    /// The recipe's folder during this operation; mounts from there are named
    /// relative to it.
    pub checkout: Option<&'a Path>,
    /// Services of other stacks.
    pub neighbours: Vec<Neighbour>,
    /// Registries of the images that the stack's services run now; empty when
    /// none runs.
    pub registries: BTreeSet<String>,
}

/// A live service of another stack, with the facts that matter here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Neighbour {
    /// Empty for a service of no stack.
    pub stack: String,
    /// Full name, `wiki_example_org_db`.
    pub name: String,
    /// Names of its networks, and its names on them.
    pub networks: BTreeMap<String, BTreeSet<String>>,
    pub labels: BTreeMap<String, String>,
}

impl Neighbour {
    /// The service's name within its stack.
    fn key(&self) -> &str {
        let rest = self.name.strip_prefix(&self.stack).filter(|_| !self.stack.is_empty());
        rest.and_then(|rest| rest.strip_prefix('_')).unwrap_or(&self.name)
    }
}

/// What the services of a stack reach. Services that reach nothing are left out.
pub fn reach(stack: &Stack, facts: &Facts<'_>) -> Reaches {
    let own = Own { stack: stack.name.as_str(), neighbours: &facts.neighbours };
    let routes = routes::Routes::of(stack, facts, own);
    let mut all: Reaches = stack
        .services
        .iter()
        .map(|service| {
            let mut found = specs::service(stack, service, facts, own);
            found.extend(routes.service(service));
            (service.key.clone(), found)
        })
        .collect();
    let unused = specs::unused(stack, own, &all);
    all.entry(STACK.to_owned()).or_default().extend(unused);
    all.retain(|_, found| !found.is_empty());
    all
}

/// Which names are the stack's own.
#[derive(Debug, Clone, Copy)]
struct Own<'a> {
    stack: &'a str,
    neighbours: &'a [Neighbour],
}

impl Own<'_> {
    /// Whether an object of this name is the stack's: it has the stack's
    /// prefix, and not that of another stack with a longer name (`a_b` beside `a`).
    fn has(&self, name: &str) -> bool {
        let of = |stack: &str| name.strip_prefix(stack).is_some_and(|rest| rest.starts_with('_'));
        let longer = |other: &Neighbour| other.stack.len() > self.stack.len() && of(&other.stack);
        of(self.stack) && !self.neighbours.iter().any(longer)
    }
}

/// The services of other stacks, from all of the swarm's.
pub fn neighbours(
    services: &[api::Service],
    networks: &BTreeMap<String, String>,
    own: &StackName,
) -> Vec<Neighbour> {
    let neighbour = |service: &api::Service| {
        let spec = service.spec.as_ref()?;
        let labels: BTreeMap<String, String> =
            spec.labels.iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let stack = labels.get(STACK_LABEL).cloned().unwrap_or_default();
        if stack == own.as_str() {
            return None;
        }
        let task = spec.task_template.as_ref();
        // Older clients wrote networks beside the task.
        let attached = task.and_then(|task| task.networks.as_ref()).or(spec.networks.as_ref());
        let networks = attached.into_iter().flatten().filter_map(|attached| {
            let target = attached.target.as_deref()?;
            let name = networks.get(target).map_or(target, String::as_str).to_owned();
            Some((name, attached.aliases.iter().flatten().cloned().collect()))
        });
        let mut all_labels = labels;
        let container = task.and_then(|task| task.container_spec.as_ref());
        let of_container = container.and_then(|container| container.labels.as_ref());
        all_labels.extend(of_container.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
        Some(Neighbour {
            stack,
            name: spec.name.clone()?,
            networks: networks.collect(),
            labels: all_labels,
        })
    };
    services.iter().filter_map(neighbour).collect()
}

/// Registries of the images that services run.
pub fn registries<'a>(services: impl IntoIterator<Item = &'a api::Service>) -> BTreeSet<String> {
    let specs = services.into_iter().filter_map(|service| service.spec.as_ref());
    specs.filter_map(specs::registry).collect()
}

/// Hosts in settings that the operator put in: those whose value differs
/// from today's sample and, judging by its digest, from the sample that the app was created from.
pub fn hosts(
    settings: &EnvFile,
    sample: &EnvFile,
    copied: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    settings
        .values()
        .into_iter()
        .filter(|(key, value)| sample.get(key) != Some(value.as_str()))
        .filter(|(key, value)| copied.get(key) != Some(&digest(value)))
        .flat_map(|(_, value)| routes::typed_hosts(&value))
        .collect()
}

/// Values of new settings that name hosts and that come from the sample, as
/// digests: for the app's lock file.
pub fn copied(settings: &EnvFile, sample: &EnvFile) -> BTreeMap<String, String> {
    let is_same = |(key, value): &(String, String)| sample.get(key) == Some(value.as_str());
    not_typed(settings.values().into_iter().filter(is_same))
}

/// The same of settings that a plugin wrote: no operator typed them.
pub fn not_typed(settings: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let names_hosts = |(_, value): &(String, String)| !routes::typed_hosts(value).is_empty();
    let named = settings.into_iter().filter(names_hosts);
    named.map(|(key, value)| (key, digest(&value))).collect()
}

fn digest(value: &str) -> String {
    hex::encode(&Sha256::digest(value.as_bytes())[..8])
}

/// What was not agreed to, service by service; `given` are lines of the lock file.
pub fn missing(reaches: &Reaches, given: &BTreeMap<String, Vec<String>>) -> Reaches {
    let lines = |service: &str| agreed(given, service);
    reaches
        .iter()
        .map(|(service, wanted)| {
            let agreed = lines(service);
            let new = |reach: &&Reach| {
                reach.needs_yes() && !agreed.iter().any(|agreed| agreed.covers(reach))
            };
            (service.clone(), wanted.iter().filter(new).cloned().collect::<BTreeSet<Reach>>())
        })
        .filter(|(_, missing)| !missing.is_empty())
        .collect()
}

/// What a service was allowed. An invalid line allows nothing.
pub fn agreed(given: &BTreeMap<String, Vec<String>>, service: &str) -> BTreeSet<Reach> {
    given.get(service).into_iter().flatten().filter_map(|line| line.parse().ok()).collect()
}
