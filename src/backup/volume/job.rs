//! One-off work beside a volume of a node that no endpoint reaches: a swarm job pinned to
//! that node.
//!
//! A manager passes neither a program's streams nor files on to another node; what it does
//! pass on is a service's specification, its secrets, and afterwards its log. So each script
//! is a job of its own, which has the mounts of the helper container that it stands for; what
//! the script needs secretly comes as swarm secrets, which are removed with the job; what it
//! printed is read from its log once it has ended. Like helpers, jobs that an operation left
//! behind are removed by the next operation on the app, which holds its lease.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::tell::tell;
use crate::engine::{
    self, Chunk, Engine, Error, ExecSession, HelperSpec, LogLine, LogQuery, Scope, api,
    helper::{HELPER_LABEL, OPERATION_LABEL, random},
    if_there,
};

/// Between two looks at the task; more and more, for a large volume takes hours.
const PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the node has to begin; fetching the image is part of that.
const BEGIN: Duration = Duration::from_secs(600);
/// How long a task may wait for its node: one that is away does not come back within it.
const PLACE: Duration = Duration::from_secs(30);
/// How long what a task wrote may take to arrive after its end.
const ARRIVE: Duration = Duration::from_secs(20);
/// restic removes its lock within it.
const GRACE: i64 = 20_000_000_000;
/// The most that a job may print.
const PRINTED: usize = 16 * 1024 * 1024;
/// Ends what a job prints: without it, something is missing.
const END: &str = "potluck: that is all";

