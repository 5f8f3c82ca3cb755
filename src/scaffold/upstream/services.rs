//! The services of the upstream, each as one of a swarm: what a swarm has another word for
//! gets it, what it has no word for is said.

use crate::compose::{
    image::{Image, is_image},
    tree::{Entry, Map, Node, Value},
    value::{duration, size},
};

use super::{
    draft::{Draft, Restart, Service},
    family::{self, Client, Health, Kind},
    log::Log,
    project::Project,
    read, reference,
    yaml::{Item, Pair, Yaml, pair, text, texts},
};

/// Keys that mean the same in a swarm.
const KEPT: &[&str] = &[
    "cap_add",
    "cap_drop",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "group_add",
    "hostname",
    "init",
    "isolation",
    "logging",
    "read_only",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tty",
    "ulimits",
    "user",
    "working_dir",
];
/// Keys that other steps read.
const READ_ELSEWHERE: &[&str] = &[
    "image",
    "environment",
    "env_file",
    "volumes",
    "ports",
    "command",
    "entrypoint",
    "healthcheck",
    "labels",
    "secrets",
    "configs",
    "networks",
    "profiles",
    "extends",
];
/// Keys that say something to the machine alone on which Compose runs.
const MEANINGLESS: &[&str] = &[
    "annotations",
    "attach",
    "develop",
    "oom_kill_disable",
    "oom_score_adj",
    "pull_policy",
    "mem_swappiness",
    "memswap_limit",
    "cpu_shares",
    "cpuset",
    "blkio_config",
    "platform",
    "storage_opt",
    "label_file",
    "scale",
    "uts",
    "cgroup",
    "cgroup_parent",
    "mac_address",
    "provider",
];
/// Keys that give a container the machine: swarm ignores them, which lint says.
const REACHING: &[&str] = &["privileged", "devices", "pid", "ipc", "userns_mode", "security_opt"];

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
        log.decision(
            key,
            map.get("env_file").and_then(|node| project.outline.line(node.at)),
            format!("the environment file `{file}` is missing, so its variables are unknown"),
            format!(
                "add them to `environment` of `{key}` in compose.yml, with their settings in \
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
        kept: vec![],
        deploy: vec![],
        restart: Restart::Any,
        labels: vec![],
        deploy_labels: vec![],
        comment: vec![],
        ports,
        depends_on: read::list(map.get("depends_on")),
    };
    own_variables(&mut service, project, log);
    images(&mut service, image, map, project, log);
    restart(&mut service, map, project, finished.iter().any(|name| name == key), log);
    for entry in &map.0 {
        other(&mut service, entry, project, log);
    }
    labels(&mut service, map, project, log);
    service
}

/// An environment file is often given to all services: a database gets what is its own.
fn own_variables(service: &mut Service, project: &Project, log: &mut Log) {
    let own: &[&str] = match service.kind() {
        Some(Kind::Postgres) => &["POSTGRES_", "PGDATA", "TZ", "LANG"],
        Some(Kind::Mariadb) => &["MYSQL_", "MARIADB_", "TZ", "LANG"],
        Some(Kind::OtherStore) => &["MONGO_", "MONGODB_", "CLICKHOUSE_", "ES_", "TZ", "LANG"],
        // Their images read none.
        Some(Kind::Redis | Kind::Cache) => &["TZ"],
        _ => return,
    };
    let before = service.env.len();
    service.env.retain(|it| it.file.is_none() || own.iter().any(|own| it.key.starts_with(own)));
    if service.env.len() < before {
        log.change(
            &service.key,
            project.outline.line(service.at),
            format!(
                "{} variables of its environment file were left out",
                before - service.env.len()
            ),
            "they are for other services, and a database needs no password but its own",
        );
    }
}

fn images(
    service: &mut Service,
    image: Option<String>,
    map: &Map,
    project: &Project,
    log: &mut Log,
) {
    let key = service.key.clone();
    let at = |name: &str| map.get(name).and_then(|node| project.outline.line(node.at));
    let Some(image) = image.filter(|image| !image.is_empty()) else {
        service.comment.push("Decide: the image, which the upstream builds itself.".into());
        // A name that no registry has, so that the files can be read.
        service.image = Some(format!("example.invalid/{}:0", plain(&key)));
        let from = match map.get("build") {
            Some(node) => match &node.value {
                Value::Map(build) => read::text(build, "context").unwrap_or_else(|| ".".into()),
                _ => read::scalar(node).unwrap_or_default(),
            },
            None => String::new(),
        };
        log.decision(
            &key,
            at("build"),
            format!(
                "there is no image: the upstream builds it from `{from}`, which a swarm \
                     cannot do"
            ),
            format!(
                "build and publish it, and write its name and tag into `image` of `{key}` in \
                     compose.yml"
            ),
        );
        return;
    };
    if !is_image(&image) {
        service.comment.push("Decide: the image.".into());
        service.image = Some(format!("example.invalid/{}:0", plain(&key)));
        let written = read::text(map, "image").unwrap_or_default();
        log.decision(
            &key,
            at("image"),
            format!("the image `{written}` has variables without a value"),
            format!("write its name and tag into `image` of `{key}` in compose.yml"),
        );
        return;
    }
    if map.get("build").is_some() {
        log.change(
            &key,
            at("build"),
            "`build` was removed",
            "a swarm runs images only; the one named in `image` is used",
        );
    }
    if read::text(map, "image").is_some_and(|written| written != image) {
        log.change(
            &key,
            at("image"),
            format!("the image is `{image}`"),
            "a recipe names a version, which `recipe upgrade` and Renovate can raise, instead of \
             a variable",
        );
    }
    let pinned = Image::parse(&image).is_some_and(|it| {
        it.digest.is_some()
            || it.tag.as_deref().is_some_and(|tag| tag.contains(|c: char| c.is_ascii_digit()))
    });
    if !pinned {
        service.comment.push("Decide: the version of the image.".into());
        log.decision(
            &key,
            at("image"),
            format!(
                "the image `{image}` names no version: what runs depends on the day it was pulled"
            ),
            format!(
                "write a version behind `{}`, or let `potluck recipe upgrade` propose one",
                image.split(':').next().unwrap_or_default()
            ),
        );
    }
    service.image = Some(image);
}

