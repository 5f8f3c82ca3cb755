//! Docker Swarm through bollard.
//!
//! [`SwarmEngine::connect`] opens no connection: the first call does. A
//! unix socket is opened anew for each call, because that is cheap; over SSH one
//! connection is shared by all calls (`ssh.rs`). Errors are translated in
//! `call.rs`, where every plain call also gets its time limit; streams have
//! one only until their first answer.

mod bounded;
mod call;
mod convert;
mod exec;
mod helper;
mod local;
mod machine;
mod raw;
mod ssh;
mod tls;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use async_trait::async_trait;
use bollard::{Docker, query_parameters as query};
use futures_util::{StreamExt, stream::BoxStream};

use super::{
    Archive, Container, ContainerReport, Distribution, Engine, Error, Exec, ExecSession,
    FoundHelper, Helper, HelperSpec, Kind, LocalContainer, LocalImage, LogKeeping, LogLine,
    LogQuery, Manager, Mounting, RegistryAuth, Scope, Volume, VolumesFolder, Writers, api,
};
use call::{About, Verb, checked};
use raw::Raw;

pub use ssh::ssh_command;

/// The host of an `ssh://` endpoint as it was written, a name or an address; none where it is
/// reached through another machine, whose network may not be ours, and for other endpoints.
pub fn host_of(endpoint: &str) -> Option<String> {
    ssh::Target::parse(endpoint.strip_prefix("ssh://")?).ok()?.direct_host().map(str::to_owned)
}

/// How often a container that was just killed is looked at once more: Docker learns that it
/// ended, and that the kernel did it for want of memory, from two events in any order.
const LOOKS_FOR_A_CAUSE: usize = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// A swarm that Docker leads.
#[derive(Debug)]
pub struct SwarmEngine {
    docker: Docker,
    /// For answers that bollard's model misreads.
    raw: Raw,
    /// As the operator wrote it.
    endpoint: String,
}

impl SwarmEngine {
    /// Prepares to use `unix:///path/to/socket`, `ssh://[user@]host[:port]` or
    /// `tcp://host:port?certificates=/path/to/folder`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::BadEndpoint`], or [`Error::Unreachable`] when there is no such
    /// socket. Other errors appear at the first call.
    pub fn connect(endpoint: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::BadEndpoint {
            endpoint: endpoint.to_owned(),
            reason: reason.to_owned(),
        };
        let (docker, raw) = if let Some(path) = endpoint.strip_prefix("unix://") {
            if !path.starts_with('/') {
                return Err(bad("the path of the socket must be absolute"));
            }
            let limit = call::LIMIT.as_secs();
            let there = std::fs::metadata(path).map(drop);
            there.map_err(|_| call::unreachable(endpoint, &no_socket(path)))?;
            let send = raw::unix(path);
            let raw = Raw::new(send.clone());
            let version = bollard::API_DEFAULT_VERSION;
            Docker::connect_with_custom_transport(send, Some("http://docker"), limit, version)
                .map(|docker| (docker, raw))
                .map_err(|error| call::unreachable(endpoint, &error))?
        } else if let Some(target) = endpoint.strip_prefix("tcp://") {
            let target = tls::Target::parse(target).map_err(bad)?;
            let send = tls::transport(target).map_err(|error| bad(&error.to_string()))?;
            let raw = Raw::new(send.clone());
            let limit = call::LIMIT.as_secs();
            let version = bollard::API_DEFAULT_VERSION;
            Docker::connect_with_custom_transport(send, Some("http://docker"), limit, version)
                .map(|docker| (docker, raw))
                .map_err(|error| call::unreachable(endpoint, &error))?
        } else if let Some(target) = endpoint.strip_prefix("ssh://") {
            let target = ssh::Target::parse(target).map_err(bad)?;
            ssh::connect(endpoint, target)?
        } else {
            return Err(bad("only `unix://`, `ssh://`, `tcp://` and `simulated` are supported"));
        };
        Ok(Self { docker, raw, endpoint: endpoint.to_owned() })
    }

