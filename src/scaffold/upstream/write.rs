//! The files of the recipe.

use std::collections::BTreeMap;

use crate::{
    compose::{image::Image, tree::Map},
    recipe::family::{Health, Kind},
};

use super::{
    draft::{Draft, Mounted, Restart, Service, Words, is_distinct},
    judge,
    literals::{self, Literal},
    project::Project,
    services,
    yaml::{Item, Pair, Yaml, emit, nothing, pair, text, texts},
};

/// The line of the format, the same in all files: docker refuses to merge others.
fn head(draft: &Draft) -> String {
    // docker/cli, `compose/schema/data`: `pids` are of 3.9.
    let limits = |it: &Pair| it.key == "resources" && has_key(&it.value, "pids");
    let newer = draft.services.iter().any(|service| service.deploy.iter().any(limits));
    format!("version: \"{}\"\n\n", if newer { "3.9" } else { "3.8" })
}

fn has_key(value: &Yaml, key: &str) -> bool {
    match value {
        Yaml::Map(pairs) => pairs.iter().any(|it| it.key == key || has_key(&it.value, key)),
        _ => false,
    }
}

/// `compose.yml`, with variables as the upstream has them.
pub fn compose(draft: &Draft, maps: &[&Map], project: &Project) -> Vec<Pair> {
    let mut all = vec![];
    for (index, service) in draft.services.iter().enumerate() {
        let aliases = services::aliases(draft, maps, project, index);
        all.push(Pair {
            comment: service.comment.clone(),
            key: service.name.clone(),
            value: Yaml::Map(keys(draft, service, index, &aliases)),
        });
    }
    let mut file = vec![pair("services", Yaml::Map(all))];
    if !draft.networks.is_empty() {
        let networks = draft.networks.iter().map(|network| {
            let inner = match network.internal {
                true => Yaml::Map(vec![pair("internal", Yaml::Raw("true".into()))]),
                false => nothing(),
            };
            pair(network.name.clone(), inner)
        });
        file.push(pair("networks", Yaml::Map(networks.collect())));
    }
    if !draft.volumes.is_empty() {
        let volumes = draft.volumes.iter().map(|volume| match volume.rest.is_empty() {
            true => pair(volume.name.clone(), nothing()),
            false => pair(volume.name.clone(), Yaml::Map(volume.rest.clone())),
        });
        file.push(pair("volumes", Yaml::Map(volumes.collect())));
    }
    if !draft.configs.is_empty() {
        let configs = draft.configs.iter().map(|config| {
            let version = format!("{}_VERSION", config.name.to_ascii_uppercase());
            let mut inner = vec![
                pair("name", text(format!("${{STACK_NAME}}_{}_${{{version}:-v1}}", config.name))),
                pair("file", text(config.file.clone())),
            ];
            if config.template {
                inner.push(pair("template_driver", text("golang")));
            }
            pair(config.name.clone(), Yaml::Map(inner))
        });
        file.push(pair("configs", Yaml::Map(configs.collect())));
    }
    if !draft.secrets.is_empty() {
        let secrets = draft.secrets.iter().map(|secret| {
            let version = format!("SECRET_{}_VERSION", secret.name.to_ascii_uppercase());
            let inner = vec![
                pair("external", Yaml::Raw("true".into())),
                pair("name", text(format!("${{STACK_NAME}}_{}_${{{version}}}", secret.name))),
            ];
            pair(secret.name.clone(), Yaml::Map(inner))
        });
        file.push(pair("secrets", Yaml::Map(secrets.collect())));
    }
    file
}

/// The text of a compose file.
pub fn file(draft: &Draft, pairs: &[Pair]) -> String {
    format!("{}{}", head(draft), emit(pairs))
}

