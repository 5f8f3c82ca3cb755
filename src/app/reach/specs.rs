//! Mounts, capabilities, networks, volumes, secrets, configs, drivers and images
//! of converted specs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use super::{Facts, Own, Reaches, paths, routes};
use crate::{
    compose::{Stack, StackService, value::image::Image},
    engine::api,
    home::{Reach, Way},
};

/// What containers have by default (moby, `oci/caps/defaults.go`).
const DEFAULT_CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Logging drivers that keep everything on the node.
const LOCAL_LOGS: &[&str] = &["", "json-file", "local", "none", "journald"];
/// The key by which other apps call their own services most often; by convention
/// every recipe's main service has it, so it proves nothing.
const MAIN_SERVICE: &str = "app";
/// Open files that the engine gives containers anyway.
const OPEN_FILES: i64 = 1_048_576;
/// Templates whose value contains no slash and is not chosen by the
/// recipe.
const HARMLESS_TEMPLATES: &[&str] = &[
    ".Service.ID",
    ".Service.Name",
    ".Node.ID",
    ".Node.Hostname",
    ".Task.ID",
    ".Task.Name",
    ".Task.Slot",
];
/// Options of overlay networks that stay within them.
const HARMLESS_NETWORK_OPTIONS: &[&str] = &["encrypted", "com.docker.network.driver.mtu"];
/// Options of a `tmpfs`.
const TMPFS_OPTIONS: &[&str] = &[
    "size",
    "mode",
    "uid",
    "gid",
    "nr_inodes",
    "nr_blocks",
    "noexec",
    "nosuid",
    "nodev",
    "exec",
    "rw",
    "ro",
    "noatime",
    "relatime",
    "sync",
    "async",
];

/// What one service reaches, routes aside.
pub fn service(
    stack: &Stack,
    service: &StackService,
    facts: &Facts<'_>,
    own: Own<'_>,
) -> BTreeSet<Reach> {
    let mut found = BTreeSet::new();
    let Some(task) = &service.spec.task_template else { return found };
    networks(stack, service, facts, own, &mut found);
    ports(&service.spec, &mut found);
    if let Some(driver) = &task.log_driver {
        let name = driver.name.as_deref().unwrap_or_default();
        if !LOCAL_LOGS.contains(&name) {
            let options = driver.options.iter().flatten().filter(|(key, _)| is_address(key));
            found.insert(Reach::new(Way::LogDriver, &with_options(name, options)));
        }
    }
    let registry = registry(&service.spec);
    found.extend(
        registry
            .filter(|name| !facts.registries.is_empty() && !facts.registries.contains(name))
            .map(|name| Reach::new(Way::Registry, &name)),
    );
    let Some(container) = &task.container_spec else { return found };
    for mount in container.mounts.iter().flatten() {
        mounted(stack, mount, facts, own, &mut found);
    }
    for name in container.capability_add.iter().flatten() {
        let name = name.strip_prefix("CAP_").unwrap_or(name);
        if !DEFAULT_CAPABILITIES.contains(&name) {
            found.insert(Reach::new(Way::Capability, name));
        }
    }
    let secrets = container.secrets.iter().flatten().filter_map(|s| s.secret_name.as_deref());
    found.extend(foreign(own, Way::ExternalSecret, secrets));
    let configs = container.configs.iter().flatten().filter_map(|c| c.config_name.as_deref());
    found.extend(foreign(own, Way::ExternalConfig, configs));
    for name in container.sysctls.iter().flatten().map(|(name, _)| name) {
        found.insert(Reach::new(Way::Sysctl, name));
    }
    for limit in container.ulimits.iter().flatten() {
        let name = limit.name.as_deref().unwrap_or_default();
        let most = limit.hard.unwrap_or(0).max(limit.soft.unwrap_or(0));
        let unlimited = limit.hard == Some(-1) || limit.soft == Some(-1);
        let harmless = most == 0 || (name == "nofile" && most <= OPEN_FILES);
        if unlimited || !harmless {
            found.insert(Reach::new(Way::Ulimit, name));
        }
    }
    let privileges = container.privileges.as_ref();
    if let Some(given) = privileges.and_then(|privileges| privileges.credential_spec.as_ref()) {
        for (kind, name) in
            [("config", &given.config), ("file", &given.file), ("registry", &given.registry)]
        {
            let name = name.as_deref().filter(|name| !name.is_empty());
            found.extend(
                name.map(|name| Reach::new(Way::CredentialSpec, &format!("{kind} {name}"))),
            );
        }
    }
    if container.isolation == Some(api::TaskSpecContainerSpecIsolationEnum::PROCESS) {
        found.insert(Reach::new(Way::Isolation, "process"));
    }
    found
}