    /// Prepares to use `tcp://host:port`, where anyone on the network path can
    /// read the traffic.
    ///
    /// # Errors
    /// [`Error::Unreachable`] for an invalid address.
    pub fn connect_unprotected(endpoint: &str) -> Result<Self, Error> {
        let limit = call::LIMIT.as_secs();
        let docker = Docker::connect_with_http(endpoint, limit, bollard::API_DEFAULT_VERSION)
            .map_err(|error| call::unreachable(endpoint, &error))?;
        let raw = Raw::tcp(endpoint.trim_start_matches("tcp://"));
        Ok(Self { docker, raw, endpoint: endpoint.to_owned() })
    }

    /// A client that sends these credentials with its requests. bollard would
    /// encode them with the plain base64 alphabet, which Docker refuses as
    /// soon as a `+` or `/` comes up; so the header is set here.
    fn with_auth(&self, auth: Option<&RegistryAuth>) -> Docker {
        let docker = self.docker.clone();
        let Some(value) = auth.and_then(|auth| auth.header.parse().ok()) else { return docker };
        docker.with_request_modifier(move |mut request| {
            request.headers_mut().insert("X-Registry-Auth", Clone::clone(&value));
            request
        })
    }
}

fn no_socket(path: &str) -> bollard::errors::Error {
    bollard::errors::Error::SocketNotFoundError(path.to_owned())
}

/// Docker's filter for what belongs to a stack; none for everything.
fn filters(scope: Scope<'_>) -> HashMap<String, Vec<String>> {
    match scope.label() {
        None => HashMap::new(),
        Some((label, value)) => filter("label", format!("{label}={value}")),
    }
}

fn filter(key: &str, value: String) -> HashMap<String, Vec<String>> {
    HashMap::from([(key.to_owned(), vec![value])])
}

#[async_trait]
impl Engine for SwarmEngine {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    async fn manager(&self) -> Result<Manager, Error> {
        let about = || About::list(Kind::Node);
        let version = self.call(about(), self.docker.version()).await?;
        let info = self.call(about(), self.docker.info()).await?;
        let swarm = info.swarm.unwrap_or_default();
        if swarm.control_available != Some(true) {
            return Err(Error::NotManager { endpoint: self.endpoint.clone() });
        }
        Ok(Manager {
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            node_id: swarm.node_id.unwrap_or_default(),
            node_name: info.name.unwrap_or_default(),
        })
    }

    async fn node_id(&self) -> Result<String, Error> {
        let info = self.call(About::list(Kind::Node), self.docker.info()).await?;
        let id = info.swarm.and_then(|swarm| swarm.node_id).filter(|id| !id.is_empty());
        id.ok_or_else(|| Error::NoNode { endpoint: self.endpoint.clone() })
    }

    async fn services(&self, scope: Scope<'_>) -> Result<Vec<api::Service>, Error> {
        let path = format!("/services?filters={}", raw::filters(&filters(scope)));
        self.call(About::list(Kind::Service), self.raw.get(&path)).await
    }

    async fn service(&self, id: &str) -> Result<api::Service, Error> {
        let about = About::new(Verb::Inspect, Kind::Service, id);
        let path = format!("/services/{}", checked(Kind::Service, id)?);
        let service: api::Service = self.call(about, self.raw.get(&path)).await?;
        // Docker also takes the beginning of an id.
        let name = service.spec.as_ref().and_then(|spec| spec.name.as_deref());
        if service.id.as_deref() == Some(id) || name == Some(id) {
            Ok(service)
        } else {
            Err(Error::NotFound { kind: Kind::Service, name: id.to_owned() })
        }
    }

    async fn create_service(
        &self,
        spec: api::ServiceSpec,
        auth: Option<&RegistryAuth>,
    ) -> Result<String, Error> {
        let name = spec.name.clone().unwrap_or_default();
        let docker = self.with_auth(auth);
        let about = About::new(Verb::Create, Kind::Service, &name);
        let answer = self.call(about, docker.create_service(spec, None)).await?;
        Ok(answer.id.unwrap_or_default())
    }

    async fn update_service(
        &self,
        id: &str,
        version: u64,
        spec: api::ServiceSpec,
        auth: Option<&RegistryAuth>,
    ) -> Result<(), Error> {
        // bollard's options hold 32 bits. A raft log that long has not been
        // seen; a wrapped number would be one that nobody read.
        let version =
            i32::try_from(version).map_err(|_| Error::OutOfSequence { service: id.to_owned() })?;
        let options = query::UpdateServiceOptionsBuilder::new().version(version).build();
        let docker = self.with_auth(auth);
        let about = About::new(Verb::Update, Kind::Service, id);
        let id = checked(Kind::Service, id)?;
        self.call(about, docker.update_service(id, spec, options, None)).await?;
        Ok(())
    }

