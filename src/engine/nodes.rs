//! A swarm whose nodes are reached one by one.
//!
//! A manager passes neither a program's streams nor a file on to another node: containers
//! and volumes are reached only through the engine that has them. This is the one place
//! that knows which engine that is: a task names its node, the operator's settings name the
//! node's endpoint, and the engine there has to say that it is that node. The node that the
//! manager's endpoint speaks for needs none. Connections are made when they are first
//! needed, and shared.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures_util::{future::join_all, stream::BoxStream};
use tokio::sync::OnceCell;

use super::{
    Archive, Container, ContainerReport, Distribution, Engine, Error, Exec, ExecSession,
    FoundHelper, Helper, HelperSpec, LocalContainer, LocalImage, LogKeeping, LogLine, LogQuery,
    Manager, Mounting, NodePort, RegistryAuth, Scope, Volume, VolumesFolder, api, is_placed,
    swarm::SwarmEngine,
};

/// A swarm, and the endpoints of its nodes.
#[derive(Debug)]
pub struct Nodes {
    manager: Arc<dyn Engine>,
    /// Endpoints by host name or id.
    endpoints: BTreeMap<String, String>,
    /// The server's name, for messages.
    server: String,
    /// The node that the manager's endpoint speaks for.
    here: OnceCell<String>,
    /// Engines of other nodes, by their id, that were reached.
    reached: tokio::sync::Mutex<BTreeMap<String, Arc<dyn Engine>>>,
    /// Of containers and programs that were seen on other nodes.
    seen: Mutex<HashMap<String, Arc<dyn Engine>>>,
}

impl Nodes {
    /// A swarm with these endpoints of nodes, by host name or id. Connects to nothing.
    pub fn new(
        manager: Arc<dyn Engine>,
        endpoints: BTreeMap<String, String>,
        server: &str,
    ) -> Self {
        Nodes {
            manager,
            endpoints,
            server: server.to_owned(),
            here: OnceCell::new(),
            reached: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        }
    }

    async fn here(&self) -> Result<&str, Error> {
        let ask = async || self.manager.node_id().await;
        Ok(self.here.get_or_try_init(ask).await?.as_str())
    }

    /// The engine of another node, once it has said that it is that node.
    async fn connect(&self, node: &str) -> Result<Arc<dyn Engine>, Error> {
        let mut reached = self.reached.lock().await;
        if let Some(engine) = reached.get(node) {
            return Ok(Arc::clone(engine));
        }
        let all = self.manager.nodes().await?;
        let name = name_of(&all, node);
        let endpoint = endpoint_of(&self.endpoints, &all, node);
        let Some(endpoint) = endpoint else {
            let server = Some(self.server.clone());
            return Err(Error::NoEndpoint { node: name, server });
        };
        let engine = Arc::new(SwarmEngine::connect(endpoint)?);
        if engine.node_id().await? != node {
            let (endpoint, server) = (endpoint.to_owned(), self.server.clone());
            return Err(Error::OtherNode { node: name, endpoint, server });
        }
        reached.insert(node.to_owned(), Arc::clone(&engine) as Arc<dyn Engine>);
        Ok(engine)
    }

    fn keep(&self, id: &str, engine: &Arc<dyn Engine>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(id.to_owned(), Arc::clone(engine));
    }

    /// The engine that has a container or a program.
    fn holder(&self, id: &str) -> Arc<dyn Engine> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(id).map_or_else(|| Arc::clone(&self.manager), Arc::clone)
    }

    fn is_seen(&self, id: &str) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// Other nodes on which the service has a task with a container.
    async fn others(&self, service: &str) -> Result<Vec<String>, Error> {
        if self.endpoints.is_empty() {
            return Ok(Vec::new());
        }
        let id = match self.manager.service(service).await {
            Ok(service) => service.id.unwrap_or_default(),
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let here = self.here().await?;
        let tasks = self.manager.tasks(&id).await?.into_iter().filter(is_placed);
        let mut nodes: Vec<String> = tasks.filter_map(|task| task.node_id).collect();
        nodes.retain(|node| node != here);
        nodes.sort();
        nodes.dedup();
        if !nodes.is_empty() {
            // A lost one would be waited for in vain.
            let all = self.manager.nodes().await?;
            nodes.retain(|id| all.iter().any(|node| node.id.as_ref() == Some(id) && answers(node)));
        }
        Ok(nodes)
    }

    async fn containers_on(&self, node: &str, service: &str) -> Result<Vec<Container>, Error> {
        let engine = self.connect(node).await?;
        let found = engine.containers(service).await?;
        for container in &found {
            self.keep(&container.id, &engine);
        }
        Ok(found)
    }

    /// The nodes that have an endpoint, by id; those that left the swarm are left out.
    async fn with_endpoint(&self) -> Result<Vec<String>, Error> {
        if self.endpoints.is_empty() {
            return Ok(Vec::new());
        }
        let (all, here) = (self.manager.nodes().await?, self.here().await?);
        let ids = all.iter().filter_map(|node| node.id.clone());
        Ok(ids
            .filter(|id| id != here && endpoint_of(&self.endpoints, &all, id).is_some())
            .collect())
    }
}

