//! Services (docker/cli, `compose/convert/service.go`).

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::{Converter, some, some_map, word};
use crate::{compose::value::image, hint::nearest};
use crate::{
    compose::{
        model::{HealthCheck, Service},
        problem::Path,
    },
    engine::{IMAGE_LABEL, api},
};

/// Swarm stores them in 32 bits, and larger values become another number.
const MOST_RETRIES: i64 = i32::MAX as i64;

impl Converter<'_> {
    pub(super) fn service(
        &mut self,
        key: &str,
        service: &Service,
        path: Path<'_>,
    ) -> api::ServiceSpec {
        let name = self.full_name(key, "");
        self.check_label("service", &name, service.at, path);
        self.check_image(service, path);
        let mut labels = self.labels(&service.deploy.labels);
        labels.insert(IMAGE_LABEL.to_owned(), service.image.clone());
        let deploy = path.key("deploy");
        api::ServiceSpec {
            name: Some(name),
            labels: Some(labels),
            task_template: Some(api::TaskSpec {
                container_spec: Some(self.container(service, path)),
                log_driver: service.logging.as_ref().map(|logging| api::TaskSpecLogDriver {
                    name: some(logging.driver.clone()),
                    options: some_map(&logging.options),
                }),
                resources: Some(self.resources(service, deploy)),
                restart_policy: self.restart_policy(service, path),
                placement: Some(api::TaskSpecPlacement {
                    constraints: some(service.deploy.constraints.clone()),
                    preferences: some(
                        service
                            .deploy
                            .preferences
                            .iter()
                            .map(|spread| api::TaskSpecPlacementPreferences {
                                spread: Some(api::TaskSpecPlacementSpread {
                                    spread_descriptor: Some(spread.clone()),
                                }),
                            })
                            .collect::<Vec<_>>(),
                    ),
                    max_replicas: self.max_replicas(service, deploy).and_then(some),
                    platforms: None,
                }),
                networks: Some(self.service_networks(key, service, path)),
                ..api::TaskSpec::default()
            }),
            mode: Some(self.mode(service, deploy)),
            update_config: service
                .deploy
                .update_config
                .as_ref()
                .map(|update| self.update_config(service, update, deploy.key("update_config"))),
            rollback_config: service
                .deploy
                .rollback_config
                .as_ref()
                .map(|update| self.rollback_config(service, update, deploy.key("rollback_config"))),
            networks: None,
            endpoint_spec: Some(self.endpoint_spec(service, path)),
        }
    }

    fn max_replicas(&mut self, service: &Service, deploy: Path<'_>) -> Option<i64> {
        let placement = deploy.key("placement");
        let path = placement.key("max_replicas_per_node");
        self.number(service, service.deploy.max_replicas_per_node, i64::MAX, path)
    }

    fn check_image(&mut self, service: &Service, path: Path<'_>) {
        if service.image.is_empty() {
            let message = "this service has no image";
            let hint = "add `image`; swarm does not build images";
            self.sink.hint(service.at, path, message, hint);
        } else if !image::is_image(&service.image) {
            let at = service.spot(path.key("image"));
            let message = format!("`{}` is not the name of an image", service.image);
            self.sink.push(at, path.key("image"), message);
        }
    }

    fn container(&mut self, service: &Service, path: Path<'_>) -> api::TaskSpecContainerSpec {
        let dns = !(service.dns.is_empty()
            && service.dns_search.is_empty()
            && service.dns_opt.is_empty());
        let (capability_add, capability_drop) = capabilities(&service.cap_add, &service.cap_drop);
        let env: Vec<String> = {
            let mut env: Vec<String> = service
                .environment
                .iter()
                .map(|(name, value)| match value {
                    Some(value) => format!("{name}={value}"),
                    None => name.clone(),
                })
                .collect();
            env.sort();
            env
        };
        let hosts: Vec<String> = service
            .extra_hosts
            .iter()
            .filter_map(|host| host.split_once(':').map(|(name, ip)| format!("{ip} {name}")))
            .collect();
        api::TaskSpecContainerSpec {
            image: Some(image::normalise(&service.image)),
            command: some(service.entrypoint.clone()),
            args: some(service.command.clone()),
            hostname: some(service.hostname.clone()),
            hosts: some(hosts),
            dns_config: dns.then(|| api::TaskSpecContainerSpecDnsConfig {
                nameservers: some(service.dns.clone()),
                search: some(service.dns_search.clone()),
                options: some(service.dns_opt.clone()),
            }),
            health_check: service
                .healthcheck
                .as_ref()
                .map(|check| self.healthcheck(service, check, path.key("healthcheck"))),
            env: some(env),
            labels: Some(self.labels(&service.labels)),
            dir: some(service.working_dir.clone()),
            user: some(service.user.clone()),
            groups: some(service.group_add.clone()),
            mounts: some(self.mounts(service, path)),
            stop_grace_period: service.stop_grace_period,
            stop_signal: some(service.stop_signal.clone()),
            tty: some(service.tty),
            open_stdin: some(service.stdin_open),
            secrets: some(self.service_secrets(service, path)),
            configs: some(self.service_configs(service, path)),
            read_only: some(service.read_only),
            privileges: Some(self.privileges(service, path)),
            isolation: self.known(
                service,
                &service.isolation,
                path.key("isolation"),
                "default, process or hyperv",
            ),
            init: service.init,
            sysctls: some_map(&service.sysctls),
            capability_add: some(capability_add),
            capability_drop: some(capability_drop),
            ulimits: some(
                service
                    .ulimits
                    .iter()
                    .map(|(name, limit)| {
                        let both = limit.single != 0;
                        api::ResourcesUlimits {
                            name: Some(name.clone()),
                            soft: Some(if both { limit.single } else { limit.soft }),
                            hard: Some(if both { limit.single } else { limit.hard }),
                        }
                    })
                    .collect::<Vec<_>>(),
            ),
            ..api::TaskSpecContainerSpec::default()
        }
    }

    fn privileges(
        &mut self,
        service: &Service,
        path: Path<'_>,
    ) -> api::TaskSpecContainerSpecPrivileges {
        let given = &service.credential_spec;
        let count = [&given.config, &given.file, &given.registry]
            .iter()
            .filter(|text| !text.is_empty())
            .count();
        if count > 1 {
            let message = "only one of `config`, `file` and `registry` may be given";
            let path = path.key("credential_spec");
            self.sink.push(service.spot(path), path, message);
        }
        let credential_spec =
            (count == 1).then(|| api::TaskSpecContainerSpecPrivilegesCredentialSpec {
                // The config's name; the id takes its place when it is applied.
                config: some(given.config.clone()).map(|key| {
                    let name = self.file.configs.get(&key).map(|c| c.name.as_str());
                    self.full_name(&key, name.unwrap_or_default())
                }),
                file: some(given.file.clone()),
                registry: some(given.registry.clone()),
            });
        api::TaskSpecContainerSpecPrivileges {
            credential_spec,
            ..api::TaskSpecContainerSpecPrivileges::default()
        }
    }

    fn healthcheck(
        &mut self,
        service: &Service,
        check: &HealthCheck,
        path: Path<'_>,
    ) -> api::HealthConfig {
        if check.disable {
            if !check.test.is_empty() {
                let message = "`test` and `disable` contradict each other";
                self.sink.push(service.spot(path), path, message);
            }
            return api::HealthConfig {
                test: Some(vec!["NONE".into()]),
                ..api::HealthConfig::default()
            };
        }
        api::HealthConfig {
            test: some(check.test.clone()),
            interval: check.interval.and_then(some),
            timeout: check.timeout.and_then(some),
            retries: check
                .retries
                .and_then(|retries| {
                    self.number(service, retries, MOST_RETRIES, path.key("retries"))
                })
                .and_then(some),
            start_period: check.start_period.and_then(some),
            start_interval: check.start_interval.and_then(some),
        }
    }

    fn endpoint_spec(&mut self, service: &Service, path: Path<'_>) -> api::EndpointSpec {
        let mode = service.deploy.endpoint_mode.to_lowercase();
        let deploy = path.key("deploy");
        let mode = self.known(service, &mode, deploy.key("endpoint_mode"), "vip or dnsrr");
        let at = path.key("ports");
        let mut ports: Vec<api::EndpointPortConfig> = service
            .ports
            .iter()
            .map(|placed| &placed.it)
            .enumerate()
            .map(|(index, port)| {
                let path = at.index(index);
                api::EndpointPortConfig {
                    name: None,
                    protocol: self.known(
                        service,
                        &port.protocol,
                        path.key("protocol"),
                        "tcp, udp or sctp",
                    ),
                    target_port: some(i64::from(port.target)),
                    published_port: some(i64::from(port.published)),
                    publish_mode: self.known(
                        service,
                        &port.mode,
                        path.key("mode"),
                        "ingress or host",
                    ),
                }
            })
            .collect();
        ports.sort_by_key(|port| port.published_port);
        api::EndpointSpec { mode, ports: some(ports) }
    }

    fn service_networks(
        &mut self,
        key: &str,
        service: &Service,
        path: Path<'_>,
    ) -> Vec<api::NetworkAttachmentConfig> {
        let path = path.key("networks");
        let default = [("default".to_owned(), None)].into_iter().collect();
        let given = if service.networks.is_empty() { &default } else { &service.networks };
        let mut attachments = vec![];
        for (network_key, settings) in given {
            let network = self.file.networks.get(network_key);
            if network.is_none() && network_key != "default" {
                let at = service.keys.get("networks").copied().unwrap_or(service.at);
                let message = format!("the network `{network_key}` is not defined");
                let known = self.file.networks.keys().map(String::as_str);
                let hint = nearest(network_key, known).map_or_else(
                    || "add it under the top-level `networks`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                self.sink.hint(at, path.key(network_key), message, hint);
                continue;
            }
            let target =
                self.full_name(network_key, network.map(|n| n.name.as_str()).unwrap_or_default());
            let mut aliases = settings.as_ref().map(|s| s.aliases.clone()).unwrap_or_default();
            // The host's own networks know no aliases.
            if !matches!(target.as_str(), "default" | "bridge" | "host" | "none")
                && !target.starts_with("container:")
            {
                aliases.push(key.to_owned());
            }
            attachments.push(api::NetworkAttachmentConfig {
                target: Some(target),
                aliases: some(aliases),
                driver_opts: settings.as_ref().and_then(|s| some_map(&s.driver_opts)),
            });
        }
        attachments.sort_by(|a, b| a.target.cmp(&b.target));
        attachments
    }

    /// One of the API's words; none when it is empty, a problem when it is not
    /// known.
    pub(super) fn known<T: DeserializeOwned>(
        &mut self,
        service: &Service,
        text: &str,
        path: Path<'_>,
        words: &str,
    ) -> Option<T> {
        if text.is_empty() {
            return None;
        }
        let value = word(text);
        if value.is_none() {
            let message = format!("unknown value `{text}`");
            self.sink.hint(service.spot(path), path, message, format!("use {words}"));
        }
        value
    }
}

/// Upper case, prefixed, without doubles, sorted; `ALL` swallows the others and
/// adding wins over dropping (docker/cli, `opts.EffectiveCapAddCapDrop`).
fn capabilities(add: &[String], drop: &[String]) -> (Vec<String>, Vec<String>) {
    let normal = |list: &[String]| -> BTreeSet<String> {
        let all: BTreeSet<String> = list
            .iter()
            .map(|name| {
                let name = name.trim().to_uppercase();
                if name == "ALL" || name == "RESET" || name.starts_with("CAP_") {
                    name
                } else {
                    format!("CAP_{name}")
                }
            })
            .collect();
        if all.contains("ALL") { ["ALL".to_owned()].into() } else { all }
    };
    let (add, drop) = (normal(add), normal(drop));
    let kept = |name: &&String| name.as_str() != "RESET";
    let dropped = drop.difference(&add).filter(kept).cloned().collect();
    (add.iter().filter(kept).cloned().collect(), dropped)
}
