//! The objects of a simulated swarm and the rules by which a manager accepts
//! or refuses them (moby/swarmkit, `manager/controlapi`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::{Error, Kind, Mounting, Scope, api};

pub(super) const NODE_ID: &str = "simulatednode000000000001";
pub(super) const NODE_NAME: &str = "simulated";

/// Everything there is. Secret values are not: nobody can read them back, so
/// only their digests are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    /// The raft index: the version of what changed last.
    pub index: u64,
    pub services: Vec<Service>,
    pub networks: Vec<api::Network>,
    pub secrets: Vec<api::Secret>,
    /// sha256 of the contents, by id.
    #[serde(default)]
    pub secret_digests: BTreeMap<String, String>,
    pub configs: Vec<api::Config>,
    /// Labels by name.
    pub volumes: BTreeMap<String, BTreeMap<String, String>>,
    /// Drivers and options of those that are not plain folders, by name.
    #[serde(default)]
    pub volume_drivers: BTreeMap<String, VolumeDriver>,
    /// Ids of containers that are paused.
    #[serde(default)]
    pub paused: BTreeSet<String>,
}

/// A volume's driver and its options.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct VolumeDriver {
    pub name: String,
    pub options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Service {
    pub object: api::Service,
    /// The spec that a rollback restores.
    pub previous: Option<api::ServiceSpec>,
    pub update: Option<Update>,
    /// Oldest first.
    pub tasks: Vec<api::Task>,
}

/// A rolling update (or rollback) under way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Update {
    pub rollback: bool,
    pub paused: bool,
    /// Tasks that were there before it, whose failures it does not count: an update to the spec
    /// of one that failed is another try.
    #[serde(default)]
    pub before: Vec<String>,
    /// Tasks that count as failures.
    pub failed: Vec<String>,
    /// The number of steps without a failure: the monitor window.
    pub quiet: u32,
}

impl Default for State {
    fn default() -> Self {
        let network = |name: &str, scope: &str, driver: &str| api::Network {
            name: Some(name.into()),
            id: Some(id("network", name)),
            scope: Some(scope.into()),
            driver: Some(driver.into()),
            ingress: Some(name == "ingress"),
            ..Default::default()
        };
        Self {
            index: 10,
            services: Vec::new(),
            networks: vec![
                network("ingress", "swarm", "overlay"),
                network("bridge", "local", "bridge"),
                network("host", "local", "host"),
                network("none", "local", "null"),
            ],
            secrets: Vec::new(),
            secret_digests: BTreeMap::new(),
            configs: Vec::new(),
            volumes: BTreeMap::new(),
            volume_drivers: BTreeMap::new(),
            paused: BTreeSet::new(),
        }
    }
}

/// An id of swarm's length that is the same in every run.
pub(super) fn id(kind: &str, of: impl std::fmt::Display) -> String {
    let mut id = hex::encode(Sha256::digest(format!("{kind} {of}")));
    id.truncate(25);
    id
}

/// The id of a task's container.
pub(super) fn container_id(task: &str) -> String {
    hex::encode(Sha256::digest(format!("container {task}")))
}

pub(super) fn now() -> Option<String> {
    Some(jiff::Timestamp::now().to_string())
}

pub(super) fn refused(action: String, message: impl Into<String>) -> Error {
    Error::Refused { action, message: message.into() }
}

pub(super) fn not_found(kind: Kind, name: &str) -> Error {
    Error::NotFound { kind, name: name.to_owned() }
}

/// Whether an object with these labels is in the scope.
pub(super) fn in_scope<'a>(
    scope: Scope<'_>,
    label: impl FnOnce(&str) -> Option<&'a String>,
) -> bool {
    match scope.label() {
        None => true,
        Some((key, value)) => label(key).is_some_and(|found| found == value),
    }
}

impl Service {
    pub fn name(&self) -> &str {
        self.spec().and_then(|spec| spec.name.as_deref()).unwrap_or_default()
    }

    pub fn id(&self) -> &str {
        self.object.id.as_deref().unwrap_or_default()
    }

    pub fn spec(&self) -> Option<&api::ServiceSpec> {
        self.object.spec.as_ref()
    }

    fn is(&self, id: &str) -> bool {
        self.id() == id || self.name() == id
    }

    fn container(&self) -> Option<&api::TaskSpecContainerSpec> {
        self.spec()?.task_template.as_ref()?.container_spec.as_ref()
    }
}

impl State {
    /// The next version.
    pub fn bump(&mut self) -> api::ObjectVersion {
        self.index += 1;
        api::ObjectVersion { index: Some(self.index) }
    }

    pub fn service(&self, id: &str) -> Result<&Service, Error> {
        self.services
            .iter()
            .find(|service| service.is(id))
            .ok_or_else(|| not_found(Kind::Service, id))
    }

