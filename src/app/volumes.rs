//! The volumes of an app, wherever in its swarm they are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    engine::{Kind, Scope},
    owner::mounted,
};

use super::{Error, OnServer};

/// A volume of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumeRow {
    /// As the compose file calls it.
    pub volume: String,
    /// As the engine calls it.
    pub name: String,
    /// None where it is on another node.
    pub driver: Option<String>,
    /// The node that has it, by its host name; none where that is not recorded.
    pub node: Option<String>,
    /// Keys of the services that mount it now.
    pub services: Vec<String>,
    /// Where they mount it.
    pub mounts: Vec<VolumeMount>,
}

/// Where a service has a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumeMount {
    pub service: String,
    /// In its containers.
    pub path: String,
    pub read_only: bool,
}

/// All volumes that are recorded as the app's, by name.
///
/// # Errors
/// What the engine says.
pub async fn volumes(on_server: &OnServer) -> Result<Vec<VolumeRow>, Error> {
    let engine = on_server.engine.readable().await?;
    let (owned, here, services, nodes, node) = futures_util::try_join!(
        on_server.engine.owned(),
        engine.volumes(Scope::All),
        engine.services(Scope::Stack(&on_server.stack)),
        engine.nodes(),
        engine.node_id(),
    )?;
    let prefix = format!("{}_", on_server.stack);
    let key = |name: &str| name.strip_prefix(&prefix).unwrap_or(name).to_owned();
    let ids: Vec<String> = services.iter().filter_map(|service| service.id.clone()).collect();
    let mounted = mounted(&engine.tasks_of(&ids).await?);
    let mut users: BTreeMap<String, Vec<VolumeMount>> = BTreeMap::new();
    for service in services {
        let Some(spec) = service.spec else { continue };
        let container = spec.task_template.and_then(|task| task.container_spec);
        let mounts = container.and_then(|container| container.mounts).unwrap_or_default();
        for mount in mounts {
            let (Some(source), Some(name)) = (mount.source, &spec.name) else { continue };
            users.entry(source).or_default().push(VolumeMount {
                service: key(name),
                path: mount.target.unwrap_or_default(),
                read_only: mount.read_only.unwrap_or_default(),
            });
        }
    }
    let host_name = |id: &str| {
        let node = nodes.iter().find(|node| node.id.as_deref() == Some(id))?;
        node.description.as_ref()?.hostname.clone()
    };
    let recorded = owned.nodes_of_volumes();
    let row = |name: &str| {
        let found = here.iter().find(|volume| volume.name == name);
        let runs_on = mounted.get(name).and_then(|mounted| mounted.now.first());
        let on = found.map(|_| &node).or(runs_on).or_else(|| recorded.get(name));
        // The name of one that was removed remains the app's.
        if found.is_none() && on == Some(&node) {
            return None;
        }
        let mounts = users.get(name).cloned().unwrap_or_default();
        let services: BTreeSet<&String> = mounts.iter().map(|mount| &mount.service).collect();
        Some(VolumeRow {
            volume: key(name),
            name: name.to_owned(),
            driver: found.map(|volume| volume.driver.clone()),
            node: on.and_then(|id| host_name(id)),
            services: services.into_iter().cloned().collect(),
            mounts,
        })
    };
    Ok(owned.names(Kind::Volume).filter_map(row).collect())
}
