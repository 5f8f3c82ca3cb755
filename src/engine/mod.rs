//! What a swarm can do, as a trait, with its two implementations.
//!
//! The trait uses swarm's own terms ([`api`] is Docker's API model) and
//! stays small. It knows nothing of recipes, apps or plugins. [`swarm`] talks
//! to Docker; [`simulated`] keeps a swarm in memory, or in a file, with the
//! same state machine. One conformance suite (`tests/engine/main.rs`)
//! runs against both, so that the simulation cannot drift from the truth.
//!
//! Callers rely on this of every implementation:
//!
//! - lists are complete and exact: Docker's name filters match by prefix, an
//!   implementation filters again;
//! - specs come back raw, as the manager stores them, without the defaults
//!   that `docker service inspect` adds;
//! - `update_service` with a version that is not the newest ends in
//!   [`Error::OutOfSequence`];
//! - every call ends within the connection's time limit or with
//!   [`Error::Unreachable`]; streams end when the connection does.

pub mod docker_config;
mod error;
pub mod exec;
pub mod helper;
mod machine;
mod nodes;
mod reached;
pub mod simulated;
pub mod swarm;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;

pub use bollard::models as api;
pub(crate) use error::if_there;
pub use error::{Error, Foreign, Kind};
pub use exec::{Chunk, Exec, ExecSession};
pub use helper::{FoundHelper, Helper, HelperNetwork, HelperSpec};
pub use machine::{LocalContainer, LocalImage, LogKeeping};
pub use nodes::Nodes;
pub use reached::{NodeReport, candidates, nodes_of, try_endpoint};
pub use swarm::{host_of, ssh_command};

use crate::home::StackName;

/// The label by which Docker's stack commands find what belongs to a stack.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";
/// The label that keeps a service's image as the compose file wrote it.
pub const IMAGE_LABEL: &str = "com.docker.stack.image";

/// Largest secret, in bytes: less than `MaxSecretSize` (moby/swarmkit,
/// `api/validation/secrets.go`).
pub const LARGEST_SECRET: usize = 500 * 1024 - 1;
/// Largest config, in bytes: less than `MaxConfigSize` (moby/swarmkit,
/// `manager/controlapi/config.go`).
pub const LARGEST_CONFIG: usize = 1000 * 1024 - 1;

/// The value of a label of an object.
pub(crate) fn label<'a>(labels: Option<&'a HashMap<String, String>>, key: &str) -> Option<&'a str> {
    labels?.get(key).map(String::as_str)
}

/// Which objects a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Everything on the swarm.
    All,
    /// Objects with the label of this stack.
    Stack(&'a StackName),
    /// Objects that have this label with this value.
    Labelled(&'a str, &'a str),
}

impl<'a> Scope<'a> {
    /// The label that decides, and its value; none for everything.
    pub fn label(self) -> Option<(&'a str, &'a str)> {
        match self {
            Scope::All => None,
            Scope::Stack(stack) => Some((STACK_LABEL, stack.as_str())),
            Scope::Labelled(label, value) => Some((label, value)),
        }
    }
}

/// The manager that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// Version of the engine, `20.10.24+dfsg1`.
    pub version: String,
    /// Version of the API, `1.41`.
    pub api_version: String,
    /// The node that this endpoint speaks for. Containers and volumes can be
    /// reached only there.
    pub node_id: String,
    /// Name of that node.
    pub node_name: String,
}

/// Credentials for a registry, sent with the service and kept by the swarm.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryAuth {
    /// base64url of the JSON that Docker calls `AuthConfig`.
    pub header: String,
}

impl RegistryAuth {
    /// An empty object, which means that there are no credentials.
    pub fn none() -> Self {
        RegistryAuth { header: "e30=".to_owned() }
    }
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryAuth(hidden)")
    }
}

/// What a registry says of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// `sha256:…`
    pub digest: String,
    pub platforms: Vec<api::Platform>,
}