/// What a job runs: the script in `$1` with the rest as its arguments. Interrupts are passed
/// on to it, and its end is said on both streams, because each may arrive later.
const WRAP: &str = concat!(
    "umask 077; ",
    tell!(),
    r#" || exit 9
for file in /run/secrets/potluck/*; do
  [ ! -e "$file" ] || cp "$file" /run/potluck/ || exit 9
done
script=$1
shift
sh -c "$script" sh "$@" &
child=$!
trap 'kill -INT "$child"' INT TERM
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
  wait "$child"
  code=$?
done
echo 'potluck: that is all'
echo 'potluck: that is all' >&2
exit "$code""#
);

/// A node of the swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub id: String,
    /// Its host name, for messages.
    pub name: String,
}

/// A node, and what a job there sees of it.
#[derive(Debug)]
pub(super) struct Job {
    manager: Arc<dyn Engine>,
    node: Node,
    spec: HelperSpec,
    /// What the next job needs, and nobody else may see.
    files: Mutex<Vec<(String, Zeroizing<Vec<u8>>)>>,
    running: Mutex<Left>,
}

impl Job {
    /// Work on a node, with the mounts, the image and the rights of this helper. Removes what
    /// earlier operations on the app left.
    pub async fn new(
        manager: Arc<dyn Engine>,
        node: &Node,
        spec: HelperSpec,
    ) -> Result<Self, Error> {
        let job = Job {
            manager,
            node: node.clone(),
            spec,
            files: Default::default(),
            running: Default::default(),
        };
        let label = |key: &str| job.spec.labels.get(key).cloned().unwrap_or_default();
        let (stack, operation) = (label(HELPER_LABEL), label(OPERATION_LABEL));
        let scope = Scope::Labelled(HELPER_LABEL, &stack);
        let is_other = |labels: Option<&HashMap<String, String>>| {
            engine::label(labels, OPERATION_LABEL) != Some(operation.as_str())
        };
        for service in job.manager.services(scope).await? {
            let labels = service.spec.as_ref().and_then(|spec| spec.labels.as_ref());
            if let Some(id) = service.id.as_deref().filter(|_| is_other(labels)) {
                if_there(job.manager.remove_service(id).await)?;
            }
        }
        for secret in job.manager.secrets(scope).await? {
            let labels = secret.spec.as_ref().and_then(|spec| spec.labels.as_ref());
            if let Some(id) = secret.id.as_deref().filter(|_| is_other(labels)) {
                if_there(job.manager.remove_secret(id).await)?;
            }
        }
        Ok(job)
    }

    /// The node, for messages.
    pub fn node(&self) -> &str {
        &self.node.name
    }

    /// Keeps a file for the next script: it finds it in the folder in memory.
    pub fn keep(&self, name: &str, content: &[u8]) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.push((name.to_owned(), Zeroizing::new(content.to_vec())));
    }

    /// Starts a script, which has no standard input. What it prints comes once it has ended.
    pub async fn session(
        &self,
        script: &str,
        arguments: &[String],
        workdir: Option<&Path>,
    ) -> Result<ExecSession, Error> {
        let name = format!("potluck-job-{}", random().unwrap_or_default());
        let files = std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        let mut run = Run { manager: Arc::clone(&self.manager), left: Left::default() };
        let mut secrets = Vec::new();
        for (file, content) in files {
            let secret_name = format!("{name}-{file}");
            let data = Zeroizing::new(STANDARD.encode(&content));
            let spec = api::SecretSpec {
                name: Some(secret_name.clone()),
                labels: Some(self.labels()),
                data: Some(data.to_string()),
                ..Default::default()
            };
            let id = self.manager.create_secret(spec).await?;
            run.left.secrets.push(id.clone());
            secrets.push(api::TaskSpecContainerSpecSecrets {
                file: Some(api::TaskSpecContainerSpecFile {
                    name: Some(format!("potluck/{file}")),
                    uid: Some("0".into()),
                    gid: Some("0".into()),
                    mode: Some(0o400),
                }),
                secret_id: Some(id),
                secret_name: Some(secret_name),
            });
        }
        let mut command: Vec<String> = ["/bin/sh", "-c", WRAP, "sh", script].map(Into::into).into();
        command.extend_from_slice(arguments);
        let spec = self.service(&name, command, workdir, secrets);
        run.left.service = Some(self.manager.create_service(spec, None).await?);
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.clone_from(&run.left);
        }
        let (told, code) = oneshot::channel();
        let node = self.node.clone();
        let image = self.spec.image.clone();
        let ended = async move {
            let ended = run.end(&node, &image).await;
            run.clean().await;
            let (chunks, code) = match ended {
                Ok(Ended { code, output }) => (output.into_iter().map(Ok).collect(), Ok(code)),
                Err(error) => {
                    let again = Error::Refused {
                        action: format!("run a job on the node `{}`", node.name),
                        message: error.to_string(),
                    };
                    (vec![Err(error)], Err(again))
                }
            };
            // Whether anyone still waits for it changes nothing.
            let _ = told.send(code);
            stream::iter::<Vec<Result<Chunk, Error>>>(chunks)
        };
        let lost = || Error::Refused {
            action: "run a job".into(),
            message: "its end was not waited for".into(),
        };
        Ok(ExecSession {
            id: name,
            stdin: None,
            output: stream::once(ended).flatten().boxed(),
            exit_code: async move { code.await.unwrap_or_else(|_| Err(lost())) }.boxed(),
        })
    }

    /// Ends what runs: it gets the interrupt, and then some time.
    pub async fn end(&self) -> Result<(), Error> {
        let left =
            std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        left.remove(&*self.manager).await
    }

    fn labels(&self) -> HashMap<String, String> {
        self.spec.labels.clone().into_iter().collect()
    }

    fn service(
        &self,
        name: &str,
        command: Vec<String>,
        workdir: Option<&Path>,
        secrets: Vec<api::TaskSpecContainerSpecSecrets>,
    ) -> api::ServiceSpec {
        let HelperSpec { image, mounts, memory_folder, capabilities, memory, processes, .. } =
            &self.spec;
        let mut mounts = mounts.clone();
        mounts.push(api::Mount {
            typ: Some(api::MountType::TMPFS),
            target: Some(memory_folder.clone()),
            tmpfs_options: Some(api::MountTmpfsOptions {
                size_bytes: Some(4 * 1024 * 1024),
                mode: Some(0o700),
                options: None,
            }),
            ..Default::default()
        });
        let capability = |name: &String| format!("CAP_{name}");
        let container = api::TaskSpecContainerSpec {
            image: Some(image.clone()),
            labels: Some(self.labels()),
            command: Some(command),
            hostname: Some(name.to_owned()),
            user: Some("0:0".into()),
            dir: workdir.map(|path| path.to_string_lossy().into_owned()),
            mounts: Some(mounts),
            stop_signal: Some("SIGINT".into()),
            stop_grace_period: Some(GRACE),
            health_check: Some(api::HealthConfig {
                test: Some(vec!["NONE".into()]),
                ..Default::default()
            }),
            secrets: Some(secrets),
            capability_drop: Some(vec!["ALL".into()]),
            capability_add: Some(capabilities.iter().map(capability).collect()),
            ..Default::default()
        };
        let task = api::TaskSpec {
            container_spec: Some(container),
            resources: Some(api::TaskSpecResources {
                limits: Some(api::Limit {
                    memory_bytes: Some(*memory),
                    pids: Some(*processes),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            restart_policy: Some(api::TaskSpecRestartPolicy {
                condition: Some(api::TaskSpecRestartPolicyConditionEnum::NONE),
                ..Default::default()
            }),
            placement: Some(api::TaskSpecPlacement {
                constraints: Some(vec![format!("node.id=={}", self.node.id)]),
                ..Default::default()
            }),
            // The node's own may be one that nothing can be read from.
            log_driver: Some(api::TaskSpecLogDriver {
                name: Some("json-file".into()),
                options: None,
            }),
            ..Default::default()
        };
        api::ServiceSpec {
            name: Some(name.to_owned()),
            labels: Some(self.labels()),
            mode: Some(api::ServiceSpecMode {
                replicated_job: Some(api::ServiceSpecModeReplicatedJob {
                    max_concurrent: Some(1),
                    total_completions: Some(1),
                }),
                ..Default::default()
            }),
            task_template: Some(task),
            ..Default::default()
        }
    }
}

/// What a job left on the swarm.
#[derive(Debug, Clone, Default)]
struct Left {
    service: Option<String>,
    secrets: Vec<String>,
}

impl Left {
    /// The service first: secrets in use cannot be removed.
    async fn remove(&self, manager: &dyn Engine) -> Result<(), Error> {
        if let Some(id) = &self.service {
            if_there(manager.remove_service(id).await)?;
        }
        for id in &self.secrets {
            if_there(manager.remove_secret(id).await)?;
        }
        Ok(())
    }
}

/// A job that runs; it goes when this is dropped.
struct Run {
    manager: Arc<dyn Engine>,
    left: Left,
}

/// How a job ended, and what it printed.
struct Ended {
    code: i64,
    output: Vec<Chunk>,
}

impl Run {
    /// Waits for the end, and reads the log.
    async fn end(&self, node: &Node, image: &str) -> Result<Ended, Error> {
        let service = self.left.service.as_deref().unwrap_or_default();
        let refused = |message: String| Error::Refused {
            action: format!("run a job on the node `{}`", node.name),
            message,
        };
        let began = Instant::now();
        let (task, code) = loop {
            let tasks = self.manager.tasks(service).await?;
            let waited = began.elapsed();
            let Some(task) = tasks.into_iter().next() else {
                if self.manager.service(service).await.is_err_and(|error| error.is_not_found()) {
                    return Err(refused("it was interrupted".into()));
                }
                if waited > PLACE {
                    return Err(refused("swarm made no task for it".into()));
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let status = task.status.unwrap_or_default();
            let state = status.state.unwrap_or(api::TaskState::NEW);
            let reason = status.err.clone().filter(|error| !error.is_empty());
            let code = status.container_status.as_ref().and_then(|it| it.exit_code);
            match state {
                api::TaskState::COMPLETE => break (task.id.unwrap_or_default(), code.unwrap_or(0)),
                // It ran, and ended with another code than 0.
                api::TaskState::FAILED if code.is_some_and(|code| code != 0) => {
                    break (task.id.unwrap_or_default(), code.unwrap_or(-1));
                }
                state if state > api::TaskState::RUNNING => {
                    let reason = reason.or(status.message).unwrap_or_else(|| state.to_string());
                    if reason.contains("No such image") {
                        let (image, endpoint) = (image.to_owned(), node.name.clone());
                        return Err(Error::NoHelperImage { image, endpoint, reason });
                    }
                    return Err(refused(reason));
                }
                api::TaskState::NEW | api::TaskState::PENDING if waited > PLACE => {
                    return Err(refused(
                        reason.unwrap_or_else(|| "the node does not take it".into()),
                    ));
                }
                state if state < api::TaskState::RUNNING && waited > BEGIN => {
                    return Err(refused(format!("it has not begun after {} s", BEGIN.as_secs())));
                }
                _ => tokio::time::sleep((waited / 20).clamp(PAUSE, LONGEST_PAUSE)).await,
            }
        };
        Ok(Ended { code, output: self.printed(&task).await.map_err(|e| refused(e.to_string()))? })
    }

    /// All that the task printed, once it has all arrived.
    async fn printed(&self, task: &str) -> Result<Vec<Chunk>, Error> {
        let began = Instant::now();
        loop {
            let mut lines = self.manager.task_logs(task, &LogQuery::default()).await?;
            let (mut output, mut ends, mut size) = (Vec::new(), 0, 0);
            while let Some(line) = lines.next().await {
                let LogLine { stream, bytes, .. } = line?;
                if bytes.strip_suffix(b"\n").unwrap_or(&bytes) == END.as_bytes() {
                    ends += 1;
                    continue;
                }
                size += bytes.len();
                if size > PRINTED {
                    return Err(Error::Refused {
                        action: "read the log of a job".into(),
                        message: format!("it printed more than {PRINTED} bytes"),
                    });
                }
                output.push(Chunk { stream, bytes });
            }
            if ends == 2 {
                return Ok(output);
            }
            if began.elapsed() > ARRIVE {
                return Err(Error::Refused {
                    action: "read the log of a job".into(),
                    message: "the end of what it printed is missing".into(),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn clean(&mut self) {
        let left = std::mem::take(&mut self.left);
        if let Err(error) = left.remove(&*self.manager).await {
            tracing::warn!(%error, "removing a job; the next operation on the app does it");
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let left = std::mem::take(&mut self.left);
        if left.service.is_none() && left.secrets.is_empty() {
            return;
        }
        let manager = Arc::clone(&self.manager);
        tokio::spawn(async move {
            if let Err(error) = left.remove(&*manager).await {
                tracing::warn!(%error, "removing a job; the next operation on the app does it");
            }
        });
    }
}
