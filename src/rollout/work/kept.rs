//! Properties of an existing network or volume that swarm does not change,
//! whatever the files say now; pure.
//!
//! Swarm creates a network once, and each node creates a volume when its first task needs
//! it. Neither changes afterwards, and docker does not report it. Values are named only if
//! they cannot be a password.

use std::collections::{BTreeMap, HashMap};

use crate::{
    compose::{Stack, StackVolume},
    engine::{STACK_LABEL, Volume, api},
};

use crate::rollout::live::{Live, is_compared};

/// Options of volumes whose values may be shown: `o` may have a password in it.
const SHOWN: &[&str] = &["device", "type"];
/// What swarm itself adds to an overlay network's options.
const VXLAN: &str = "com.docker.network.driver.overlay.vxlanid_list";

/// Warnings, in the order of the stack.
pub(in crate::rollout) fn warnings(stack: &Stack, live: &Live) -> Vec<String> {
    let mut warnings = Vec::new();
    let used = stack.networks.keys().chain(&stack.external_networks);
    for name in used {
        let named = |found: &&api::Network| found.name.as_ref() == Some(name);
        if live.networks.iter().filter(named).any(is_without_addresses) {
            warnings.push(format!(
                "network `{name}` exists, but swarm has not allocated it: its subnet overlaps that \
                 of another network, or none is left. No task on it starts until it is removed and \
                 made with another one"
            ));
        }
    }
    for (name, wanted) in &stack.networks {
        let found = live.networks.iter().find(|found| found.name.as_ref() == Some(name));
        let found = found.filter(|found| !is_without_addresses(found));
        let differs = found.map(|found| of_network(wanted, found)).unwrap_or_default();
        if !differs.is_empty() {
            warnings.push(format!(
                "network `{name}` already exists {}; swarm cannot change this. Remove the stack \
                 first, or keep what the network has",
                differs.join(", ")
            ));
        }
    }
    for wanted in &stack.volumes {
        let found = live.volumes.iter().find(|found| found.name == wanted.name);
        let differs = found.map(|found| of_volume(wanted, found)).unwrap_or_default();
        if !differs.is_empty() {
            warnings.push(format!(
                "volume `{}` already exists {}; swarm will not change this. Remove the volume \
                 first, with its data and on every node that has it, or keep what it has (only \
                 the node that potluck talks to was looked at)",
                wanted.name,
                differs.join(", ")
            ));
        }
    }
    warnings.extend(live.unseen_volumes.iter().map(|error| {
        format!("it is unknown whether the volumes have the options in the files: {error}")
    }));
    warnings
}

/// Swarm assigns a network's driver together with its addresses: until then, its
/// displayed properties do not show what was requested.
fn is_without_addresses(network: &api::Network) -> bool {
    network.driver.as_deref() == Some("")
}