    async fn remove_service(&self, id: &str) -> Result<(), Error> {
        let about = About::new(Verb::Remove, Kind::Service, id);
        self.call(about, self.docker.delete_service(checked(Kind::Service, id)?)).await
    }

    async fn networks(&self, scope: Scope<'_>) -> Result<Vec<api::Network>, Error> {
        let options = query::ListNetworksOptionsBuilder::new().filters(&filters(scope)).build();
        self.call(About::list(Kind::Network), self.docker.list_networks(Some(options))).await
    }

    async fn network(&self, name: &str) -> Result<api::Network, Error> {
        let options = query::ListNetworksOptionsBuilder::new()
            .filters(&filter("name", name.to_owned()))
            .build();
        let about = About::new(Verb::Inspect, Kind::Network, name);
        let mut found = self.call(about, self.docker.list_networks(Some(options))).await?;
        found.retain(|network| network.name.as_deref() == Some(name));
        found.sort_by_key(|network| network.scope.as_deref() != Some("swarm"));
        found
            .into_iter()
            .next()
            .ok_or_else(|| Error::NotFound { kind: Kind::Network, name: name.to_owned() })
    }

    async fn create_network(&self, request: api::NetworkCreateRequest) -> Result<String, Error> {
        // bollard cannot send `CheckDuplicate`, without which an engine below
        // API 1.44 makes a second network of the same name.
        let name = request.name.clone();
        match self.network(&name).await {
            Ok(_) => return Err(Error::Exists { kind: Kind::Network, name }),
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let about = About::new(Verb::Create, Kind::Network, &name);
        Ok(self.call(about, self.docker.create_network(request)).await?.id)
    }

    async fn remove_network(&self, id: &str) -> Result<(), Error> {
        let about = About::new(Verb::Remove, Kind::Network, id);
        self.call(about, self.docker.remove_network(checked(Kind::Network, id)?)).await
    }

    async fn secrets(&self, scope: Scope<'_>) -> Result<Vec<api::Secret>, Error> {
        let options = query::ListSecretsOptionsBuilder::new().filters(&filters(scope)).build();
        self.call(About::list(Kind::Secret), self.docker.list_secrets(Some(options))).await
    }

    async fn create_secret(&self, spec: api::SecretSpec) -> Result<String, Error> {
        let name = spec.name.clone().unwrap_or_default();
        let about = About::new(Verb::Create, Kind::Secret, &name);
        Ok(self.call(about, self.docker.create_secret(spec)).await?.id)
    }

    async fn remove_secret(&self, id: &str) -> Result<(), Error> {
        let about = About::new(Verb::Remove, Kind::Secret, id);
        self.call(about, self.docker.delete_secret(checked(Kind::Secret, id)?)).await
    }

    async fn update_secret(
        &self,
        id: &str,
        version: u64,
        spec: api::SecretSpec,
    ) -> Result<(), Error> {
        let name = spec.name.clone().unwrap_or_default();
        let version =
            i64::try_from(version).map_err(|_| Error::OutOfSequence { service: name.clone() })?;
        let options = query::UpdateSecretOptionsBuilder::new().version(version).build();
        let about = About::new(Verb::Update, Kind::Secret, &name);
        let id = checked(Kind::Secret, id)?;
        self.call(about, self.docker.update_secret(id, spec, options)).await
    }

    async fn secret_matches(&self, id: &str, spec: api::SecretSpec) -> Result<Option<bool>, Error> {
        // A manager compares contents before versions (moby/swarmkit,
        // `manager/controlapi/secret.go`), and no object has the version 0.
        match self.update_secret(id, 0, spec).await {
            Err(Error::OutOfSequence { .. }) => Ok(Some(true)),
            Err(Error::Refused { message, .. }) => {
                Ok(message.contains("only updates to Labels").then_some(false))
            }
            Err(error) => Err(error),
            Ok(()) => Ok(None),
        }
    }

    async fn configs(&self, scope: Scope<'_>) -> Result<Vec<api::Config>, Error> {
        let options = query::ListConfigsOptionsBuilder::new().filters(&filters(scope)).build();
        self.call(About::list(Kind::Config), self.docker.list_configs(Some(options))).await
    }

    async fn config(&self, name: &str) -> Result<api::Config, Error> {
        let about = About::new(Verb::Inspect, Kind::Config, name);
        let checked = checked(Kind::Config, name)?;
        let config = self.call(about, self.docker.inspect_config(checked)).await?;
        // Docker also takes an id, or the beginning of one.
        if config.spec.as_ref().and_then(|spec| spec.name.as_deref()) == Some(name) {
            Ok(config)
        } else {
            Err(Error::NotFound { kind: Kind::Config, name: name.to_owned() })
        }
    }

    async fn create_config(&self, spec: api::ConfigSpec) -> Result<String, Error> {
        let name = spec.name.clone().unwrap_or_default();
        let about = About::new(Verb::Create, Kind::Config, &name);
        Ok(self.call(about, self.docker.create_config(spec)).await?.id)
    }

    async fn remove_config(&self, id: &str) -> Result<(), Error> {
        let about = About::new(Verb::Remove, Kind::Config, id);
        self.call(about, self.docker.delete_config(checked(Kind::Config, id)?)).await
    }

    async fn update_config(
        &self,
        id: &str,
        version: u64,
        spec: api::ConfigSpec,
    ) -> Result<(), Error> {
        let name = spec.name.clone().unwrap_or_default();
        let version =
            i64::try_from(version).map_err(|_| Error::OutOfSequence { service: name.clone() })?;
        let options = query::UpdateConfigOptionsBuilder::new().version(version).build();
        let about = About::new(Verb::Update, Kind::Config, &name);
        let id = checked(Kind::Config, id)?;
        self.call(about, self.docker.update_config(id, spec, options)).await
    }

    async fn tasks(&self, service: &str) -> Result<Vec<api::Task>, Error> {
        self.tasks_of(&[service.to_owned()]).await
    }

    async fn tasks_of(&self, services: &[String]) -> Result<Vec<api::Task>, Error> {
        // By their ids: a label makes swarm look at all tasks that it has.
        let filters = HashMap::from([("service".to_owned(), services.to_vec())]);
        let path = format!("/tasks?filters={}", raw::filters(&filters));
        let about = About::new(Verb::Inspect, Kind::Service, &services.join(", "));
        let mut tasks: Vec<api::Task> = self.call(about, self.raw.get(&path)).await?;
        convert::newest_first(&mut tasks);
        Ok(tasks)
    }

    async fn nodes(&self) -> Result<Vec<api::Node>, Error> {
        self.call(About::list(Kind::Node), self.docker.list_nodes(None)).await
    }

    async fn containers(&self, service: &str) -> Result<Vec<Container>, Error> {
        let filters = HashMap::from([
            ("label".to_owned(), vec![format!("{}={service}", convert::SERVICE_LABEL)]),
            ("status".to_owned(), vec!["running".to_owned()]),
        ]);
        let options = query::ListContainersOptionsBuilder::new().filters(&filters).build();
        let found = self
            .call(About::list(Kind::Container), self.docker.list_containers(Some(options)))
            .await?;
        Ok(found.into_iter().filter_map(convert::container).collect())
    }

    async fn has_containers(&self, service: &str) -> Result<bool, Error> {
        let filters = filter("label", format!("{}={service}", convert::SERVICE_LABEL));
        let options =
            query::ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let found = self
            .call(About::list(Kind::Container), self.docker.list_containers(Some(options)))
            .await?;
        Ok(!found.is_empty())
    }

    async fn container_report(&self, task: &str) -> Result<Option<ContainerReport>, Error> {
        let filters = filter("label", format!("{}={task}", convert::TASK_LABEL));
        let options =
            query::ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let found = self
            .call(About::list(Kind::Container), self.docker.list_containers(Some(options)))
            .await?;
        let Some(id) = found.into_iter().find_map(|container| container.id) else {
            return Ok(None);
        };
        let mut looks = 0;
        loop {
            let about = About::new(Verb::Inspect, Kind::Container, &id);
            let state = match self.call(about, self.docker.inspect_container(&id, None)).await {
                Ok(container) => container.state.unwrap_or_default(),
                // It went in between.
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
            };
            looks += 1;
            if looks > LOOKS_FOR_A_CAUSE || !convert::may_lack_its_cause(&state) {
                return Ok(Some(convert::report(state)));
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn create_exec(&self, container: &str, exec: &Exec) -> Result<String, Error> {
        exec::create(self, container, exec).await
    }

    async fn start_exec(
        &self,
        container: &str,
        id: &str,
        exec: &Exec,
    ) -> Result<ExecSession, Error> {
        exec::start(self, container, id, exec).await
    }

    async fn has_programs(&self, container: &str) -> Result<bool, Error> {
        exec::any_runs(self, container).await
    }

    async fn pause(&self, _: &str, container: &str) -> Result<(), Error> {
        let about = About::new(Verb::Pause, Kind::Container, container);
        let container = checked(Kind::Container, container)?;
        self.call(about, self.docker.pause_container(container)).await
    }

    async fn unpause(&self, service: &str, container: &str) -> Result<bool, Error> {
        let filters = HashMap::from([
            ("label".to_owned(), vec![format!("{}={service}", convert::SERVICE_LABEL)]),
            ("status".to_owned(), vec!["paused".to_owned()]),
        ]);
        let options = query::ListContainersOptionsBuilder::new().filters(&filters).build();
        let found = self
            .call(About::list(Kind::Container), self.docker.list_containers(Some(options)))
            .await?;
        if !found.iter().any(|one| one.id.as_deref() == Some(container)) {
            return Ok(false);
        }
        let about = About::new(Verb::Unpause, Kind::Container, container);
        let checked = checked(Kind::Container, container)?;
        match self.call(about, self.docker.unpause_container(checked)).await {
            Ok(()) => Ok(true),
            // It ended in between, or somebody else let it run on.
            Err(error) if error.is_not_found() => Ok(false),
            Err(Error::Refused { message, .. }) if message.contains("is not paused") => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn resize(&self, session: &str, rows: u16, columns: u16) -> Result<(), Error> {
        let about = About::new(Verb::Update, Kind::Container, session);
        let options =
            query::ResizeExecOptionsBuilder::new().h(i32::from(rows)).w(i32::from(columns)).build();
        let session = checked(Kind::Container, session)?;
        self.call(about, self.docker.resize_exec(session, options)).await
    }

    async fn put_archive(
        &self,
        container: &str,
        folder: &str,
        tar: Archive,
        bytes: u64,
    ) -> Result<(), Error> {
        let about = About::new(Verb::Write, Kind::Container, container);
        let options = query::UploadToContainerOptionsBuilder::new().path(folder).build();
        let limit = call::limit_for_bytes(bytes);
        let container = checked(Kind::Container, container)?;
        let body = bollard::body_try_stream(tar);
        self.call_within(
            limit,
            about,
            self.docker.upload_to_container(container, Some(options), body),
        )
        .await
    }

    async fn get_archive(
        &self,
        container: &str,
        path: &str,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, Error>>, Error> {
        let about = About::new(Verb::Read, Kind::Container, container);
        let options = query::DownloadFromContainerOptionsBuilder::new().path(path).build();
        let container = checked(Kind::Container, container)?;
        let mut pieces = self.docker.download_from_container(container, Some(options)).boxed();
        // A tar stream always begins with a header, so the first piece comes
        // at once, or the refusal.
        let first = self
            .call(about.clone(), async {
                pieces.next().await.transpose().map(|piece| piece.unwrap_or_default())
            })
            .await?;
        let endpoint = self.endpoint.clone();
        let rest =
            pieces.map(move |piece| piece.map_err(|e| call::translate(&endpoint, &about, e)));
        Ok(futures_util::stream::iter([Ok(first)]).chain(rest).boxed())
    }

    async fn service_logs(
        &self,
        service: &str,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        // The stream itself may stay silent for ever, so a missing service
        // has to be found out before.
        self.service(service).await?;
        let about = About::new(Verb::Read, Kind::Service, service);
        // Each line then names its task; bollard has no option for it.
        let docker = self.docker.clone().with_request_modifier(|mut request| {
            if let Ok(uri) = format!("{}&details=true", request.uri()).parse() {
                *request.uri_mut() = uri;
            }
            request
        });
        let lines = docker.service_logs(service, Some(convert::log_options(query)?));
        Ok(convert::log_lines(self.endpoint.clone(), about, lines))
    }

    async fn task_logs(
        &self,
        task: &str,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        let about = About::new(Verb::Read, Kind::Task, task);
        let task = checked(Kind::Task, task)?;
        self.call(about.clone(), self.docker.inspect_task(task)).await?;
        let lines = self.docker.task_logs(task, Some(convert::log_options(query)?));
        Ok(convert::log_lines(self.endpoint.clone(), about, lines))
    }

    async fn volumes(&self, scope: Scope<'_>) -> Result<Vec<Volume>, Error> {
        let options = query::ListVolumesOptionsBuilder::new().filters(&filters(scope)).build();
        let found =
            self.call(About::list(Kind::Volume), self.docker.list_volumes(Some(options))).await?;
        Ok(found.volumes.unwrap_or_default().into_iter().map(convert::volume).collect())
    }

    async fn volume(&self, name: &str) -> Result<Volume, Error> {
        let about = About::new(Verb::Inspect, Kind::Volume, name);
        let name = checked(Kind::Volume, name)?;
        Ok(convert::volume(self.call(about, self.docker.inspect_volume(name)).await?))
    }

    async fn create_volume(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
    ) -> Result<Volume, Error> {
        let about = About::new(Verb::Create, Kind::Volume, name);
        let request = api::VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(labels.into_iter().collect()),
            ..Default::default()
        };
        Ok(convert::volume(self.call(about, self.docker.create_volume(request)).await?))
    }

    async fn remove_volume(&self, name: &str) -> Result<(), Error> {
        let about = About::new(Verb::Remove, Kind::Volume, name);
        let name = checked(Kind::Volume, name)?;
        let options = None::<query::RemoveVolumeOptions>;
        self.call(about, self.docker.remove_volume(name, options)).await
    }

    async fn volume_users(&self, name: &str) -> Result<Vec<Mounting>, Error> {
        let running = ["running", "paused", "restarting"].map(str::to_owned).to_vec();
        let filters = HashMap::from([
            ("volume".to_owned(), vec![name.to_owned()]),
            ("status".to_owned(), running),
        ]);
        let options =
            query::ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let found = self
            .call(About::list(Kind::Container), self.docker.list_containers(Some(options)))
            .await?;
        Ok(found.into_iter().filter_map(|one| convert::mounting(one, name)).collect())
    }

    async fn start_helper(&self, spec: &HelperSpec) -> Result<Helper, Error> {
        helper::start(self, spec).await
    }

    async fn end_helper(&self, id: &str) -> Result<(), Error> {
        helper::end(self, id).await
    }

    async fn helpers(&self) -> Result<Vec<FoundHelper>, Error> {
        helper::all(self).await
    }

    async fn volumes_folder(&self) -> Result<VolumesFolder, Error> {
        Ok(VolumesFolder { path: self.find_volumes().await?, writers: Writers::Containers })
    }

    async fn info(&self) -> Result<Option<api::SystemInfo>, Error> {
        machine::info(self).await.map(Some)
    }

    async fn swarm(&self) -> Result<Option<api::Swarm>, Error> {
        machine::swarm(self).await
    }

    async fn local_containers(&self) -> Result<Vec<LocalContainer>, Error> {
        machine::containers(self).await
    }

    async fn log_keeping(&self, container: &str) -> Result<Option<LogKeeping>, Error> {
        machine::log_keeping(self, container).await
    }

    async fn remove_container(&self, id: &str) -> Result<(), Error> {
        machine::remove_container(self, id).await
    }

    async fn images(&self) -> Result<Vec<LocalImage>, Error> {
        machine::images(self).await
    }

    async fn has_image(&self, name: &str) -> Result<bool, Error> {
        machine::has_image(self, name).await
    }

    async fn remove_image(&self, name: &str) -> Result<(), Error> {
        machine::remove_image(self, name).await
    }

    async fn distribution(
        &self,
        image: &str,
        auth: Option<&RegistryAuth>,
    ) -> Result<Distribution, Error> {
        let about = About::new(Verb::Inspect, Kind::Image, image);
        let image = call::checked_image(image)?;
        let docker = self.with_auth(auth);
        let found = self.call(about, docker.inspect_registry_image(image, None)).await?;
        Ok(convert::distribution(found))
    }
}
