//! A swarm in memory, or in a file, with the same state machine as the real
//! one.
//!
//! It serves tests, and `--server simulated` where there is no Docker. Services, tasks,
//! updates and rollbacks advance one step each time that they are read (`tick.rs`); the
//! rules of a manager are in `state.rs`; a [`Script`] says what fails and what programs
//! answer. Volumes are real folders, so that backups can work on them.

mod contents;
mod exec;
mod files;
mod logs;
pub(crate) mod pattern;
mod script;
mod state;
mod store;
mod task;
mod tick;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use rustix::process::Signal;
use sha2::{Digest, Sha256};

pub use exec::UNANSWERED;
pub use script::{Answer, ExecRule, Script, TaskRule};

use super::{
    Archive, Container, ContainerReport, Distribution, Engine, Error, Exec, ExecSession, Health,
    Kind, LogLine, LogQuery, Manager, Mounting, RegistryAuth, Scope, Volume, VolumesFolder,
    Writers, api,
};
use files::Files;
use state::{NODE_ID, NODE_NAME, State, container_id, in_scope};
use store::Store;

/// The endpoint that names a simulated swarm.
pub const ENDPOINT: &str = "simulated";

/// Moments at which a script may kill this process that are passed.
static PASSED: AtomicUsize = AtomicUsize::new(0);

/// A simulated swarm.
#[derive(Debug)]
pub struct Simulated {
    store: Store,
    volumes: PathBuf,
    script: std::sync::Mutex<Source>,
    sessions: AtomicU64,
}

/// Where the script comes from.
#[derive(Debug, Clone)]
enum Source {
    Inline(Script),
    /// Read anew for each call, so that it can be edited meanwhile.
    File(PathBuf),
}

impl Simulated {
    /// A swarm kept in `path`, or in memory, with its volumes as folders below
    /// `volumes`.
    ///
    /// # Errors
    /// [`Error::Io`] when the folders cannot be made.
    pub fn open(path: Option<PathBuf>, volumes: PathBuf) -> Result<Self, Error> {
        let folders = path.as_deref().and_then(Path::parent).into_iter().chain([&*volumes]);
        for folder in folders {
            std::fs::create_dir_all(folder).map_err(|source| Error::Io {
                action: format!("create {}", folder.display()),
                source,
            })?;
        }
        let store = match path {
            Some(path) => Store::File(path),
            None => Store::Memory(Box::default()),
        };
        let script = std::sync::Mutex::new(Source::Inline(Script::default()));
        Ok(Self { store, volumes, script, sessions: AtomicU64::new(0) })
    }

    /// Opens the simulated swarm of a server: everything is in one folder,
    /// `swarm.json`, `volumes/` and, if someone wrote one, `script.yml`.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be made.
    pub fn open_folder(folder: &Path) -> Result<Self, Error> {
        let swarm = Self::open(Some(folder.join("swarm.json")), folder.join("volumes"))?;
        swarm.set_source(Source::File(folder.join("script.yml")));
        Ok(swarm)
    }

    /// From now on this happens.
    pub fn set_script(&self, script: Script) {
        self.set_source(Source::Inline(script));
    }

    fn set_source(&self, source: Source) {
        *self.script.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = source;
    }