/// Whether swarm hears of it.
fn answers(node: &api::Node) -> bool {
    let state = node.status.as_ref().and_then(|status| status.state);
    state == Some(api::NodeState::READY)
}

/// A node's host name; its id where nothing names it.
pub(super) fn name_of(all: &[api::Node], id: &str) -> String {
    let node = all.iter().find(|node| node.id.as_deref() == Some(id));
    let name = node.and_then(|node| node.description.as_ref()?.hostname.clone());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_owned())
}

/// The endpoint of a node by its id, or by its host name where no other node has the same.
pub(super) fn endpoint_of<'a>(
    endpoints: &'a BTreeMap<String, String>,
    all: &[api::Node],
    id: &str,
) -> Option<&'a str> {
    let name = name_of(all, id);
    let same = all.iter().filter_map(|node| node.id.as_deref());
    let alone = same.filter(|other| name_of(all, other) == name).count() <= 1;
    let found = endpoints.get(id).or_else(|| endpoints.get(&name).filter(|_| alone));
    found.map(String::as_str)
}

#[async_trait]
impl Engine for Nodes {
    fn endpoint(&self) -> &str {
        self.manager.endpoint()
    }

    fn simulated(&self) -> Option<&str> {
        self.manager.simulated()
    }

    async fn node_id(&self) -> Result<String, Error> {
        Ok(self.here().await?.to_owned())
    }

    async fn of_node(&self, node: &str) -> Result<Option<Arc<dyn Engine>>, Error> {
        if self.here().await? == node {
            return Ok(None);
        }
        self.connect(node).await.map(Some)
    }

    async fn containers(&self, service: &str) -> Result<Vec<Container>, Error> {
        let (here, nodes) =
            futures_util::try_join!(self.manager.containers(service), self.others(service))?;
        let there = join_all(nodes.iter().map(|node| self.containers_on(node, service))).await;
        let mut all = here;
        for (node, found) in nodes.iter().zip(there) {
            match found {
                Ok(found) => all.extend(found),
                // A caller that needs just that container asks for its node, and gets the reason.
                Err(error) => tracing::debug!(%node, %error, "containers of another node"),
            }
        }
        Ok(all)
    }

    async fn has_containers(&self, service: &str) -> Result<bool, Error> {
        self.manager.has_containers(service).await
    }

    async fn container_report(&self, task: &str) -> Result<Option<ContainerReport>, Error> {
        if let Some(report) = self.manager.container_report(task).await? {
            return Ok(Some(report));
        }
        let reached: Vec<_> = self.reached.lock().await.values().cloned().collect();
        for engine in reached {
            if let Ok(Some(report)) = engine.container_report(task).await {
                return Ok(Some(report));
            }
        }
        Ok(None)
    }

    async fn create_exec(&self, container: &str, exec: &Exec) -> Result<String, Error> {
        let engine = self.holder(container);
        let id = engine.create_exec(container, exec).await?;
        if self.is_seen(container) {
            self.keep(&id, &engine);
        }
        Ok(id)
    }

    async fn start_exec(
        &self,
        container: &str,
        id: &str,
        exec: &Exec,
    ) -> Result<ExecSession, Error> {
        self.holder(container).start_exec(container, id, exec).await
    }

