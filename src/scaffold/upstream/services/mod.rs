//! The services of the upstream, each as one of a swarm: what a swarm has another word for
//! gets it, what it has no word for is said.

mod deploy;
mod health;
mod images;
mod keys;
mod shared;

use crate::{
    compose::tree::{Entry, Map, Node, Value},
    recipe::family::{self, Kind},
};

use super::{
    draft::{Draft, Restart, Service},
    inside::{Named, local},
    log::Log,
    project::Project,
    read, reference,
};
pub use health::healths;
pub use shared::{shared, shared_files};

/// Makes a service of each, in their order. Returns them with their keys.
pub fn begin<'p>(draft: &mut Draft, project: &'p Project) -> Vec<&'p Map> {
    let Some(Node { value: Value::Map(services), .. }) = project.outline.root.get("services")
    else {
        return vec![];
    };
    let maps = || {
        services.0.iter().filter_map(|entry| match &entry.value.value {
            Value::Map(map) => Some((entry, map)),
            _ => None,
        })
    };
    for file in &project.outward {
        draft.log.decision(
            "",
            None,
            format!("`{file}` is a link that leads out of the project, and was not read"),
            "put a copy of the file in its place and run the command again, if its settings may \
             be known to the recipe",
        );
    }
    let image_of = |map: &Map| read::text(map, "image").map(|image| project.resolved(&image));
    let is_proxy = |map: &Map| {
        image_of(map)
            .and_then(|image| family::of(&image))
            .is_some_and(|family| family.kind == Kind::Proxy)
    };
    let all_proxies = maps().all(|(_, map)| is_proxy(map));
    let finished: Vec<String> = maps().flat_map(|(_, map)| completed(map)).collect();
    let mut kept = vec![];
    for (entry, map) in maps() {
        let position = project.outline.line(entry.at);
        let key = &entry.key;
        if map.get("profiles").is_some() {
            let profiles = read::list(map.get("profiles")).join(", ");
            draft.log.decision(
                key,
                position,
                format!("the service was left out, as it is only for the profiles {profiles}"),
                "write it into an overlay, `compose.NAME.yml`, if apps should have it",
            );
        } else if !all_proxies && is_proxy(map) {
            draft.log.change(
                key,
                position,
                "the service was removed",
                "Traefik on the server does the work of a proxy: compose.traefik.yml",
            );
        } else {
            let made = service(entry, map, project, &finished, &mut draft.log);
            draft.services.push(made);
            kept.push(map);
        }
    }
    kept
}

/// Services whose end is waited for.
fn completed(map: &Map) -> Vec<String> {
    let Some(Node { value: Value::Map(wanted), .. }) = map.get("depends_on") else { return vec![] };
    let ends = |entry: &&Entry| match &entry.value.value {
        Value::Map(map) => {
            read::text(map, "condition").as_deref() == Some("service_completed_successfully")
        }
        _ => false,
    };
    wanted.0.iter().filter(ends).map(|entry| entry.key.clone()).collect()
}

fn service(
    entry: &Entry,
    map: &Map,
    project: &Project,
    finished: &[String],
    log: &mut Log,
) -> Service {
    let key = entry.key.as_str();
    let image = read::text(map, "image").map(|image| project.resolved(&image));
    let family = image.as_deref().and_then(family::of);
    let mut missing = vec![];
    let env = read::environment(map, project, &mut missing);
    for file in missing {
        let why = match local(&project.resolved(&file)).map(|path| project.named.get(&path)) {
            None | Some(Some(Named::LeadsOut)) => "leads out of the project and was not read",
            Some(Some(Named::Missing) | None) => "is missing",
            Some(Some(_)) => "is not a text file of at most 1 MB",
        };
        log.decision(
            key,
            map.get("env_file").and_then(|node| project.outline.line(node.at)),
            format!("the environment file `{file}` {why}: its variables are unknown"),
            format!(
                "put a copy of the file into the project and run the command again, or add its \
                     variables to `environment` of `{key}` in compose.yml, with their settings in \
                     .env.sample"
            ),
        );
    }
    let mut odd = vec![];
    let ports = read::published(map, project, &mut odd);
    for port in odd {
        log.decision(
            key,
            map.get("ports").and_then(|node| project.outline.line(node.at)),
            format!("the port `{port}` was left out, as it cannot be read without its variables"),
            "write it into compose.port.yml",
        );
    }
    let mut service = Service {
        key: key.into(),
        name: key.into(),
        at: entry.at,
        family,
        image: None,
        env,
        secrets: vec![],
        configs: vec![],
        mounts: vec![],
        volumes: vec![],
        networks: vec![],
        command: read::words(map.get("command")),
        entrypoint: read::words(map.get("entrypoint")),
        health: None,
        is_own_health: false,
        kept: vec![],
        deploy: vec![],
        restart: Restart::Any,
        attempts: None,
        labels: vec![],
        deploy_labels: vec![],
        comment: vec![],
        ports,
        depends_on: read::list(map.get("depends_on")),
    };
    images::images(&mut service, image, map, project, log);
    deploy::restart(&mut service, map, project, finished.iter().any(|name| name == key), log);
    for entry in &map.0 {
        keys::other(&mut service, entry, project, log);
    }
    keys::labels(&mut service, map, project, log);
    service
}

/// The names by which others know a service, beside its own: the one that it had, and that
/// of its container.
pub fn aliases(draft: &Draft, maps: &[&Map], project: &Project, index: usize) -> Vec<String> {
    let service = &draft.services[index];
    let mut names = vec![];
    if service.key != service.name {
        names.push(service.key.clone());
    }
    let other = |name: &str| {
        let used = |text: &str| {
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
                .any(|it| it == name)
        };
        let in_env = draft.services.iter().enumerate().any(|(other, service)| {
            other != index
                && service.env.iter().any(|variable| {
                    variable.value.as_deref().is_some_and(|value| used(&project.resolved(value)))
                })
        });
        in_env || draft.files.values().any(|text| used(text))
    };
    let mut extra = vec![];
    extra.extend(read::text(maps[index], "container_name").map(|name| project.resolved(&name)));
    extra.extend(read::text(maps[index], "hostname").map(|name| project.resolved(&name)));
    if let Some(Node { value: Value::Map(networks), .. }) = maps[index].get("networks") {
        for network in &networks.0 {
            if let Value::Map(settings) = &network.value.value {
                extra.extend(read::list(settings.get("aliases")));
            }
        }
    }
    for map in maps {
        for link in read::list(map.get("links")) {
            if let Some((name, alias)) =
                link.split_once(':').filter(|(name, _)| *name == service.key)
            {
                let _ = name;
                extra.push(alias.to_owned());
            }
        }
    }
    for name in extra {
        if name != service.name
            && !names.contains(&name)
            && other(&name)
            && reference::variables(&name).is_empty()
        {
            names.push(name);
        }
    }
    names
}
