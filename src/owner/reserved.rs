//! Names and labels that no recipe may set, because docker or potluck trusts
//! them; pure, checked on the converted specs, so that no spelling avoids the check.

use std::collections::HashMap;

use crate::{
    compose::Stack,
    engine::{IMAGE_LABEL, STACK_LABEL, api},
};

/// Prefixes of labels that belong to docker or potluck.
const LABELS: [&str; 3] = ["com.docker.", "org.potluck.", "potluck."];
/// Prefix of names of potluck's own objects.
const NAMES: &str = "potluck.";

/// The reserved names and labels in a stack: ``service `app`: label `com.docker.…` ``, sorted.
pub(crate) fn reserved(stack: &Stack) -> Vec<String> {
    let mut found = Vec::new();
    let mut labels = |what: &str, labels: Option<&HashMap<String, String>>| {
        let written = |key: &str, value: &str| match key {
            // Docker's converter sets these itself.
            STACK_LABEL => value == stack.name.as_str(),
            IMAGE_LABEL => true,
            _ => false,
        };
        for (key, value) in labels.into_iter().flatten() {
            let lower = key.to_ascii_lowercase();
            if LABELS.iter().any(|prefix| lower.starts_with(prefix)) && !written(key, value) {
                found.push(format!("{what}: label `{key}`"));
            }
        }
    };
    for service in &stack.services {
        let what = format!("service `{}`", service.key);
        labels(&what, service.spec.labels.as_ref());
        let task = service.spec.task_template.as_ref();
        let Some(container) = task.and_then(|task| task.container_spec.as_ref()) else { continue };
        labels(&what, container.labels.as_ref());
        for mount in container.mounts.iter().flatten() {
            let options = mount.volume_options.as_ref();
            labels(&what, options.and_then(|options| options.labels.as_ref()));
        }
    }
    for (name, request) in &stack.networks {
        labels(&format!("network `{name}`"), request.labels.as_ref());
    }
    for (name, spec) in &stack.secrets {
        labels(&format!("secret `{name}`"), spec.labels.as_ref());
    }
    for (name, spec) in &stack.configs {
        labels(&format!("config `{name}`"), spec.labels.as_ref());
    }
    found.extend(
        names(stack)
            .into_iter()
            .filter(|(_, name)| name.to_ascii_lowercase().starts_with(NAMES))
            .map(|(kind, name)| {
                format!("{kind} `{name}`: names that begin with `{NAMES}` are potluck's own")
            }),
    );
    found.sort();
    found.dedup();
    found
}

/// Every name that the stack uses for an object.
fn names<'a>(stack: &'a Stack) -> Vec<(&'static str, &'a str)> {
    let mut names: Vec<(&'static str, &'a str)> = Vec::new();
    let mut add = |kind, all: Vec<&'a String>| {
        names.extend(all.into_iter().map(|name| (kind, name.as_str())));
    };
    add("network", stack.networks.keys().chain(&stack.external_networks).collect());
    add("secret", stack.secrets.keys().chain(&stack.external_secrets).collect());
    add("config", stack.configs.keys().chain(&stack.external_configs).collect());
    add("volume", stack.volumes.iter().map(|volume| &volume.name).collect());
    let mounted = stack.services.iter().flat_map(|service| mounts(&service.spec));
    names.extend(mounted.filter_map(|m| Some(("volume", m.source.as_deref()?))));
    names
}

fn mounts(spec: &api::ServiceSpec) -> impl Iterator<Item = &api::Mount> {
    let task = spec.task_template.as_ref();
    let container = task.and_then(|task| task.container_spec.as_ref());
    container.and_then(|container| container.mounts.as_ref()).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::{LoadOptions, Source, load};

    struct NoFiles;

    impl crate::compose::Files for NoFiles {
        fn read(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    fn stack(text: &str) -> Stack {
        let folder = tempfile::tempdir().unwrap();
        let source = Source { name: "compose.yml".into(), text: text.into() };
        let files = NoFiles;
        let options = LoadOptions {
            working_dir: folder.path(),
            home_dir: None,
            environment: &|_: &str| None,
            files: &files,
            interpolate: true,
            profiles: &Default::default(),
        };
        let name = crate::home::StackName::new("a_example").unwrap();
        load(&[source], &options).unwrap().0.to_stack(&name, &files).unwrap()
    }

    #[test]
    fn ordinary_stacks_have_nothing_reserved() {
        let stack = stack(
            "services:\n  app:\n    image: busybox:1\n    labels: {traefik.enable: 'true'}\n    \
             deploy: {labels: {coop-cloud.a_example.version: '1'}}\n    volumes: [data:/d]\n\
             volumes: {data: {}}\n",
        );
        assert_eq!(reserved(&stack), Vec::<String>::new());
    }

    #[test]
    fn what_docker_or_potluck_would_believe_is_found_wherever_it_is_written() {
        for (text, expected) in [
            ("    labels: {com.docker.swarm.service.name: victim_db}\n", "com.docker.swarm"),
            ("    labels: ['org.potluck.app=victim']\n", "org.potluck.app"),
            ("    deploy: {labels: {Com.Docker.stack.x: y}}\n", "Com.Docker.stack.x"),
            (
                "    volumes: [{type: volume, source: d, target: /d}]\nvolumes: {d: {labels: \
                 {org.potluck.app: x}}}\n",
                "org.potluck.app",
            ),
            (
                "    networks: [n]\nnetworks: {n: {labels: {potluck.x: y}}}\n",
                "network `a_example_n`: label `potluck.x`",
            ),
            (
                "    configs: [c]\nconfigs: {c: {external: true, name: potluck.victim.owner}}\n",
                "config `potluck.victim.owner`",
            ),
            ("    volumes: ['vol:/d']\nvolumes: {vol: {name: potluck.x}}\n", "volume `potluck.x`"),
        ] {
            let text = format!("services:\n  app:\n    image: busybox:1\n{text}");
            let found = reserved(&stack(&text));
            assert!(found.iter().any(|line| line.contains(expected)), "{text}: {found:?}");
        }
    }
}