/// The keys of a service, in the order of the examples.
fn keys(draft: &Draft, service: &Service, index: usize, aliases: &[String]) -> Vec<Pair> {
    let mut keys = vec![];
    keys.extend(service.image.clone().map(|image| pair("image", text(image))));
    let words = |key: &str, words: &Words| {
        let value = match words {
            Words::Line(line) => text(line.clone()),
            Words::List(words) => Yaml::Flow(words.clone()),
        };
        pair(key, value)
    };
    keys.extend(service.entrypoint.as_ref().map(|it| words("entrypoint", it)));
    keys.extend(service.command.as_ref().map(|it| words("command", it)));
    keys.extend(service.kept.iter().filter(|it| it.key != "logging").cloned());
    if !service.env.is_empty() {
        let env = service.env.iter().map(|variable| Pair {
            comment: vec![],
            key: variable.key.clone(),
            value: variable.value.clone().map_or_else(nothing, text),
        });
        keys.push(pair("environment", Yaml::Map(env.collect())));
    }
    if !service.networks.is_empty() {
        keys.push(match aliases.is_empty() {
            true => pair("networks", texts(service.networks.clone())),
            false => {
                let inner = service.networks.iter().map(|network| {
                    pair(
                        network.clone(),
                        Yaml::Map(vec![pair("aliases", Yaml::List(items(aliases)))]),
                    )
                });
                pair("networks", Yaml::Map(inner.collect()))
            }
        });
    }
    for (key, mounted) in [("secrets", &service.secrets), ("configs", &service.configs)] {
        if !mounted.is_empty() {
            keys.push(pair(key, Yaml::List(mounted.iter().map(reference_to).collect())));
        }
    }
    if !service.mounts.is_empty() {
        let mounts =
            service.mounts.iter().map(|mount| Item { comment: vec![], value: mount.clone() });
        keys.push(pair("volumes", Yaml::List(mounts.collect())));
    }
    let is_store =
        matches!(service.kind(), Some(Kind::Postgres | Kind::Mariadb | Kind::OtherStore));
    if is_store && !keys.iter().any(|it| it.key == "stop_grace_period") {
        keys.push(pair("stop_grace_period", text("1m")));
    }
    keys.extend(service.health.clone().map(|health| pair("healthcheck", health)));
    keys.extend(service.kept.iter().filter(|it| it.key == "logging").cloned());
    if !service.labels.is_empty() {
        keys.push(pair("labels", texts(service.labels.clone())));
    }
    keys.push(pair("deploy", Yaml::Map(deploy(draft, service, index))));
    keys
}

fn items(texts: &[String]) -> Vec<Item> {
    texts.iter().map(|it| Item { comment: vec![], value: text(it.clone()) }).collect()
}

fn reference_to(mounted: &Mounted) -> Item {
    let Some(target) = &mounted.target else {
        return Item { comment: vec![], value: text(mounted.source.clone()) };
    };
    let mut inner =
        vec![pair("source", text(mounted.source.clone())), pair("target", text(target.clone()))];
    for (key, owner) in [("uid", &mounted.uid), ("gid", &mounted.gid)] {
        inner.extend(owner.clone().map(|it| pair(key, text(it))));
    }
    inner.extend(mounted.mode.clone().map(|mode| pair("mode", Yaml::Raw(mode))));
    Item { comment: vec![], value: Yaml::Map(inner) }
}

fn deploy(draft: &Draft, service: &Service, index: usize) -> Vec<Pair> {
    let mut deploy: Vec<Pair> = service.deploy.clone();
    let goes_on = service.restart == Restart::Any;
    let mut policy = vec![pair("condition", text(service.restart.condition()))];
    if service.restart != Restart::None {
        policy.push(pair("delay", text("5s")));
        let attempts = service.attempts.filter(|number| *number > 0);
        policy.extend(attempts.map(|it| pair("max_attempts", Yaml::Raw(it.to_string()))));
    }
    deploy.push(pair("restart_policy", Yaml::Map(policy)));
    if goes_on {
        // Two on one volume would destroy it.
        let order = if service.volumes.is_empty() { "start-first" } else { "stop-first" };
        deploy.push(pair(
            "update_config",
            Yaml::Map(vec![
                pair("order", text(order)),
                pair("failure_action", text("rollback")),
                pair("monitor", text("10s")),
            ]),
        ));
        deploy.push(pair(
            "rollback_config",
            Yaml::Map(vec![pair("order", text(order)), pair("monitor", text("10s"))]),
        ));
    }
    let mut labels = service.deploy_labels.clone();
    if main(draft) == index {
        labels.push(format!("coop-cloud.${{STACK_NAME}}.version={}", version(draft)));
        labels.push("coop-cloud.${STACK_NAME}.timeout=${TIMEOUT:-600}".into());
    }
    if !labels.is_empty() {
        let quoted = labels.into_iter().map(|it| Item {
            comment: vec![],
            value: Yaml::Raw(format!("\"{}\"", it.replace('\\', "\\\\").replace('"', "\\\""))),
        });
        deploy.push(pair("labels", Yaml::List(quoted.collect())));
    }
    deploy
}