/// A volume on the node that this endpoint speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub driver: String,
    /// Where the engine says that its files are on that node.
    pub mountpoint: std::path::PathBuf,
    pub labels: BTreeMap<String, String>,
    /// The driver's options: with `local`, a mount of something else.
    pub options: BTreeMap<String, String>,
}

/// A running container that mounts a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounting {
    pub container: String,
    /// Full name of its service, if it is one's.
    pub service: Option<String>,
}

/// A running container of a task, on the node this endpoint speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    /// The task it belongs to.
    pub task: String,
    /// Full name of its service, `wiki_example_org_db`.
    pub service: String,
    pub health: Health,
}

/// What a container says of itself beyond what swarm knows of its task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerReport {
    /// What its health check printed when it last failed; none where it did not.
    pub failed_check: Option<String>,
    /// Whether the kernel killed a process of it for want of memory.
    pub out_of_memory: bool,
}

/// What the image's or the service's health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// There is no health check.
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// A port that a service publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePort {
    pub port: i64,
    pub protocol: api::EndpointPortConfigProtocolEnum,
}

/// The ports of nodes that a service publishes.
pub fn node_ports(spec: &api::ServiceSpec) -> Vec<NodePort> {
    published_ports(spec).filter(|(_, of_node)| *of_node).map(|(port, _)| port).collect()
}

/// The ports that a spec publishes, each with whether only the nodes of its tasks have
/// it (`mode: host`).
pub(crate) fn published_ports(spec: &api::ServiceSpec) -> impl Iterator<Item = (NodePort, bool)> {
    let ports = spec.endpoint_spec.iter().flat_map(|endpoint| endpoint.ports.iter().flatten());
    ports.filter_map(|port| {
        let protocol = port.protocol.unwrap_or(api::EndpointPortConfigProtocolEnum::TCP);
        let of_node = port.publish_mode == Some(api::EndpointPortConfigPublishModeEnum::HOST);
        Some((NodePort { port: port.published_port?, protocol }, of_node))
    })
}

/// Whether a task is on a node and has not ended there.
pub fn is_placed(task: &api::Task) -> bool {
    let state = task.status.as_ref().and_then(|status| status.state);
    task.node_id.as_deref().is_some_and(|node| !node.is_empty())
        && state.is_some_and(|state| {
            (api::TaskState::ASSIGNED..=api::TaskState::RUNNING).contains(&state)
        })
}

/// Which log lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// Only the last lines; all when none.
    pub tail: Option<u64>,
    /// Continue with new lines as they come.
    pub follow: bool,
    /// Only lines since this time, in seconds since 1970-01-01 UTC.
    pub since: Option<i64>,
    pub timestamps: bool,
}

/// Where an engine keeps its volumes on this machine, each as `<name>/_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumesFolder {
    pub path: PathBuf,
    pub writers: Writers,
}

/// Who writes volumes besides potluck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Containers, which may change a volume while it is read.
    Containers,
    /// Nobody: containers are simulated, and the folders are the operator's own.
    Nobody,
}

/// One line (or piece of a line) that a task wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The id of the task that wrote it; none where the engine does not tell.
    pub task: Option<String>,
    pub stream: Stream,
    pub bytes: bytes::Bytes,
}

/// One of the two outputs of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// The engine behind a server's endpoint: `unix:///path/to/socket`,
/// `ssh://[user@]host[:port]`, `tcp://host:port?certificates=/path/to/folder` (TLS, with docker's
/// ca.pem, cert.pem and key.pem), or `simulated`, whose state is kept in
/// `<state_dir>/simulated/<server>/`. `nodes` are the endpoints of further nodes by
/// their host name or id. Must be called within a tokio runtime.
///
/// # Errors
/// [`Error::BadEndpoint`] for any other form; [`Error::Unreachable`] when there
/// is no such socket. The first call shows whether an engine answers.
pub fn connect(
    endpoint: &str,
    nodes: BTreeMap<String, String>,
    state_dir: &Path,
    server: &str,
) -> Result<Arc<dyn Engine>, Error> {
    if endpoint == simulated::ENDPOINT {
        let folder = state_dir.join("simulated").join(server);
        return Ok(Arc::new(simulated::Simulated::open_folder(&folder)?));
    }
    let manager = Arc::new(swarm::SwarmEngine::connect(endpoint)?);
    Ok(Arc::new(Nodes::new(manager, nodes, server)))
}

