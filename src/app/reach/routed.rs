//! The domains by which a stack's services say that they are reached.

use std::collections::BTreeSet;

use super::{
    routes::{folded, is_numbered, labels, typed_hosts},
    rule::{self, Host},
};
use crate::engine::api::ServiceSpec;

/// Plain names in the rules for Traefik and Caddy; patterns name no domain that could be
/// looked up.
pub fn routed<'a>(services: impl IntoIterator<Item = &'a ServiceSpec>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (key, value) in services.into_iter().flat_map(labels) {
        let key = folded(key);
        let hosts = match key.split('.').collect::<Vec<_>>().as_slice() {
            ["traefik", "http", "routers", _, "rule"] => rule::hosts(value),
            ["traefik", .., "frontend", "rule"] => rule::hosts_of_old(value),
            [caddy] if *caddy == "caddy" || is_numbered(caddy) => {
                typed_hosts(value).into_iter().map(Host::Name).collect()
            }
            _ => continue,
        };
        let plain = hosts.into_iter().filter_map(|host| match host {
            Host::Name(name) if !name.contains('*') => Some(name.to_lowercase()),
            _ => None,
        });
        found.extend(plain);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::engine::api;

    #[test]
    fn domains_are_read_from_rules() {
        for (key, value, domains) in [
            (
                "traefik.http.routers.a.rule",
                "Host(`A.org`) || Host(`b.org`)",
                &["a.org", "b.org"][..],
            ),
            (
                "traefik.http.routers.a.rule",
                "Host(`a.org`, `b.org`) && PathPrefix(`/x`)",
                &["a.org", "b.org"],
            ),
            ("traefik.http.routers.a.rule", "HostRegexp(`.*`)", &[]),
            ("traefik.http.routers.a.rule", "Host(`a.org", &[]),
            ("traefik.frontend.rule", "Host:a.org,b.org", &["a.org", "b.org"]),
            ("caddy", "a.org, b.org", &["a.org", "b.org"]),
            ("caddy_1", "*.a.org", &[]),
            ("traefik.http.routers.a.entrypoints", "a.org", &[]),
            ("other", "a.org", &[]),
        ] {
            let labels = HashMap::from([(key.to_owned(), value.to_owned())]);
            let spec = api::ServiceSpec { labels: Some(labels), ..Default::default() };
            let found: Vec<String> = routed([&spec]).into_iter().collect();
            assert_eq!(found, domains, "{key}={value}");
        }
    }
}
