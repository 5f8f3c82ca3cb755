//! The top-level sections besides services.

use super::{Decoder, deploy::map_at, fields::extras};
use crate::compose::read::yaml::{Map, Node, Value};
use crate::compose::{
    model::{Content, FileObject, Network, Subnet, Volume},
    problem::{Path, Spot},
};

/// `external: true`, or the old form with a name inside.
struct External {
    external: bool,
    name: String,
    at: Spot,
}

impl Decoder<'_> {
    fn external(&mut self, map: &Map, path: Path<'_>) -> External {
        match map.get("external") {
            Some(Node { value: Value::Map(inner), at }) => {
                let name = self.text_at(inner, "name", path.key("external"));
                External { external: true, name, at: *at }
            }
            Some(node) => {
                let external = self.flag_at(map, "external", path);
                External { external, name: String::new(), at: node.at }
            }
            None => External { external: false, name: String::new(), at: Spot::default() },
        }
    }

    /// The name of an external object: given, in the old form, or its key.
    fn external_name(
        &mut self,
        kind: &str,
        key: &str,
        name: String,
        external: External,
        old_since: u8,
        path: Path<'_>,
    ) -> String {
        if !external.name.is_empty() {
            if !name.is_empty() {
                self.sink.hint(
                    external.at,
                    path,
                    format!("`external.name` and `name` of this {kind} contradict each other"),
                    "use `external: true` and `name`",
                );
            } else if self.version.0 >= old_since {
                self.warnings.push((
                    external.at,
                    format!("{kind} {key}: `external.name` is deprecated in favor of `name`"),
                ));
            }
            return external.name;
        }
        if name.is_empty() { key.to_owned() } else { name }
    }

    pub(super) fn network(&mut self, key: &str, map: &Map, at: Spot, path: Path<'_>) -> Network {
        let mut network = Network {
            at,
            name: self.text_at(map, "name", path),
            driver: self.text_at(map, "driver", path),
            driver_opts: self.dict_at(map, "driver_opts", path),
            internal: self.flag_at(map, "internal", path),
            attachable: self.flag_at(map, "attachable", path),
            enable_ipv6: self.flag_at(map, "enable_ipv6", path),
            labels: self.dict_at(map, "labels", path),
            ..Network::default()
        };
        if let Some(ipam) = map_at(map, "ipam") {
            let path = path.key("ipam");
            network.ipam_driver = self.text_at(ipam, "driver", path);
            if let Some(Node { value: Value::List(items), .. }) = ipam.get("config") {
                let path = path.key("config");
                for (index, item) in items.iter().enumerate() {
                    if let Value::Map(inner) = &item.value {
                        let path = path.index(index);
                        network.ipam_config.push(Subnet {
                            subnet: self.text_at(inner, "subnet", path),
                            gateway: self.text_at(inner, "gateway", path),
                            ip_range: self.text_at(inner, "ip_range", path),
                            aux_addresses: self.dict_at(inner, "aux_addresses", path),
                        });
                    }
                }
            }
        }
        let external = self.external(map, path);
        if external.external {
            network.external = true;
            let name = std::mem::take(&mut network.name);
            network.name = self.external_name("network", key, name, external, 5, path);
            network.extras = extras(map);
        }
        network
    }

    pub(super) fn volume(&mut self, key: &str, map: &Map, at: Spot, path: Path<'_>) -> Volume {
        let driver_opts =
            map.get("driver_opts").is_some().then(|| self.dict_at(map, "driver_opts", path));
        let mut volume = Volume {
            at,
            name: self.text_at(map, "name", path),
            driver: self.text_at(map, "driver", path),
            driver_opts,
            labels: self.dict_at(map, "labels", path),
            cluster_spec: self.cluster_spec(map, path),
            ..Volume::default()
        };
        let external = self.external(map, path);
        if external.external {
            let conflict = [
                ("driver", !volume.driver.is_empty()),
                ("driver_opts", volume.driver_opts.as_ref().is_some_and(|o| !o.is_empty())),
                ("labels", !volume.labels.is_empty()),
            ];
            for (name, _) in conflict.iter().filter(|(_, given)| *given) {
                let message = format!("an external volume has no `{name}`: it exists already");
                self.sink.push(external.at, path.key(name), message);
            }
            volume.external = true;
            let name = std::mem::take(&mut volume.name);
            volume.name = self.external_name("volume", key, name, external, 4, path);
            volume.extras = extras(map);
        }
        volume
    }

    /// A secret or a config.
    pub(super) fn file_object(
        &mut self,
        kind: &str,
        key: &str,
        map: &Map,
        at: Spot,
        path: Path<'_>,
    ) -> FileObject {
        let mut object = FileObject {
            at,
            name: self.text_at(map, "name", path),
            file: self.text_at(map, "file", path),
            labels: self.dict_at(map, "labels", path),
            driver: self.text_at(map, "driver", path),
            driver_opts: self.dict_at(map, "driver_opts", path),
            template_driver: self.text_at(map, "template_driver", path),
            extras: extras(map),
            content: self.content(map, path),
            ..FileObject::default()
        };
        if object.content.is_some() {
            self.check_source(kind, map, at, path);
        }
        let external = self.external(map, path);
        if external.external {
            object.external = true;
            let name = std::mem::take(&mut object.name);
            object.name = self.external_name(kind, key, name, external, 5, path);
        } else if !object.driver.is_empty() {
            if !object.file.is_empty() {
                let message = format!("`driver` and `file` of this {kind} contradict each other");
                self.sink.hint(at, path, message, "use only one of them");
            }
        } else if object.content.is_none() {
            object.file = self.absolute(&object.file);
        }
        object
    }

    /// `content` or `environment`, of the Compose specification.
    fn content(&mut self, map: &Map, path: Path<'_>) -> Option<Content> {
        if map.get("content").is_some() {
            return Some(Content::Inline(self.text_at(map, "content", path)));
        }
        map.get("environment")?;
        let name = self.text_at(map, "environment", path);
        let value = (self.lookup)(&name);
        Some(Content::Variable { name, value })
    }

    /// The content of an object must come from one source.
    fn check_source(&mut self, kind: &str, map: &Map, at: Spot, path: Path<'_>) {
        let given: Vec<&str> = ["content", "environment", "file", "driver", "external"]
            .into_iter()
            .filter(|key| map.get(key).is_some_and(|node| node.value != Value::Bool(false)))
            .collect();
        if let [first, second, ..] = given[..] {
            let message = format!("`{first}` and `{second}` of this {kind} contradict each other");
            self.sink.hint(at, path, message, "use only one of them");
        }
    }
}
