//! Prints the merged files as `docker stack config` does (docker/cli,
//! `compose/types`, its `yaml` tags): what is "not given" is left out.

pub(crate) mod emit;
mod text;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{
    Config,
    model::{
        Build, Content, Deploy, Dict, Extras, FileObject, FileReference, HealthCheck, Network,
        Placed, Reservations, Service, Update, Volume,
    },
    read::yaml::{Node, Value},
    value::{duration, volumes::Mount},
};

pub use text::{Dollar, plain_or_quoted, quoted};

/// A mapping under construction that leaves out what is not given.
#[derive(Default)]
struct Out(Map<String, Json>);

impl Out {
    fn put(&mut self, key: &str, value: impl Into<Json>) -> &mut Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    fn text(&mut self, key: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.put(key, value);
        }
        self
    }

    fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        if value {
            self.put(key, true);
        }
        self
    }

    fn number(&mut self, key: &str, value: i64) -> &mut Self {
        if value != 0 {
            self.put(key, value);
        }
        self
    }

    /// Bytes are shown as text.
    fn bytes(&mut self, key: &str, value: i64) -> &mut Self {
        if value != 0 {
            self.put(key, value.to_string());
        }
        self
    }

    fn some(&mut self, key: &str, value: Option<impl Into<Json>>) -> &mut Self {
        if let Some(value) = value {
            self.put(key, value);
        }
        self
    }

    fn duration(&mut self, key: &str, value: Option<i64>) -> &mut Self {
        self.some(key, value.map(duration::format))
    }

    fn list(&mut self, key: &str, values: &[String]) -> &mut Self {
        if !values.is_empty() {
            self.put(key, values.to_vec());
        }
        self
    }

    fn items(&mut self, key: &str, values: Vec<Json>) -> &mut Self {
        if !values.is_empty() {
            self.put(key, values);
        }
        self
    }

    fn dict(&mut self, key: &str, values: &Dict) -> &mut Self {
        self.object(key, values.iter().map(|(k, v)| (k.clone(), json!(v))).collect())
    }

    fn object(&mut self, key: &str, values: Map<String, Json>) -> &mut Self {
        if !values.is_empty() {
            self.put(key, values);
        }
        self
    }

    fn extras(&mut self, extras: &Extras) {
        for (key, node) in extras {
            self.put(key, plain(node));
        }
    }

    fn done(&mut self) -> Json {
        Json::Object(std::mem::take(&mut self.0))
    }

    fn map(&mut self) -> Map<String, Json> {
        std::mem::take(&mut self.0)
    }
}

/// Whole numbers are shown without a fraction, as in docker's YAML.
fn number(value: f64) -> Json {
    #[allow(clippy::cast_possible_truncation, reason = "within bounds")]
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// A tree without its places.
fn plain(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(b) => json!(b),
        Value::Int(i) => i64::try_from(*i)
            .map(Json::from)
            .or_else(|_| u64::try_from(*i).map(Json::from))
            .unwrap_or_else(|_| json!(i.to_string())),
        Value::Float(f) => number(*f),
        Value::Time(time) => json!(time.rfc3339),
        Value::Str(s) => json!(s),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(map) => {
            let mut entries: Vec<_> = map.0.iter().collect();
            entries.sort_by(|a, b| a.key.cmp(&b.key));
            entries.into_iter().map(|e| (e.key.clone(), plain(&e.value))).collect()
        }
    }
}

fn all<T>(map: &BTreeMap<String, T>, show: impl Fn(&T) -> Json) -> Map<String, Json> {
    map.iter().map(|(key, value)| (key.clone(), show(value))).collect()
}

/// The whole configuration.
pub fn print(config: &Config) -> Json {
    let file = &config.file;
    let mut out = Out::default();
    out.put("version", config.version.to_string());
    out.put("services", all(&file.services, service));
    out.object("networks", all(&file.networks, network))
        .object("volumes", all(&file.volumes, volume))
        .object("secrets", all(&file.secrets, file_object))
        .object("configs", all(&file.configs, file_object));
    out.extras(&file.extras);
    out.done()
}