    async fn has_programs(&self, container: &str) -> Result<bool, Error> {
        if self.is_seen(container) {
            return self.holder(container).has_programs(container).await;
        }
        if self.manager.has_programs(container).await? {
            return Ok(true);
        }
        // One that an earlier run of ours saw may be anywhere.
        for node in self.with_endpoint().await? {
            if self.connect(&node).await?.has_programs(container).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn pause(&self, service: &str, container: &str) -> Result<(), Error> {
        self.holder(container).pause(service, container).await
    }

    async fn unpause(&self, service: &str, container: &str) -> Result<bool, Error> {
        if self.is_seen(container) {
            return self.holder(container).unpause(service, container).await;
        }
        if self.manager.unpause(service, container).await? {
            return Ok(true);
        }
        // One that an earlier run of ours paused may be anywhere.
        let mut failed = None;
        for node in self.with_endpoint().await? {
            let unpausing = async { self.connect(&node).await?.unpause(service, container).await };
            match unpausing.await {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(false), Err)
    }

    async fn resize(&self, session: &str, rows: u16, columns: u16) -> Result<(), Error> {
        self.holder(session).resize(session, rows, columns).await
    }

    async fn put_archive(
        &self,
        container: &str,
        folder: &str,
        tar: Archive,
        bytes: u64,
    ) -> Result<(), Error> {
        self.holder(container).put_archive(container, folder, tar, bytes).await
    }

    async fn get_archive(
        &self,
        container: &str,
        path: &str,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, Error>>, Error> {
        self.holder(container).get_archive(container, path).await
    }

    async fn manager(&self) -> Result<Manager, Error> {
        self.manager.manager().await
    }

    async fn services(&self, scope: Scope<'_>) -> Result<Vec<api::Service>, Error> {
        self.manager.services(scope).await
    }

    async fn service(&self, id: &str) -> Result<api::Service, Error> {
        self.manager.service(id).await
    }

    async fn create_service(
        &self,
        spec: api::ServiceSpec,
        auth: Option<&RegistryAuth>,
    ) -> Result<String, Error> {
        self.manager.create_service(spec, auth).await
    }

    async fn update_service(
        &self,
        id: &str,
        version: u64,
        spec: api::ServiceSpec,
        auth: Option<&RegistryAuth>,
    ) -> Result<(), Error> {
        self.manager.update_service(id, version, spec, auth).await
    }

    async fn remove_service(&self, id: &str) -> Result<(), Error> {
        self.manager.remove_service(id).await
    }

    async fn networks(&self, scope: Scope<'_>) -> Result<Vec<api::Network>, Error> {
        self.manager.networks(scope).await
    }

    async fn network(&self, name: &str) -> Result<api::Network, Error> {
        self.manager.network(name).await
    }

    async fn create_network(&self, request: api::NetworkCreateRequest) -> Result<String, Error> {
        self.manager.create_network(request).await
    }

    async fn remove_network(&self, id: &str) -> Result<(), Error> {
        self.manager.remove_network(id).await
    }

    async fn secrets(&self, scope: Scope<'_>) -> Result<Vec<api::Secret>, Error> {
        self.manager.secrets(scope).await
    }

    async fn create_secret(&self, spec: api::SecretSpec) -> Result<String, Error> {
        self.manager.create_secret(spec).await
    }

    async fn remove_secret(&self, id: &str) -> Result<(), Error> {
        self.manager.remove_secret(id).await
    }

    async fn update_secret(
        &self,
        id: &str,
        version: u64,
        spec: api::SecretSpec,
    ) -> Result<(), Error> {
        self.manager.update_secret(id, version, spec).await
    }

    async fn secret_matches(&self, id: &str, spec: api::SecretSpec) -> Result<Option<bool>, Error> {
        self.manager.secret_matches(id, spec).await
    }

    async fn configs(&self, scope: Scope<'_>) -> Result<Vec<api::Config>, Error> {
        self.manager.configs(scope).await
    }

    async fn config(&self, name: &str) -> Result<api::Config, Error> {
        self.manager.config(name).await
    }

    async fn create_config(&self, spec: api::ConfigSpec) -> Result<String, Error> {
        self.manager.create_config(spec).await
    }

    async fn remove_config(&self, id: &str) -> Result<(), Error> {
        self.manager.remove_config(id).await
    }

    async fn update_config(
        &self,
        id: &str,
        version: u64,
        spec: api::ConfigSpec,
    ) -> Result<(), Error> {
        self.manager.update_config(id, version, spec).await
    }

    async fn tasks(&self, service: &str) -> Result<Vec<api::Task>, Error> {
        self.manager.tasks(service).await
    }

    async fn tasks_of(&self, services: &[String]) -> Result<Vec<api::Task>, Error> {
        self.manager.tasks_of(services).await
    }

    async fn nodes(&self) -> Result<Vec<api::Node>, Error> {
        self.manager.nodes().await
    }

    async fn port_holder(
        &self,
        ports: &[NodePort],
        except: &str,
    ) -> Result<Option<(NodePort, String)>, Error> {
        self.manager.port_holder(ports, except).await
    }

    async fn service_logs(
        &self,
        service: &str,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        self.manager.service_logs(service, query).await
    }

    async fn task_logs(
        &self,
        task: &str,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        self.manager.task_logs(task, query).await
    }

    async fn volumes(&self, scope: Scope<'_>) -> Result<Vec<Volume>, Error> {
        self.manager.volumes(scope).await
    }

    async fn volume(&self, name: &str) -> Result<Volume, Error> {
        self.manager.volume(name).await
    }

    async fn create_volume(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
    ) -> Result<Volume, Error> {
        self.manager.create_volume(name, labels).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), Error> {
        self.manager.remove_volume(name).await
    }

    async fn volume_users(&self, name: &str) -> Result<Vec<Mounting>, Error> {
        self.manager.volume_users(name).await
    }

    async fn volumes_folder(&self) -> Result<VolumesFolder, Error> {
        self.manager.volumes_folder().await
    }

    async fn start_helper(&self, spec: &HelperSpec) -> Result<Helper, Error> {
        self.manager.start_helper(spec).await
    }

    async fn end_helper(&self, id: &str) -> Result<(), Error> {
        self.manager.end_helper(id).await
    }

    async fn helpers(&self) -> Result<Vec<FoundHelper>, Error> {
        self.manager.helpers().await
    }

    async fn info(&self) -> Result<Option<api::SystemInfo>, Error> {
        self.manager.info().await
    }

    async fn swarm(&self) -> Result<Option<api::Swarm>, Error> {
        self.manager.swarm().await
    }

    async fn local_containers(&self) -> Result<Vec<LocalContainer>, Error> {
        self.manager.local_containers().await
    }

    async fn log_keeping(&self, container: &str) -> Result<Option<LogKeeping>, Error> {
        self.manager.log_keeping(container).await
    }

    async fn remove_container(&self, id: &str) -> Result<(), Error> {
        self.manager.remove_container(id).await
    }

    async fn images(&self) -> Result<Vec<LocalImage>, Error> {
        self.manager.images().await
    }

    async fn has_image(&self, name: &str) -> Result<bool, Error> {
        self.manager.has_image(name).await
    }

    async fn remove_image(&self, name: &str) -> Result<(), Error> {
        self.manager.remove_image(name).await
    }

    async fn distribution(
        &self,
        image: &str,
        auth: Option<&RegistryAuth>,
    ) -> Result<Distribution, Error> {
        self.manager.distribution(image, auth).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_named_by_its_host_name_unless_that_is_ambiguous() {
        let node = |id: &str, name: &str| json!({"ID": id, "Description": {"Hostname": name}});
        let all =
            json!([node("i1", "db"), node("i2", "web"), node("i3", "twin"), node("i4", "twin")]);
        let all: Vec<api::Node> = serde_json::from_value(all).unwrap();
        let endpoints: BTreeMap<String, String> =
            [("db", "ssh://a"), ("i2", "ssh://b"), ("twin", "ssh://c"), ("i4", "ssh://d")]
                .map(|(name, endpoint)| (name.to_owned(), endpoint.to_owned()))
                .into();
        let found = |id: &str| endpoint_of(&endpoints, &all, id);
        assert_eq!(found("i1"), Some("ssh://a"));
        assert_eq!(found("i2"), Some("ssh://b"));
        assert_eq!(found("i3"), None, "two nodes have that name");
        assert_eq!(found("i4"), Some("ssh://d"));
        assert_eq!(found("i5"), None);
        assert_eq!((name_of(&all, "i1"), name_of(&all, "i9")), ("db".into(), "i9".into()));
    }
}