/// The engine that docker was pointed at, which may also be `tcp://host:port`:
/// a socket proxy or an engine beside this one. Must be called within a tokio
/// runtime.
///
/// # Errors
/// As [`connect`].
pub fn connect_as_docker(endpoint: &str) -> Result<Arc<dyn Engine>, Error> {
    Ok(Arc::new(if endpoint.starts_with("tcp://") && !endpoint.contains('?') {
        swarm::SwarmEngine::connect_unprotected(endpoint)?
    } else {
        swarm::SwarmEngine::connect(endpoint)?
    }))
}

/// A tar stream that goes into a container.
pub type Archive = BoxStream<'static, std::io::Result<bytes::Bytes>>;

/// A tar stream that is there as a whole.
pub fn whole(tar: bytes::Bytes) -> Archive {
    Box::pin(futures_util::stream::iter([Ok(tar)]))
}

/// What a swarm can do.
#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug {
    /// Where this engine is, for messages: `unix:///var/run/docker.sock`.
    fn endpoint(&self) -> &str;

    /// The name of a server that is only simulated: docker's commands know nothing
    /// of it.
    fn simulated(&self) -> Option<&str> {
        None
    }

    /// Who answers.
    ///
    /// # Errors
    /// [`Error::NotManager`] when the engine answers but leads no swarm.
    async fn manager(&self) -> Result<Manager, Error>;
    /// The id of the node that this endpoint speaks for, which need not be a manager.
    async fn node_id(&self) -> Result<String, Error> {
        Ok(self.manager().await?.node_id)
    }
    /// The engine of a node, by its id, for the containers and volumes there; none where
    /// this one speaks for that node itself.
    ///
    /// # Errors
    /// [`Error::NoEndpoint`] where nothing says how the node is reached;
    /// [`Error::OtherNode`]; [`Error::Unreachable`].
    async fn of_node(&self, node: &str) -> Result<Option<Arc<dyn Engine>>, Error> {
        if self.node_id().await? == node {
            return Ok(None);
        }
        Err(Error::NoEndpoint { node: node.to_owned(), server: None })
    }

    async fn services(&self, scope: Scope<'_>) -> Result<Vec<api::Service>, Error>;
    /// By id or exact name. [`Error::NotFound`] when there is none.
    async fn service(&self, id: &str) -> Result<api::Service, Error>;
    /// Returns the new service's id.
    async fn create_service(
        &self,
        spec: api::ServiceSpec,
        auth: Option<&RegistryAuth>,
    ) -> Result<String, Error>;
    async fn update_service(
        &self,
        id: &str,
        version: u64,
        spec: api::ServiceSpec,
        auth: Option<&RegistryAuth>,
    ) -> Result<(), Error>;
    async fn remove_service(&self, id: &str) -> Result<(), Error>;

    async fn networks(&self, scope: Scope<'_>) -> Result<Vec<api::Network>, Error>;
    /// By exact name; swarm-scoped ones before others of the same name.
    async fn network(&self, name: &str) -> Result<api::Network, Error>;
    async fn create_network(&self, request: api::NetworkCreateRequest) -> Result<String, Error>;
    /// Asks for the removal; swarm does it later. Poll [`Engine::networks`].
    async fn remove_network(&self, id: &str) -> Result<(), Error>;

    async fn secrets(&self, scope: Scope<'_>) -> Result<Vec<api::Secret>, Error>;
    /// `spec.data` is base64, as in Docker's API.
    async fn create_secret(&self, spec: api::SecretSpec) -> Result<String, Error>;
    async fn remove_secret(&self, id: &str) -> Result<(), Error>;
    /// Changes labels, the only part of a secret that can change; `spec` has its
    /// name and content.
    async fn update_secret(
        &self,
        id: &str,
        version: u64,
        spec: api::SecretSpec,
    ) -> Result<(), Error>;
    /// Whether a secret's content is that of `spec`, which has the same
    /// name; changes nothing. None if the manager does not say.
    async fn secret_matches(&self, id: &str, spec: api::SecretSpec) -> Result<Option<bool>, Error>;

    async fn configs(&self, scope: Scope<'_>) -> Result<Vec<api::Config>, Error>;
    /// By exact name, with its content. [`Error::NotFound`] when there is none.
    async fn config(&self, name: &str) -> Result<api::Config, Error>;
    /// `spec.data` is base64, as in Docker's API.
    async fn create_config(&self, spec: api::ConfigSpec) -> Result<String, Error>;
    async fn remove_config(&self, id: &str) -> Result<(), Error>;
    /// As [`Engine::update_secret`].
    async fn update_config(
        &self,
        id: &str,
        version: u64,
        spec: api::ConfigSpec,
    ) -> Result<(), Error>;

    /// Tasks of one service (by id), newest first, old ones included as long
    /// as swarm keeps them.
    async fn tasks(&self, service: &str) -> Result<Vec<api::Task>, Error>;
    /// Tasks of several services (by id), as [`Engine::tasks`].
    async fn tasks_of(&self, services: &[String]) -> Result<Vec<api::Task>, Error>;
    async fn nodes(&self) -> Result<Vec<api::Node>, Error>;
    /// The full name of a service that holds one of these ports of a node (`mode:
    /// host`), and the port: one with a task there, not one that only wants it.
    /// `except` is the id of a service that is not meant.
    async fn port_holder(
        &self,
        ports: &[NodePort],
        except: &str,
    ) -> Result<Option<(NodePort, String)>, Error> {
        for service in self.services(Scope::All).await? {
            let (Some(id), Some(spec)) = (service.id.as_deref(), &service.spec) else { continue };
            let Some(port) = node_ports(spec).into_iter().find(|port| ports.contains(port)) else {
                continue;
            };
            if id != except && self.tasks(id).await?.iter().any(is_placed) {
                return Ok(Some((port, spec.name.clone().unwrap_or_default())));
            }
        }
        Ok(None)
    }

    /// Running containers of a service (by full name) on the node that this
    /// endpoint speaks for, and on each other node whose endpoint is known and answers.
    async fn containers(&self, service: &str) -> Result<Vec<Container>, Error>;
    /// Whether that node has any container of a service (by full name), also
    /// one that has ended: such a container still holds its volumes.
    async fn has_containers(&self, service: &str) -> Result<bool, Error>;
    /// What the container of a task, running or ended, says of itself; none where that
    /// node has no such container, or has it no more.
    async fn container_report(&self, task: &str) -> Result<Option<ContainerReport>, Error>;
    /// Starts a program in a running container; see [`ExecSession`].
    async fn exec(&self, container: &str, exec: &Exec) -> Result<ExecSession, Error> {
        let id = self.create_exec(container, exec).await?;
        self.start_exec(container, &id, exec).await
    }
    /// Makes a program ready in a running container, as one that [`Engine::start_exec`]
    /// starts: two requests, between which this process may have been stopped for long.
    async fn create_exec(&self, container: &str, exec: &Exec) -> Result<String, Error>;
    /// Starts a program that was made ready.
    async fn start_exec(
        &self,
        container: &str,
        id: &str,
        exec: &Exec,
    ) -> Result<ExecSession, Error>;
    /// Whether a program that was started with [`Engine::exec`] still runs in a container,
    /// health checks and programs at a terminal aside; false where that container is gone.
    async fn has_programs(&self, container: &str) -> Result<bool, Error>;
    /// Freezes the programs of a running container of a service (by full name), until
    /// [`Engine::unpause`]. Swarm knows nothing of it: it counts the task as running, and
    /// sends it requests.
    async fn pause(&self, service: &str, container: &str) -> Result<(), Error>;
    /// Lets them run on. False where no container of that service with that id is paused.
    async fn unpause(&self, service: &str, container: &str) -> Result<bool, Error>;
    /// Tells a session's terminal its new size.
    async fn resize(&self, session: &str, rows: u16, columns: u16) -> Result<(), Error>;
    /// Unpacks a tar stream, of files with about so many bytes, below a folder of a running
    /// container.
    async fn put_archive(
        &self,
        container: &str,
        folder: &str,
        tar: Archive,
        bytes: u64,
    ) -> Result<(), Error>;
    /// A file or folder of a running container, as a tar stream.
    async fn get_archive(
        &self,
        container: &str,
        path: &str,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, Error>>, Error>;

    /// Log lines of a service (by id), all its tasks together.
    async fn service_logs(
        &self,
        service: &str,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error>;
    /// Log lines of one task.
    async fn task_logs(
        &self,
        task: &str,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error>;

    /// Volumes on the node that this endpoint speaks for.
    async fn volumes(&self, scope: Scope<'_>) -> Result<Vec<Volume>, Error>;
    async fn volume(&self, name: &str) -> Result<Volume, Error>;
    /// Creates the volume, or returns the one that exists.
    async fn create_volume(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
    ) -> Result<Volume, Error>;
    async fn remove_volume(&self, name: &str) -> Result<(), Error>;
    /// Containers on that node that run, or are paused, and mount the volume.
    async fn volume_users(&self, name: &str) -> Result<Vec<Mounting>, Error>;
    /// The folder of *this* machine in which the engine keeps its volumes;
    /// proved, not believed.
    ///
    /// # Errors
    /// [`Error::Elsewhere`] when the engine is not this machine's, or cannot
    /// prove it.
    async fn volumes_folder(&self) -> Result<VolumesFolder, Error>;

    /// Starts a helper container on the node that this endpoint speaks for.
    ///
    /// # Errors
    /// [`Error::NotFound`] when that node has no such image and cannot fetch it.
    async fn start_helper(&self, spec: &HelperSpec) -> Result<Helper, Error> {
        let message = format!("{} runs no helper containers", self.endpoint());
        Err(Error::Refused { action: format!("start `{}`", spec.name), message })
    }
    /// Kills and removes a helper container; one that is gone is no failure.
    async fn end_helper(&self, _id: &str) -> Result<(), Error> {
        Ok(())
    }
    /// Helper containers on the node that this endpoint speaks for, of every operation.
    async fn helpers(&self) -> Result<Vec<FoundHelper>, Error> {
        Ok(Vec::new())
    }

    /// What the engine says of itself and of its machine; none where there is no machine.
    async fn info(&self) -> Result<Option<api::SystemInfo>, Error> {
        Ok(None)
    }
    /// The swarm's own settings and its authority; none where the engine is no manager, or
    /// its swarm has none.
    async fn swarm(&self) -> Result<Option<api::Swarm>, Error> {
        Ok(None)
    }
    /// All containers on the node that this endpoint speaks for.
    async fn local_containers(&self) -> Result<Vec<LocalContainer>, Error> {
        Ok(Vec::new())
    }
    /// How the log of such a container is kept.
    async fn log_keeping(&self, _container: &str) -> Result<Option<LogKeeping>, Error> {
        Ok(None)
    }
    /// Removes such a container, which does not run.
    async fn remove_container(&self, id: &str) -> Result<(), Error> {
        Err(Error::NotFound { kind: Kind::Container, name: id.to_owned() })
    }
    /// Images on that node.
    async fn images(&self) -> Result<Vec<LocalImage>, Error> {
        Ok(Vec::new())
    }
    /// Whether that node has an image of this name.
    async fn has_image(&self, _name: &str) -> Result<bool, Error> {
        Ok(false)
    }
    /// Removes an image there that no container has, by a tag or, of one without tags, by
    /// its id; what other images share with it stays.
    async fn remove_image(&self, name: &str) -> Result<(), Error> {
        Err(Error::NotFound { kind: Kind::Image, name: name.to_owned() })
    }

    /// What the registry says of an image; asked through the engine.
    async fn distribution(
        &self,
        image: &str,
        auth: Option<&RegistryAuth>,
    ) -> Result<Distribution, Error>;
}
