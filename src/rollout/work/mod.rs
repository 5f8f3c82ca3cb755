//! What a deploy has to do, from the wanted stack and the live state; pure.

pub(crate) mod contents;
pub(crate) mod kept;
pub(crate) mod relabel;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    compose::Stack,
    engine::{Distribution, IMAGE_LABEL, Kind, STACK_LABEL, api, label},
    owner::{KIND_LABEL, Owned, release::named},
};

use self::{
    contents::{CONTENT_LABEL, Marks, Placed},
    relabel::Relabel,
};
use super::{
    Change, ChangeAction, ChangeKind, Plan,
    diff::{Names, comparable, contents as contents_of, differences},
    live::Live,
};

/// When registries are asked what an image's tag stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ResolveImage {
    /// At every deploy, as docker does unless told otherwise.
    Always,
    /// When the image is written otherwise than at the last deploy. As with
    /// docker, the platforms that the registry named last time are not kept.
    Changed,
    /// Docker's `never`: nodes find out by themselves.
    Never,
    /// When the image is written otherwise; what the registry said last time
    /// stays whole. Recipes pin versions, so the digest in use is what keeps all
    /// tasks of a service alike and a redeploy from restarting them.
    #[default]
    Kept,
    /// What is written is what is wanted: it has the digest that was found then.
    Written,
}

/// Which objects of a stack that are no longer needed are removed after a successful deploy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Prune {
    /// Everything that carries the stack's label, except secrets that did not
    /// come from files.
    #[default]
    All,
    /// Services, and configs and file secrets that were replaced.
    Services,
    /// Configs and file secrets that were replaced.
    Superseded,
}

/// What happens to an unchanged job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// It has run.
    #[default]
    Keep,
    /// It runs again: docker sends it at every deploy, and swarm runs a job
    /// whenever it is sent.
    Rerun,
}

/// What the caller decides of the work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Policy {
    pub images: ResolveImage,
    pub prune: Prune,
    /// Send services to the swarm even when nothing changed.
    pub force: bool,
    pub jobs: Jobs,
    pub secrets: Marks,
}

/// Everything to send, and everything to remove afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub networks: Vec<api::NetworkCreateRequest>,
    pub secrets: Vec<api::SecretSpec>,
    pub configs: Vec<api::ConfigSpec>,
    pub relabel: Relabel,
    pub services: Vec<ServiceWork>,
    pub stale: Stale,
    pub warnings: Vec<String>,
}

/// One wanted service.
#[derive(Debug, Clone)]
pub(crate) struct ServiceWork {
    /// The key in the compose file.
    pub key: String,
    /// The full name.
    pub name: String,
    /// References are still names; the image is final.
    pub spec: api::ServiceSpec,
    pub before: Option<api::Service>,
    pub action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Keep,
    Create,
    /// With what differs.
    Update(Vec<String>),
}

/// Objects with the stack's label that are no longer needed: names and ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stale {
    pub services: Vec<(String, String)>,
    pub networks: Vec<(String, String)>,
    pub secrets: Vec<(String, String)>,
    pub configs: Vec<(String, String)>,
}

impl Stale {
    fn limit_to(&mut self, prune: Prune, stack: &Stack) {
        if prune == Prune::All {
            return;
        }
        if prune == Prune::Superseded {
            self.services.clear();
        }
        self.networks.clear();
        self.configs.retain(|(name, _)| stack.configs.keys().any(|k| contents::is_of(k, name)));
        self.secrets.retain(|(name, _)| stack.secrets.keys().any(|k| contents::is_of(k, name)));
    }

    /// Drops what is not recorded as the app's, whatever its labels say.
    pub fn limit_to_owned(&mut self, owned: &Owned) {
        self.services.retain(|(name, id)| owned.has(Kind::Service, name, id));
        self.networks.retain(|(name, id)| owned.has(Kind::Network, name, id));
        self.secrets.retain(|(name, id)| owned.has(Kind::Secret, name, id));
        self.configs.retain(|(name, id)| owned.has(Kind::Config, name, id));
    }

