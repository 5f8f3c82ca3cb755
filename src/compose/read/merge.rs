//! Overlays on a base, with docker's rules (docker/cli, `compose/loader/
//! merge.go`, on top of mergo): a value that is "not given" — zero, false,
//! empty — never replaces one that is; lists are appended except where a key
//! tells entries apart; mappings merge per key. Some of this is surely not
//! intended (`healthcheck.test` is appended), but files that work today rely on it.

use std::collections::BTreeMap;

use crate::compose::model::{
    Build, CredentialSpec, Deploy, Extras, File, FileReference, HealthCheck, Limits, Logging,
    Placed, Reservations, RestartPolicy, Service, ServiceNetwork, Update,
};

use super::{
    interpolate::{Note, NoteKind},
    losses,
    yaml::{Node, Value},
};

/// Merges an overlay into the base.
pub fn merge(base: &mut File, over: File, notes: &mut Vec<Note>) {
    losses::find(base, &over, notes);
    for (name, service) in over.services {
        match base.services.get_mut(&name) {
            Some(present) => {
                notes.extend(lost_options(&name, present, &service));
                merge_service(present, service);
            }
            None => {
                base.services.insert(name, service);
            }
        }
    }
    base.networks.extend(over.networks);
    base.volumes.extend(over.volumes);
    base.secrets.extend(over.secrets);
    base.configs.extend(over.configs);
}

/// What docker loses of an overlay's logging; see [`merge_logging`].
fn lost_options(name: &str, base: &Service, over: &Service) -> Option<Note> {
    let (Some(present), Some(given)) = (&base.logging, &over.logging) else { return None };
    let merged =
        present.driver == given.driver || present.driver.is_empty() || given.driver.is_empty();
    (merged && present.options.is_empty() && !given.options.is_empty()).then(|| Note {
        at: over.keys.get("logging").copied().unwrap_or(over.at),
        path: format!("services.{name}.logging"),
        kind: NoteKind::LoggingOptionsLost,
    })
}

/// Replaces what is given: not the default value.
fn put<T: Default + PartialEq>(base: &mut T, over: T) {
    if over != T::default() {
        *base = over;
    }
}

/// A pointer to a number, as in Go: a missing one keeps the base's, and
/// zero only replaces a missing one.
fn put_some<T: Default + PartialEq>(base: &mut Option<T>, over: Option<T>) {
    if let Some(value) = over
        && (base.is_none() || value != T::default())
    {
        *base = Some(value);
    }
}

/// Replaces even by zero.
fn put_any<T>(base: &mut Option<T>, over: Option<T>) {
    if over.is_some() {
        *base = over;
    }
}

/// Merges two structures where both are there.
fn deep<T>(base: &mut Option<T>, over: Option<T>, merge: impl FnOnce(&mut T, T)) {
    match (base.as_mut(), over) {
        (Some(base), Some(over)) => merge(base, over),
        (None, over) => *base = over,
        (Some(_), None) => {}
    }
}

/// Entries are distinguished by a key: the overlay's replace the base's, and
/// the result is sorted by it; if the base has no list, the overlay's is kept as written.
fn keyed<T, K: Ord>(base: &mut Vec<T>, over: Vec<T>, given: bool, key: impl Fn(&T) -> K) {
    if !given {
        base.extend(over);
        return;
    }
    let all = std::mem::take(base).into_iter().chain(over);
    let map: BTreeMap<K, T> = all.map(|entry| (key(&entry), entry)).collect();
    base.extend(map.into_values());
}

/// A value replaces another unless it is missing or empty.
fn merge_pairs(
    base: &mut BTreeMap<String, Option<String>>,
    over: BTreeMap<String, Option<String>>,
) {
    for (name, value) in over {
        let present = base.get(&name).is_some_and(|v| v.as_ref().is_some_and(|v| !v.is_empty()));
        if !present || value.as_ref().is_some_and(|v| !v.is_empty()) {
            base.insert(name, value);
        }
    }
}

