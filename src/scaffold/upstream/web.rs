//! Which service people reach, on which port; what else is published.

use crate::{
    compose::{image::Image, tree::Map},
    recipe::family::Kind,
};

use super::{
    draft::{Draft, Opened, Port, Restart, Service, Web},
    names,
    project::Project,
    read,
};

/// Ports on which web servers listen, the likeliest first.
const USUAL: &[u16] =
    &[80, 8080, 3000, 8000, 5000, 9000, 4000, 8888, 8081, 3001, 5678, 2283, 443, 8443];
/// Names that projects give what people reach.
const NAMES: &[&str] =
    &["app", "web", "webserver", "server", "frontend", "nginx", "www", "ui", "proxy"];
/// Ports that are spoken to with TLS.
const ENCRYPTED: &[u16] = &[443, 8443, 9443];

/// Finds it, and takes the other ports to an overlay. It gets the name `app`; without one, the
/// service that the recipe is about does.
pub fn find(draft: &mut Draft, maps: &[&Map], project: &Project, recipe: &str) {
    let best = (0..draft.services.len())
        .filter_map(|index| Some((score(draft, maps[index], project, index)?, index)))
        // The first of equals.
        .max_by_key(|((score, _), index)| (*score, std::cmp::Reverse(*index)));
    match best {
        Some(((_, port), service)) => {
            draft.web = Some(Web { service, port });
            if ENCRYPTED.contains(&port) {
                let service = &draft.services[service];
                let at = project.outline.line(service.at);
                draft.log.decision(
                    &service.key.clone(),
                    at,
                    format!("the only port that it publishes, {port}, is one with TLS"),
                    "write the port without TLS into compose.traefik.yml and compose.port.yml: the \
                     proxy has the certificate",
                );
            }
            name(draft, project, service);
        }
        None => {
            draft.log.decision(
                "",
                None,
                "no service publishes a port that people reach with a browser",
                "if one should be reached, write a compose.traefik.yml with its name and port, as \
                 `potluck recipe new NAME` without `--from` does",
            );
            let has_app = draft.services.iter().any(|service| service.key == "app");
            match without_port(draft, recipe) {
                _ if has_app => {}
                Some(main) => name(draft, project, main),
                None => draft.log.decision(
                    "",
                    None,
                    "no service is called `app`, as none is clearly the main one",
                    "rename the one that the recipe is about to `app` in compose.yml: releases, \
                     hooks and other recipes expect it",
                ),
            }
        }
    }
    published(draft, project);
}

/// The service that a project without a web server is about: the only one; the one that has the
/// recipe's name, or whose image has; the only one that is no store and that no other needs.
fn without_port(draft: &Draft, recipe: &str) -> Option<usize> {
    let services = || draft.services.iter().enumerate();
    if draft.services.len() == 1 {
        return Some(0);
    }
    let plain = |text: &str| names::plain(text, '-');
    let image = |service: &Service| {
        let image = service.image.as_deref().and_then(Image::parse);
        image.and_then(|it| it.path.rsplit('/').next().map(plain))
    };
    let named = services().find(|(_, service)| plain(&service.key) == plain(recipe));
    let named = named.or_else(|| {
        services().find(|(_, service)| image(service).is_some_and(|it| it == plain(recipe)))
    });
    if let Some((index, _)) = named {
        return Some(index);
    }
    let needed = |key: &String| draft.services.iter().any(|other| other.depends_on.contains(key));
    let mut open = services().filter(|(_, service)| {
        matches!(service.kind(), None | Some(Kind::Web | Kind::Front))
            && service.restart == Restart::Any
            && !needed(&service.key)
    });
    let first = open.next()?.0;
    open.next().is_none().then_some(first)
}

