//! The `deploy` section of services: mode, updates, resources, restarts.

use std::collections::HashMap;

use super::{Converter, some};
use crate::compose::value::size;
use crate::{
    compose::{
        model::{RestartPolicy, Service, Update},
        problem::Path,
    },
    engine::api,
};

impl Converter<'_> {
    pub(super) fn resources(
        &mut self,
        service: &Service,
        path: Path<'_>,
    ) -> api::TaskSpecResources {
        let path = path.key("resources");
        let mut cpus = |text: &str, path: Path<'_>| {
            if text.is_empty() {
                return None;
            }
            match size::parse_cpus(text) {
                Ok(nano) => some(nano),
                Err(why) => {
                    let path = path.key("cpus");
                    self.sink.push(service.spot(path), path, why);
                    None
                }
            }
        };
        let limits = service.deploy.limits.as_ref().map(|limits| api::Limit {
            nano_cpus: cpus(&limits.cpus, path.key("limits")),
            memory_bytes: some(limits.memory),
            pids: some(limits.pids),
        });
        let reservations = service.deploy.reservations.as_ref().map(|given| api::ResourceObject {
            nano_cpus: cpus(&given.cpus, path.key("reservations")),
            memory_bytes: some(given.memory),
            generic_resources: some(
                given
                    .generic_resources
                    .iter()
                    .map(|resource| api::GenericResourcesInner {
                        named_resource_spec: None,
                        discrete_resource_spec: resource.as_ref().map(|(kind, value)| {
                            api::GenericResourcesInnerDiscreteResourceSpec {
                                kind: some(kind.clone()),
                                value: some(*value),
                            }
                        }),
                    })
                    .collect::<Vec<_>>(),
            ),
        });
        api::TaskSpecResources { limits, reservations, ..api::TaskSpecResources::default() }
    }

    /// `deploy.restart_policy`, else the old `restart`.
    pub(super) fn restart_policy(
        &mut self,
        service: &Service,
        path: Path<'_>,
    ) -> Option<api::TaskSpecRestartPolicy> {
        if let Some(RestartPolicy { condition, delay, max_attempts, window }) =
            &service.deploy.restart_policy
        {
            let deploy = path.key("deploy");
            let policy = deploy.key("restart_policy");
            return Some(api::TaskSpecRestartPolicy {
                condition: self.known(
                    service,
                    condition,
                    policy.key("condition"),
                    "none, on-failure or any",
                ),
                delay: *delay,
                max_attempts: max_attempts.and_then(|attempts| {
                    self.number(service, attempts, i64::MAX, policy.key("max_attempts"))
                }),
                window: *window,
            });
        }
        let (name, count) = service.restart.split_once(':').unwrap_or((&service.restart, ""));
        let attempts = if count.is_empty() {
            Some(0)
        } else {
            count.parse::<i64>().ok().filter(|attempts| *attempts >= 0)
        };
        let condition = match (name, attempts) {
            ("", Some(_)) if service.restart.is_empty() => return None,
            ("no", Some(_)) => return None,
            ("always" | "unless-stopped", Some(_)) => api::TaskSpecRestartPolicyConditionEnum::ANY,
            ("on-failure", Some(_)) => api::TaskSpecRestartPolicyConditionEnum::ON_FAILURE,
            _ => {
                let at = service.spot(path.key("restart"));
                let message = format!("`{}` is not a restart policy", service.restart);
                let hint = "use no, always, unless-stopped, on-failure or on-failure:N";
                self.sink.hint(at, path.key("restart"), message, hint);
                return None;
            }
        };
        let on_failure = condition == api::TaskSpecRestartPolicyConditionEnum::ON_FAILURE;
        Some(api::TaskSpecRestartPolicy {
            condition: Some(condition),
            max_attempts: attempts.filter(|_| on_failure),
            ..api::TaskSpecRestartPolicy::default()
        })
    }

    pub(super) fn mode(&mut self, service: &Service, path: Path<'_>) -> api::ServiceSpecMode {
        let deploy = &service.deploy;
        let replicas = deploy
            .replicas
            .and_then(|replicas| self.number(service, replicas, i64::MAX, path.key("replicas")));
        if deploy.mode.starts_with("global") && deploy.replicas.is_some() {
            let message = format!("`replicas` does not go with the mode `{}`", deploy.mode);
            let path = path.key("replicas");
            self.sink.push(service.spot(path), path, message);
        }
        let mut mode = api::ServiceSpecMode::default();
        match deploy.mode.as_str() {
            "" | "replicated" => {
                mode.replicated = Some(api::ServiceSpecModeReplicated { replicas });
            }
            "global" => mode.global = Some(HashMap::new()),
            "replicated-job" => {
                mode.replicated_job = Some(api::ServiceSpecModeReplicatedJob {
                    max_concurrent: replicas,
                    total_completions: replicas,
                });
            }
            "global-job" => mode.global_job = Some(HashMap::new()),
            other => {
                let message = format!("`{other}` is not a mode");
                let hint = "use replicated, global, replicated-job or global-job";
                let path = path.key("mode");
                self.sink.hint(service.spot(path), path, message, hint);
            }
        }
        mode
    }

    /// One, where it is not given.
    fn parallelism(&mut self, service: &Service, update: &Update, path: Path<'_>) -> i64 {
        let given = update.parallelism.unwrap_or(1);
        self.number(service, given, i64::MAX, path.key("parallelism")).unwrap_or(1)
    }

    pub(super) fn update_config(
        &mut self,
        service: &Service,
        update: &Update,
        path: Path<'_>,
    ) -> api::ServiceSpecUpdateConfig {
        api::ServiceSpecUpdateConfig {
            parallelism: Some(self.parallelism(service, update, path)),
            delay: some(update.delay),
            failure_action: self.known(
                service,
                &update.failure_action,
                path.key("failure_action"),
                "pause, continue or rollback",
            ),
            monitor: some(update.monitor),
            max_failure_ratio: Some(widen(update.max_failure_ratio)),
            order: self.known(
                service,
                &update.order,
                path.key("order"),
                "stop-first or start-first",
            ),
        }
    }

    pub(super) fn rollback_config(
        &mut self,
        service: &Service,
        update: &Update,
        path: Path<'_>,
    ) -> api::ServiceSpecRollbackConfig {
        api::ServiceSpecRollbackConfig {
            parallelism: Some(self.parallelism(service, update, path)),
            delay: some(update.delay),
            failure_action: self.known(
                service,
                &update.failure_action,
                path.key("failure_action"),
                "pause or continue",
            ),
            monitor: some(update.monitor),
            max_failure_ratio: Some(widen(update.max_failure_ratio)),
            order: self.known(
                service,
                &update.order,
                path.key("order"),
                "stop-first or start-first",
            ),
        }
    }
}

/// The same decimal digits, as Go writes a `float32` into JSON.
fn widen(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}
