//! What an app has on the swarm right now, read at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    compose::{Stack, StackVolume},
    engine::{self, Engine, Scope, Volume, api},
};

use super::{
    diff::Names,
    glance::Glance,
    state::{self, is_paused},
};

/// The live state that a plan is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    /// The stack's services, by full name.
    pub services: BTreeMap<String, api::Service>,
    /// All networks of the swarm.
    pub networks: Vec<api::Network>,
    /// All secrets of the swarm; none holds a value.
    pub secrets: Vec<api::Secret>,
    /// The stack's configs with their contents; all of the swarm's when the
    /// stack uses external ones.
    pub configs: Vec<api::Config>,
    /// Services, by full name, whose update swarm paused before all of it was done.
    pub halted: BTreeSet<String>,
    /// Whether file secrets that bear no digest have the wanted contents, as far
    /// as the manager told, by name.
    pub same_secrets: BTreeMap<String, bool>,
    /// Volumes of the node that the engine speaks for, where the stack has any.
    pub volumes: Vec<Volume>,
    /// Why they are unknown; this does not stop a deploy, because nothing is sent to them.
    pub unseen_volumes: Option<String>,
    /// The tasks of its services, where they were asked for along.
    pub glance: Glance,
}

impl Live {
    pub async fn read(engine: &dyn Engine, stack: &Stack) -> Result<Self, engine::Error> {
        let ours = Scope::Stack(&stack.name);
        // Lists of configs carry their contents, so all are asked for only
        // when some are not the stack's own.
        let configs = if stack.external_configs.is_empty() { ours } else { Scope::All };
        let has_volumes = stack.volumes.iter().any(is_compared);
        let volumes = async {
            Ok(if has_volumes { engine.volumes(Scope::All).await } else { Ok(Vec::new()) })
        };
        let (services, networks, secrets, configs, volumes) = futures_util::try_join!(
            engine.services(ours),
            engine.networks(Scope::All),
            engine.secrets(Scope::All),
            engine.configs(configs),
            volumes,
        )?;
        let (volumes, unseen_volumes) = match volumes {
            Ok(volumes) => (volumes, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let services = by_name(services);
        let mut halted = BTreeSet::new();
        for (name, service) in services.iter().filter(|(_, service)| is_paused(service)) {
            let tasks = engine.tasks(service.id.as_deref().unwrap_or_default()).await?;
            if state::is_halted(service, &tasks) {
                halted.insert(name.clone());
            }
        }
        let same_secrets = BTreeMap::new();
        Ok(Live {
            services,
            networks,
            secrets,
            configs,
            halted,
            same_secrets,
            volumes,
            unseen_volumes,
            glance: Glance::default(),
        })
    }

    /// Whether a service of the stack has this config now.
    pub fn uses_config(&self, name: &str) -> bool {
        self.containers().any(|container| {
            let configs = container.configs.iter().flatten();
            configs.into_iter().any(|config| config.config_name.as_deref() == Some(name))
        })
    }

    /// Whether a service of the stack has this secret now.
    pub fn uses_secret(&self, name: &str) -> bool {
        self.containers().any(|container| {
            let secrets = container.secrets.iter().flatten();
            secrets.into_iter().any(|secret| secret.secret_name.as_deref() == Some(name))
        })
    }

    fn containers(&self) -> impl Iterator<Item = &api::TaskSpecContainerSpec> {
        self.services
            .values()
            .filter_map(|s| s.spec.as_ref()?.task_template.as_ref()?.container_spec.as_ref())
    }

    pub fn has_secret(&self, name: &str) -> bool {
        self.secrets.iter().any(|s| s.spec.as_ref().and_then(|s| s.name.as_deref()) == Some(name))
    }

    pub fn names(&self) -> Names {
        Names {
            networks: self
                .networks
                .iter()
                .filter_map(|n| Some((n.id.clone()?, n.name.clone()?)))
                .collect(),
            configs: self
                .configs
                .iter()
                .filter_map(|c| Some((c.id.clone()?, c.spec.as_ref()?.name.clone()?)))
                .collect(),
        }
    }

    pub fn ids(&self) -> Ids {
        Ids {
            networks: self
                .networks
                .iter()
                .filter(|n| n.scope.as_deref() == Some("swarm"))
                .filter_map(|n| Some((n.name.clone()?, n.id.clone()?)))
                .collect(),
            secrets: self
                .secrets
                .iter()
                .filter_map(|s| Some((s.spec.as_ref()?.name.clone()?, s.id.clone()?)))
                .collect(),
            configs: self
                .configs
                .iter()
                .filter_map(|c| Some((c.spec.as_ref()?.name.clone()?, c.id.clone()?)))
                .collect(),
        }
    }
}

/// Whether the files define a volume's options: an external volume without options
/// was defined by somebody else.
pub(super) fn is_compared(volume: &StackVolume) -> bool {
    !volume.external || volume.driver.is_some() || !volume.driver_opts.is_empty()
}

pub(crate) fn by_name(services: Vec<api::Service>) -> BTreeMap<String, api::Service> {
    services.into_iter().filter_map(|s| Some((s.spec.as_ref()?.name.clone()?, s))).collect()
}

/// Ids by name, for what specs refer to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    pub networks: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, String>,
    pub configs: BTreeMap<String, String>,
}

impl Ids {
    /// Fills ids into a spec that refers by name. A name without an id is
    /// kept: the swarm then reports what is missing.
    pub fn fill(&self, spec: &mut api::ServiceSpec) {
        let Some(task) = spec.task_template.as_mut() else { return };
        for network in task.networks.iter_mut().flatten() {
            if let Some(id) = network.target.as_ref().and_then(|name| self.networks.get(name)) {
                network.target = Some(id.clone());
            }
        }
        let Some(container) = task.container_spec.as_mut() else { return };
        for secret in container.secrets.iter_mut().flatten() {
            secret.secret_id =
                secret.secret_name.as_ref().and_then(|name| self.secrets.get(name)).cloned();
        }
        for config in container.configs.iter_mut().flatten() {
            config.config_id =
                config.config_name.as_ref().and_then(|name| self.configs.get(name)).cloned();
        }
        if let Some(config) = container
            .privileges
            .as_mut()
            .and_then(|p| p.credential_spec.as_mut())
            .and_then(|c| c.config.as_mut())
            && let Some(id) = self.configs.get(config)
        {
            *config = id.clone();
        }
    }
}
