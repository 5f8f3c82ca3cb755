//! Services.

use std::collections::BTreeMap;

use super::{Decoder, deploy::map_at, fields::extras, keys};
use crate::compose::{
    model::{
        Build, CredentialSpec, FileReference, HealthCheck, Logging, Placed, Port, Service,
        ServiceNetwork, Ulimit,
    },
    problem::{Path, Spot},
};
use crate::compose::{
    read::yaml::{Map, Node, Value},
    value::{
        ports,
        volumes::{self, Mount, VolumeOptions},
    },
};

/// Ports of all services of a stack, ranges expanded: twice what exists.
const MOST_PORTS: usize = 2 * 65536;

impl Decoder<'_> {
    pub(super) fn service(&mut self, map: &Map, at: Spot, path: Path<'_>) -> Service {
        let deploy = map_at(map, "deploy")
            .map(|inner| self.deploy(inner, path.key("deploy")))
            .unwrap_or_default();
        let healthcheck = map_at(map, "healthcheck")
            .map(|inner| self.healthcheck(inner, path.key("healthcheck")));
        let logging = map_at(map, "logging").map(|inner| {
            let path = path.key("logging");
            Logging {
                driver: self.text_at(inner, "driver", path),
                options: self.dict_at(inner, "options", path),
            }
        });
        let credential_spec = map_at(map, "credential_spec").map(|inner| {
            let path = path.key("credential_spec");
            CredentialSpec {
                config: self.text_at(inner, "config", path),
                file: self.text_at(inner, "file", path),
                registry: self.text_at(inner, "registry", path),
            }
        });
        let (env_file, environment) = self.environment(map, path);
        Service {
            at,
            keys: keys::of(map),
            build: self.build(map, path),
            cap_add: self.texts_at(map, "cap_add", path),
            cap_drop: self.texts_at(map, "cap_drop", path),
            cgroupns_mode: self.text_at(map, "cgroupns_mode", path),
            cgroup_parent: self.text_at(map, "cgroup_parent", path),
            command: self.command_at(map, "command", path),
            configs: self.references_at(map, "configs", path),
            container_name: self.text_at(map, "container_name", path),
            credential_spec: credential_spec.unwrap_or_default(),
            depends_on: self.dependencies(map, path),
            deploy,
            devices: self.texts_at(map, "devices", path),
            dns: self.texts_at(map, "dns", path),
            dns_opt: self.texts_at(map, "dns_opt", path),
            dns_search: self.texts_at(map, "dns_search", path),
            domainname: self.text_at(map, "domainname", path),
            entrypoint: self.command_at(map, "entrypoint", path),
            environment,
            env_file,
            expose: printed_list(map, "expose"),
            external_links: self.texts_at(map, "external_links", path),
            extra_hosts: self.hosts_at(map, "extra_hosts", path),
            group_add: printed_list(map, "group_add"),
            hostname: self.text_at(map, "hostname", path),
            healthcheck,
            image: self.text_at(map, "image", path),
            init: map.get("init").map(|_| self.flag_at(map, "init", path)),
            ipc: self.text_at(map, "ipc", path),
            isolation: self.text_at(map, "isolation", path),
            labels: self.dict_at(map, "labels", path),
            links: self.texts_at(map, "links", path),
            logging,
            mac_address: self.text_at(map, "mac_address", path),
            network_mode: self.text_at(map, "network_mode", path),
            networks: self.networks(map, path),
            pid: self.text_at(map, "pid", path),
            ports: self.ports(map, path),
            privileged: self.flag_at(map, "privileged", path),
            profiles: self.texts_at(map, "profiles", path),
            read_only: self.flag_at(map, "read_only", path),
            restart: self.text_at(map, "restart", path),
            secrets: self.references_at(map, "secrets", path),
            security_opt: self.texts_at(map, "security_opt", path),
            shm_size: printed_or_text(self, map, "shm_size", path),
            stdin_open: self.flag_at(map, "stdin_open", path),
            stop_grace_period: self.duration_at(map, "stop_grace_period", path),
            stop_signal: self.text_at(map, "stop_signal", path),
            sysctls: self.dict_at(map, "sysctls", path),
            tmpfs: self.texts_at(map, "tmpfs", path),
            tty: self.flag_at(map, "tty", path),
            ulimits: self.ulimits(map, path),
            user: self.text_at(map, "user", path),
            userns_mode: self.text_at(map, "userns_mode", path),
            volumes: self.mounts(map, path),
            working_dir: self.text_at(map, "working_dir", path),
            extras: extras(map),
        }
    }

    fn build(&mut self, map: &Map, path: Path<'_>) -> Build {
        let path = path.key("build");
        match map.get("build").map(|node| &node.value) {
            Some(Value::Str(context)) => Build { context: context.clone(), ..Build::default() },
            Some(Value::Map(inner)) => Build {
                context: self.text_at(inner, "context", path),
                dockerfile: self.text_at(inner, "dockerfile", path),
                args: self.pairs_at(inner, "args", path),
                labels: self.dict_at(inner, "labels", path),
                cache_from: self.texts_at(inner, "cache_from", path),
                extra_hosts: self.hosts_at(inner, "extra_hosts", path),
                network: self.text_at(inner, "network", path),
                target: self.text_at(inner, "target", path),
            },
            _ => Build::default(),
        }
    }

    fn healthcheck(&mut self, map: &Map, path: Path<'_>) -> HealthCheck {
        let test = match map.get("test") {
            Some(Node { value: Value::Str(line), .. }) => vec!["CMD-SHELL".into(), line.clone()],
            _ => self.texts_at(map, "test", path),
        };
        HealthCheck {
            test,
            timeout: self.duration_at(map, "timeout", path),
            interval: self.duration_at(map, "interval", path),
            retries: self.number_at(map, "retries", path),
            start_period: self.duration_at(map, "start_period", path),
            start_interval: self.duration_at(map, "start_interval", path),
            disable: self.flag_at(map, "disable", path),
        }
    }

    /// Secrets or configs that a service mounts.
    fn references_at(
        &mut self,
        map: &Map,
        key: &str,
        path: Path<'_>,
    ) -> Vec<Placed<FileReference>> {
        let path = path.key(key);
        let Some(Node { value: Value::List(items), .. }) = map.get(key) else { return vec![] };
        let mut references = vec![];
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            let it = match &item.value {
                Value::Map(inner) => FileReference {
                    source: self.text_at(inner, "source", path),
                    target: self.text_at(inner, "target", path),
                    uid: self.text_at(inner, "uid", path),
                    gid: self.text_at(inner, "gid", path),
                    mode: self.number_at(inner, "mode", path),
                },
                _ => FileReference { source: self.text(item, path), ..FileReference::default() },
            };
            references.push(Placed { at: item.at, it });
        }
        references
    }

    fn networks(&mut self, map: &Map, path: Path<'_>) -> BTreeMap<String, Option<ServiceNetwork>> {
        let path = path.key("networks");
        match map.get("networks").map(|node| &node.value) {
            Some(Value::List(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (self.text(item, path.index(index)), None))
                .collect(),
            Some(Value::Map(entries)) => entries
                .0
                .iter()
                .map(|entry| {
                    let path = path.key(&entry.key);
                    let network = match &entry.value.value {
                        Value::Map(inner) => Some(ServiceNetwork {
                            aliases: self.texts_at(inner, "aliases", path),
                            driver_opts: self.dict_at(inner, "driver_opts", path),
                            ipv4_address: self.text_at(inner, "ipv4_address", path),
                            ipv6_address: self.text_at(inner, "ipv6_address", path),
                        }),
                        _ => None,
                    };
                    (entry.key.clone(), network)
                })
                .collect(),
            _ => BTreeMap::new(),
        }
    }

    fn ports(&mut self, map: &Map, path: Path<'_>) -> Vec<Placed<Port>> {
        let path = path.key("ports");
        let Some(Node { value: Value::List(items), .. }) = map.get("ports") else { return vec![] };
        let mut all = vec![];
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            if let Value::Map(inner) = &item.value {
                let it = Port {
                    mode: self.text_at(inner, "mode", path),
                    target: self.port_at(inner, "target", path),
                    published: self.port_at(inner, "published", path),
                    protocol: self.text_at(inner, "protocol", path),
                };
                all.push(Placed { at: item.at, it });
                continue;
            }
            let text = item.value.print().unwrap_or_default();
            match ports::parse_short(&text) {
                Ok(short) if *self.port_count + short.count() <= MOST_PORTS => {
                    *self.port_count += short.count();
                    if let Some(ip) = &short.ignored_ip {
                        let message = format!(
                            "{path}: the address {ip} is ignored; swarm listens on all addresses"
                        );
                        self.warnings.push((item.at, message));
                    }
                    let at = item.at;
                    all.extend(short.expand().into_iter().map(|it| Placed { at, it }));
                }
                Ok(_) => {
                    self.sink.push(item.at, path, "the ranges of the services hold too many ports");
                    break;
                }
                Err(why) => self.sink.push(item.at, path, why),
            }
        }
        all
    }

    /// A port of the long form: a number, or one in quotes.
    fn port_at(&mut self, map: &Map, key: &str, path: Path<'_>) -> u32 {
        match map.get(key) {
            Some(Node { value: Value::Str(text), at }) => {
                let port = text.parse::<u16>();
                port.map(u32::from).unwrap_or_else(|_| {
                    let message = format!("`{text}` is not a port");
                    let hint = "write one number; ranges are for the short form, \"8000-8010:80\"";
                    self.sink.hint(*at, path.key(key), message, hint);
                    0
                })
            }
            _ => self.number_at(map, key, path).unwrap_or_default(),
        }
    }

    /// A list of services, or a mapping with conditions, which swarm ignores as
    /// it ignores the order.
    fn dependencies(&mut self, map: &Map, path: Path<'_>) -> Vec<String> {
        match map_at(map, "depends_on") {
            Some(services) => services.0.iter().map(|entry| entry.key.clone()).collect(),
            None => self.texts_at(map, "depends_on", path),
        }
    }

    fn mounts(&mut self, map: &Map, path: Path<'_>) -> Vec<Placed<Mount>> {
        let path = path.key("volumes");
        let Some(Node { value: Value::List(items), .. }) = map.get("volumes") else {
            return vec![];
        };
        let mut mounts = vec![];
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            let mut mount = match &item.value {
                Value::Map(inner) => self.long_mount(inner, path),
                _ => {
                    let text = self.text(item, path);
                    match volumes::parse_short(&text) {
                        Ok(mount) => mount,
                        Err(why) => {
                            self.sink.push(item.at, path, why);
                            continue;
                        }
                    }
                }
            };
            if mount.kind == "bind" {
                if mount.source.is_empty() {
                    self.sink.push(item.at, path, "a bind mount needs a `source`");
                } else {
                    mount.source = self.bind_source(&mount.source, item.at);
                }
            }
            mounts.push(Placed { at: item.at, it: mount });
        }
        mounts
    }

    fn long_mount(&mut self, map: &Map, path: Path<'_>) -> Mount {
        Mount {
            kind: self.text_at(map, "type", path),
            source: self.text_at(map, "source", path),
            target: self.text_at(map, "target", path),
            read_only: self.flag_at(map, "read_only", path),
            consistency: self.text_at(map, "consistency", path),
            bind: map_at(map, "bind")
                .map(|inner| self.text_at(inner, "propagation", path.key("bind"))),
            volume: map_at(map, "volume").map(|inner| VolumeOptions {
                nocopy: self.flag_at(inner, "nocopy", path.key("volume")),
                subpath: self.text_at(inner, "subpath", path.key("volume")),
            }),
            tmpfs: map_at(map, "tmpfs").map(|inner| match inner.get("size") {
                Some(Node { value: Value::Str(_), .. }) => {
                    self.size_at(inner, "size", path.key("tmpfs"))
                }
                _ => self.number_at(inner, "size", path.key("tmpfs")).unwrap_or_default(),
            }),
        }
    }

    fn bind_source(&mut self, source: &str, at: Spot) -> String {
        let mut source = source.to_owned();
        if let Some(rest) = source.strip_prefix('~') {
            let home = self
                .home_dir
                .map(|home| home.to_string_lossy().into_owned())
                .or_else(|| (self.lookup)("HOME"));
            match home {
                Some(home) => source = format!("{home}{rest}"),
                None => self
                    .warnings
                    .push((at, "cannot expand '~', because the environment lacks HOME".into())),
            }
        }
        if volumes::is_absolute(&source) { source } else { self.absolute(&source) }
    }

    fn ulimits(&mut self, map: &Map, path: Path<'_>) -> BTreeMap<String, Ulimit> {
        let path = path.key("ulimits");
        let Some(entries) = map_at(map, "ulimits") else { return BTreeMap::new() };
        let mut ulimits = BTreeMap::new();
        for entry in &entries.0 {
            let path = path.key(&entry.key);
            let ulimit = match &entry.value.value {
                Value::Map(inner) => Ulimit {
                    single: 0,
                    soft: self.number_at(inner, "soft", path).unwrap_or_default(),
                    hard: self.number_at(inner, "hard", path).unwrap_or_default(),
                },
                _ => Ulimit {
                    single: self.number(&entry.value, path).unwrap_or_default(),
                    ..Ulimit::default()
                },
            };
            ulimits.insert(entry.key.clone(), ulimit);
        }
        ulimits
    }
}

/// A text, or a number as it is printed.
fn printed_or_text(decoder: &mut Decoder<'_>, map: &Map, key: &str, path: Path<'_>) -> String {
    match map.get(key).map(|node| &node.value) {
        Some(value @ (Value::Int(_) | Value::Float(_))) => value.print().unwrap_or_default(),
        _ => decoder.text_at(map, key, path),
    }
}

/// Items as docker prints them, numbers among them.
fn printed_list(map: &Map, key: &str) -> Vec<String> {
    match map.get(key) {
        Some(Node { value: Value::List(items), .. }) => {
            items.iter().filter_map(|item| item.value.print()).collect()
        }
        _ => vec![],
    }
}
