//! What a service tells reverse proxies: the labels of Traefik 1 to 3, of
//! caddy-docker-proxy, Interlock and Docker Flow, and the variables of
//! nginx-proxy.

use std::collections::BTreeSet;

use super::{
    Facts, Neighbour, Own,
    rule::{self, Host},
};
use crate::{
    compose::{Stack, StackService},
    engine::api,
    home::{Reach, Way},
    yaml,
};

/// Parts of Traefik that only the operator may use; the others
/// (`noop@internal`) do nothing.
const INTERNAL: &[&str] = &["api", "dashboard", "rest", "prometheus", "ping"];
/// Variables of nginx-proxy and its companion.
const NGINX: &[&str] =
    &["VIRTUAL_HOST", "VIRTUAL_HOST_MULTIPORTS", "LETSENCRYPT_HOST", "ACME_HOST"];
/// Labels that hold a list of hosts.
const LISTS: &[&str] = &["com.docker.lb.hosts", "interlock.hostname", "com.df.servicedomain"];

/// What all of the stack's labels define, and what is still to be judged.
pub struct Routes<'a> {
    facts: &'a Facts<'a>,
    own: Own<'a>,
    /// `http.services.web`, in lower case.
    defined: BTreeSet<String>,
    /// The same of other stacks.
    of_others: BTreeSet<String>,
}

impl<'a> Routes<'a> {
    pub fn of(stack: &Stack, facts: &'a Facts<'a>, own: Own<'a>) -> Self {
        let ours = stack.services.iter().flat_map(|service| labels(&service.spec));
        let of = |neighbour: &'a Neighbour| neighbour.labels.keys().map(String::as_str);
        Routes {
            facts,
            own,
            defined: ours.filter_map(|(key, _)| definition(&folded(key))).collect(),
            of_others: facts
                .neighbours
                .iter()
                .flat_map(of)
                .filter_map(|key| definition(&folded(key)))
                .collect(),
        }
    }

    /// What one service's labels and variables reach.
    pub fn service(&self, service: &StackService) -> BTreeSet<Reach> {
        let mut found = BTreeSet::new();
        let labels: Vec<(String, &str)> =
            labels(&service.spec).map(|(key, value)| (folded(key), value)).collect();
        for (key, value) in &labels {
            self.label(key, value, &mut found);
        }
        caddy_globals(&labels, &mut found);
        for (name, value) in variables(&service.spec) {
            if NGINX.contains(&name) {
                self.nginx(name, value, &mut found);
            }
        }
        found
    }

    fn label(&self, key: &str, value: &str, found: &mut BTreeSet<Reach>) {
        if let Some(name) = definition(key) {
            self.defines(&name, found);
        }
        let parts: Vec<&str> = key.split('.').collect();
        match parts.as_slice() {
            ["traefik", "http" | "tcp", "routers", _, "rule"] => {
                self.hosts(rule::hosts(value), found);
            }
            // They have no rule: all of an entry point's packets.
            ["traefik", "udp", "routers", ..] => {
                found.insert(Reach::new(Way::Route, "*"));
            }
            ["traefik", "http" | "tcp", "routers", _, "service"] => {
                self.uses(&format!("{}.services", parts[1]), value, found);
            }
            ["traefik", "http" | "tcp", "routers", _, "tls", domains, "main" | "sans"]
                if domains.starts_with("domains") =>
            {
                self.list(value, found);
            }
            ["traefik", .., "frontend", "rule"] => self.hosts(rule::hosts_of_old(value), found),
            ["traefik", "domain"] => self.list(value, found),
            ["traefik", "http" | "tcp", "services", _, rest @ ..]
                if rest.iter().any(|part| matches!(*part, "url" | "address")) =>
            {
                found.insert(Reach::new(Way::Router, value));
            }
            // Services made of others.
            ["traefik", "http" | "tcp", "services", _, .., "name" | "service" | "fallback"] => {
                self.uses(&format!("{}.services", parts[1]), value, found);
            }
            ["traefik", "http", "middlewares", _, "errors", "service"] => {
                self.uses("http.services", value, found);
            }
            ["traefik", "http", "middlewares", _, "forwardauth", "address"] => {
                found.insert(Reach::new(Way::Router, value));
            }
            // Certificates and options of all that the proxy serves.
            ["traefik", "tls", rest @ ..] => {
                found.insert(Reach::new(Way::Router, &format!("tls {}", rest.join("."))));
            }
            ["caddy"] => self.list(value, found),
            [caddy] if is_numbered(caddy) => self.list(value, found),
            _ if LISTS.iter().any(|list| is_list(key, list)) => self.list(value, found),
            _ => {}
        }
    }