    pub fn create_service(&mut self, mut spec: api::ServiceSpec) -> Result<String, Error> {
        let name = spec.name.clone().unwrap_or_default();
        let action = || format!("create the service `{name}`");
        if !is_dns_name(&name) {
            return Err(refused(
                action(),
                "name must be valid as a DNS name component of at most 63 bytes",
            ));
        }
        if self.services.iter().any(|service| service.name() == name) {
            return Err(Error::Exists { kind: Kind::Service, name });
        }
        self.check_spec(&mut spec).map_err(|message| refused(action(), message))?;
        let version = self.bump();
        let id = id("service", self.index);
        self.services.push(Service {
            object: api::Service {
                id: Some(id.clone()),
                version: Some(version),
                created_at: now(),
                updated_at: now(),
                spec: Some(spec),
                ..Default::default()
            },
            previous: None,
            update: None,
            tasks: Vec::new(),
        });
        Ok(id)
    }

    pub fn update_service(
        &mut self,
        id: &str,
        version: u64,
        mut spec: api::ServiceSpec,
    ) -> Result<(), Error> {
        let found = self.service(id)?;
        let name = found.name().to_owned();
        let action = || format!("update the service `{name}`");
        if found.object.version.as_ref().and_then(|version| version.index) != Some(version) {
            return Err(Error::OutOfSequence { service: id.to_owned() });
        }
        if spec.name.as_deref() != Some(&name) {
            return Err(refused(action(), "renaming services is not supported"));
        }
        self.check_spec(&mut spec).map_err(|message| refused(action(), message))?;
        let version = self.bump();
        let service = self
            .services
            .iter_mut()
            .find(|service| service.is(id))
            .ok_or_else(|| not_found(Kind::Service, id))?;
        let old = service.object.spec.replace(spec);
        let new_tasks = old.as_ref().and_then(|spec| spec.task_template.as_ref())
            != service.spec().and_then(|spec| spec.task_template.as_ref());
        service.previous = old;
        service.object.version = Some(version);
        service.object.updated_at = now();
        service.object.update_status = None;
        service.update = None;
        if new_tasks {
            let before = service.tasks.iter().filter_map(|task| task.id.clone()).collect();
            service.update = Some(Update { before, ..Update::default() });
            service.object.update_status = Some(api::ServiceUpdateStatus {
                state: Some(api::ServiceUpdateStatusStateEnum::UPDATING),
                started_at: now(),
                completed_at: None,
                message: Some("update in progress".into()),
            });
        }
        Ok(())
    }

    /// What a manager checks of a spec; network names become ids, as there.
    fn check_spec(&self, spec: &mut api::ServiceSpec) -> Result<(), String> {
        let task = spec.task_template.as_mut().ok_or("TaskTemplate: missing")?;
        if task.placement.is_none() {
            // A real one of version 20.10 accepts this and never starts again.
            return Err("TaskTemplate.Placement is missing, which crashes old managers".into());
        }
        let container = task.container_spec.as_ref().ok_or("ContainerSpec: missing")?;
        if container.image.as_deref().unwrap_or_default().is_empty() {
            return Err("ContainerSpec: image reference must be provided".into());
        }
        for secret in container.secrets.iter().flatten() {
            if !self.secrets.iter().any(|known| known.id == secret.secret_id) {
                let name = secret.secret_name.as_deref().unwrap_or_default();
                return Err(format!("secret not found: {name}"));
            }
        }
        for config in container.configs.iter().flatten() {
            if config.runtime.is_none() && !self.configs.iter().any(|k| k.id == config.config_id) {
                let name = config.config_name.as_deref().unwrap_or_default();
                return Err(format!("config not found: {name}"));
            }
        }
        let volume = |mount: &&api::Mount| matches!(mount.typ, Some(api::MountType::VOLUME) | None);
        for mount in container.mounts.iter().flatten().filter(volume) {
            if let Some(source) = mount.source.as_deref().filter(|source| !source.is_empty()) {
                check_volume(source)?;
            }
        }
        let networks = task.networks.iter_mut().chain(spec.networks.iter_mut()).flatten();
        for network in networks {
            let target = network.target.clone().unwrap_or_default();
            let known = self.networks.iter().find(|known| {
                known.id.as_deref() == Some(&target) || known.name.as_deref() == Some(&target)
            });
            network.target = known.ok_or(format!("network {target} not found"))?.id.clone();
        }
        Ok(())
    }

    pub fn remove_service(&mut self, id: &str) -> Result<(), Error> {
        let before = self.services.len();
        self.services.retain(|service| !service.is(id));
        if self.services.len() == before {
            return Err(not_found(Kind::Service, id));
        }
        self.index += 1;
        Ok(())
    }

    pub fn create_network(&mut self, request: api::NetworkCreateRequest) -> Result<String, Error> {
        let name = request.name;
        if self.networks.iter().any(|known| known.name.as_deref() == Some(&name)) {
            return Err(Error::Exists { kind: Kind::Network, name });
        }
        if name.trim().is_empty() {
            return Err(refused("create the network ``".into(), "the name is empty"));
        }
        let driver = request.driver.filter(|driver| !driver.is_empty());
        let driver = driver.unwrap_or_else(|| "bridge".into());
        self.index += 1;
        let id = id("network", self.index);
        self.networks.push(api::Network {
            name: Some(name),
            id: Some(id.clone()),
            created: now(),
            scope: Some(if driver == "overlay" { "swarm" } else { "local" }.into()),
            driver: Some(driver),
            ipam: request.ipam,
            internal: request.internal,
            attachable: request.attachable,
            ingress: request.ingress,
            enable_ipv6: request.enable_ipv6,
            options: request.options,
            labels: request.labels,
            ..Default::default()
        });
        Ok(id)
    }

