//! The helper container beside a volume that potluck cannot reach by itself: on another
//! machine's engine, or in a folder that this user may not read.
//!
//! It sees the one volume and nothing else of its node: no Docker socket, no rights beyond
//! those that reading (or writing) any user's files needs, limited memory and processes, a
//! network only where restic needs one. Secrets are written to a folder in
//! memory, through the standard input of a program that is started in it.
//! It ends with the connection to it; one that is left nevertheless (the engine itself was
//! cut off) is removed by the next operation on the app, which holds its lease.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::StreamExt;
use tokio::{io::AsyncWriteExt, time::timeout};

use super::{
    job::{Job, Node},
    tell::tell,
};
use crate::engine::{
    self, Chunk, Engine, Error, Exec, ExecSession, Helper, HelperNetwork, HelperSpec, Stream,
    api::{Mount, MountType, MountVolumeOptions},
    helper::{HELPER_LABEL, OPERATION_LABEL, random},
};

/// The folder in memory.
pub(crate) const PRIVATE: &str = "/run/potluck";

/// Its first process: makes two pipes and two little programs, and waits for the end of its
/// input. `bridge` joins its own streams to the pipes.
const SCRIPT: &str = concat!(
    r#"umask 077 && cd /run/potluck && mkfifo up down &&
echo 'cat /run/potluck/down 2>/dev/null & exec cat >/run/potluck/up 2>/dev/null' >bridge &&
"#,
    tell!(),
    r#" && : >ready && exec cat >/dev/null"#
);

/// Waits until that is done.
const READY: &str = "n=0; until [ -e /run/potluck/ready ]; do n=$((n+1)); [ $n -lt 300 ] || \
                     exit 9; sleep 0.1; done";

/// Reads the id that `RUN` of [`restic`](crate::backup::restic) left.
const INTERRUPT: &str = "kill -INT \"$(cat /run/potluck/pid)\"";

/// Bytes: restic keeps a repository's index in memory, some 150 MB for a million files.
const MEMORY: i64 = 2 * 1024 * 1024 * 1024;
const PROCESSES: i64 = 256;
/// How much a small program may print.
const PRINTED: usize = 4 * 1024 * 1024;
/// How long a small program may take; one that removes a large folder has more.
const PATIENCE: Duration = Duration::from_secs(120);

/// What may be done to the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
}

/// Whether the helper has a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// restic reaches its repository from there.
    Bridge,
    /// It is passed on through the connection.
    None,
}

/// What to start.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// The stack of the app, for the label.
    pub stack: &'a str,
    pub image: &'a str,
    pub volume: &'a str,
    /// Where the engine keeps the volume's data; it is there in the helper, too.
    pub data: &'a Path,
    pub access: Use,
    pub network: Network,
}

/// A helper that runs, or takes its place where none can be started.
#[derive(Debug)]
pub(crate) struct Container(How);

#[derive(Debug)]
enum How {
    Running {
        engine: Arc<dyn Engine>,
        helper: Helper,
    },
    /// Each script is a swarm job: the node has no endpoint.
    Jobs(Box<Job>),
}

/// How a small program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub code: i64,
    pub stdout: String,
    pub stderr: String,
}

/// What this process calls its helpers.
fn operation() -> &'static str {
    static OPERATION: OnceLock<String> = OnceLock::new();
    OPERATION.get_or_init(|| random().unwrap_or_else(|| std::process::id().to_string()))
}

impl Container {
    /// Starts one, and removes what earlier operations on the app left there.
    pub async fn start(engine: Arc<dyn Engine>, wanted: &Wanted<'_>) -> Result<Self, Error> {
        for left in engine.helpers().await? {
            let of = |label: &str| left.labels.get(label).map(String::as_str);
            if of(HELPER_LABEL) == Some(wanted.stack) && of(OPERATION_LABEL) != Some(operation()) {
                engine.end_helper(&left.id).await?;
            }
        }
        let helper = engine.start_helper(&spec(wanted)).await?;
        let container = Container(How::Running { engine, helper });
        let ready = container.run(READY, &[], None, PATIENCE).await?;
        if ready.code != 0 {
            return Err(container.odd("it did not get ready", &ready));
        }
        Ok(container)
    }

    /// The same on a node that no endpoint reaches, through its manager.
    pub async fn by_jobs(
        manager: Arc<dyn Engine>,
        node: &Node,
        wanted: &Wanted<'_>,
    ) -> Result<Self, Error> {
        let job = Job::new(manager, node, spec(wanted)).await?;
        Ok(Container(How::Jobs(Box::new(job))))
    }