/// How likely it is, and its port; none for what cannot be it.
fn score(draft: &Draft, map: &Map, project: &Project, index: usize) -> Option<(u32, u16)> {
    let service = &draft.services[index];
    let kind = service.kind();
    if !matches!(kind, None | Some(Kind::Web | Kind::Front | Kind::Proxy)) {
        return None;
    }
    let labelled = read::pairs(map.get("labels"))
        .into_iter()
        .chain(match map.get("deploy").map(|node| &node.value) {
            Some(crate::compose::tree::Value::Map(deploy)) => read::pairs(deploy.get("labels")),
            _ => vec![],
        })
        .find(|(label, ..)| {
            label.starts_with("traefik.http.services.")
                && label.ends_with(".loadbalancer.server.port")
        })
        .and_then(|(_, value, _)| project.resolved(&value?).parse::<u16>().ok());
    let known = service.family.and_then(|family| family.port);
    let open: Vec<&Port> = service.ports.iter().filter(|port| port.protocol == "tcp").collect();
    let usual = |port: u16| USUAL.iter().position(|usual| *usual == port);
    let published = open
        .iter()
        .map(|port| port.target)
        .filter(|port| usual(*port).is_some() || Some(*port) == known || *port > 1024)
        .min_by_key(|port| {
            (
                Some(*port) != known,
                ENCRYPTED.contains(port),
                usual(*port).unwrap_or(usize::MAX),
                *port,
            )
        });
    let virtual_port = service
        .env
        .iter()
        .find(|it| it.key == "VIRTUAL_PORT")
        .and_then(|it| project.resolved(it.value.as_deref()?).parse::<u16>().ok());
    let is_virtual = service.env.iter().any(|it| it.key == "VIRTUAL_HOST");
    let exposed = read::list(map.get("expose")).iter().find_map(|port| port.parse::<u16>().ok());
    let only = draft
        .services
        .iter()
        .filter(|it| matches!(it.kind(), None | Some(Kind::Web | Kind::Front)))
        .count()
        == 1;
    let port = labelled
        .or(virtual_port)
        .or(published)
        .or(known.filter(|_| is_virtual || only || kind == Some(Kind::Web)))
        .or(exposed)?;
    let mut score = 1;
    score += if labelled.is_some() { 100 } else { 0 };
    score += if is_virtual { 80 } else { 0 };
    score += if published.is_some() { 40 } else { 0 };
    score += if open.iter().any(|port| matches!(port.published, 80 | 443)) { 20 } else { 0 };
    score += if usual(port).is_some() { 5 } else { 0 };
    score += if NAMES.contains(&service.key.as_str()) { 5 } else { 0 };
    score += if Some(port) == known { 5 } else { 0 };
    // The one that starts what the others do.
    score += u32::try_from(service.depends_on.len().min(3)).unwrap_or_default();
    Some((score, port))
}

fn name(draft: &mut Draft, project: &Project, index: usize) {
    let key = draft.services[index].key.clone();
    let position = project.outline.line(draft.services[index].at);
    if key == "app" {
        return;
    }
    if draft.services.iter().any(|service| service.key == "app") {
        draft.log.change(
            &key,
            position,
            format!("`{key}` is behind the proxy, and keeps its name"),
            "another service is called `app`",
        );
        return;
    }
    draft.services[index].name = "app".into();
    draft.log.change(
        &key,
        position,
        format!("the service `{key}` is called `app`"),
        "hooks, labels and other recipes expect the main service under this name; the other \
         services still reach it as before",
    );
}

/// What is published beside the web server: an overlay has it, but not a database's.
fn published(draft: &mut Draft, project: &Project) {
    let web = draft.web.clone();
    for index in 0..draft.services.len() {
        let service = &draft.services[index];
        let (key, kind) = (service.key.clone(), service.kind());
        for port in service.ports.clone() {
            let position =
                port.position.clone().or_else(|| project.outline.line(draft.services[index].at));
            let is_web =
                web.as_ref().is_some_and(|web| web.service == index && web.port == port.target);
            let is_store = matches!(
                kind,
                Some(
                    Kind::Postgres
                        | Kind::Mariadb
                        | Kind::Redis
                        | Kind::OtherStore
                        | Kind::Cache
                        | Kind::Helper
                )
            );
            let shown = format!("{}/{}", port.target, port.protocol);
            if is_web {
                draft.log.change(
                    &key,
                    position,
                    format!(
                        "port {} is reached through the network `proxy` \
                             (compose.traefik.yml), or published by compose.port.yml",
                        port.target
                    ),
                    "one server has many apps, and one proxy in front of them",
                );
            } else if is_store {
                draft.log.change(
                    &key,
                    position,
                    format!("port {shown} is not published"),
                    "a published port of a database listens on all addresses of every node; \
                     services of the app reach it anyway",
                );
            } else if web.as_ref().is_some_and(|web| web.service == index)
                && ENCRYPTED.contains(&port.target)
            {
                draft.log.change(
                    &key,
                    position,
                    format!("port {shown} is not published"),
                    "the proxy has the certificate",
                );
            } else {
                let setting = setting(&key, &port, draft);
                draft.log.decision(
                    &key,
                    position,
                    format!("port {shown} is published by compose.ports.yml only"),
                    format!(
                        "add compose.ports.yml to COMPOSE_FILE in .env.sample if every app \
                             needs it; `{setting}` is its number on the server"
                    ),
                );
                draft.ports.push(Opened { service: index, port, setting });
            }
        }
    }
}

fn setting(key: &str, port: &Port, draft: &Draft) -> String {
    let what = match port.target {
        22 | 2222 => "SSH".to_owned(),
        25 => "SMTP".to_owned(),
        other => {
            let plain =
                |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
            format!("{}_{other}", key.chars().map(plain).collect::<String>())
        }
    };
    let base = match port.protocol.as_str() {
        "tcp" => format!("{what}_PORT"),
        other => format!("{what}_{}_PORT", other.to_ascii_uppercase()),
    };
    let taken = |name: &str| draft.ports.iter().any(|it| it.setting == name);
    let mut name = base.clone();
    let mut number = 2;
    while taken(&name) {
        name = format!("{base}_{number}");
        number += 1;
    }
    name.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned()
}