/// The service that the recipe is about.
fn main(draft: &Draft) -> usize {
    let named = draft.services.iter().position(|service| service.name == "app");
    named.or(draft.web.as_ref().map(|web| web.service)).unwrap_or_default()
}

/// The recipe's first version, with that of the app.
pub fn version(draft: &Draft) -> String {
    let image =
        draft.services.get(main(draft)).and_then(|service| Image::parse(service.image.as_deref()?));
    let tag = image.and_then(|image| image.tag).unwrap_or_else(|| "latest".into());
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' };
    format!("0.1.0+{}", tag.chars().map(plain).collect::<String>().trim_matches(['.', '-']))
}

/// The overlay for Traefik, and that for a port.
pub fn overlays(draft: &Draft) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let head = head(draft);
    if let Some(web) = &draft.web {
        let service = &draft.services[web.service];
        let (name, port) = (&service.name, web.port);
        // An overlay with a mapping has to go over a mapping.
        let text = format!(
            "{head}# Routed by a Traefik on the shared network `proxy`.\nservices:\n  {name}:\n    networks:\n      - proxy\n    deploy:\n      labels:\n        \
             - \"traefik.enable=true\"\n        \
             - \"traefik.swarm.network=proxy\"\n        \
             - \"traefik.docker.network=proxy\"\n        \
             - \"traefik.http.services.${{STACK_NAME}}.loadbalancer.server.port={port}\"\n        \
             - \"traefik.http.routers.${{STACK_NAME}}.rule=Host(`${{DOMAIN}}`${{EXTRA_DOMAINS}})\"\n        \
             - \"traefik.http.routers.${{STACK_NAME}}.entrypoints=web-secure\"\n        \
             - \"traefik.http.routers.${{STACK_NAME}}.tls.certresolver=${{LETS_ENCRYPT_ENV}}\"\n\nnetworks:\n  proxy:\n    external: true\n"
        );
        files.insert("compose.traefik.yml".to_owned(), text);
        let text = format!(
            "{head}# Published on a port of every node, without a proxy.\nservices:\n  {name}:\n    ports:\n{}",
            port_of(port, "PORT", "tcp")
        );
        files.insert("compose.port.yml".to_owned(), text);
    }
    if !draft.ports.is_empty() {
        let mut text = format!("{head}# Further ports of every node.\nservices:\n");
        for (index, service) in draft.services.iter().enumerate() {
            let opened: Vec<_> = draft.ports.iter().filter(|it| it.service == index).collect();
            if opened.is_empty() {
                continue;
            }
            text += &format!("  {}:\n    ports:\n", service.name);
            for it in opened {
                text += &port_of(it.port.target, &it.setting, &it.port.protocol);
            }
        }
        files.insert("compose.ports.yml".to_owned(), text);
    }
    files
}

fn port_of(target: u16, setting: &str, protocol: &str) -> String {
    format!(
        "      - target: {target}\n        published: ${{{setting}}}\n        protocol: \
         {protocol}\n        mode: ingress\n"
    )
}

/// `.env.sample`.
pub fn sample(draft: &Draft, name: &str) -> String {
    let mut out = format!(
        "TYPE={name}\n\nDOMAIN={name}.example.org\n\n# Seconds that a deploy may \
         take.\nTIMEOUT=600\n\nCOMPOSE_FILE=\"compose.yml\"\n"
    );
    if draft.web.is_some() {
        out += &format!(
            "\n# Behind Traefik, on the network \
             `proxy`:\nCOMPOSE_FILE=\"$COMPOSE_FILE:compose.traefik.yml\"\nLETS_ENCRYPT_ENV=production\n\
             #EXTRA_DOMAINS=') || Host(`www.{name}.example.org`'\n\n\
             # Or on a port of its own, without a proxy:\n#COMPOSE_FILE=\"compose.yml:compose.port.yml\"\n#PORT=8080\n"
        );
    }
    if !draft.ports.is_empty() {
        out += "\n# Further ports:\n#COMPOSE_FILE=\"$COMPOSE_FILE:compose.ports.yml\"\n";
        for opened in &draft.ports {
            out += &format!("#{}={}\n", opened.setting, opened.port.published);
        }
    }
    for setting in &draft.settings {
        out.push('\n');
        for comment in setting.comment.iter().filter(|it| !has_secret(draft, it)) {
            out += &format!("# {}\n", crate::text::line(comment));
        }
        if setting.value.is_empty() && draft.required.contains_key(&setting.key) {
            out += "# Required: no app can be deployed without it.\n";
        }
        let off = if setting.off { "#" } else { "" };
        out += &format!("{off}{}={}\n", setting.key, quoted(&setting.value));
    }
    if !draft.secrets.is_empty() {
        out.push('\n');
        for secret in &draft.secrets {
            for comment in &secret.comment {
                out += &format!("# {}\n", crate::text::line(comment));
            }
            out += &format!(
                "SECRET_{}_VERSION=v1 # {}\n",
                secret.name.to_ascii_uppercase(),
                secret.rule
            );
        }
    }
    out
}