fn plain(text: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.chars()
        .map(|c| if good(c) { c.to_ascii_lowercase() } else { '-' })
        .collect::<String>()
        .trim_matches('-')
        .to_owned()
}

fn restart(service: &mut Service, map: &Map, project: &Project, is_finished: bool, log: &mut Log) {
    let written = read::text(map, "restart");
    let at = map.get("restart").and_then(|node| project.outline.line(node.at));
    service.restart = match written.as_deref() {
        _ if is_finished => Restart::OnFailure,
        Some("no" | "false") => Restart::None,
        Some(text) if text.starts_with("on-failure") => Restart::OnFailure,
        _ => Restart::Any,
    };
    let condition = match service.restart {
        Restart::Any => "any",
        Restart::OnFailure => "on-failure",
        Restart::None => "none",
    };
    if let Some(written) = written {
        log.change(
            &service.key,
            at,
            format!("`restart: {written}` is `deploy.restart_policy.condition: {condition}`"),
            "a swarm reads `deploy`",
        );
    }
}

/// Every key that no other step reads.
fn other(service: &mut Service, entry: &Entry, project: &Project, log: &mut Log) {
    let name = entry.key.as_str();
    let key = service.key.clone();
    let at = project.outline.line(entry.at);
    let kept = || pair(name, read::verbatim(&entry.value));
    match name {
        _ if READ_ELSEWHERE.contains(&name) || name.starts_with("x-") => {}
        "build" | "restart" => {}
        _ if KEPT.contains(&name) => {
            if name == "cap_add" {
                let list = read::list(Some(&entry.value)).join(", ");
                log.decision(
                    &key,
                    at,
                    format!(
                        "the service asks for the capabilities {list}, which each operator \
                             must agree to"
                    ),
                    "remove `cap_add` if the app works without",
                );
            }
            service.kept.push(kept());
        }
        "container_name" => log.change(
            &key,
            at,
            "`container_name` was removed",
            "a swarm names the containers; services reach each other by the service's name",
        ),
        "expose" => log.change(
            &key,
            at,
            "`expose` was removed",
            "services on one network reach all ports of each other",
        ),
        "links" => log.change(
            &key,
            at,
            "`links` was removed",
            "services on one network know each other by name",
        ),
        "depends_on" => {
            let wanted = read::list(Some(&entry.value)).join(", ");
            log.change(
                &key,
                at,
                format!("`depends_on: {wanted}` was removed"),
                "a swarm starts all services at once; one that fails because another is not \
                 ready is started again after 5 seconds",
            );
        }
        "deploy" => deploy(service, &entry.value, project, log),
        "shm_size" => shm(service, &entry.value, project, log),
        "tmpfs" => {
            for place in read::list(Some(&entry.value)) {
                let target = place.split(':').next().unwrap_or_default();
                service.mounts.push(Yaml::Map(vec![
                    pair("type", text("tmpfs")),
                    pair("target", text(target)),
                ]));
            }
            log.change(&key, at, "`tmpfs` is a mount of memory", "a swarm ignores `tmpfs`");
        }
        "extra_hosts" => {
            let hosts = read::list(Some(&entry.value));
            let good: Vec<_> =
                hosts.iter().filter(|host| !host.contains("host-gateway")).cloned().collect();
            if good.len() < hosts.len() {
                log.decision(
                    &key,
                    at,
                    "the name of the machine itself (`host-gateway`) was \
                                        removed, which a swarm does not know",
                    "put what the service wants to reach there into the stack, or name its address",
                );
            }
            if !good.is_empty() {
                service.kept.push(pair("extra_hosts", texts(good)));
            }
        }
        "network_mode" => {
            let mode = read::scalar(&entry.value).unwrap_or_default();
            if matches!(mode.as_str(), "bridge" | "default" | "none") {
                log.change(
                    &key,
                    at,
                    format!("`network_mode: {mode}` was removed"),
                    "a swarm has overlay networks only",
                );
            } else {
                service.kept.push(kept());
                log.decision(
                    &key,
                    at,
                    format!("`network_mode: {mode}` is kept, but a swarm ignores it"),
                    "remove it if the app works on a network of its own; else the app cannot be \
                     a recipe",
                );
            }
        }
        _ if REACHING.contains(&name) => {
            if name == "security_opt" {
                log.change(&key, at, "`security_opt` was removed", "a swarm ignores it");
                return;
            }
            service.kept.push(kept());
            log.decision(
                &key,
                at,
                format!("`{name}` is kept, but a swarm ignores it"),
                "remove it if the app works without; else the app cannot be a recipe",
            );
        }
        "gpus" | "runtime" | "device_cgroup_rules" | "credential_spec" | "models" => log.decision(
            &key,
            at,
            format!("`{name}` was left out, which a swarm does not know"),
            "use `deploy.resources.reservations.generic_resources`, or leave the feature out",
        ),
        "volumes_from" | "external_links" => log.decision(
            &key,
            at,
            format!("`{name}` was left out, which a swarm does not know"),
            "name the volume or network under its top-level key, and at both services",
        ),
        _ if MEANINGLESS.contains(&name) => {
            log.change(&key, at, format!("`{name}` was removed"), "it means nothing in a swarm")
        }
        _ => log.decision(
            &key,
            at,
            format!("`{name}` was left out, which a swarm does not know"),
            "see what it is for, and say it in another way if the app needs it",
        ),
    }
}

