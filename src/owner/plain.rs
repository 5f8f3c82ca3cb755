//! Whether specs of a release are such as compose files give; pure.
//!
//! What an app reaches is computed from specs that potluck made itself. A release may be
//! somebody else's work, and swarm knows more than compose files can say: a plugin in place
//! of a container, no seccomp profile, networks beside those of the task. Of these nobody
//! would be asked, so a release with one of them is none.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::api;

/// What no compose file gives, with its place; none if everything is plain.
pub(super) fn strange(
    services: &[(&str, &api::ServiceSpec)],
    networks: &BTreeMap<String, api::NetworkCreateRequest>,
) -> Option<String> {
    let keys: BTreeSet<&str> = services.iter().map(|(key, _)| *key).collect();
    if keys.len() < services.len() {
        return Some("it has a service twice".into());
    }
    let mut found = services.iter().filter_map(|(key, spec)| Some((key, of_service(spec)?)));
    if let Some((key, what)) = found.next() {
        return Some(format!("its service `{key}` has {what}"));
    }
    let mut found = networks.iter().filter_map(|(name, it)| Some((name, of_network(name, it)?)));
    let (name, what) = found.next()?;
    Some(format!("its network `{name}` has {what}"))
}

fn of_service(spec: &api::ServiceSpec) -> Option<&'static str> {
    let Some(task) = &spec.task_template else { return Some("no task") };
    let Some(container) = &task.container_spec else { return Some("no container") };
    let has_runtime = |name: &String| !matches!(name.as_str(), "" | "container");
    let privileges = container.privileges.clone().unwrap_or_default();
    let secrets = container.secrets.iter().flatten();
    let configs = container.configs.iter().flatten();
    [
        (task.plugin_spec.is_some(), "a plugin of the engine"),
        (task.network_attachment_spec.is_some(), "a network in place of a task"),
        (task.runtime.as_ref().is_some_and(has_runtime), "a runtime of its own"),
        (spec.networks.is_some(), "networks beside those of its task"),
        (task.networks.iter().flatten().any(|it| it.target.is_none()), "a network without a name"),
        (privileges.seccomp.is_some(), "a seccomp profile"),
        (privileges.app_armor.is_some(), "an AppArmor mode"),
        (privileges.se_linux_context.is_some(), "an SELinux context"),
        (secrets.clone().any(|it| it.secret_name.is_none()), "a secret without a name"),
        (configs.clone().any(|it| it.config_name.is_none()), "a config without a name"),
    ]
    .into_iter()
    .find_map(|(is_so, what)| is_so.then_some(what))
}

fn of_network(name: &str, request: &api::NetworkCreateRequest) -> Option<&'static str> {
    [
        (request.name != name, "another name"),
        (request.ingress == Some(true), "the swarm's own ports"),
        (request.config_only == Some(true), "no more than options"),
        (request.config_from.is_some(), "options of another network"),
    ]
    .into_iter()
    .find_map(|(is_so, what)| is_so.then_some(what))
}