pub fn service(service: &Service) -> Json {
    let mut out = Out::default();
    out.object("build", build(&service.build))
        .list("cap_add", &service.cap_add)
        .list("cap_drop", &service.cap_drop)
        .text("cgroupns_mode", &service.cgroupns_mode)
        .text("cgroup_parent", &service.cgroup_parent)
        .list("command", &service.command)
        .items("configs", references(&service.configs))
        .text("container_name", &service.container_name)
        .object(
            "credential_spec",
            Out::default()
                .text("config", &service.credential_spec.config)
                .text("file", &service.credential_spec.file)
                .text("registry", &service.credential_spec.registry)
                .map(),
        )
        .list("depends_on", &service.depends_on)
        .object("deploy", deploy(&service.deploy))
        .list("devices", &service.devices)
        .list("dns", &service.dns)
        .list("dns_search", &service.dns_search)
        .text("domainname", &service.domainname)
        .list("entrypoint", &service.entrypoint)
        .object("environment", all(&service.environment, |v| json!(v)))
        .list("env_file", &service.env_file)
        .list("expose", &service.expose)
        .list("external_links", &service.external_links)
        .list("extra_hosts", &service.extra_hosts)
        .text("hostname", &service.hostname)
        .some("healthcheck", service.healthcheck.as_ref().map(healthcheck))
        .text("image", &service.image)
        .some("init", service.init)
        .text("ipc", &service.ipc)
        .text("isolation", &service.isolation)
        .dict("labels", &service.labels)
        .list("links", &service.links)
        .some(
            "logging",
            service.logging.as_ref().map(|logging| {
                Out::default()
                    .text("driver", &logging.driver)
                    .dict("options", &logging.options)
                    .done()
            }),
        )
        .text("mac_address", &service.mac_address)
        .text("network_mode", &service.network_mode)
        .object(
            "networks",
            all(&service.networks, |network| {
                network.as_ref().map_or(Json::Null, |network| {
                    Out::default()
                        .list("aliases", &network.aliases)
                        .dict("driver_opts", &network.driver_opts)
                        .text("ipv4_address", &network.ipv4_address)
                        .text("ipv6_address", &network.ipv6_address)
                        .done()
                })
            }),
        )
        .text("pid", &service.pid)
        .items(
            "ports",
            service
                .ports
                .iter()
                .map(|placed| &placed.it)
                .map(|port| {
                    Out::default()
                        .text("mode", &port.mode)
                        .number("target", port.target.into())
                        .number("published", port.published.into())
                        .text("protocol", &port.protocol)
                        .done()
                })
                .collect(),
        )
        .flag("privileged", service.privileged)
        .flag("read_only", service.read_only)
        .text("restart", &service.restart)
        .items("secrets", references(&service.secrets))
        .list("security_opt", &service.security_opt)
        .text("shm_size", &service.shm_size)
        .flag("stdin_open", service.stdin_open)
        .duration("stop_grace_period", service.stop_grace_period)
        .text("stop_signal", &service.stop_signal)
        .dict("sysctls", &service.sysctls)
        .list("tmpfs", &service.tmpfs)
        .flag("tty", service.tty)
        .object(
            "ulimits",
            all(&service.ulimits, |limit| {
                if limit.single != 0 {
                    return json!(limit.single);
                }
                Out::default().number("soft", limit.soft).number("hard", limit.hard).done()
            }),
        )
        .text("user", &service.user)
        .text("userns_mode", &service.userns_mode)
        .items("volumes", service.volumes.iter().map(|v| mount(&v.it)).collect())
        .text("working_dir", &service.working_dir);
    out.extras(&service.extras);
    out.done()
}

fn build(build: &Build) -> Map<String, Json> {
    Out::default()
        .text("context", &build.context)
        .text("dockerfile", &build.dockerfile)
        .object("args", all(&build.args, |v| json!(v)))
        .dict("labels", &build.labels)
        .list("cache_from", &build.cache_from)
        .list("extra_hosts", &build.extra_hosts)
        .text("network", &build.network)
        .text("target", &build.target)
        .map()
}

fn references(references: &[Placed<FileReference>]) -> Vec<Json> {
    references
        .iter()
        .map(|Placed { it, .. }| {
            Out::default()
                .text("source", &it.source)
                .text("target", &it.target)
                .text("uid", &it.uid)
                .text("gid", &it.gid)
                .some("mode", it.mode)
                .done()
        })
        .collect()
}

fn deploy(deploy: &Deploy) -> Map<String, Json> {
    let limits = deploy.limits.as_ref().map(|limits| {
        Out::default()
            .text("cpus", &limits.cpus)
            .bytes("memory", limits.memory)
            .number("pids", limits.pids)
            .done()
    });
    let mut resources = Out::default();
    resources.some("limits", limits);
    resources.some("reservations", deploy.reservations.as_ref().map(reservations));
    let restart_policy = deploy.restart_policy.as_ref().map(|policy| {
        Out::default()
            .text("condition", &policy.condition)
            .duration("delay", policy.delay)
            .some("max_attempts", policy.max_attempts)
            .duration("window", policy.window)
            .done()
    });
    let preferences =
        deploy.preferences.iter().map(|spread| Out::default().text("spread", spread).done());
    let placement = Out::default()
        .list("constraints", &deploy.constraints)
        .items("preferences", preferences.collect())
        .some("max_replicas_per_node", Some(deploy.max_replicas_per_node).filter(|n| *n > 0))
        .map();
    Out::default()
        .text("mode", &deploy.mode)
        .some("replicas", deploy.replicas)
        .dict("labels", &deploy.labels)
        .some("update_config", deploy.update_config.as_ref().map(update))
        .some("rollback_config", deploy.rollback_config.as_ref().map(update))
        .object("resources", resources.map())
        .some("restart_policy", restart_policy)
        .object("placement", placement)
        .text("endpoint_mode", &deploy.endpoint_mode)
        .map()
}

