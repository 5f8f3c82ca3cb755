//! Keys of other dialects of compose that have no meaning in a stack, with what
//! to write instead.

/// Keys that docker refuses before it looks at the schema (docker/cli,
/// `compose/types.ForbiddenProperties`), but for `extends`.
pub const FORBIDDEN: &[(&str, &str)] = &[
    ("volume_driver", "name the driver under the top-level `volumes`"),
    ("volumes_from", "name a volume under the top-level `volumes` and mount it in both services"),
    ("cpu_quota", "use `deploy.resources.limits.cpus`"),
    ("mem_limit", "remove it: `deploy.resources.limits.memory` says something else"),
];

/// Keys of the Compose specification and of older formats.
const FOREIGN: &[(&str, &str)] = &[
    // Services.
    ("cpu_count", "use `deploy.resources.limits.cpus`"),
    ("cpu_percent", "use `deploy.resources.limits.cpus`"),
    ("cpu_period", "use `deploy.resources.limits.cpus`"),
    ("cpu_rt_period", "use `deploy.resources.limits.cpus`"),
    ("cpu_rt_runtime", "use `deploy.resources.limits.cpus`"),
    ("cpus", "remove it: `deploy.resources.limits.cpus` says something else"),
    ("device_cgroup_rules", "remove it: swarm gives no devices to containers"),
    ("gpus", "use `deploy.resources.reservations.generic_resources`"),
    ("label_file", "write the labels under `labels`"),
    ("mem_reservation", "remove it: `deploy.resources.reservations.memory` says something else"),
    ("models", "remove it: swarm has none"),
    ("pids_limit", "remove it: `deploy.resources.limits.pids` says something else"),
    ("platform", "use `deploy.placement.constraints: [node.platform.arch == x86_64]`"),
    ("post_start", "remove it: use a plugin's hook, or the image's entrypoint"),
    ("pre_stop", "remove it: use `stop_signal`, or the image's entrypoint"),
    ("provider", "remove it: swarm runs images only"),
    ("runtime", "remove it: the engine's default runtime is used"),
    ("scale", "remove it: `deploy.replicas` says something else"),
    ("use_api_socket", "mount /var/run/docker.sock, if it must be"),
    // Secrets and configs.
    ("content", "do not write a secret into the file: use `file`, `environment` or `external`"),
    // Long ports.
    ("host_ip", "remove it: swarm listens on all addresses"),
    // Networks.
    ("enable_ipv4", "remove it, or create the network beforehand and make it `external`"),
    ("gw_priority", "remove it: swarm has no such setting"),
    ("interface_name", "remove it: swarm names the interfaces"),
    ("link_local_ips", "remove it: swarm gives the addresses"),
    ("priority", "remove it: swarm has no such setting"),
    // Includes.
    ("env_file", "remove it: variables come from where the stack is deployed"),
    // Deploy.
    ("devices", "use `generic_resources`"),
];

/// What to write instead of a key, when it is one of another dialect.
pub fn instead(key: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|(foreign, _)| *foreign == key).map(|(_, instead)| *instead)
}