fn merge_service(base: &mut Service, over: Service) {
    let given = |key: &str| base.keys.contains_key(key);
    let (ports, volumes) = (given("ports"), given("volumes"));
    let (secrets, configs) = (given("secrets"), given("configs"));
    keyed(&mut base.ports, over.ports, ports, |p| p.it.published);
    keyed(&mut base.volumes, over.volumes, volumes, |v| v.it.target.clone());
    let source = |r: &Placed<FileReference>| r.it.source.clone();
    keyed(&mut base.secrets, over.secrets, secrets, source);
    keyed(&mut base.configs, over.configs, configs, source);
    base.keys.extend(over.keys);

    merge_build(&mut base.build, over.build);
    base.cap_add.extend(over.cap_add);
    base.cap_drop.extend(over.cap_drop);
    put(&mut base.cgroupns_mode, over.cgroupns_mode);
    put(&mut base.cgroup_parent, over.cgroup_parent);
    put(&mut base.command, over.command);
    put(&mut base.container_name, over.container_name);
    let CredentialSpec { config, file, registry } = over.credential_spec;
    put(&mut base.credential_spec.config, config);
    put(&mut base.credential_spec.file, file);
    put(&mut base.credential_spec.registry, registry);
    base.depends_on.extend(over.depends_on);
    merge_deploy(&mut base.deploy, over.deploy);
    base.devices.extend(over.devices);
    base.dns.extend(over.dns);
    base.dns_opt.extend(over.dns_opt);
    base.dns_search.extend(over.dns_search);
    put(&mut base.domainname, over.domainname);
    put(&mut base.entrypoint, over.entrypoint);
    merge_pairs(&mut base.environment, over.environment);
    base.env_file.extend(over.env_file);
    base.expose.extend(over.expose);
    base.external_links.extend(over.external_links);
    base.extra_hosts.extend(over.extra_hosts);
    base.group_add.extend(over.group_add);
    put(&mut base.hostname, over.hostname);
    deep(&mut base.healthcheck, over.healthcheck, merge_healthcheck);
    put(&mut base.image, over.image);
    put_some(&mut base.init, over.init);
    put(&mut base.ipc, over.ipc);
    put(&mut base.isolation, over.isolation);
    base.labels.extend(over.labels);
    base.links.extend(over.links);
    deep(&mut base.logging, over.logging, merge_logging);
    put(&mut base.mac_address, over.mac_address);
    put(&mut base.network_mode, over.network_mode);
    merge_networks(&mut base.networks, over.networks);
    put(&mut base.pid, over.pid);
    put(&mut base.privileged, over.privileged);
    base.profiles.extend(over.profiles);
    put(&mut base.read_only, over.read_only);
    put(&mut base.restart, over.restart);
    base.security_opt.extend(over.security_opt);
    put(&mut base.shm_size, over.shm_size);
    put(&mut base.stdin_open, over.stdin_open);
    put_some(&mut base.stop_grace_period, over.stop_grace_period);
    put(&mut base.stop_signal, over.stop_signal);
    base.sysctls.extend(over.sysctls);
    base.tmpfs.extend(over.tmpfs);
    put(&mut base.tty, over.tty);
    base.ulimits.extend(over.ulimits);
    put(&mut base.user, over.user);
    put(&mut base.userns_mode, over.userns_mode);
    put(&mut base.working_dir, over.working_dir);
    merge_extras(&mut base.extras, over.extras);
}

fn merge_build(base: &mut Build, over: Build) {
    put(&mut base.context, over.context);
    put(&mut base.dockerfile, over.dockerfile);
    merge_pairs(&mut base.args, over.args);
    base.labels.extend(over.labels);
    base.cache_from.extend(over.cache_from);
    base.extra_hosts.extend(over.extra_hosts);
    put(&mut base.network, over.network);
    put(&mut base.target, over.target);
}