    /// Drops the secrets and configs of these names: a release needs them to come back.
    pub fn keep(&mut self, secrets: &BTreeSet<String>, configs: &BTreeSet<String>) {
        self.secrets.retain(|(name, _)| !secrets.contains(name));
        self.configs.retain(|(name, _)| !configs.contains(name));
    }

    pub fn is_empty(&self) -> bool {
        *self == Stale::default()
    }
}

impl Work {
    pub fn compute(
        stack: &Stack,
        live: &Live,
        images: &BTreeMap<String, Distribution>,
        policy: &Policy,
    ) -> Self {
        let (configs, secrets) =
            contents::place(&stack.configs, &stack.secrets, live, policy.secrets);
        let relabel = Relabel::compute(stack, live, &configs.renamed, &secrets.renamed);
        let names = live.names();
        let mut warnings = kept::warnings(stack, live);
        warnings.extend(secrets.warnings.iter().cloned());
        let services: Vec<ServiceWork> = stack
            .services
            .iter()
            .map(|wanted| {
                let mut spec = wanted.spec.clone();
                contents::rename(&mut spec, &configs.renamed, &secrets.renamed);
                let name = spec.name.clone().unwrap_or_default();
                let before = live.services.get(&name).cloned();
                set_image(&mut spec, before.as_ref(), images, policy.images);
                let action = match before.as_ref().and_then(|b| b.spec.as_ref()) {
                    None => Action::Create,
                    Some(old) => {
                        let old = comparable(old, &names);
                        let mut details = differences(&old, &comparable(&spec, &names));
                        if details.is_empty() && live.halted.contains(&name) {
                            details.push("swarm paused the last update: start it again".into());
                        }
                        if policy.force && details.is_empty() {
                            details.push("sent again as asked".into());
                        }
                        if details.is_empty() { Action::Keep } else { Action::Update(details) }
                    }
                };
                ServiceWork { key: wanted.key.clone(), name, spec, before, action }
            })
            .collect();
        let mut stale = stale(stack, live, &services, (&configs, &secrets), policy.secrets);
        stale.limit_to(policy.prune, stack);
        let existing: BTreeSet<&str> =
            live.networks.iter().filter_map(|n| n.name.as_deref()).collect();
        let networks = stack
            .networks
            .iter()
            .filter(|(name, _)| !existing.contains(name.as_str()))
            .map(|(_, request)| request.clone())
            .collect();
        Work {
            networks,
            secrets: secrets.secrets,
            configs: configs.configs,
            relabel,
            services,
            stale,
            warnings,
        }
    }

    /// Whether there is nothing to send and nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
            && self.secrets.is_empty()
            && self.configs.is_empty()
            && self.relabel.is_empty()
            && self.stale.is_empty()
            && self.services.iter().all(|s| s.action == Action::Keep)
    }

    pub fn plan(&self) -> Plan {
        let mut changes = Vec::new();
        let mut add = |kind, name: &str, action, details: Vec<String>| {
            changes.push(Change { kind, name: name.to_owned(), action, details });
        };
        for network in &self.networks {
            add(ChangeKind::Network, &network.name, ChangeAction::Create, vec![]);
        }
        for secret in &self.secrets {
            add(
                ChangeKind::Secret,
                secret.name.as_deref().unwrap_or("?"),
                ChangeAction::Create,
                vec![],
            );
        }
        for config in &self.configs {
            add(
                ChangeKind::Config,
                config.name.as_deref().unwrap_or("?"),
                ChangeAction::Create,
                vec![],
            );
        }
        for (_, _, spec) in &self.relabel.secrets {
            add(
                ChangeKind::Secret,
                spec.name.as_deref().unwrap_or("?"),
                ChangeAction::Update,
                vec!["labels".into()],
            );
        }
        for (_, _, spec) in &self.relabel.configs {
            add(
                ChangeKind::Config,
                spec.name.as_deref().unwrap_or("?"),
                ChangeAction::Update,
                vec!["labels".into()],
            );
        }
        for service in &self.services {
            match &service.action {
                Action::Keep => {}
                Action::Create => {
                    let image = image_of(&service.spec).unwrap_or("?");
                    let mut details = vec![format!("image: {image}")];
                    details.extend(contents_of(&service.spec, &Names::default()));
                    add(ChangeKind::Service, &service.name, ChangeAction::Create, details);
                }
                Action::Update(details) => {
                    add(ChangeKind::Service, &service.name, ChangeAction::Update, details.clone());
                }
            }
        }
        for (kind, list) in [
            (ChangeKind::Service, &self.stale.services),
            (ChangeKind::Network, &self.stale.networks),
            (ChangeKind::Config, &self.stale.configs),
            (ChangeKind::Secret, &self.stale.secrets),
        ] {
            for (name, _) in list {
                add(kind, name, ChangeAction::Remove, vec![]);
            }
        }
        Plan { changes, warnings: self.warnings.clone(), reach: Vec::new(), on_failure: None }
    }
}

