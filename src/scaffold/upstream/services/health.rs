//! The health check of each service: the upstream's, that of the image's family, or none.

use crate::{
    compose::{
        tree::{Map, Node, Value},
        value::duration,
    },
    recipe::family::{Client, Health, Kind},
};

use super::super::{
    draft::{Draft, Restart, Service},
    project::Project,
    read,
    yaml::{Item, Pair, Yaml, pair, text},
};

/// The health check of each service: the upstream's, that of the family, or none.
pub fn healths(draft: &mut Draft, maps: &[&Map], project: &Project) {
    for (index, map) in maps.iter().enumerate() {
        let port = draft.web.as_ref().filter(|web| web.service == index).map(|web| web.port);
        let service = &mut draft.services[index];
        let key = service.key.clone();
        let name = service.name.clone();
        let node = map.get("healthcheck");
        let at = node
            .and_then(|node| project.outline.line(node.at))
            .or_else(|| project.outline.line(service.at));
        let given = match node.map(|node| &node.value) {
            Some(Value::Map(check)) => Some(check),
            _ => None,
        };
        let disabled = given.is_some_and(|check| {
            matches!(check.get("disable"), Some(Node { value: Value::Bool(true), .. }))
        });
        if disabled {
            let off = vec![pair("disable", Yaml::Raw("true".into()))];
            service.health = Some(Yaml::Map(off));
            continue;
        }
        let test = given.and_then(|check| read::words(check.get("test")));
        let store = matches!(service.kind(), Some(Kind::Postgres | Kind::Mariadb | Kind::Redis));
        let health = service.family.map_or(Health::Unknown, |family| family.health);
        if test.is_some() && !store {
            let pairs = node.map(read::verbatim_pairs).unwrap_or_default();
            let pairs: Vec<_> =
                pairs.into_iter().filter(|pair| pair.key != "disable").map(flat_test).collect();
            service.health = Some(Yaml::Map(with_times(pairs)));
            continue;
        }
        let own = match health {
            Health::Shell(command) => Some(vec!["CMD-SHELL".to_owned(), command.to_owned()]),
            Health::Connect(client) => {
                connect(service, client, port).map(|(client, port)| client.check(port))
            }
            Health::Image | Health::Unknown => None,
        };
        if let Some(own) = own {
            let why = match test {
                Some(_) if service.is(Kind::Redis) => "it works with a password and without",
                Some(_) => "it needs no account, and fails until the database was set up",
                None => {
                    "without one, swarm counts a service as working once it has started, and \
                     what needs it fails"
                }
            };
            log_health(draft, &key, at, &own, why);
            draft.services[index].is_own_health = true;
            draft.services[index].health =
                Some(Yaml::Map(with_times(vec![pair("test", Yaml::Flow(own))])));
        } else if health != Health::Image
            && !matches!(draft.services[index].restart, Restart::None | Restart::OnFailure)
        {
            draft.log.decision(
                &key,
                at,
                "there is no health check",
                format!(
                    "add `healthcheck` to `{name}` in compose.yml: without one, swarm counts \
                         it as working once it has started"
                ),
            );
        }
    }
}

fn log_health(draft: &mut Draft, key: &str, at: Option<String>, test: &[String], why: &str) {
    let shown = test[1..].join(" ");
    draft.log.change(key, at, format!("its health check is `{shown}`"), why);
}

/// What can be connected to: the port of the web server, or that of PHP-FPM.
fn connect(service: &Service, client: Client, port: Option<u16>) -> Option<(Client, u16)> {
    let image = service.image.as_deref().unwrap_or_default();
    if client == Client::Php && image.contains("fpm") {
        return Some((client, 9000));
    }
    // A second service of the image does something else.
    Some((client, port?))
}

/// `test` on one line.
fn flat_test(mut pair: Pair) -> Pair {
    if pair.key == "test"
        && let Yaml::List(items) = &pair.value
    {
        let words = items.iter().filter_map(|Item { value, .. }| match value {
            Yaml::Text(text) | Yaml::Raw(text) => Some(text.clone()),
            _ => None,
        });
        pair.value = Yaml::Flow(words.collect());
    }
    pair
}

/// The times of a health check that says none: a deploy waits for it.
fn with_times(mut pairs: Vec<Pair>) -> Vec<Pair> {
    for (key, value) in
        [("interval", "10s"), ("timeout", "5s"), ("retries", "6"), ("start_period", "2m")]
    {
        if !pairs.iter().any(|pair| pair.key == key) {
            let value = if key == "retries" { Yaml::Raw(value.into()) } else { text(value) };
            pairs.push(pair(key, value));
        }
    }
    let readable = |pair: &Pair| match &pair.value {
        Yaml::Text(text) if pair.key != "test" => {
            text.contains('$') || duration::parse(text).is_ok()
        }
        _ => true,
    };
    pairs.retain(readable);
    pairs
}
