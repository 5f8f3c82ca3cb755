//! The typed form of compose files, before and after merging. An empty string,
//! list or mapping stands for "not given", as in docker's own types
//! (docker/cli, `compose/types`): the merge rules depend on it.

use std::collections::BTreeMap;

use super::{
    problem::{self, Spot},
    read::yaml::Node,
    value::volumes::Mount,
};

pub use super::value::ports::Port;

pub type Dict = BTreeMap<String, String>;
/// `x-…` keys with their values.
pub type Extras = BTreeMap<String, Node>;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct File {
    pub services: BTreeMap<String, Service>,
    pub networks: BTreeMap<String, Network>,
    pub volumes: BTreeMap<String, Volume>,
    pub secrets: BTreeMap<String, FileObject>,
    pub configs: BTreeMap<String, FileObject>,
    pub extras: Extras,
}

/// A value with its position.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placed<T> {
    pub at: Spot,
    pub it: T,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Service {
    pub at: Spot,
    /// Where each key was last given, for findings; those of `deploy` with their
    /// path, `deploy.update_config.order`, variables as `environment.NAME`.
    pub keys: BTreeMap<String, Spot>,
    pub build: Build,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub cgroupns_mode: String,
    pub cgroup_parent: String,
    pub command: Vec<String>,
    pub configs: Vec<Placed<FileReference>>,
    pub container_name: String,
    pub credential_spec: CredentialSpec,
    pub depends_on: Vec<String>,
    pub deploy: Deploy,
    pub devices: Vec<String>,
    pub dns: Vec<String>,
    /// Of the Compose specification, as `group_add`: docker refuses them, the
    /// engine takes them.
    pub dns_opt: Vec<String>,
    pub dns_search: Vec<String>,
    pub domainname: String,
    pub entrypoint: Vec<String>,
    /// None: the name alone, for the engine to fill.
    pub environment: BTreeMap<String, Option<String>>,
    pub env_file: Vec<String>,
    pub expose: Vec<String>,
    pub external_links: Vec<String>,
    /// `host:ip`
    pub extra_hosts: Vec<String>,
    pub group_add: Vec<String>,
    pub hostname: String,
    pub healthcheck: Option<HealthCheck>,
    pub image: String,
    pub init: Option<bool>,
    pub ipc: String,
    pub isolation: String,
    pub labels: Dict,
    pub links: Vec<String>,
    pub logging: Option<Logging>,
    pub mac_address: String,
    pub network_mode: String,
    pub networks: BTreeMap<String, Option<ServiceNetwork>>,
    pub pid: String,
    pub ports: Vec<Placed<Port>>,
    pub privileged: bool,
    /// The service is left out unless one of them is active; an extension of ours.
    pub profiles: Vec<String>,
    pub read_only: bool,
    pub restart: String,
    pub secrets: Vec<Placed<FileReference>>,
    pub security_opt: Vec<String>,
    pub shm_size: String,
    pub stdin_open: bool,
    pub stop_grace_period: Option<i64>,
    pub stop_signal: String,
    pub sysctls: Dict,
    pub tmpfs: Vec<String>,
    pub tty: bool,
    pub ulimits: BTreeMap<String, Ulimit>,
    pub user: String,
    pub userns_mode: String,
    pub volumes: Vec<Placed<Mount>>,
    pub working_dir: String,
    pub extras: Extras,
}

impl Service {
    /// Where a path of this service was given, or the nearest key above it.
    pub fn spot(&self, path: problem::Path<'_>) -> Spot {
        let path = path.to_string();
        let mut path = path.splitn(3, '.').nth(2).unwrap_or_default();
        while !path.is_empty() {
            if let Some(at) = self.keys.get(path) {
                return *at;
            }
            path = path.rfind(['.', '[']).map_or("", |end| &path[..end]);
        }
        self.at
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Build {
    pub context: String,
    pub dockerfile: String,
    pub args: BTreeMap<String, Option<String>>,
    pub labels: Dict,
    pub cache_from: Vec<String>,
    pub extra_hosts: Vec<String>,
    pub network: String,
    pub target: String,
}

/// A secret or config that a service mounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileReference {
    pub source: String,
    pub target: String,
    pub uid: String,
    pub gid: String,
    pub mode: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CredentialSpec {
    pub config: String,
    pub file: String,
    pub registry: String,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deploy {
    pub mode: String,
    pub replicas: Option<u64>,
    pub labels: Dict,
    pub update_config: Option<Update>,
    pub rollback_config: Option<Update>,
    pub limits: Option<Limits>,
    pub reservations: Option<Reservations>,
    pub restart_policy: Option<RestartPolicy>,
    pub constraints: Vec<String>,
    /// Labels to spread over.
    pub preferences: Vec<String>,
    pub max_replicas_per_node: u64,
    pub endpoint_mode: String,
}

/// Durations in nanoseconds; 0 is "not given".
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Update {
    pub parallelism: Option<u64>,
    pub delay: i64,
    pub failure_action: String,
    pub monitor: i64,
    pub max_failure_ratio: f32,
    pub order: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    pub cpus: String,
    /// Bytes.
    pub memory: i64,
    pub pids: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reservations {
    pub cpus: String,
    /// Bytes.
    pub memory: i64,
    /// Kind and count; none for an empty entry.
    pub generic_resources: Vec<Option<(String, i64)>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestartPolicy {
    pub condition: String,
    pub delay: Option<i64>,
    pub max_attempts: Option<u64>,
    pub window: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealthCheck {
    pub test: Vec<String>,
    pub timeout: Option<i64>,
    pub interval: Option<i64>,
    pub retries: Option<u64>,
    pub start_period: Option<i64>,
    pub start_interval: Option<i64>,
    pub disable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logging {
    pub driver: String,
    pub options: Dict,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceNetwork {
    pub aliases: Vec<String>,
    pub driver_opts: Dict,
    pub ipv4_address: String,
    pub ipv6_address: String,
}

/// One number for both, or two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ulimit {
    pub single: i64,
    pub soft: i64,
    pub hard: i64,
}

/// Addresses of a network. All but the subnet is of the Compose specification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subnet {
    /// Empty when not given, as the others.
    pub subnet: String,
    pub gateway: String,
    pub ip_range: String,
    pub aux_addresses: Dict,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Network {
    pub at: Spot,
    pub name: String,
    pub driver: String,
    pub driver_opts: Dict,
    pub ipam_driver: String,
    pub ipam_config: Vec<Subnet>,
    pub external: bool,
    pub internal: bool,
    pub attachable: bool,
    /// Of the Compose specification.
    pub enable_ipv6: bool,
    pub labels: Dict,
    pub extras: Extras,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Volume {
    pub at: Spot,
    pub name: String,
    pub driver: String,
    /// None when not given: docker tells that apart from empty.
    pub driver_opts: Option<Dict>,
    pub external: bool,
    pub labels: Dict,
    pub extras: Extras,
    /// `x-cluster-spec`, only shown.
    pub cluster_spec: Option<serde_json::Value>,
}

/// The content of a secret or config that does not come from a file; an
/// extension of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// As written in the compose file.
    Inline(String),
    /// The value of a variable, none when it is not set.
    Variable { name: String, value: Option<String> },
}

/// A secret or a config.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileObject {
    pub at: Spot,
    pub name: String,
    /// Absolute.
    pub file: String,
    pub content: Option<Content>,
    pub external: bool,
    pub labels: Dict,
    pub extras: Extras,
    pub driver: String,
    pub driver_opts: Dict,
    pub template_driver: String,
}