fn reservations(given: &Reservations) -> Json {
    let generic = given
        .generic_resources
        .iter()
        .map(|resource| match resource {
            Some((kind, value)) => {
                json!({"discrete_resource_spec": {"kind": kind, "value": value}})
            }
            None => json!({}),
        })
        .collect();
    Out::default()
        .text("cpus", &given.cpus)
        .bytes("memory", given.memory)
        .items("generic_resources", generic)
        .done()
}

fn update(update: &Update) -> Json {
    let ratio: Option<f64> = Some(update.max_failure_ratio)
        .filter(|ratio| *ratio != 0.0)
        .map(|ratio| ratio.to_string().parse().unwrap_or_else(|_| f64::from(ratio)));
    Out::default()
        .some("parallelism", update.parallelism)
        .duration("delay", Some(update.delay).filter(|d| *d != 0))
        .text("failure_action", &update.failure_action)
        .duration("monitor", Some(update.monitor).filter(|d| *d != 0))
        .some("max_failure_ratio", ratio.map(number))
        .text("order", &update.order)
        .done()
}

fn healthcheck(check: &HealthCheck) -> Json {
    Out::default()
        .list("test", &check.test)
        .duration("timeout", check.timeout)
        .duration("interval", check.interval)
        .some("retries", check.retries)
        .duration("start_period", check.start_period)
        .duration("start_interval", check.start_interval)
        .flag("disable", check.disable)
        .done()
}

fn mount(mount: &Mount) -> Json {
    let bind = mount
        .bind
        .as_ref()
        .map(|propagation| Out::default().text("propagation", propagation).done());
    let volume = mount.volume.as_ref().map(|options| {
        Out::default().flag("nocopy", options.nocopy).text("subpath", &options.subpath).done()
    });
    let tmpfs = mount.tmpfs.map(|size| Out::default().number("size", size).done());
    Out::default()
        .text("type", &mount.kind)
        .text("source", &mount.source)
        .text("target", &mount.target)
        .flag("read_only", mount.read_only)
        .text("consistency", &mount.consistency)
        .some("bind", bind)
        .some("volume", volume)
        .some("tmpfs", tmpfs)
        .done()
}

pub fn network(network: &Network) -> Json {
    let config = network
        .ipam_config
        .iter()
        .map(|subnet| Out::default().text("subnet", &subnet.subnet).done())
        .collect();
    let ipam = Out::default().text("driver", &network.ipam_driver).items("config", config).map();
    let mut out = Out::default();
    out.text("name", &network.name)
        .text("driver", &network.driver)
        .dict("driver_opts", &network.driver_opts)
        .object("ipam", ipam)
        .flag("external", network.external)
        .flag("internal", network.internal)
        .flag("attachable", network.attachable)
        .dict("labels", &network.labels);
    out.extras(&network.extras);
    out.done()
}

pub fn volume(volume: &Volume) -> Json {
    let mut out = Out::default();
    out.text("name", &volume.name)
        .text("driver", &volume.driver)
        .dict("driver_opts", volume.driver_opts.as_ref().unwrap_or(&Dict::new()))
        .flag("external", volume.external)
        .dict("labels", &volume.labels)
        .some("x-cluster-spec", volume.cluster_spec.clone());
    out.extras(&volume.extras);
    out.done()
}

pub fn file_object(object: &FileObject) -> Json {
    let mut out = Out::default();
    out.text("name", &object.name).text("file", &object.file);
    match &object.content {
        Some(Content::Inline(text)) => out.put("content", text.as_str()),
        Some(Content::Variable { name, .. }) => out.put("environment", name.as_str()),
        None => &mut out,
    }
    .flag("external", object.external)
    .dict("labels", &object.labels);
    out.extras(&object.extras);
    out.text("driver", &object.driver)
        .dict("driver_opts", &object.driver_opts)
        .text("template_driver", &object.template_driver)
        .done()
}