    /// A router, service or middleware that the stack defines: one of another
    /// stack's name would change that one.
    fn defines(&self, name: &str, found: &mut BTreeSet<Reach>) {
        let bare = name.rsplit('.').next().unwrap_or_default();
        if self.of_others.contains(name) || self.is_named_after_another(bare) {
            found.insert(Reach::new(Way::Router, bare));
        }
    }

    fn is_named_after_another(&self, name: &str) -> bool {
        let begins = |stack: &str| {
            !stack.is_empty()
                && name
                    .strip_prefix(&stack.to_ascii_lowercase())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
        };
        let own = begins(self.own.stack);
        let theirs = |neighbour: &Neighbour| {
            begins(&neighbour.stack) && !(own && neighbour.stack.len() < self.own.stack.len())
        };
        self.facts.neighbours.iter().any(theirs)
    }

    /// A service that a router sends to: the stack's own, or somebody's.
    fn uses(&self, kind: &str, value: &str, found: &mut BTreeSet<Reach>) {
        let value = value.trim().to_ascii_lowercase();
        let (name, provider) = value.split_once('@').unwrap_or((&value, "swarm"));
        let own = match provider {
            "internal" => !INTERNAL.contains(&name),
            "swarm" | "docker" => {
                let own = self.own.stack.to_ascii_lowercase();
                let prefixed = name
                    .strip_prefix(&own)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']));
                let known = self.defined.contains(&format!("{kind}.{name}")) || prefixed;
                known && !self.is_named_after_another(name)
            }
            _ => false,
        };
        if !own {
            found.insert(Reach::new(Way::Router, &value));
        }
    }

    fn hosts(&self, hosts: BTreeSet<Host>, found: &mut BTreeSet<Reach>) {
        for host in hosts {
            match host {
                // An empty name is no host's.
                Host::Name(name) if name.trim_matches(['.', ' ']).is_empty() => {}
                Host::Name(name) => self.host(&name, found),
                Host::Pattern(pattern) if rule::is_anything(&pattern) => {
                    found.insert(Reach::new(Way::Route, "*"));
                }
                Host::Pattern(pattern) => {
                    if !rule::is_within(&pattern.to_ascii_lowercase(), self.facts.domain) {
                        found.insert(Reach::new(Way::Route, &format!("regexp {pattern}")));
                    }
                }
                Host::Unread(rule) => {
                    found.insert(Reach::new(Way::Route, &format!("rule {rule}")));
                }
            }
        }
    }

    /// Hosts or addresses, apart by commas or blanks.
    fn list(&self, value: &str, found: &mut BTreeSet<Reach>) {
        for part in value.split([',', ' ', '\t', '\n', ';']).filter(|part| !part.is_empty()) {
            // A snippet or a named route of caddy's is no site: others import it.
            if part.starts_with('(') || part.starts_with('&') {
                found.insert(Reach::new(Way::Router, part));
                continue;
            }
            self.host(part, found);
        }
    }

    fn nginx(&self, name: &str, value: &str, found: &mut BTreeSet<Reach>) {
        if name == "VIRTUAL_HOST_MULTIPORTS" {
            // Hosts, each with its ports, as YAML.
            match yaml::document(value) {
                Ok(serde_json::Value::Object(hosts)) => {
                    hosts.keys().for_each(|host| self.nginx_hosts(host, found));
                }
                _ if value.trim().is_empty() => {}
                _ => {
                    found.insert(Reach::new(Way::Route, &format!("rule {value}")));
                }
            }
            return;
        }
        self.nginx_hosts(value, found);
    }