fn merge_deploy(base: &mut Deploy, over: Deploy) {
    put(&mut base.mode, over.mode);
    put_any(&mut base.replicas, over.replicas);
    base.labels.extend(over.labels);
    deep(&mut base.update_config, over.update_config, merge_update);
    deep(&mut base.rollback_config, over.rollback_config, merge_update);
    deep(&mut base.limits, over.limits, |base: &mut Limits, over| {
        put(&mut base.cpus, over.cpus);
        put(&mut base.memory, over.memory);
        put(&mut base.pids, over.pids);
    });
    deep(&mut base.reservations, over.reservations, |base: &mut Reservations, over| {
        put(&mut base.cpus, over.cpus);
        put(&mut base.memory, over.memory);
        base.generic_resources.extend(over.generic_resources);
    });
    deep(&mut base.restart_policy, over.restart_policy, |base: &mut RestartPolicy, over| {
        put(&mut base.condition, over.condition);
        put_some(&mut base.delay, over.delay);
        put_any(&mut base.max_attempts, over.max_attempts);
        put_some(&mut base.window, over.window);
    });
    base.constraints.extend(over.constraints);
    base.preferences.extend(over.preferences);
    put(&mut base.max_replicas_per_node, over.max_replicas_per_node);
    put(&mut base.endpoint_mode, over.endpoint_mode);
}

fn merge_update(base: &mut Update, over: Update) {
    put_any(&mut base.parallelism, over.parallelism);
    put(&mut base.delay, over.delay);
    put(&mut base.failure_action, over.failure_action);
    put(&mut base.monitor, over.monitor);
    put(&mut base.max_failure_ratio, over.max_failure_ratio);
    put(&mut base.order, over.order);
}

fn merge_healthcheck(base: &mut HealthCheck, over: HealthCheck) {
    base.test.extend(over.test);
    put_some(&mut base.timeout, over.timeout);
    put_some(&mut base.interval, over.interval);
    put_any(&mut base.retries, over.retries);
    put_some(&mut base.start_period, over.start_period);
    put_some(&mut base.start_interval, over.start_interval);
    put(&mut base.disable, over.disable);
}

/// The same driver, or only one given: options merge, if the base has any.
/// Another driver replaces all.
fn merge_logging(base: &mut Logging, over: Logging) {
    if base.driver != over.driver && !base.driver.is_empty() && !over.driver.is_empty() {
        *base = over;
        return;
    }
    put(&mut base.driver, over.driver);
    // Docker merges into a copy that is thrown away when the base has none.
    if !base.options.is_empty() {
        base.options.extend(over.options);
    }
}

/// Aliases are replaced, also by none; addresses only where given.
fn merge_networks(
    base: &mut BTreeMap<String, Option<ServiceNetwork>>,
    over: BTreeMap<String, Option<ServiceNetwork>>,
) {
    for (name, network) in over {
        match (base.get_mut(&name), network) {
            (Some(Some(present)), Some(network)) => {
                present.aliases = network.aliases;
                put(&mut present.ipv4_address, network.ipv4_address);
                put(&mut present.ipv6_address, network.ipv6_address);
            }
            (Some(Some(_)), None) => {}
            (_, network) => {
                base.insert(name, network);
            }
        }
    }
}

fn merge_extras(base: &mut Extras, over: Extras) {
    for (key, node) in over {
        match base.get_mut(&key) {
            Some(present) => merge_nodes(present, node),
            None => {
                base.insert(key, node);
            }
        }
    }
}

/// Mappings merge, lists are appended, everything else is replaced.
fn merge_nodes(base: &mut Node, over: Node) {
    match (&mut base.value, over.value) {
        (Value::Map(base), Value::Map(over)) => {
            for entry in over.0 {
                match base.0.iter_mut().find(|e| e.key == entry.key) {
                    Some(present) => merge_nodes(&mut present.value, entry.value),
                    None => base.0.push(entry),
                }
            }
        }
        (Value::List(base), Value::List(over)) => base.extend(over),
        (_, value) => *base = Node { value, at: over.at },
    }
}