    fn script(&self) -> Result<Script, Error> {
        let source = self.script.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let path = match source {
            Source::Inline(script) => return Ok(script),
            Source::File(path) => path,
        };
        let failed = |source| Error::Io { action: format!("read {}", path.display()), source };
        match std::fs::read_to_string(&path) {
            Ok(text) => Script::parse(&text)
                .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Script::default()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Runs a change without moving the clock.
    async fn change<T>(
        &self,
        change: impl FnOnce(&mut State, &Script) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let script = self.script()?;
        let is_lost = script.lost.is_some_and(|lost| PASSED.load(Ordering::Relaxed) > lost);
        if script.unreachable || is_lost {
            return Err(unreachable());
        }
        self.store.change(|state| change(state, &script)).await
    }

    /// A change that a caller asked for: the moments before and after it are those at which
    /// a script may kill the process.
    async fn alter<T>(
        &self,
        change: impl FnOnce(&mut State, &Script) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.pass()?;
        let changed = self.change(change).await?;
        self.pass()?;
        Ok(changed)
    }

    /// One such moment.
    fn pass(&self) -> Result<(), Error> {
        let moment = PASSED.fetch_add(1, Ordering::Relaxed);
        let script = self.script()?;
        if script.lost == Some(moment) {
            return Err(unreachable());
        }
        if script.full.is_some_and(|full| full <= moment) {
            return Err(full());
        }
        // As a power cut would: nothing is told, nothing is tidied up.
        let signals = [(script.crash, Signal::KILL), (script.stop, Signal::STOP)];
        for (_, signal) in signals.into_iter().filter(|(at, _)| *at == Some(moment)) {
            let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
        }
        Ok(())
    }

    /// Reads the state, after the clock has advanced one step.
    async fn look<T>(
        &self,
        look: impl FnOnce(&State, &Script) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.change(|state, script| {
            tick::tick(state, script);
            self.prepare_files(state)?;
            look(state, script)
        })
        .await
    }

    /// Makes the folders that containers and volumes need.
    fn prepare_files(&self, state: &State) -> Result<(), Error> {
        for name in state.volumes.keys() {
            self.make_volume(name)?;
        }
        let mut running = Vec::new();
        for service in &state.services {
            for task in service.tasks.iter().filter(|task| task::has_container(task)) {
                let id = container_id(task.id.as_deref().unwrap_or_default());
                Files::new(&self.volumes, &id, service, task).prepare()?;
                running.push(id);
            }
        }
        files::remove_others(&self.volumes, &running)
    }

    fn make_volume(&self, name: &str) -> Result<(), Error> {
        state::check_volume(name).map_err(|message| Error::Refused {
            action: format!("create the volume `{name}`"),
            message,
        })?;
        files::make_volume(&self.volumes, name).map_err(|source| Error::Io {
            action: format!("create {}", files::data(&self.volumes, name).display()),
            source,
        })
    }

    fn volume_of(&self, state: &State, name: &str) -> Option<Volume> {
        let labels = state.volumes.get(name)?.clone();
        let driver = state.volume_drivers.get(name).cloned();
        let (driver, options) =
            driver.map_or(("local".into(), BTreeMap::new()), |given| (given.name, given.options));
        let mountpoint = files::data(&self.volumes, name);
        Some(Volume { name: name.to_owned(), driver, mountpoint, labels, options })
    }

    /// The files of a container that runs.
    async fn files(&self, container: &str) -> Result<Files, Error> {
        self.change(|state, _| {
            let (service, task) = state.container(container).ok_or_else(|| missing(container))?;
            Ok(Files::new(&self.volumes, container, service, task))
        })
        .await
    }
}

fn unreachable() -> Error {
    let reason = "the script says so".to_owned();
    Error::Unreachable { endpoint: ENDPOINT.to_owned(), reason }
}

/// As a manager puts it that cannot write its log; what it answers so may have been done
/// nevertheless.
fn full() -> Error {
    let message = "rpc error: code = Unknown desc = write wal: no space left on device".to_owned();
    Error::Refused { action: "change the swarm".to_owned(), message }
}

fn missing(container: &str) -> Error {
    Error::NotFound { kind: Kind::Container, name: container.to_owned() }
}

fn archive_error(action: &str, path: &str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::NotFound { kind: Kind::File, name: path.to_owned() };
    }
    Error::Refused { action: format!("{action} `{path}`"), message: error.to_string() }
}

/// `linux/arm64`.
fn platform(text: &str) -> api::Platform {
    let (os, architecture) = text.split_once('/').unwrap_or((text, ""));
    api::Platform { os: Some(os.to_owned()), architecture: Some(architecture.to_owned()) }
}

#[async_trait]
impl Engine for Simulated {
    fn endpoint(&self) -> &str {
        ENDPOINT
    }

    fn simulated(&self) -> Option<&str> {
        Some(self.store.server().unwrap_or(ENDPOINT))
    }

    async fn manager(&self) -> Result<Manager, Error> {
        self.change(|_, _| {
            Ok(Manager {
                version: "simulated".to_owned(),
                api_version: "1.41".to_owned(),
                node_id: NODE_ID.to_owned(),
                node_name: NODE_NAME.to_owned(),
            })
        })
        .await
    }

    async fn services(&self, scope: Scope<'_>) -> Result<Vec<api::Service>, Error> {
        self.look(|state, _| {
            let services = state.services.iter().filter(|service| {
                let labels = service.spec().and_then(|spec| spec.labels.as_ref());
                in_scope(scope, |label| labels?.get(label))
            });
            Ok(services.map(|service| service.object.clone()).collect())
        })
        .await
    }

    async fn service(&self, id: &str) -> Result<api::Service, Error> {
        self.look(|state, _| Ok(state.service(id)?.object.clone())).await
    }