fn of_network(wanted: &api::NetworkCreateRequest, found: &api::Network) -> Vec<String> {
    let mut differs = Vec::new();
    let driver = |driver: &Option<String>| driver.as_deref().unwrap_or("overlay").to_owned();
    differ(&mut differs, "driver", &driver(&found.driver), &driver(&wanted.driver));
    for (key, found, wanted) in [
        ("attachable", found.attachable, wanted.attachable),
        ("internal", found.internal, wanted.internal),
        ("enable_ipv6", found.enable_ipv6, wanted.enable_ipv6),
    ] {
        let said = |value: Option<bool>| value.unwrap_or(false).to_string();
        differ(&mut differs, key, &said(found), &said(wanted));
    }
    let subnets = |ipam: &Option<api::Ipam>| -> Vec<String> {
        let configs = ipam.iter().flat_map(|ipam| ipam.config.iter().flatten());
        configs.filter_map(|config| config.subnet.clone()).collect()
    };
    let (has, asks) = (subnets(&found.ipam), subnets(&wanted.ipam));
    // If the files do not name one, swarm chooses the subnet.
    if !asks.is_empty() && asks.iter().any(|subnet| !has.contains(subnet)) {
        differ(&mut differs, "subnet", &has.join(", "), &asks.join(", "));
    }
    let all = |map: &Option<HashMap<String, String>>, without: &str| -> BTreeMap<String, String> {
        let entries = map.iter().flatten().filter(|(key, _)| *key != without);
        entries.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    entries(&mut differs, "option", &all(&found.options, VXLAN), &all(&wanted.options, VXLAN));
    let (has, asks) = (all(&found.labels, STACK_LABEL), all(&wanted.labels, STACK_LABEL));
    entries(&mut differs, "label", &has, &asks);
    differs
}

fn of_volume(wanted: &StackVolume, found: &Volume) -> Vec<String> {
    if !is_compared(wanted) {
        return Vec::new();
    }
    let mut differs = Vec::new();
    differ(&mut differs, "driver", &found.driver, wanted.driver.as_deref().unwrap_or("local"));
    entries(&mut differs, "option", &found.options, &wanted.driver_opts);
    let mut labels = found.labels.clone();
    labels.remove(STACK_LABEL);
    entries(&mut differs, "label", &labels, &wanted.labels);
    differs
}

/// Warns about one value that differs.
fn differ(differs: &mut Vec<String>, key: &str, found: &str, wanted: &str) {
    if found != wanted {
        differs.push(format!("with `{key}: {found}` (the files have `{wanted}`)"));
    }
}

/// Warns about options or labels that differ.
fn entries(
    differs: &mut Vec<String>,
    kind: &str,
    found: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) {
    for (key, has) in found {
        match wanted.get(key) {
            Some(asks) if asks == has => {}
            Some(asks) if SHOWN.contains(&key.as_str()) => differ(differs, key, has, asks),
            Some(_) => differs.push(format!("with another value of the {kind} `{key}`")),
            None if SHOWN.contains(&key.as_str()) => {
                differs.push(format!("with `{key}: {has}` (the files have none)"));
            }
            None => differs.push(format!("with the {kind} `{key}`, which the files do not have")),
        }
    }
    for key in wanted.keys().filter(|key| !found.contains_key(*key)) {
        differs.push(format!("without the {kind} `{key}`"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn said(wanted: &[(&str, &str)], found: &[(&str, &str)]) -> Vec<String> {
        let wanted = StackVolume {
            key: "data".into(),
            name: "a_data".into(),
            external: false,
            services: vec![],
            driver: None,
            driver_opts: map(wanted),
            labels: map(&[("kind", "x")]),
        };
        let found = Volume {
            name: "a_data".into(),
            driver: "local".into(),
            mountpoint: "/v".into(),
            labels: map(&[(STACK_LABEL, "a"), ("kind", "x")]),
            options: map(found),
        };
        of_volume(&wanted, &found)
    }

    #[test]
    fn a_volume_keeps_the_options_it_was_made_with() {
        let one = [("type", "none"), ("o", "bind"), ("device", "/srv/one")];
        assert_eq!(said(&one, &one), Vec::<String>::new());
        assert_eq!(
            said(&[("type", "none"), ("o", "bind"), ("device", "/srv/two")], &one),
            ["with `device: /srv/one` (the files have `/srv/two`)"]
        );
        assert_eq!(said(&one, &[]).len(), 3, "a plain folder is no mount");
        assert_eq!(
            said(&[], &[("device", "/srv/one")]),
            ["with `device: /srv/one` (the files have none)"]
        );
    }

    #[test]
    fn a_password_among_the_options_is_not_shown() {
        let shown = said(
            &[("type", "cifs"), ("o", "username=a,password=new-one"), ("key", "k1")],
            &[("type", "cifs"), ("o", "username=a,password=old-one"), ("token", "t1")],
        )
        .join(", ");
        for secret in ["new-one", "old-one", "k1", "t1"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert_eq!(
            shown,
            "with another value of the option `o`, with the option `token`, which the files do \
             not have, without the option `key`"
        );
    }

    #[test]
    fn another_driver_or_label_of_a_volume_is_said() {
        let volume = |driver: Option<&str>, labels: &[(&str, &str)], external| StackVolume {
            key: "data".into(),
            name: "a_data".into(),
            external,
            services: vec![],
            driver: driver.map(str::to_owned),
            driver_opts: map(&[]),
            labels: map(labels),
        };
        let found = Volume {
            name: "a_data".into(),
            driver: "nfs".into(),
            mountpoint: "/v".into(),
            labels: map(&[("a", "1")]),
            options: map(&[]),
        };
        assert_eq!(
            of_volume(&volume(None, &[("a", "2")], false), &found),
            ["with `driver: nfs` (the files have `local`)", "with another value of the label `a`"]
        );
        assert_eq!(of_volume(&volume(Some("nfs"), &[("a", "1")], false), &found).len(), 0);
        assert_eq!(of_volume(&volume(None, &[], true), &found).len(), 0, "somebody else's");
    }

    #[test]
    fn a_network_without_addresses_is_not_compared() {
        let network = |driver: &str| api::Network {
            name: Some("a_n".into()),
            driver: Some(driver.into()),
            ..Default::default()
        };
        assert!(is_without_addresses(&network("")));
        assert!(!is_without_addresses(&network("overlay")));
        assert!(!is_without_addresses(&api::Network::default()));
    }

    #[test]
    fn a_network_keeps_what_it_was_made_with() {
        let options = |entries: &[(&str, &str)]| Some(map(entries).into_iter().collect());
        let ipam = |subnet: &str| {
            let config = api::IpamConfig { subnet: Some(subnet.into()), ..Default::default() };
            Some(api::Ipam { config: Some(vec![config]), ..Default::default() })
        };
        let found = api::Network {
            name: Some("a_n".into()),
            driver: Some("overlay".into()),
            internal: Some(true),
            ipam: ipam("10.1.0.0/24"),
            options: options(&[(VXLAN, "4097"), ("encrypted", "")]),
            labels: options(&[(STACK_LABEL, "a")]),
            ..Default::default()
        };
        let mut wanted = api::NetworkCreateRequest {
            name: "a_n".into(),
            driver: Some("overlay".into()),
            internal: Some(true),
            options: options(&[("encrypted", "")]),
            labels: options(&[(STACK_LABEL, "a")]),
            ..Default::default()
        };
        assert_eq!(of_network(&wanted, &found), Vec::<String>::new());
        wanted.internal = None;
        wanted.ipam = ipam("10.2.0.0/24");
        wanted.options = None;
        wanted.labels = options(&[(STACK_LABEL, "a"), ("x", "y")]);
        assert_eq!(
            of_network(&wanted, &found),
            [
                "with `internal: true` (the files have `false`)",
                "with `subnet: 10.1.0.0/24` (the files have `10.2.0.0/24`)",
                "with the option `encrypted`, which the files do not have",
                "without the label `x`"
            ]
        );
    }
}
