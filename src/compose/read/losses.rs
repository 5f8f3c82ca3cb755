//! What docker's merge ([`super::merge`]) loses silently: entries that it considers the
//! same, values of an overlay that replace nothing, and what a second definition omits.

use std::collections::BTreeMap;

use crate::compose::{
    model::{File, FileObject, FileReference, Network, Placed, Port, Service, Volume},
    problem::Spot,
};

use super::interpolate::{Note, NoteKind};

/// One entry of a list that merges by a key.
struct Entry<'a, T> {
    at: Spot,
    it: &'a T,
}

fn entries<T>(list: &[Placed<T>]) -> impl Iterator<Item = Entry<'_, T>> {
    list.iter().map(|placed| Entry { at: placed.at, it: &placed.it })
}

/// Notes everything that is lost when `over` is merged into `base`.
pub fn find(base: &File, over: &File, notes: &mut Vec<Note>) {
    for (name, service) in &over.services {
        if let Some(present) = base.services.get(name) {
            let mut losses = Losses { base: present, over: service, name, notes };
            losses.entries();
            losses.networks();
            losses.not_replaced();
        }
    }
    definitions("networks", &base.networks, &over.networks, notes, network);
    definitions("volumes", &base.volumes, &over.volumes, notes, volume);
    definitions("secrets", &base.secrets, &over.secrets, notes, object);
    definitions("configs", &base.configs, &over.configs, notes, object);
}

struct Losses<'a> {
    base: &'a Service,
    over: &'a Service,
    name: &'a str,
    notes: &'a mut Vec<Note>,
}

impl Losses<'_> {
    fn note(&mut self, at: Spot, key: &str, kind: NoteKind) {
        let path = format!("services.{}.{key}", self.name);
        self.notes.push(Note { at, path, kind });
    }

    fn entries(&mut self) {
        let (base, over) = (self.base, self.over);
        self.keyed("ports", &base.ports, &over.ports, |p| p.published, lost_port);
        self.keyed("secrets", &base.secrets, &over.secrets, |r| r.source.clone(), lost_reference);
        self.keyed("configs", &base.configs, &over.configs, |r| r.source.clone(), lost_reference);
        let target = |mount: &crate::compose::value::volumes::Mount| mount.target.clone();
        self.keyed("volumes", &base.volumes, &over.volumes, target, |lost, kept, one_file| {
            (one_file && lost != kept).then(|| format!("the mount of `{}`", lost.source))
        });
    }

    /// Of entries with the same key the last one is kept. `lost` says whether
    /// this loses something; it is told whether both are in one file.
    fn keyed<T, K: Ord>(
        &mut self,
        key: &str,
        base: &[Placed<T>],
        over: &[Placed<T>],
        by: impl Fn(&T) -> K,
        lost: impl Fn(&T, &T, bool) -> Option<String>,
    ) {
        if !self.base.keys.contains_key(key) {
            return;
        }
        let mut last: BTreeMap<K, Entry<'_, T>> = BTreeMap::new();
        let mut found = vec![];
        let all = entries(base).chain(entries(over));
        for entry in all {
            if let Some(before) = last.insert(by(entry.it), Entry { at: entry.at, it: entry.it })
                && let Some(what) = lost(before.it, entry.it, before.at.file == entry.at.file)
            {
                found.push((before.at, NoteKind::EntryLost { what, kept: entry.at }));
            }
        }
        for (at, kind) in found {
            self.note(at, key, kind);
        }
    }

    /// An overlay's aliases replace those of the base; its driver options are
    /// dropped.
    fn networks(&mut self) {
        let spot = |service: &Service| service.keys.get("networks").copied().unwrap_or(service.at);
        let (base_at, over_at) = (spot(self.base), spot(self.over));
        for (network, over) in &self.over.networks {
            let Some(Some(base)) = self.base.networks.get(network) else { continue };
            let Some(over) = over else { continue };
            let key = format!("networks.{network}");
            let lost: Vec<_> =
                base.aliases.iter().filter(|alias| !over.aliases.contains(alias)).collect();
            for alias in lost {
                let what = format!("the alias `{alias}`");
                self.note(base_at, &key, NoteKind::EntryLost { what, kept: over_at });
            }
            if !over.driver_opts.is_empty() && over.driver_opts != base.driver_opts {
                let what = "these `driver_opts`".to_owned();
                self.note(over_at, &key, NoteKind::EntryLost { what, kept: base_at });
            }
        }
    }

    /// `false`, zero and nothing replace nothing.
    fn not_replaced(&mut self) {
        let (base, over) = (self.base, self.over);
        let text = |base: &str, over: &str| !base.is_empty() && over.is_empty();
        let list = |base: &[String], over: &[String]| !base.is_empty() && over.is_empty();
        let number = |base: Option<i64>, over: Option<i64>| {
            base.is_some_and(|base| base != 0) && over == Some(0)
        };
        let some = |value: Option<i64>| value.filter(|value| *value != 0);
        let (update, over_update) = (&base.deploy.update_config, &over.deploy.update_config);
        let (policy, over_policy) = (&base.deploy.restart_policy, &over.deploy.restart_policy);
        let kept = [
            ("cap_add", list(&base.cap_add, &over.cap_add)),
            ("cap_drop", list(&base.cap_drop, &over.cap_drop)),
            ("command", list(&base.command, &over.command)),
            ("configs", !base.configs.is_empty() && over.configs.is_empty()),
            ("deploy.labels", !base.deploy.labels.is_empty() && over.deploy.labels.is_empty()),
            (
                "deploy.placement.constraints",
                list(&base.deploy.constraints, &over.deploy.constraints),
            ),
            (
                "deploy.placement.max_replicas_per_node",
                base.deploy.max_replicas_per_node > 0 && over.deploy.max_replicas_per_node == 0,
            ),
            (
                "deploy.restart_policy.delay",
                number(
                    policy.as_ref().and_then(|policy| policy.delay),
                    over_policy.as_ref().and_then(|policy| policy.delay),
                ),
            ),
            (
                "deploy.update_config.delay",
                number(
                    update.as_ref().and_then(|update| some(Some(update.delay))),
                    over_update.as_ref().map(|update| update.delay),
                ),
            ),
            ("dns", list(&base.dns, &over.dns)),
            ("entrypoint", list(&base.entrypoint, &over.entrypoint)),
            ("environment", !base.environment.is_empty() && over.environment.is_empty()),
            ("extra_hosts", list(&base.extra_hosts, &over.extra_hosts)),
            ("hostname", text(&base.hostname, &over.hostname)),
            ("image", text(&base.image, &over.image)),
            ("init", base.init == Some(true) && over.init == Some(false)),
            ("labels", !base.labels.is_empty() && over.labels.is_empty()),
            ("networks", !base.networks.is_empty() && over.networks.is_empty()),
            ("ports", !base.ports.is_empty() && over.ports.is_empty()),
            ("read_only", base.read_only && !over.read_only),
            ("secrets", !base.secrets.is_empty() && over.secrets.is_empty()),
            ("stdin_open", base.stdin_open && !over.stdin_open),
            ("stop_grace_period", number(base.stop_grace_period, over.stop_grace_period)),
            ("tty", base.tty && !over.tty),
            ("user", text(&base.user, &over.user)),
            ("volumes", !base.volumes.is_empty() && over.volumes.is_empty()),
            ("working_dir", text(&base.working_dir, &over.working_dir)),
        ];
        for (key, _) in kept.iter().filter(|(_, kept)| *kept) {
            self.stays(key);
        }
        for (name, value) in &over.environment {
            let given = base.environment.get(name).and_then(Option::as_ref);
            if given.is_some_and(|given| !given.is_empty())
                && value.as_ref().is_none_or(String::is_empty)
            {
                self.stays(&format!("environment.{name}"));
            }
        }
    }

    fn stays(&mut self, key: &str) {
        let Some(at) = self.over.keys.get(key).copied() else { return };
        let base = self.base.keys.get(key).copied().unwrap_or(self.base.at);
        self.note(at, key, NoteKind::NotReplaced { base });
    }
}