    /// Whether each script is a job of its own, which has no input, and whose output comes at
    /// its end, from a log.
    pub fn is_by_jobs(&self) -> bool {
        matches!(self.0, How::Jobs(_))
    }

    /// The engine's endpoint, or the node, for messages.
    pub fn endpoint(&self) -> &str {
        match &self.0 {
            How::Running { engine, .. } => engine.endpoint(),
            How::Jobs(job) => job.node(),
        }
    }

    /// The error of a small program that failed.
    pub fn odd(&self, what: &str, ran: &Ran) -> Error {
        Error::Refused {
            action: format!("work in the helper container on {}", self.endpoint()),
            message: format!("{what} (exit code {}): {}", ran.code, ran.stderr.trim()),
        }
    }

    /// Starts a script with its streams.
    pub async fn session(
        &self,
        script: &str,
        arguments: &[String],
        workdir: Option<&Path>,
        stdin: Input,
    ) -> Result<ExecSession, Error> {
        let (engine, helper) = match &self.0 {
            How::Running { engine, helper } => (engine, helper),
            How::Jobs(job) if stdin == Input::None => {
                return job.session(script, arguments, workdir).await;
            }
            How::Jobs(job) => {
                return Err(Error::Refused {
                    action: format!("pass data on to the node `{}`", job.node()),
                    message: "a swarm job has no input".into(),
                });
            }
        };
        let mut argv: Vec<String> = ["/bin/sh", "-c", script, "sh"].map(Into::into).into();
        argv.extend_from_slice(arguments);
        let exec = Exec {
            argv,
            workdir: workdir.map(|path| path.to_string_lossy().into_owned()),
            user: Some("0:0".into()),
            stdin: stdin == Input::Piped,
            ..Exec::default()
        };
        engine.exec(&helper.id, &exec).await
    }

    /// Runs a script to its end.
    pub async fn run(
        &self,
        script: &str,
        arguments: &[String],
        input: Option<&[u8]>,
        limit: Duration,
    ) -> Result<Ran, Error> {
        let stdin = if input.is_some() { Input::Piped } else { Input::None };
        let running = async {
            let session = self.session(script, arguments, None, stdin).await?;
            let ExecSession { stdin, mut output, exit_code, .. } = session;
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // Small: it fits into the pipe, and the exit code says whether it was read.
                if stdin.write_all(input).await.is_ok() {
                    let _ = stdin.shutdown().await;
                }
            }
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            while let Some(chunk) = output.next().await {
                let Chunk { stream, bytes } = chunk?;
                let into = if stream == Stream::Stdout { &mut stdout } else { &mut stderr };
                let room = PRINTED.saturating_sub(into.len());
                into.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ok(Ran { code: exit_code.await?, stdout: text(&stdout), stderr: text(&stderr) })
        };
        timeout(limit, running).await.unwrap_or_else(|_| {
            Err(Error::Unreachable {
                endpoint: self.endpoint().to_owned(),
                reason: format!("the helper container gave no answer in {} s", limit.as_secs()),
            })
        })
    }

    /// Writes a small file into the folder in memory, for the next script.
    pub async fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        if let How::Jobs(job) = &self.0 {
            job.keep(name, content);
            return Ok(());
        }
        let script = "umask 077; cat >\"/run/potluck/$1\"";
        let ran = self.run(script, &[name.to_owned()], Some(content), PATIENCE).await?;
        match ran.code {
            0 => Ok(()),
            _ => Err(self.odd("a file was not written", &ran)),
        }
    }

    /// Interrupts restic, which removes its lock then.
    pub async fn interrupt(&self) -> Result<(), Error> {
        match &self.0 {
            How::Running { .. } => {
                self.run(INTERRUPT, &[], None, Duration::from_secs(20)).await.map(drop)
            }
            How::Jobs(job) => job.end().await,
        }
    }

    /// Kills it, with what runs in it.
    pub async fn kill(&self) -> Result<(), Error> {
        match &self.0 {
            How::Running { engine, helper } => engine.end_helper(&helper.id).await,
            How::Jobs(job) => job.end().await,
        }
    }
}

/// Whether a script has a standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Piped,
    None,
}