/// Images that must be asked for at their registries.
pub(crate) fn images_to_resolve(
    stack: &Stack,
    live: &Live,
    resolve: ResolveImage,
) -> BTreeSet<String> {
    if matches!(resolve, ResolveImage::Never | ResolveImage::Written) {
        return BTreeSet::new();
    }
    stack
        .services
        .iter()
        .filter(|s| {
            let before = s.spec.name.as_ref().and_then(|name| live.services.get(name));
            kept_image(&s.spec, before, resolve).is_none()
        })
        .filter_map(|s| image_of(&s.spec))
        .map(str::to_owned)
        .collect()
}

pub(crate) fn image_of(spec: &api::ServiceSpec) -> Option<&str> {
    spec.task_template.as_ref()?.container_spec.as_ref()?.image.as_deref()
}

/// The image in use, where it is kept.
fn kept_image<'a>(
    spec: &api::ServiceSpec,
    before: Option<&'a api::Service>,
    resolve: ResolveImage,
) -> Option<(&'a str, Option<&'a Vec<api::Platform>>)> {
    let wanted = image_of(spec)?;
    let old = before?.spec.as_ref()?;
    let used = image_of(old)?;
    match resolve {
        ResolveImage::Always | ResolveImage::Written => return None,
        ResolveImage::Changed | ResolveImage::Never => {
            // docker/cli, `command/stack/swarm/deploy_composefile.go`.
            let written = |spec: &api::ServiceSpec| {
                label(spec.labels.as_ref(), IMAGE_LABEL).unwrap_or_default().to_owned()
            };
            return (written(old) == written(spec)).then_some((used, None));
        }
        ResolveImage::Kept => {}
    }
    // The wanted one, with or without its digest.
    let same_label = label(old.labels.as_ref(), IMAGE_LABEL)
        .is_none_or(|l| label(spec.labels.as_ref(), IMAGE_LABEL).is_none_or(|w| w == l));
    let same_name = used == wanted || used.split('@').next() == Some(wanted);
    let platforms =
        old.task_template.as_ref()?.placement.as_ref().and_then(|p| p.platforms.as_ref());
    (same_label && same_name).then_some((used, platforms))
}

fn set_image(
    spec: &mut api::ServiceSpec,
    before: Option<&api::Service>,
    resolved: &BTreeMap<String, Distribution>,
    resolve: ResolveImage,
) {
    let kept = kept_image(spec, before, resolve).map(|(image, p)| (image.to_owned(), p.cloned()));
    let (image, platforms) = match kept {
        Some(kept) => kept,
        None => {
            let Some(written) = image_of(spec).map(str::to_owned) else { return };
            match resolved.get(&written) {
                Some(found) if written.contains('@') => {
                    (written, Some(platforms(&found.platforms)))
                }
                Some(found) => {
                    (format!("{written}@{}", found.digest), Some(platforms(&found.platforms)))
                }
                None => (written, None),
            }
        }
    };
    let Some(task) = spec.task_template.as_mut() else { return };
    if let Some(container) = task.container_spec.as_mut() {
        container.image = Some(image);
    }
    if let Some(platforms) = platforms.filter(|p| !p.is_empty()) {
        task.placement.get_or_insert_default().platforms = Some(platforms);
    }
}

