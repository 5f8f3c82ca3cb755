//! The `deploy` section of a service.

use super::Decoder;
use crate::compose::read::yaml::{Map, Node, Value};
use crate::compose::{
    model::{Deploy, Limits, Reservations, RestartPolicy, Update},
    problem::Path,
};

/// The mapping at a key, when there is one.
pub fn map_at<'m>(map: &'m Map, key: &str) -> Option<&'m Map> {
    match map.get(key) {
        Some(Node { value: Value::Map(inner), .. }) => Some(inner),
        _ => None,
    }
}

impl Decoder<'_> {
    pub(super) fn deploy(&mut self, map: &Map, path: Path<'_>) -> Deploy {
        let mut deploy = Deploy {
            mode: self.text_at(map, "mode", path),
            replicas: self.number_at(map, "replicas", path),
            labels: self.dict_at(map, "labels", path),
            endpoint_mode: self.text_at(map, "endpoint_mode", path),
            ..Deploy::default()
        };
        deploy.update_config =
            map_at(map, "update_config").map(|inner| self.update(inner, path.key("update_config")));
        deploy.rollback_config = map_at(map, "rollback_config")
            .map(|inner| self.update(inner, path.key("rollback_config")));
        if let Some(resources) = map_at(map, "resources") {
            let path = path.key("resources");
            deploy.limits =
                map_at(resources, "limits").map(|inner| self.limits(inner, path.key("limits")));
            deploy.reservations = map_at(resources, "reservations")
                .map(|inner| self.reservations(inner, path.key("reservations")));
        }
        deploy.restart_policy = map_at(map, "restart_policy").map(|inner| {
            let path = path.key("restart_policy");
            RestartPolicy {
                condition: self.text_at(inner, "condition", path),
                delay: self.duration_at(inner, "delay", path),
                max_attempts: self.number_at(inner, "max_attempts", path),
                window: self.duration_at(inner, "window", path),
            }
        });
        if let Some(placement) = map_at(map, "placement") {
            let path = path.key("placement");
            deploy.constraints = self.texts_at(placement, "constraints", path);
            deploy.max_replicas_per_node =
                self.number_at(placement, "max_replicas_per_node", path).unwrap_or_default();
            if let Some(Node { value: Value::List(items), .. }) = placement.get("preferences") {
                let path = path.key("preferences");
                for (index, item) in items.iter().enumerate() {
                    if let Value::Map(inner) = &item.value {
                        deploy.preferences.push(self.text_at(inner, "spread", path.index(index)));
                    }
                }
            }
        }
        deploy
    }

    fn update(&mut self, map: &Map, path: Path<'_>) -> Update {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "as docker"
        )]
        let ratio = match map.get("max_failure_ratio").map(|node| &node.value) {
            Some(Value::Int(i)) => *i as f32,
            Some(Value::Float(f)) => *f as f32,
            _ => 0.0,
        };
        Update {
            parallelism: self.number_at(map, "parallelism", path),
            delay: self.duration_at(map, "delay", path).unwrap_or_default(),
            failure_action: self.text_at(map, "failure_action", path),
            monitor: self.duration_at(map, "monitor", path).unwrap_or_default(),
            max_failure_ratio: ratio,
            order: self.text_at(map, "order", path),
        }
    }

    /// Text, or a number as it is written.
    fn cpus_at(&mut self, map: &Map, path: Path<'_>) -> String {
        match map.get("cpus") {
            Some(Node { value: value @ (Value::Int(_) | Value::Float(_)), .. }) => {
                value.print().unwrap_or_default()
            }
            _ => self.text_at(map, "cpus", path),
        }
    }

    fn limits(&mut self, map: &Map, path: Path<'_>) -> Limits {
        Limits {
            cpus: self.cpus_at(map, path),
            memory: self.size_at(map, "memory", path),
            pids: self.number_at(map, "pids", path).unwrap_or_default(),
        }
    }

    fn reservations(&mut self, map: &Map, path: Path<'_>) -> Reservations {
        let mut generic_resources = vec![];
        if let Some(Node { value: Value::List(items), .. }) = map.get("generic_resources") {
            let path = path.key("generic_resources");
            for (index, item) in items.iter().enumerate() {
                let path = path.index(index);
                let Value::Map(inner) = &item.value else { continue };
                generic_resources.push(map_at(inner, "discrete_resource_spec").map(|inner| {
                    let path = path.key("discrete_resource_spec");
                    let kind = self.text_at(inner, "kind", path);
                    (kind, self.number_at(inner, "value", path).unwrap_or_default())
                }));
            }
        }
        Reservations {
            cpus: self.cpus_at(map, path),
            memory: self.size_at(map, "memory", path),
            generic_resources,
        }
    }
}