    async fn create_service(
        &self,
        spec: api::ServiceSpec,
        _: Option<&RegistryAuth>,
    ) -> Result<String, Error> {
        self.alter(|state, _| state.create_service(spec)).await
    }

    async fn update_service(
        &self,
        id: &str,
        version: u64,
        spec: api::ServiceSpec,
        _: Option<&RegistryAuth>,
    ) -> Result<(), Error> {
        self.alter(|state, _| state.update_service(id, version, spec)).await
    }

    async fn remove_service(&self, id: &str) -> Result<(), Error> {
        self.alter(|state, _| state.remove_service(id)).await
    }

    async fn networks(&self, scope: Scope<'_>) -> Result<Vec<api::Network>, Error> {
        self.change(|state, _| {
            let mut networks = state.networks.clone();
            networks.retain(|network| in_scope(scope, |label| network.labels.as_ref()?.get(label)));
            Ok(networks)
        })
        .await
    }

    async fn network(&self, name: &str) -> Result<api::Network, Error> {
        let found = self.networks(Scope::All).await?;
        let mut found = found.into_iter().filter(|network| network.name.as_deref() == Some(name));
        found.next().ok_or_else(|| Error::NotFound { kind: Kind::Network, name: name.to_owned() })
    }

    async fn create_network(&self, request: api::NetworkCreateRequest) -> Result<String, Error> {
        self.alter(|state, _| state.create_network(request)).await
    }

    async fn remove_network(&self, id: &str) -> Result<(), Error> {
        self.alter(|state, _| state.remove_network(id)).await
    }

    async fn secrets(&self, scope: Scope<'_>) -> Result<Vec<api::Secret>, Error> {
        self.change(|state, _| {
            let mut secrets = state.secrets.clone();
            secrets.retain(|secret| {
                in_scope(scope, |label| secret.spec.as_ref()?.labels.as_ref()?.get(label))
            });
            Ok(secrets)
        })
        .await
    }

    async fn create_secret(&self, spec: api::SecretSpec) -> Result<String, Error> {
        self.alter(|state, _| state.create_secret(spec)).await
    }

    async fn remove_secret(&self, id: &str) -> Result<(), Error> {
        self.alter(|state, _| state.remove_secret(id)).await
    }

    async fn update_secret(
        &self,
        id: &str,
        version: u64,
        spec: api::SecretSpec,
    ) -> Result<(), Error> {
        self.alter(|state, _| state.update_secret(id, version, spec)).await
    }

    async fn update_config(
        &self,
        id: &str,
        version: u64,
        spec: api::ConfigSpec,
    ) -> Result<(), Error> {
        self.alter(|state, _| state.update_config(id, version, spec)).await
    }

    async fn secret_matches(&self, id: &str, spec: api::SecretSpec) -> Result<Option<bool>, Error> {
        self.change(|state, _| state.secret_matches(id, &spec)).await
    }

    async fn configs(&self, scope: Scope<'_>) -> Result<Vec<api::Config>, Error> {
        self.change(|state, _| {
            let mut configs = state.configs.clone();
            configs.retain(|config| {
                in_scope(scope, |label| config.spec.as_ref()?.labels.as_ref()?.get(label))
            });
            Ok(configs)
        })
        .await
    }

    async fn config(&self, name: &str) -> Result<api::Config, Error> {
        let found = self.configs(Scope::All).await?.into_iter().find(|config| {
            config.spec.as_ref().and_then(|spec| spec.name.as_deref()) == Some(name)
        });
        found.ok_or_else(|| Error::NotFound { kind: Kind::Config, name: name.to_owned() })
    }

    async fn create_config(&self, spec: api::ConfigSpec) -> Result<String, Error> {
        self.alter(|state, _| state.create_config(spec)).await
    }

    async fn remove_config(&self, id: &str) -> Result<(), Error> {
        self.alter(|state, _| state.remove_config(id)).await
    }

    async fn tasks(&self, service: &str) -> Result<Vec<api::Task>, Error> {
        self.look(|state, _| Ok(state.service(service)?.tasks.iter().rev().cloned().collect()))
            .await
    }

    async fn tasks_of(&self, services: &[String]) -> Result<Vec<api::Task>, Error> {
        self.change(|state, _| {
            let mut tasks = Vec::new();
            for service in services {
                tasks.extend(state.service(service)?.tasks.iter().rev().cloned());
            }
            Ok(tasks)
        })
        .await
    }

