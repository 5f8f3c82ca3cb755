//! A stack that can reach nothing: what a drill deploys. Pure.
//!
//! Everything is an allow list: a field of a spec that is not named here is left out, also
//! one that a later engine brings. What is kept is what a program needs to start on its own
//! data: image, command, environment, its own volumes, configs and secrets.
//!
//! - **Networks.** All become one overlay network with `internal: true`. On such a network
//!   swarm gives a task no second interface (`docker_gwbridge`) and no default route, as
//!   long as it publishes no port; so there is no way to the host, to other stacks or out.
//! - **Names.** The engine's resolver forwards a name that it does not know to the servers of
//!   the task. Those of the host may be on its loopback, which older engines then ask from
//!   the host's own network, also for internal networks (CVE-2024-29018); so the task gets
//!   127.0.0.1 of its own, where nothing listens.
//! - **Volumes.** A volume of the stack loses its driver and the options of it: with
//!   `type: none, o: bind` it would be the live folder under another name.
//! - **Logs.** A driver that sends them away does so from the host's network.

mod mounts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::mounts::Mounts;
use crate::{
    compose::{Stack, StackService},
    engine::api,
};

/// Where a task's resolver asks: its own loopback.
const NOWHERE: &str = "127.0.0.1";
/// The name of the one network, behind the stack's.
const NETWORK: &str = "drill";
/// The limits of a service that has none of its own: a drill runs beside live apps.
const MEMORY: i64 = 4 << 30;
const CPUS: i64 = 1_000_000_000;
const PIDS: i64 = 4096;
/// The labels that potluck and its plugins read; a proxy or a scheduler reads others.
const LABELS: [&str; 3] = ["com.docker.stack.", "backupbot.", "org.potluck."];
/// Endings of `coop-cloud.<stack>.…` that only say something.
const COOP: [&str; 3] = [".timeout", ".version", ".recipe"];

/// A stack that reaches nothing, and what was taken from it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sealed {
    pub stack: Stack,
    /// In words, sorted.
    pub left_out: BTreeSet<String>,
}

