//! Converts the model to specs for a swarm (docker/cli, `compose/convert`).
//!
//! `Placement`, `Resources`, `Privileges` and `EndpointSpec` are always present: a 20.10
//! manager crashes on a spec without the first, and a spec without one of the others would
//! restart the tasks of a service that docker deployed.

mod deploy;
mod mounts;
mod names;
mod references;
mod section;
mod service;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Config, Files, Problems, Stack, StackService, StackVolume,
    model::{Dict, File, Service},
    problem::{Path, Sink},
};
use crate::{
    engine::{STACK_LABEL, api},
    home::StackName,
};

/// What conversion works with.
struct Converter<'a> {
    stack: &'a StackName,
    file: &'a File,
    files: &'a dyn Files,
    sink: Sink,
}

/// Converts the whole configuration.
pub fn convert(config: &Config, name: &StackName, files: &dyn Files) -> Result<Stack, Problems> {
    let mut converter = Converter { stack: name, file: &config.file, files, sink: Sink::default() };
    let stack = converter.stack();
    converter.sink.finish(&config.texts)?;
    Ok(stack)
}

impl Converter<'_> {
    fn stack(&mut self) -> Stack {
        let file = self.file;
        let mut services = vec![];
        let root = Path::Root;
        let path = root.key("services");
        for (key, service) in &file.services {
            let spec = self.service(key, service, path.key(key));
            services.push(StackService {
                key: key.clone(),
                spec,
                depends_on: service.depends_on.clone(),
            });
        }
        let (networks, external_networks) = self.networks();
        let (external_secrets, external_configs) = self.external_references();
        Stack {
            name: self.stack.clone(),
            networks,
            external_networks,
            secrets: self.secrets(),
            external_secrets,
            configs: self.configs(),
            external_configs,
            volumes: self.volumes(),
            services,
        }
    }

    /// An unsigned number up to `most`; a larger one is a problem and is never
    /// changed, because swarm would then do something that nobody wrote.
    fn number(&mut self, service: &Service, value: u64, most: i64, path: Path<'_>) -> Option<i64> {
        let number = i64::try_from(value).ok().filter(|number| *number <= most);
        if number.is_none() {
            let message = format!("{value} is out of range: at most {most}");
            self.sink.push(service.spot(path), path, message);
        }
        number
    }

    /// `<stack>_<key>`, unless a name is given.
    fn full_name(&self, key: &str, name: &str) -> String {
        if name.is_empty() { format!("{}_{key}", self.stack) } else { name.to_owned() }
    }

    /// Labels, with the one that marks what belongs to a stack for docker.
    fn labels(&self, labels: &Dict) -> HashMap<String, String> {
        let mut labels: HashMap<String, String> =
            labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        labels.insert(STACK_LABEL.to_owned(), self.stack.to_string());
        labels
    }

    /// Keys of the networks that services use, the default one included.
    fn used_networks(&self) -> BTreeSet<String> {
        let mut used = BTreeSet::new();
        for service in self.file.services.values() {
            if service.networks.is_empty() {
                used.insert("default".to_owned());
            }
            used.extend(service.networks.keys().cloned());
        }
        used
    }

    fn volumes(&self) -> Vec<StackVolume> {
        let mut volumes: BTreeMap<&str, StackVolume> = BTreeMap::new();
        for (service_key, service) in &self.file.services {
            for mount in service.volumes.iter().map(|placed| &placed.it) {
                if !matches!(mount.kind.as_str(), "volume" | "") || mount.source.is_empty() {
                    continue;
                }
                let Some(volume) = self.file.volumes.get(&mount.source) else { continue };
                let entry = volumes.entry(&mount.source).or_insert_with(|| StackVolume {
                    key: mount.source.clone(),
                    name: self.full_name(&mount.source, &volume.name),
                    external: volume.external,
                    services: vec![],
                    driver: Some(volume.driver.clone()).filter(|d| !d.is_empty()),
                    driver_opts: volume.driver_opts.clone().unwrap_or_default(),
                    labels: volume.labels.clone(),
                });
                if !entry.services.contains(service_key) {
                    entry.services.push(service_key.clone());
                }
            }
        }
        volumes.into_values().collect()
    }
}

/// None for an empty value, which Go's `omitempty` leaves out.
fn some<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

/// A mapping as the API's models want it; none when it is empty.
fn some_map(dict: &Dict) -> Option<HashMap<String, String>> {
    (!dict.is_empty()).then(|| dict.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
}

/// Reads one of the API's words, which serde knows.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

/// The API's driver.
fn driver(name: &str, options: &Dict) -> Option<api::Driver> {
    (!name.is_empty()).then(|| api::Driver { name: name.to_owned(), options: some_map(options) })
}

#[cfg(test)]
mod tests;