fn spec(wanted: &Wanted<'_>) -> HelperSpec {
    let Wanted { stack, image, volume, data, access, network } = *wanted;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    // Reading needs no more than the volume itself; replacing it in one step needs the
    // folder that holds it, where no container of the app reaches.
    let (mount, capabilities) = match access {
        Use::Read => (
            Mount {
                typ: Some(MountType::VOLUME),
                source: Some(volume.to_owned()),
                target: Some(text(data)),
                read_only: Some(true),
                volume_options: Some(MountVolumeOptions {
                    no_copy: Some(true),
                    ..MountVolumeOptions::default()
                }),
                ..Mount::default()
            },
            &["DAC_READ_SEARCH"][..],
        ),
        Use::Write => {
            let home = text(data.parent().unwrap_or(data));
            (
                Mount {
                    typ: Some(MountType::BIND),
                    source: Some(home.clone()),
                    target: Some(home),
                    read_only: Some(false),
                    ..Mount::default()
                },
                &[
                    "CHOWN",
                    "DAC_OVERRIDE",
                    "DAC_READ_SEARCH",
                    "FOWNER",
                    "FSETID",
                    "MKNOD",
                    "SETFCAP",
                ][..],
            )
        }
    };
    let labels = [(HELPER_LABEL, stack), (OPERATION_LABEL, operation())];
    HelperSpec {
        name: format!("potluck-helper-{}", random().unwrap_or_default()),
        image: image.to_owned(),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        script: SCRIPT.to_owned(),
        mounts: vec![mount],
        memory_folder: PRIVATE.to_owned(),
        capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
        network: match network {
            Network::Bridge => HelperNetwork::Bridge,
            Network::None => HelperNetwork::None,
        },
        memory: MEMORY,
        processes: PROCESSES,
    }
}

/// Where the engine of a volume keeps its data, if what it says is the path of a volume.
pub(crate) fn data_path(live: &engine::Volume) -> Option<&Path> {
    let path = live.mountpoint.as_path();
    is_data(path, &live.name).then_some(path)
}

/// Whether a path can be that of a volume's data in an engine's folder.
pub(super) fn is_data(path: &Path, volume: &str) -> bool {
    let end = Path::new("volumes").join(volume).join("_data");
    let plain = path.components().all(|part| {
        matches!(part, std::path::Component::RootDir | std::path::Component::Normal(_))
    });
    // Docker's mounts have no way to quote these, nor has a line of a script.
    let is_safe = |text: &str| !text.contains([',', ':', '\n', '\'', '"', '\\']);
    path.is_absolute() && plain && path.to_str().is_some_and(is_safe) && path.ends_with(end)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn wanted(access: Use) -> Wanted<'static> {
        Wanted {
            stack: "wiki_example_org",
            image: "restic/restic:1",
            volume: "wiki_example_org_data",
            data: Path::new("/var/lib/docker/volumes/wiki_example_org_data/_data"),
            access,
            network: Network::None,
        }
    }

    #[test]
    fn a_helper_that_reads_has_the_volume_and_may_not_write() {
        let spec = spec(&wanted(Use::Read));
        let mount = &spec.mounts[0];
        assert_eq!(spec.mounts.len(), 1);
        assert_eq!(mount.source.as_deref(), Some("wiki_example_org_data"));
        assert_eq!(mount.read_only, Some(true));
        assert_eq!(spec.capabilities, ["DAC_READ_SEARCH"]);
        assert_eq!(spec.labels[HELPER_LABEL], "wiki_example_org");
        assert_eq!(spec.network, HelperNetwork::None);
    }

    #[test]
    fn a_helper_that_writes_has_the_folder_of_that_volume_only() {
        let spec = spec(&wanted(Use::Write));
        let home = Some("/var/lib/docker/volumes/wiki_example_org_data");
        assert_eq!(spec.mounts[0].source.as_deref(), home);
        assert_eq!(spec.mounts.len(), 1);
        assert!(!spec.capabilities.iter().any(|name| name.contains("ADMIN")));
    }

    #[test]
    fn a_place_is_believed_only_if_it_is_that_of_a_volume() {
        let volume = |mountpoint: &str| engine::Volume {
            name: "v".into(),
            driver: "local".into(),
            mountpoint: mountpoint.into(),
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
        };
        for good in ["/var/lib/docker/volumes/v/_data", "/srv/docker/volumes/v/_data"] {
            assert_eq!(data_path(&volume(good)), Some(Path::new(good)));
        }
        for bad in [
            "/etc",
            "/var/lib/docker/volumes/other/_data",
            "/var/lib/docker/volumes/v",
            "volumes/v/_data",
            "/a/../volumes/v/_data",
            "/a,b/volumes/v/_data",
            "/a:b/volumes/v/_data",
        ] {
            assert_eq!(data_path(&volume(bad)), None, "{bad}");
        }
    }
}