/// As docker does: arm, whose variants swarm cannot tell apart, fits every
/// architecture (docker/cli, `client/service_create.go`).
fn platforms(found: &[api::Platform]) -> Vec<api::Platform> {
    let clear = |platform: &api::Platform| {
        let mut platform = platform.clone();
        if platform.architecture.as_deref().is_some_and(|a| a.eq_ignore_ascii_case("arm")) {
            platform.architecture = None;
        }
        platform
    };
    found.iter().map(clear).collect()
}

fn stale(
    stack: &Stack,
    live: &Live,
    services: &[ServiceWork],
    (placed_configs, placed_secrets): (&Placed, &Placed),
    marks: Marks,
) -> Stale {
    let wanted: BTreeSet<&str> = services.iter().map(|s| s.name.as_str()).collect();
    let mut configs: BTreeSet<&str> = stack.external_configs.iter().map(String::as_str).collect();
    let mut secrets: BTreeSet<&str> = stack.external_secrets.iter().map(String::as_str).collect();
    // What the files have is wanted, also where no service mounts it.
    configs.extend(stack.configs.keys().map(|name| placed_configs.name_of(name)));
    secrets.extend(stack.secrets.keys().map(|name| placed_secrets.name_of(name)));
    let (used_secrets, used_configs) = named(services.iter().map(|service| &service.spec));
    configs.extend(used_configs.iter().map(String::as_str));
    secrets.extend(used_secrets.iter().map(String::as_str));
    let ours = Some(stack.name.as_str());
    Stale {
        services: live
            .services
            .iter()
            .filter(|(name, _)| !wanted.contains(name.as_str()))
            .filter_map(|(name, s)| Some((name.clone(), s.id.clone()?)))
            .collect(),
        networks: live
            .networks
            .iter()
            .filter(|n| label(n.labels.as_ref(), STACK_LABEL) == ours)
            .filter_map(|n| Some((n.name.clone()?, n.id.clone()?)))
            .filter(|(name, _)| {
                !stack.networks.contains_key(name) && !stack.external_networks.contains(name)
            })
            .collect(),
        configs: live
            .configs
            .iter()
            .filter_map(|c| Some((c.spec.as_ref()?, c.id.clone()?)))
            .filter(|(spec, _)| label(spec.labels.as_ref(), STACK_LABEL) == ours)
            .filter(|(spec, _)| label(spec.labels.as_ref(), KIND_LABEL).is_none())
            .filter_map(|(spec, id)| Some((spec.name.clone()?, id)))
            .filter(|(name, _)| !configs.contains(name.as_str()))
            .collect(),
        secrets: live
            .secrets
            .iter()
            .filter_map(|s| Some((s.spec.as_ref()?, s.id.clone()?)))
            .filter(|(spec, _)| label(spec.labels.as_ref(), STACK_LABEL) == ours)
            // Other secrets of an app are the operator's, used or not.
            .filter(|(spec, _)| {
                marks == Marks::None || label(spec.labels.as_ref(), CONTENT_LABEL).is_some()
            })
            .filter_map(|(spec, id)| Some((spec.name.clone()?, id)))
            .filter(|(name, _)| !secrets.contains(name.as_str()))
            .collect(),
    }
}

/// The spec to send over a live one: keeps the task template as it is when
/// only other parts differ, so that the order of lists restarts nothing.
pub(crate) fn over(
    mut spec: api::ServiceSpec,
    live: &api::ServiceSpec,
    names: &super::diff::Names,
    filled: impl FnOnce(&mut api::ServiceSpec),
) -> api::ServiceSpec {
    let task_of = |spec: &api::ServiceSpec| {
        comparable(spec, names).get("TaskTemplate").cloned().unwrap_or_default()
    };
    let same_task = task_of(&spec) == task_of(live);
    filled(&mut spec);
    let old = live.task_template.as_ref();
    if same_task {
        spec.task_template = old.cloned();
    } else if let Some(task) = spec.task_template.as_mut() {
        task.force_update = old.and_then(|t| t.force_update);
    }
    spec
}

#[cfg(test)]
mod tests;
