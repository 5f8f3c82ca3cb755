//! Networks, secrets and configs.

use std::{collections::BTreeMap, path::Path as FilePath};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::{Converter, driver, some, some_map};
use crate::{
    compose::{
        model::{Content, FileObject, Network},
        problem::Path,
    },
    engine::{LARGEST_CONFIG, LARGEST_SECRET, api},
};

/// Drivers whose networks are of one node (moby/libnetwork, their `DataScope`).
const LOCAL_DRIVERS: &[&str] = &["bridge", "host", "ipvlan", "macvlan", "none", "null"];

impl Converter<'_> {
    /// Networks to create, by full name, and names of those that must be there.
    pub(super) fn networks(
        &mut self,
    ) -> (BTreeMap<String, api::NetworkCreateRequest>, Vec<String>) {
        let root = Path::Root;
        let path = root.key("networks");
        let default = Network::default();
        let mut create = BTreeMap::new();
        let mut external = vec![];
        for key in self.used_networks() {
            let network = match self.file.networks.get(&key) {
                Some(network) => network,
                None if key == "default" => &default,
                // Reported where the service names it.
                None => continue,
            };
            let name = self.full_name(&key, &network.name);
            if network.external {
                external.push(name);
                continue;
            }
            self.check_label("network", &name, network.at, path.key(&key));
            if LOCAL_DRIVERS.contains(&network.driver.as_str()) {
                let message = format!(
                    "a network of the driver `{}` is of one node: swarm refuses services on it",
                    network.driver
                );
                let hint = "remove `driver`: a stack's networks are overlay networks";
                let key = path.key(&key);
                self.sink.hint(network.at, key.key("driver"), message, hint);
            }
            create.insert(name.clone(), self.network(name, network));
        }
        external.sort();
        external.dedup();
        (create, external)
    }

    fn network(&self, name: String, network: &Network) -> api::NetworkCreateRequest {
        let driver =
            if network.driver.is_empty() { "overlay".to_owned() } else { network.driver.clone() };
        let has_ipam = !network.ipam_driver.is_empty() || !network.ipam_config.is_empty();
        let ipam = has_ipam.then(|| api::Ipam {
            driver: some(network.ipam_driver.clone()),
            config: some(
                network
                    .ipam_config
                    .iter()
                    .map(|subnet| api::IpamConfig {
                        subnet: some(subnet.subnet.clone()),
                        gateway: some(subnet.gateway.clone()),
                        ip_range: some(subnet.ip_range.clone()),
                        auxiliary_addresses: some_map(&subnet.aux_addresses),
                    })
                    .collect::<Vec<_>>(),
            ),
            options: None,
        });
        api::NetworkCreateRequest {
            name,
            driver: Some(driver),
            internal: some(network.internal),
            attachable: some(network.attachable),
            enable_ipv6: some(network.enable_ipv6),
            ipam,
            options: some_map(&network.driver_opts),
            labels: Some(self.labels(&network.labels)),
            ..api::NetworkCreateRequest::default()
        }
    }

    /// Secrets to create, by full name.
    pub(super) fn secrets(&mut self) -> BTreeMap<String, api::SecretSpec> {
        let root = Path::Root;
        let path = root.key("secrets");
        let mut secrets = BTreeMap::new();
        for (key, object) in self.file.secrets.iter().filter(|(_, object)| !object.external) {
            let name = self.full_name(key, &object.name);
            self.check_object("secret", &name, object.at, path.key(key));
            let data = if object.driver.is_empty() {
                self.content("secret", object, LARGEST_SECRET, path.key(key))
            } else {
                None
            };
            let spec = api::SecretSpec {
                name: Some(name.clone()),
                labels: Some(self.labels(&object.labels)),
                data,
                driver: driver(&object.driver, &object.driver_opts),
                templating: driver(&object.template_driver, &BTreeMap::new()),
            };
            secrets.insert(name, spec);
        }
        secrets
    }

    /// Configs to create, by full name.
    pub(super) fn configs(&mut self) -> BTreeMap<String, api::ConfigSpec> {
        let root = Path::Root;
        let path = root.key("configs");
        let mut configs = BTreeMap::new();
        for (key, object) in self.file.configs.iter().filter(|(_, object)| !object.external) {
            let name = self.full_name(key, &object.name);
            self.check_object("config", &name, object.at, path.key(key));
            let spec = api::ConfigSpec {
                name: Some(name.clone()),
                labels: Some(self.labels(&object.labels)),
                data: self.content("config", object, LARGEST_CONFIG, path.key(key)),
                templating: driver(&object.template_driver, &BTreeMap::new()),
            };
            configs.insert(name, spec);
        }
        configs
    }

    /// What the object holds, base64.
    fn content(
        &mut self,
        kind: &str,
        object: &FileObject,
        largest: usize,
        path: Path<'_>,
    ) -> Option<String> {
        let (bytes, what) = match &object.content {
            Some(Content::Inline(text)) => (text.clone().into_bytes(), "the content".to_owned()),
            Some(Content::Variable { name, value: Some(value) }) => {
                (value.clone().into_bytes(), format!("the variable {name}"))
            }
            Some(Content::Variable { name, value: None }) => {
                let message = format!("the variable {name} must be set");
                let hint = format!("set {name} in the environment");
                self.sink.hint(object.at, path.key("environment"), message, hint);
                return None;
            }
            None => {
                let file = FilePath::new(&object.file);
                let what = format!("the file {}", self.files.shown(file));
                match self.files.read(file) {
                    Ok(bytes) => (bytes, what),
                    Err(error) => {
                        let message = format!("{what} cannot be read: {error}");
                        let hint =
                            format!("add the file to the recipe, or make this {kind} external");
                        self.sink.hint(object.at, path, message, hint);
                        return None;
                    }
                }
            }
        };
        if bytes.len() > largest {
            let message =
                format!("{what} of this {kind} has {} bytes; swarm allows {largest}", bytes.len());
            self.sink.push(object.at, path, message);
            return None;
        }
        if bytes.is_empty() {
            let message = format!("{what} of this {kind} is empty, which swarm refuses");
            self.sink.push(object.at, path, message);
            return None;
        }
        some(BASE64.encode(bytes))
    }
}