    async fn nodes(&self) -> Result<Vec<api::Node>, Error> {
        self.change(|_, _| {
            Ok(vec![api::Node {
                id: Some(NODE_ID.to_owned()),
                spec: Some(api::NodeSpec {
                    role: Some(api::NodeSpecRoleEnum::MANAGER),
                    availability: Some(api::NodeSpecAvailabilityEnum::ACTIVE),
                    ..Default::default()
                }),
                description: Some(api::NodeDescription {
                    platform: Some(platform("linux/x86_64")),
                    hostname: Some(NODE_NAME.to_owned()),
                    ..Default::default()
                }),
                status: Some(api::NodeStatus {
                    state: Some(api::NodeState::READY),
                    ..Default::default()
                }),
                manager_status: Some(api::ManagerStatus {
                    leader: Some(true),
                    reachability: Some(api::Reachability::REACHABLE),
                    ..Default::default()
                }),
                ..Default::default()
            }])
        })
        .await
    }

    async fn containers(&self, service: &str) -> Result<Vec<Container>, Error> {
        self.look(|state, _| {
            let Ok(found) = state.service(service) else { return Ok(Vec::new()) };
            let running = found.tasks.iter().rev().filter(|task| task::has_container(task));
            let is_paused = |task: &api::Task| {
                state.paused.contains(&container_id(task.id.as_deref().unwrap_or_default()))
            };
            Ok(running
                .filter(|task| !is_paused(task))
                .map(|task| {
                    let id = task.id.clone().unwrap_or_default();
                    let health = match (tick::has_health_check(task), task::task_state(task)) {
                        (false, _) => Health::None,
                        (true, api::TaskState::RUNNING) => Health::Healthy,
                        (true, _) => Health::Starting,
                    };
                    Container {
                        id: container_id(&id),
                        task: id,
                        service: found.name().to_owned(),
                        health,
                    }
                })
                .collect())
        })
        .await
    }

    async fn has_containers(&self, service: &str) -> Result<bool, Error> {
        // Containers that ended leave nothing here.
        Ok(!self.containers(service).await?.is_empty())
    }

    async fn container_report(&self, task: &str) -> Result<Option<ContainerReport>, Error> {
        self.change(|state, script| {
            let mut all =
                state.services.iter().flat_map(|it| it.tasks.iter().map(move |t| (it, t)));
            let found = all.find(|(_, found)| found.id.as_deref() == Some(task));
            let rule = found.and_then(|(service, task)| script.task(tick::subject(service, task)));
            let ran =
                found.is_some_and(|(_, task)| task::has_container(task) || task::is_over(task));
            Ok(ran.then(|| ContainerReport {
                failed_check: rule.and_then(|rule| rule.check_output.clone()),
                out_of_memory: rule.is_some_and(|rule| rule.out_of_memory),
            }))
        })
        .await
    }

    async fn create_exec(&self, container: &str, _: &Exec) -> Result<String, Error> {
        self.look(|state, _| {
            if state.paused.contains(container) {
                return Err(Error::Refused {
                    action: format!("run a program in the container `{container}`"),
                    message: format!("Container {container} is paused"),
                });
            }
            state.container(container).map(|_| ()).ok_or_else(|| missing(container))
        })
        .await?;
        Ok(format!("session{}", self.sessions.fetch_add(1, Ordering::Relaxed)))
    }

    async fn start_exec(
        &self,
        container: &str,
        id: &str,
        exec: &Exec,
    ) -> Result<ExecSession, Error> {
        let (service, rule, files) = self
            .alter(|state, script| {
                let found = state.container(container).ok_or_else(|| missing(container))?;
                let subject = tick::subject(found.0, found.1);
                let files = Files::new(&self.volumes, container, found.0, found.1);
                let is_there = |file: &str| files.of_rule(file)?.try_exists();
                let rule = script
                    .exec(subject, &exec.argv, is_there)
                    .map_err(|source| Error::Io {
                        action: "look for the file of a rule".into(),
                        source,
                    })?
                    .cloned();
                Ok((subject.name().to_owned(), rule, files))
            })
            .await?;
        Ok(exec::start(
            id.to_owned(),
            ENDPOINT,
            self.store.server().unwrap_or(ENDPOINT),
            &service,
            exec,
            rule,
            files,
        ))
    }

    /// Programs answer at once.
    async fn has_programs(&self, _: &str) -> Result<bool, Error> {
        Ok(false)
    }