    pub fn remove_network(&mut self, id: &str) -> Result<(), Error> {
        let is = |network: &api::Network| {
            network.id.as_deref() == Some(id) || network.name.as_deref() == Some(id)
        };
        let found = self.networks.iter().find(|network| is(network));
        let found = found.ok_or_else(|| not_found(Kind::Network, id))?;
        let user = self.services.iter().find(|service| {
            let spec = service.spec();
            let task = spec.and_then(|spec| spec.task_template.as_ref());
            let of_task = task.and_then(|task| task.networks.as_ref());
            let of_service = spec.and_then(|spec| spec.networks.as_ref());
            let mut all = of_task.into_iter().chain(of_service).flatten();
            all.any(|network| network.target == found.id)
        });
        if let Some(service) = user {
            return Err(refused(
                format!("remove the network `{id}`"),
                format!("network {id} is in use by service {}", service.id()),
            ));
        }
        self.networks.retain(|network| !is(network));
        Ok(())
    }

    /// Names of the services whose containers use something.
    pub fn users(&self, uses: impl Fn(&api::TaskSpecContainerSpec) -> bool) -> Vec<&str> {
        let using = self.services.iter().filter(|service| service.container().is_some_and(&uses));
        using.map(Service::name).collect()
    }

    /// Makes a volume as a task's mount asks for it; an existing one does not change.
    pub fn mount_volume(&mut self, name: &str, mount: &api::Mount) {
        if self.volumes.contains_key(name) {
            return;
        }
        let given = mount.volume_options.clone().unwrap_or_default();
        let labels = given.labels.unwrap_or_default().into_iter().collect();
        self.volumes.insert(name.to_owned(), labels);
        if let Some(driver) = given.driver_config {
            let driver = VolumeDriver {
                name: driver.name.unwrap_or_else(|| "local".into()),
                options: driver.options.unwrap_or_default().into_iter().collect(),
            };
            self.volume_drivers.insert(name.to_owned(), driver);
        }
    }

    pub fn remove_volume(&mut self, name: &str) -> Result<(), Error> {
        if !self.volumes.contains_key(name) {
            return Err(not_found(Kind::Volume, name));
        }
        let user = self.services.iter().flat_map(|service| &service.tasks).find(|task| {
            !super::task::is_over(task) && mounted_volumes(task).any(|(source, _)| source == name)
        });
        if let Some(task) = user {
            return Err(refused(
                format!("remove the volume `{name}`"),
                format!("volume is in use by {}", task.id.as_deref().unwrap_or_default()),
            ));
        }
        self.volumes.remove(name);
        self.volume_drivers.remove(name);
        Ok(())
    }

    /// Containers that mount a volume.
    pub fn volume_users(&self, name: &str) -> Vec<Mounting> {
        let mut users = Vec::new();
        for service in &self.services {
            for task in service.tasks.iter().filter(|task| super::task::has_container(task)) {
                if mounted_volumes(task).any(|(source, _)| source == name) {
                    users.push(Mounting {
                        container: container_id(task.id.as_deref().unwrap_or_default()),
                        service: Some(service.name().to_owned()),
                    });
                }
            }
        }
        users
    }

    /// The task and service of a container that runs.
    pub fn container(&self, id: &str) -> Option<(&Service, &api::Task)> {
        self.services.iter().find_map(|service| {
            let task = service.tasks.iter().find(|task| {
                super::task::has_container(task)
                    && container_id(task.id.as_deref().unwrap_or_default()) == id
            })?;
            Some((service, task))
        })
    }
}

/// Name and mount of each named volume that a task uses.
pub(super) fn mounted_volumes(task: &api::Task) -> impl Iterator<Item = (&str, &api::Mount)> {
    let spec = task.spec.as_ref().and_then(|spec| spec.container_spec.as_ref());
    let mounts = spec.and_then(|spec| spec.mounts.as_ref()).into_iter().flatten();
    mounts.filter_map(|mount| {
        let volume = matches!(mount.typ, Some(api::MountType::VOLUME) | None);
        let source = mount.source.as_deref().filter(|source| volume && !source.is_empty());
        source.map(|source| (source, mount))
    })
}

/// Docker's rule for volumes; here it also keeps them in their folder.
pub(super) fn check_volume(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain) {
        Ok(())
    } else {
        Err("volume names hold only [a-zA-Z0-9][a-zA-Z0-9_.-]".to_owned())
    }
}

pub(super) fn in_use(kind: &str, id: &str, name: &str, users: &[&str]) -> Error {
    let users = users.join(", ");
    refused(
        format!("remove the {kind} `{id}`"),
        format!("{kind} '{name}' is in use by the following service: {users}"),
    )
}

/// swarmkit's rule for services: `^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`.
fn is_dns_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= 63
        && edge(name.chars().next())
        && edge(name.chars().last())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}