fn deploy(service: &mut Service, node: &Node, project: &Project, log: &mut Log) {
    for mut pair in read::verbatim_pairs(node) {
        match pair.key.as_str() {
            "restart_policy" | "update_config" | "rollback_config" => log.change(
                &service.key,
                project.outline.line(node.at),
                format!("`deploy.{}` is that of all recipes", pair.key),
                "a failed update goes back to the previous version, and a service that ends is \
                 started again",
            ),
            "labels" => {
                if let Value::Map(map) = &node.value {
                    for (label, value, _) in read::pairs(map.get("labels")) {
                        if !label.starts_with("traefik.") {
                            service
                                .deploy_labels
                                .push(format!("{label}={}", value.unwrap_or_default()));
                        }
                    }
                }
            }
            "resources" => {
                if let Yaml::Map(resources) = &mut pair.value {
                    if let Some(Pair { value: Yaml::Map(reserved), .. }) =
                        resources.iter_mut().find(|it| it.key == "reservations")
                    {
                        let before = reserved.len();
                        reserved.retain(|it| it.key != "devices");
                        if reserved.len() < before {
                            log.decision(
                                &service.key,
                                project.outline.line(node.at),
                                "the graphics card it asks for was left out",
                                "use `deploy.resources.reservations.generic_resources`, or do \
                                 without",
                            );
                        }
                    }
                    for part in resources.iter_mut() {
                        // Docker takes them as texts only.
                        if let Yaml::Map(limits) = &mut part.value {
                            for limit in limits
                                .iter_mut()
                                .filter(|it| it.key == "cpus" || it.key == "memory")
                            {
                                if let Yaml::Raw(raw) = &limit.value {
                                    limit.value = text(raw.clone());
                                }
                            }
                        }
                    }
                    resources
                        .retain(|it| !matches!(&it.value, Yaml::Map(inner) if inner.is_empty()));
                    if !resources.is_empty() {
                        log.change(
                            &service.key,
                            project.outline.line(node.at),
                            "limits are under `deploy.resources`",
                            "a swarm reads `deploy`",
                        );
                        service.deploy.push(pair);
                    }
                }
            }
            _ => service.deploy.push(pair),
        }
    }
}

/// A swarm ignores `shm_size`; a mount of memory is the same.
fn shm(service: &mut Service, node: &Node, project: &Project, log: &mut Log) {
    let written = read::scalar(node).map(|it| project.resolved(&it)).unwrap_or_default();
    let Ok(bytes) = size::parse(&written) else { return };
    service.mounts.push(Yaml::Map(vec![
        pair("type", text("tmpfs")),
        pair("target", text("/dev/shm")),
        pair("tmpfs", Yaml::Map(vec![pair("size", Yaml::Raw(bytes.to_string()))])),
    ]));
    log.change(
        &service.key,
        project.outline.line(node.at),
        format!("`shm_size: {written}` is a mount of memory at /dev/shm"),
        "a swarm ignores `shm_size`",
    );
}

fn labels(service: &mut Service, map: &Map, project: &Project, log: &mut Log) {
    let mut routed = false;
    for (label, value, _) in read::pairs(map.get("labels")) {
        if label.starts_with("traefik.") {
            routed = true;
        } else if !label.starts_with("com.docker.") && !label.starts_with("potluck.") {
            service.labels.push(format!("{label}={}", value.unwrap_or_default()));
        }
    }
    if routed {
        log.change(
            &service.key,
            map.get("labels").and_then(|node| project.outline.line(node.at)),
            "its labels for Traefik were removed",
            "compose.traefik.yml has those of a recipe",
        );
    }
}

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
        if disabled {
            continue;
        }
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