/// What the stack creates or uses without a service that refers to it.
pub fn unused(stack: &Stack, own: Own<'_>, said: &Reaches) -> BTreeSet<Reach> {
    let mut found = BTreeSet::new();
    let secrets = stack.secrets.keys().chain(&stack.external_secrets).map(String::as_str);
    found.extend(foreign(own, Way::ExternalSecret, secrets));
    let configs = stack.configs.keys().chain(&stack.external_configs).map(String::as_str);
    found.extend(foreign(own, Way::ExternalConfig, configs));
    for secret in stack.secrets.values() {
        if let Some(driver) = &secret.driver {
            let options = driver.options.iter().flatten();
            found.insert(Reach::new(Way::SecretDriver, &with_options(&driver.name, options)));
        }
    }
    // Those that a service joins were said with it.
    stack.networks.values().for_each(|request| network(request, &mut found));
    found.retain(|reach| !said.values().any(|said| said.contains(reach)));
    found
}

fn foreign<'a>(
    own: Own<'_>,
    way: Way,
    names: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = Reach> {
    names.filter(move |name| !own.has(name)).map(move |name| Reach::new(way, name))
}

fn mounted(
    stack: &Stack,
    mount: &api::Mount,
    facts: &Facts<'_>,
    own: Own<'_>,
    found: &mut BTreeSet<Reach>,
) {
    let source = mount.source.as_deref().unwrap_or_default();
    let read_only = mount.read_only.unwrap_or(false);
    match mount.typ {
        Some(api::MountType::TMPFS | api::MountType::IMAGE) => {}
        Some(api::MountType::BIND | api::MountType::NPIPE) => {
            found.insert(host(source, read_only, facts));
        }
        Some(api::MountType::CLUSTER) => {
            if source.starts_with("group:") || !own.has(source) {
                found.insert(Reach::new(Way::ExternalVolume, source));
            }
            found.insert(Reach::new(Way::VolumeDriver, "cluster"));
        }
        _ if source.is_empty() => {}
        _ => {
            if !own.has(source) || has_open_template(source) {
                found.insert(Reach::new(Way::ExternalVolume, source));
            }
            let volume = stack.volumes.iter().find(|volume| volume.name == source);
            let config = mount.volume_options.as_ref().and_then(|o| o.driver_config.as_ref());
            let mut options: BTreeMap<&str, &str> = BTreeMap::new();
            let mut driver = "";
            if let Some(volume) = volume.filter(|volume| !volume.external) {
                driver = volume.driver.as_deref().unwrap_or_default();
                let given = &volume.driver_opts;
                options.extend(given.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            }
            if let Some(config) = config {
                driver = config.name.as_deref().unwrap_or(driver);
                let given = config.options.iter().flatten();
                options.extend(given.map(|(k, v)| (k.as_str(), v.as_str())));
            }
            volume_driver(driver, &options, read_only, facts, found);
        }
    }
}

/// A path of the node. The socket of an engine counts as the whole node.
fn host(source: &str, read_only: bool, facts: &Facts<'_>) -> Reach {
    if has_open_template(source) {
        // A label may bring `..`: it can be any path.
        return Reach::new(Way::Host, "/");
    }
    let path = paths::tidy(source);
    if paths::is_socket(&path) {
        return Reach::alone(Way::DockerSocket);
    }
    let way = if read_only { Way::HostRead } else { Way::Host };
    Reach::new(way, &paths::shown(&path, facts.checkout))
}

/// Whether swarm would fill in something that the recipe decides.
fn has_open_template(text: &str) -> bool {
    text.split("{{").skip(1).any(|rest| {
        let expression = rest.split("}}").next().unwrap_or_default();
        !HARMLESS_TEMPLATES.contains(&expression.trim().trim_matches('-').trim())
    })
}

/// What a volume's driver reaches. The `local` one hands its options to mount(2),
/// where `bind` counts whatever the type says (moby, `volume/local`).
fn volume_driver(
    driver: &str,
    options: &BTreeMap<&str, &str>,
    read_only: bool,
    facts: &Facts<'_>,
    found: &mut BTreeSet<Reach>,
) {
    if !matches!(driver, "" | "local" | "local:latest") {
        let named = with_options(driver, options.iter());
        found.insert(Reach::new(Way::VolumeDriver, &named));
        return;
    }
    let of = |key: &str| options.get(key).copied().unwrap_or_default();
    let (kind, device) = (of("type"), of("device"));
    let flags: Vec<&str> = of("o").split(',').map(str::trim).filter(|o| !o.is_empty()).collect();
    let other_keys = options.keys().any(|key| !matches!(*key, "type" | "device" | "o" | "size"));
    if kind.is_empty() && device.is_empty() && flags.is_empty() && !other_keys {
        return;
    }
    let of_tmpfs =
        |flag: &&str| TMPFS_OPTIONS.contains(&flag.split('=').next().unwrap_or_default());
    if kind == "tmpfs" && flags.iter().all(of_tmpfs) && !other_keys {
        return;
    }
    let read_only = read_only || flags.contains(&"ro");
    let is_path = |text: &str| text.starts_with('/') || text.starts_with('.');
    let bound = flags.iter().any(|flag| matches!(*flag, "bind" | "rbind"));
    let mut paths: BTreeSet<&str> = BTreeSet::new();
    if bound || (is_path(device) && !is_network_type(kind)) {
        paths.insert(device);
    }
    // `lowerdir=/a:/b` of an overlay, and its like.
    for value in flags.iter().filter_map(|flag| Some(flag.split_once('=')?.1)) {
        paths.extend(value.split(':').filter(|part| is_path(part)));
    }
    for path in &paths {
        // A path that isn't whole is taken from the engine's own folder.
        let whole = if path.starts_with('/') { (*path).to_owned() } else { format!("/{path}") };
        found.insert(host(&whole, read_only, facts));
    }
    let only_bound = bound && matches!(kind, "" | "none" | "bind") && !paths.is_empty();
    let block = paths.contains(device) && !bound && !other_keys && kind != "overlay";
    if !only_bound && !block {
        let shown: BTreeMap<&str, &str> =
            options.iter().filter(|(key, _)| **key != "o").map(|(k, v)| (*k, *v)).collect();
        let addresses = flags.iter().filter_map(|flag| flag.split_once('='));
        let addresses = addresses.filter(|(key, _)| is_address(key));
        let all: Vec<(&str, &str)> = shown.into_iter().chain(addresses).collect();
        let named = with_options("local", all.iter().map(|(k, v)| (k, v)));
        found.insert(Reach::new(Way::VolumeDriver, &named));
    }
}

/// File systems whose device is no path of the node.
fn is_network_type(kind: &str) -> bool {
    ["nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p", "fuse"].contains(&kind)
}

fn networks(
    stack: &Stack,
    service: &StackService,
    facts: &Facts<'_>,
    own: Own<'_>,
    found: &mut BTreeSet<Reach>,
) {
    let task = service.spec.task_template.as_ref();
    let attached = task.and_then(|task| task.networks.as_ref()).or(service.spec.networks.as_ref());
    for attached in attached.into_iter().flatten() {
        let name = attached.target.as_deref().unwrap_or_default();
        if let Some(options) = &attached.driver_opts {
            let named = with_options(name, options.iter());
            found.insert(Reach::new(Way::NetworkDriver, &named));
        }
        if let Some(request) = stack.networks.get(name) {
            network(request, found);
        }
        match name {
            "none" => continue,
            "host" => {
                found.insert(Reach::alone(Way::HostNetwork));
                continue;
            }
            _ if own.has(name) => continue,
            _ if facts.shared_networks.iter().any(|shared| shared == name) => {
                found.insert(Reach::new(Way::Network, name));
            }
            _ => {
                found.insert(Reach::new(Way::ExternalNetwork, name));
            }
        }
        for alias in attached.aliases.iter().flatten() {
            if shadows(service, name, alias, facts, own) {
                found.insert(Reach::new(Way::Alias, &format!("{name}/{alias}")));
            }
        }
    }
}

/// Whether others on a shared network may mean another service by a name. The names that
/// the recipe chooses there have to be its own. The service's key, which docker adds as a
/// name, must not be the name of a neighbour's service that is not on this network: the
/// neighbour's requests would reach us.
fn shadows(
    service: &StackService,
    network: &str,
    alias: &str,
    facts: &Facts<'_>,
    own: Own<'_>,
) -> bool {
    let lower = alias.to_ascii_lowercase();
    let is = |name: &str| name.eq_ignore_ascii_case(alias);
    let of_others = || facts.neighbours.iter().any(|other| is(&other.name));
    // What another's service is called there, beside its own name.
    let called = |other: &super::Neighbour| {
        !is(other.key())
            && other.networks.get(network).is_some_and(|aliases| aliases.iter().any(|a| is(a)))
    };
    if facts.neighbours.iter().any(called) {
        return true;
    }
    if alias != service.key {
        let prefixed = own.has(alias) || alias == own.stack;
        return (!prefixed && !routes::is_own(&lower, facts)) || of_others();
    }
    if of_others() {
        return true;
    }
    let there: BTreeSet<&str> = facts
        .neighbours
        .iter()
        .filter(|other| !other.stack.is_empty() && other.networks.contains_key(network))
        .map(|other| other.stack.as_str())
        .collect();
    let hidden = |other: &&super::Neighbour| {
        there.contains(other.stack.as_str())
            && is(other.key())
            && !other.networks.contains_key(network)
    };
    alias != MAIN_SERVICE && facts.neighbours.iter().any(|other| hidden(&other))
}

/// A network that the stack makes.
fn network(request: &api::NetworkCreateRequest, found: &mut BTreeSet<Reach>) {
    let driver = request.driver.as_deref().unwrap_or_default();
    let options: BTreeMap<&String, &String> = request
        .options
        .iter()
        .flatten()
        .filter(|(key, _)| driver != "overlay" || !HARMLESS_NETWORK_OPTIONS.contains(&key.as_str()))
        .collect();
    if !matches!(driver, "" | "overlay") || !options.is_empty() {
        let named = with_options(driver, options);
        found.insert(Reach::new(Way::NetworkDriver, &named));
    }
    let Some(ipam) = &request.ipam else { return };
    let driver = ipam.driver.as_deref().unwrap_or_default();
    if !matches!(driver, "" | "default") {
        found.insert(Reach::new(Way::NetworkDriver, &format!("ipam {driver}")));
    }
    for subnet in ipam.config.iter().flatten().filter_map(|config| config.subnet.as_deref()) {
        found.insert(Reach::new(Way::Subnet, subnet));
    }
}

fn ports(spec: &api::ServiceSpec, found: &mut BTreeSet<Reach>) {
    let ports = spec.endpoint_spec.as_ref().and_then(|endpoint| endpoint.ports.as_ref());
    for port in ports.into_iter().flatten() {
        let protocol = port.protocol.map_or_else(|| "tcp".to_owned(), |p| p.to_string());
        let number = match port.published_port {
            Some(number) if number > 0 => number.to_string(),
            _ => "any".to_owned(),
        };
        found.insert(Reach::new(Way::Port, &format!("{number}/{protocol}")));
    }
}

/// The registry of a service's image; none for a bare image id.
pub fn registry(spec: &api::ServiceSpec) -> Option<String> {
    let image = spec.task_template.as_ref()?.container_spec.as_ref()?.image.as_deref()?;
    Image::parse(image).map(|image| image.domain)
}

/// Whether an option's key says where something goes.
fn is_address(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    const PARTS: &[&str] = &[
        "addr", "url", "uri", "host", "endpoint", "region", "group", "stream", "project", "server",
        "source", "path", "port", "dsn", "index", "topic",
    ];
    PARTS.iter().any(|part| key.contains(part))
}

/// A driver with its options, sorted. Values that may be secret are replaced
/// by a digest.
fn with_options<'a, K, V>(driver: &str, options: impl IntoIterator<Item = (&'a K, &'a V)>) -> String
where
    K: AsRef<str> + ?Sized + 'a,
    V: AsRef<str> + ?Sized + 'a,
{
    let options: HashMap<&str, &str> =
        options.into_iter().map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
    let sorted: BTreeMap<&str, &str> = options.into_iter().collect();
    let mut text = driver.to_owned();
    for (key, value) in sorted {
        let lower = key.to_ascii_lowercase();
        let hides = ["pass", "secret", "token", "key", "cred", "auth", "user"];
        if hides.iter().any(|part| lower.contains(part)) {
            let digest = hex::encode(Sha256::digest(value.as_bytes()));
            text.push_str(&format!(" {key}=#{}", &digest[..8]));
        } else {
            text.push_str(&format!(" {key}={value}"));
        }
    }
    text
}