/// Whether a comment of the upstream has a password in it.
fn has_secret(draft: &Draft, comment: &str) -> bool {
    let assigned =
        comment.split_once('=').is_some_and(|(name, _)| judge::is_secret_name(name.trim()));
    let is_one = |it: &Literal| it.is_bound && is_distinct(&comment[it.range.clone()]);
    assigned
        || literals::find("", comment).iter().any(is_one)
        || draft.literals.iter().any(|literal| comment.contains(literal.as_str()))
}

/// A value in quotes where it needs them.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@,+=%".contains(c);
    let one_line: String = value.chars().filter(|c| !c.is_control()).collect();
    if one_line.chars().all(plain) {
        one_line
    } else if !one_line.contains('\'') {
        format!("'{one_line}'")
    } else {
        format!("\"{}\"", one_line.replace(['"', '$', '`', '\\'], ""))
    }
}

/// `README.md`.
pub fn readme(draft: &Draft, name: &str) -> String {
    let app = draft.services.get(main(draft));
    let image = app.and_then(|service| service.image.clone()).unwrap_or_default();
    let short = image.split('@').next().unwrap_or_default();
    let short = match short.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => short,
    };
    let healthy = draft.services.iter().all(|service| {
        service.health.as_ref().is_some_and(|it| !has_key(it, "disable"))
            || service.family.is_some_and(|family| family.health == Health::Image)
    });
    let yes = |it: bool| if it { "Yes" } else { "No" };
    let mut out = format!(
        "# {name}\n\nWhat it is, in one sentence.\n\n<!-- metadata -->\n\n* **Category**: \
         Apps\n* **Status**: 0\n* **Image**: `{short}`, upstream\n\
         * **Healthcheck**: {}\n* **Backups**: {}\n* **Email**: No\n* **Tests**: No\n* **SSO**: No\n\n<!-- endmetadata -->\n\n\
         ## Use\n\n```\npotluck app new {name} --domain {name}.example.org\npotluck app config {name}.example.org\n\
         potluck app secret generate {name}.example.org\npotluck app deploy {name}.example.org\n```\n",
        yes(healthy),
        yes(!draft.volumes.is_empty()),
    );
    if !draft.log.decisions.is_empty() {
        out += "\n## To decide\n\nBefore the first release; remove each once it is done.\n\n";
        for decision in &draft.log.decisions {
            let service = if decision.service.is_empty() {
                String::new()
            } else {
                format!("**{}**: ", shown(draft, &decision.service))
            };
            out += &format!("- [ ] {service}{}. To do: {}.\n", decision.what, decision.todo);
        }
    }
    out += "\n## Overlays\n\n| overlay | for |\n|---|---|\n";
    if draft.web.is_some() {
        out += "| `compose.traefik.yml` | a Traefik on the network `proxy`; `LETS_ENCRYPT_ENV`, \
                `EXTRA_DOMAINS` |\n\
                | `compose.port.yml` | a port (`PORT`) on every node, no proxy |\n";
    }
    if !draft.ports.is_empty() {
        let settings: Vec<_> = draft.ports.iter().map(|it| format!("`{}`", it.setting)).collect();
        out += &format!("| `compose.ports.yml` | further ports: {} |\n", settings.join(", "));
    }
    out
}

/// The name in the recipe of a service of the upstream.
fn shown(draft: &Draft, key: &str) -> String {
    draft
        .services
        .iter()
        .find(|service| service.key == key)
        .map_or_else(|| key.to_owned(), |service| service.name.clone())
}