    /// nginx-proxy splits at commas before it looks for patterns.
    fn nginx_hosts(&self, value: &str, found: &mut BTreeSet<Reach>) {
        for part in value.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.strip_prefix('~') {
                Some(pattern) => self.hosts([Host::Pattern(pattern.to_owned())].into(), found),
                None => self.list(part, found),
            }
        }
    }

    fn host(&self, given: &str, found: &mut BTreeSet<Reach>) {
        let without_scheme = given.split_once("://").map_or(given, |(_, rest)| rest);
        let host = without_scheme.split('/').next().unwrap_or_default();
        let host = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => host,
        };
        let host = host.trim().trim_end_matches('.').to_lowercase();
        if given.trim().is_empty() {
            return;
        }
        if matches!(host.as_str(), "" | "*" | "_") {
            found.insert(Reach::new(Way::Route, "*"));
        } else if !is_own(&host, self.facts) {
            found.insert(Reach::new(Way::Route, &host));
        }
    }
}

/// Whether a host is the app's, or one that the operator put into the settings.
/// Anything but a plain name (a template that the node fills in, a list
/// that is split later) may become another app's host.
pub fn is_own(host: &str, facts: &Facts<'_>) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '*');
    if !host.chars().all(plain) {
        return false;
    }
    let domain = facts.domain.to_ascii_lowercase();
    let under = host
        .strip_suffix(&domain)
        .is_some_and(|rest| rest.is_empty() || (rest.len() > 1 && rest.ends_with('.')));
    (!domain.is_empty() && under) || facts.hosts.contains(host)
}

/// Hosts that are written as such: names separated by commas, blanks and quotes. The host
/// of an e-mail address or of a URL (a relay, a provider) is named for another reason.
pub fn typed_hosts(text: &str) -> BTreeSet<String> {
    let apart = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '`' | '"' | '\'' | '|');
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '*');
    let without_port = |word: &str| match word.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host.to_owned(),
        _ => word.to_owned(),
    };
    text.split(apart)
        .map(|word| without_port(word).trim_matches('.').to_lowercase())
        .filter(|word| word.chars().all(part))
        .filter(|word| word.contains('.') && word.contains(char::is_alphabetic))
        .collect()
}

/// `http.routers.web` of `traefik.http.routers.web.rule`, given in lower case.
fn definition(key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('.').collect();
    match parts.as_slice() {
        [
            "traefik",
            protocol @ ("http" | "tcp" | "udp"),
            kind @ ("routers" | "services" | "middlewares" | "serverstransports"),
            name,
            _,
            ..,
        ] => Some(format!("{protocol}.{kind}.{name}")),
        _ => None,
    }
}

pub(super) fn is_numbered(key: &str) -> bool {
    let number = key.strip_prefix("caddy_");
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn is_list(key: &str, list: &str) -> bool {
    let rest = key.strip_prefix(list);
    rest.is_some_and(|rest| rest.trim_start_matches('.').bytes().all(|b| b.is_ascii_digit()))
}

/// A label's key as proxies compare it: Traefik folds case as Unicode does, by
/// which two letters more than the ASCII ones are an `s` and a `k`
/// (traefik/paerser, `strings.EqualFold`).
pub(super) fn folded(key: &str) -> String {
    let ascii = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(ascii).collect()
}

/// Options of caddy as a whole: keys below a `caddy` that names no site.
fn caddy_globals(labels: &[(String, &str)], found: &mut BTreeSet<Reach>) {
    let first = |key: &str| key.split('.').next().unwrap_or_default().to_owned();
    let blocks: BTreeSet<String> = labels
        .iter()
        .map(|(key, _)| first(key))
        .filter(|block| block == "caddy" || is_numbered(block))
        .collect();
    for block in blocks {
        let site = |(key, value): &(String, &str)| *key == block && !value.trim().is_empty();
        if !labels.iter().any(site) {
            found.insert(Reach::new(Way::Router, "caddy global options"));
        }
    }
}

/// The labels of a service and of its containers: proxies read either, and both
/// may have the same key with different values.
pub(super) fn labels(spec: &api::ServiceSpec) -> impl Iterator<Item = (&str, &str)> {
    let task = spec.task_template.as_ref();
    let container = task.and_then(|task| task.container_spec.as_ref());
    let of_container = container.and_then(|container| container.labels.as_ref());
    let all = of_container.into_iter().flatten().chain(spec.labels.iter().flatten());
    all.map(|(key, value)| (key.as_str(), value.as_str()))
}

fn variables(spec: &api::ServiceSpec) -> Vec<(&str, &str)> {
    let task = spec.task_template.as_ref();
    let container = task.and_then(|task| task.container_spec.as_ref());
    let env = container.and_then(|container| container.env.as_ref());
    env.into_iter().flatten().filter_map(|line| line.split_once('=')).collect()
}