/// Seals a stack.
///
/// # Errors
/// What cannot be left out without making another app of it: one line for each.
pub(crate) fn seal(stack: Stack) -> Result<Sealed, Vec<String>> {
    let mut left_out = BTreeSet::new();
    let prefix = format!("{}_", stack.name);
    for network in &stack.external_networks {
        left_out.insert(format!("network {network}"));
    }
    let network = format!("{prefix}{NETWORK}");
    let is_own = |name: &String| name.starts_with(&prefix);
    let mut foreign = BTreeSet::new();
    let mut keep = |names: Vec<String>, kind: &str| -> Vec<String> {
        let (own, others): (Vec<_>, Vec<_>) = names.into_iter().partition(is_own);
        left_out.extend(others.iter().map(|name| format!("{kind} {name} of others")));
        foreign.extend(others);
        own
    };
    let external_secrets = keep(stack.external_secrets, "secret");
    let external_configs = keep(stack.external_configs, "config");
    let mut mounts = Mounts::new(&stack.name, stack.volumes);
    let mut refused = Vec::new();
    let mut services = Vec::new();
    for service in stack.services {
        let StackService { key, spec, depends_on } = service;
        let mut one = One {
            key: &key,
            network: &network,
            foreign: &foreign,
            mounts: &mut mounts,
            left_out: &mut left_out,
            refused: &mut refused,
        };
        let spec = one.seal(spec);
        services.push(StackService { key, spec, depends_on });
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    let request = api::NetworkCreateRequest {
        name: network.clone(),
        driver: Some("overlay".into()),
        internal: Some(true),
        attachable: Some(false),
        labels: Some(HashMap::from([(crate::engine::STACK_LABEL.into(), stack.name.to_string())])),
        ..api::NetworkCreateRequest::default()
    };
    let plain = |labels: Option<HashMap<String, String>>| labels.map(kept_labels);
    let secrets = stack.secrets.into_iter().map(|(name, spec)| {
        let labels = plain(spec.labels);
        let templating = spec.templating.map(template);
        let (named, data) = (spec.name, spec.data);
        (name, api::SecretSpec { name: named, labels, data, templating, ..Default::default() })
    });
    let configs = stack.configs.into_iter().map(|(name, spec)| {
        let labels = plain(spec.labels);
        let templating = spec.templating.map(template);
        (name, api::ConfigSpec { name: spec.name, labels, data: spec.data, templating })
    });
    let sealed = Stack {
        networks: BTreeMap::from([(network, request)]),
        external_networks: Vec::new(),
        secrets: secrets.collect(),
        external_secrets,
        configs: configs.collect(),
        external_configs,
        volumes: mounts.into_volumes(),
        services,
        name: stack.name,
    };
    // Configs and secrets with a name of their own belong to the live app as well.
    let named = sealed.secrets.keys().chain(sealed.configs.keys()).filter(|name| !is_own(name));
    let named: Vec<String> =
        named.map(|name| format!("`{name}` has a name that the live app has, too")).collect();
    if named.is_empty() { Ok(Sealed { stack: sealed, left_out }) } else { Err(named) }
}

/// The engine fills in a template itself; only options could name anything else.
fn template(driver: api::Driver) -> api::Driver {
    api::Driver { name: driver.name, options: None }
}

fn kept_labels(labels: HashMap<String, String>) -> HashMap<String, String> {
    labels.into_iter().filter(|(name, _)| is_kept(name)).collect()
}

fn is_kept(label: &str) -> bool {
    LABELS.iter().any(|known| label.starts_with(known))
        || (label.starts_with("coop-cloud.") && COOP.iter().any(|end| label.ends_with(end)))
}

/// One service that is sealed.
struct One<'a> {
    key: &'a str,
    network: &'a str,
    /// Names of secrets and configs that are not the stack's.
    foreign: &'a BTreeSet<String>,
    mounts: &'a mut Mounts,
    left_out: &'a mut BTreeSet<String>,
    refused: &'a mut Vec<String>,
}