fn lost_port(lost: &Port, kept: &Port, one_file: bool) -> Option<String> {
    let protocol = |port: &Port| match port.protocol.as_str() {
        "" => "tcp".to_owned(),
        protocol => protocol.to_owned(),
    };
    let other = protocol(lost) != protocol(kept)
        || (lost.target != kept.target && (lost.published == 0 || one_file));
    let (target, protocol) = (lost.target, protocol(lost));
    other.then(|| match lost.published {
        0 => format!("port {target}/{protocol}"),
        published => format!("port {published}:{target}/{protocol}"),
    })
}

fn lost_reference(lost: &FileReference, kept: &FileReference, _: bool) -> Option<String> {
    let target = |reference: &FileReference| match reference.target.as_str() {
        "" => reference.source.clone(),
        target => target.to_owned(),
    };
    let same = target(lost).trim_start_matches('/') == target(kept).trim_start_matches('/');
    (!same).then(|| format!("`{}` at `{}`", lost.source, target(lost)))
}

/// What a definition holds: where it stands, whether it is external, and which
/// of its keys are given.
struct Definition {
    at: Spot,
    external: bool,
    given: Vec<(&'static str, bool)>,
}

/// The later of two definitions is the only one.
fn definitions<T>(
    section: &str,
    base: &BTreeMap<String, T>,
    over: &BTreeMap<String, T>,
    notes: &mut Vec<Note>,
    define: impl Fn(&str, &T) -> Definition,
) {
    for (name, over) in over {
        let Some(base) = base.get(name) else { continue };
        let (base, over) = (define(name, base), define(name, over));
        if base.external != over.external {
            continue;
        }
        let lost: Vec<&str> = base
            .given
            .iter()
            .zip(&over.given)
            .filter(|((_, base), (_, over))| *base && !over)
            .map(|((key, _), _)| *key)
            .collect();
        if !lost.is_empty() {
            let what = lost.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            let kind = NoteKind::DefinitionReplaced { what, base: base.at };
            notes.push(Note { at: over.at, path: format!("{section}.{name}"), kind });
        }
    }
}

fn network(key: &str, network: &Network) -> Definition {
    Definition {
        at: network.at,
        external: network.external,
        given: vec![
            ("name", !network.name.is_empty() && network.name != key),
            ("driver", !network.driver.is_empty()),
            ("driver_opts", !network.driver_opts.is_empty()),
            ("ipam", !network.ipam_driver.is_empty() || !network.ipam_config.is_empty()),
            ("internal", network.internal),
            ("attachable", network.attachable),
            ("enable_ipv6", network.enable_ipv6),
            ("labels", !network.labels.is_empty()),
        ],
    }
}

fn volume(key: &str, volume: &Volume) -> Definition {
    Definition {
        at: volume.at,
        external: volume.external,
        given: vec![
            ("name", !volume.name.is_empty() && volume.name != key),
            ("driver", !volume.driver.is_empty()),
            ("driver_opts", volume.driver_opts.as_ref().is_some_and(|opts| !opts.is_empty())),
            ("labels", !volume.labels.is_empty()),
        ],
    }
}

fn object(key: &str, object: &FileObject) -> Definition {
    Definition {
        at: object.at,
        external: object.external,
        given: vec![
            ("name", !object.name.is_empty() && object.name != key),
            ("labels", !object.labels.is_empty()),
            ("template_driver", !object.template_driver.is_empty()),
        ],
    }
}