    async fn pause(&self, service: &str, container: &str) -> Result<(), Error> {
        self.alter(|state, _| {
            let (of, _) = state.container(container).ok_or_else(|| missing(container))?;
            if of.name() != service {
                return Err(missing(container));
            }
            if !state.paused.insert(container.to_owned()) {
                return Err(Error::Refused {
                    action: format!("pause the container `{container}`"),
                    message: format!("Container {container} is already paused"),
                });
            }
            Ok(())
        })
        .await
    }

    async fn unpause(&self, service: &str, container: &str) -> Result<bool, Error> {
        self.alter(|state, _| {
            let is_its = state.container(container).is_some_and(|(of, _)| of.name() == service);
            Ok(is_its && state.paused.remove(container))
        })
        .await
    }

    async fn resize(&self, _: &str, _: u16, _: u16) -> Result<(), Error> {
        Ok(())
    }

    async fn put_archive(
        &self,
        container: &str,
        folder: &str,
        tar: Archive,
        _: u64,
    ) -> Result<(), Error> {
        let files = self.files(container).await?;
        let refused = |error: io::Error| archive_error("write to", folder, &error);
        let tar: Vec<bytes::Bytes> = tar.try_collect().await.map_err(refused)?;
        files.unpack(folder, &tar.concat()).map_err(refused)
    }

    async fn get_archive(
        &self,
        container: &str,
        path: &str,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, Error>>, Error> {
        let files = self.files(container).await?;
        let tar = files.pack(path).map_err(|error| archive_error("read", path, &error))?;
        Ok(stream::iter([Ok(bytes::Bytes::from(tar))]).boxed())
    }

    async fn service_logs(
        &self,
        service: &str,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        let id = self.change(|state, _| Ok(state.service(service)?.id().to_owned())).await?;
        self.logs(query, |service, _| service.id() == id).await
    }

    async fn task_logs(
        &self,
        task: &str,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        self.change(|state, _| {
            let mut tasks = state.services.iter().flat_map(|service| &service.tasks);
            let found = tasks.any(|known| known.id.as_deref() == Some(task));
            found
                .then_some(())
                .ok_or_else(|| Error::NotFound { kind: Kind::Task, name: task.to_owned() })
        })
        .await?;
        self.logs(query, |_, known| known.id.as_deref() == Some(task)).await
    }

    async fn volumes(&self, scope: Scope<'_>) -> Result<Vec<Volume>, Error> {
        self.change(|state, _| {
            let volumes = state.volumes.iter();
            let volumes = volumes.filter(|(_, labels)| in_scope(scope, |label| labels.get(label)));
            Ok(volumes.filter_map(|(name, _)| self.volume_of(state, name)).collect())
        })
        .await
    }

    async fn volume(&self, name: &str) -> Result<Volume, Error> {
        self.change(|state, _| {
            self.volume_of(state, name)
                .ok_or_else(|| Error::NotFound { kind: Kind::Volume, name: name.to_owned() })
        })
        .await
    }

    async fn create_volume(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
    ) -> Result<Volume, Error> {
        self.alter(|state, _| {
            self.make_volume(name)?;
            state.volumes.entry(name.to_owned()).or_insert(labels);
            self.volume_of(state, name)
                .ok_or_else(|| Error::NotFound { kind: Kind::Volume, name: name.to_owned() })
        })
        .await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), Error> {
        self.alter(|state, _| {
            state.remove_volume(name)?;
            match std::fs::remove_dir_all(self.volumes.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(Error::Io { action: format!("remove the volume `{name}`"), source: error })
                }
                _ => Ok(()),
            }
        })
        .await
    }

    async fn volume_users(&self, name: &str) -> Result<Vec<Mounting>, Error> {
        self.change(|state, _| Ok(state.volume_users(name))).await
    }

    async fn volumes_folder(&self) -> Result<VolumesFolder, Error> {
        Ok(VolumesFolder { path: self.volumes.clone(), writers: Writers::Nobody })
    }

    async fn distribution(
        &self,
        image: &str,
        _: Option<&RegistryAuth>,
    ) -> Result<Distribution, Error> {
        self.change(|_, script| {
            let subject = script::Subject { service: "", stack: None, image };
            if script.task(subject).is_some_and(|rule| rule.pull_error.is_some()) {
                return Err(Error::NotFound { kind: Kind::Image, name: image.to_owned() });
            }
            let platforms = script.task(subject).map(|rule| rule.platforms.as_slice());
            Ok(Distribution {
                digest: format!("sha256:{}", hex::encode(Sha256::digest(image))),
                platforms: platforms.unwrap_or_default().iter().map(|it| platform(it)).collect(),
            })
        })
        .await
    }
}