impl One<'_> {
    fn seal(&mut self, spec: api::ServiceSpec) -> api::ServiceSpec {
        let ports = spec.endpoint_spec.and_then(|it| it.ports).unwrap_or_default();
        self.tell(!ports.is_empty(), "published ports");
        let labels = spec.labels.unwrap_or_default();
        self.tell(labels.keys().any(|name| !is_kept(name)), "labels for other programs");
        api::ServiceSpec {
            name: spec.name,
            labels: Some(kept_labels(labels)),
            task_template: spec.task_template.map(|task| self.task(task)),
            mode: Some(self.mode(spec.mode)),
            update_config: spec.update_config,
            rollback_config: spec.rollback_config,
            // A virtual address needs IPVS and serves one task no better.
            endpoint_spec: Some(api::EndpointSpec {
                mode: Some(api::EndpointSpecModeEnum::DNSRR),
                ports: None,
            }),
            ..api::ServiceSpec::default()
        }
    }

    fn tell(&mut self, is_so: bool, what: &str) {
        if is_so {
            self.left_out.insert(format!("{}: {what}", self.key));
        }
    }

    /// One task of it, or none where it asks for none.
    fn mode(&mut self, mode: Option<api::ServiceSpecMode>) -> api::ServiceSpecMode {
        let mode = mode.unwrap_or_default();
        if mode.replicated_job.is_some() || mode.global_job.is_some() {
            let one = api::ServiceSpecModeReplicatedJob {
                max_concurrent: Some(1),
                total_completions: Some(1),
            };
            return api::ServiceSpecMode { replicated_job: Some(one), ..Default::default() };
        }
        let wanted = mode.replicated.and_then(|it| it.replicas).unwrap_or(1);
        self.tell(wanted > 1 || mode.global.is_some(), "tasks beyond the first");
        let one = api::ServiceSpecModeReplicated { replicas: Some(wanted.min(1)) };
        api::ServiceSpecMode { replicated: Some(one), ..Default::default() }
    }

    fn task(&mut self, task: api::TaskSpec) -> api::TaskSpec {
        if task.plugin_spec.is_some() || task.network_attachment_spec.is_some() {
            self.refused.push(format!("`{}` runs inside the engine, not in a container", self.key));
        }
        self.tell(task.log_driver.is_some(), "the log driver");
        let mut aliases: Vec<String> = vec![self.key.to_owned()];
        for network in task.networks.into_iter().flatten() {
            aliases.extend(network.aliases.unwrap_or_default());
        }
        aliases.sort();
        aliases.dedup();
        let only = api::NetworkAttachmentConfig {
            target: Some(self.network.to_owned()),
            aliases: Some(aliases),
            driver_opts: None,
        };
        let limits = task.resources.and_then(|it| it.limits).unwrap_or_default();
        let resources = api::TaskSpecResources {
            limits: Some(api::Limit {
                nano_cpus: limits.nano_cpus.filter(|it| *it > 0).or(Some(CPUS)),
                memory_bytes: limits.memory_bytes.filter(|it| *it > 0).or(Some(MEMORY)),
                pids: limits.pids.filter(|it| *it > 0).or(Some(PIDS)),
            }),
            ..Default::default()
        };
        api::TaskSpec {
            container_spec: task.container_spec.map(|container| self.container(container)),
            resources: Some(resources),
            restart_policy: task.restart_policy,
            // Never without: managers panic.
            placement: Some(task.placement.unwrap_or_default()),
            force_update: task.force_update,
            runtime: None,
            networks: Some(vec![only]),
            ..api::TaskSpec::default()
        }
    }

    fn container(&mut self, it: api::TaskSpecContainerSpec) -> api::TaskSpecContainerSpec {
        let has = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        self.tell(has(&it.hosts), "extra hosts");
        self.tell(has(&it.capability_add), "added capabilities");
        self.tell(it.sysctls.as_ref().is_some_and(|it| !it.is_empty()), "sysctls");
        let privileges = it.privileges.unwrap_or_default();
        self.tell(privileges != Default::default(), "privileges");
        let foreign = |name: Option<&String>| name.is_some_and(|it| self.foreign.contains(it));
        let secrets = it.secrets.into_iter().flatten();
        let secrets = secrets.filter(|it| !foreign(it.secret_name.as_ref())).collect();
        let configs = it.configs.into_iter().flatten();
        let configs = configs.filter(|it| !foreign(it.config_name.as_ref())).collect();
        let mut mounts = Vec::new();
        for mount in it.mounts.into_iter().flatten() {
            match self.mounts.seal(self.key, mount) {
                Ok(sealed) => {
                    self.left_out.extend(sealed.left_out);
                    mounts.extend(sealed.mount);
                }
                Err(refused) => self.refused.push(refused),
            }
        }
        api::TaskSpecContainerSpec {
            image: it.image,
            labels: it.labels.map(kept_labels),
            command: it.command,
            args: it.args,
            hostname: it.hostname,
            env: it.env,
            dir: it.dir,
            user: it.user,
            groups: it.groups,
            tty: it.tty,
            open_stdin: it.open_stdin,
            read_only: it.read_only,
            mounts: Some(mounts),
            stop_signal: it.stop_signal,
            stop_grace_period: it.stop_grace_period,
            health_check: it.health_check,
            dns_config: Some(api::TaskSpecContainerSpecDnsConfig {
                nameservers: Some(vec![NOWHERE.into()]),
                search: None,
                options: None,
            }),
            secrets: Some(secrets),
            configs: Some(configs),
            init: it.init,
            capability_drop: it.capability_drop,
            ulimits: it.ulimits,
            ..Default::default()
        }
    }
}
