//! restic in the helper container of a volume.
//!
//! It reaches the repository by itself where it can; else, where the repository is a folder
//! of this machine, its requests come back through the connection and are answered here
//! ([`serve`]), so that neither the node nor its network has to be let in anywhere. restic
//! believes that it started rclone: what it starts is a script that joins its streams to two
//! pipes, whose other ends a second program of ours carries to this side.
//!
//! The password, and whatever else is secret, goes through standard input into a folder in
//! memory of the container, and is removed as restic reads it. None of it is an argument, a
//! variable of the container, or in its specification.

use std::{ffi::OsStr, fmt::Write as _, io, path::Path, sync::Arc};

use futures_util::StreamExt;
use tokio_util::io::StreamReader;
use zeroize::Zeroizing;

use super::{
    Restic, SPARSE, Version,
    process::{Process, Remote},
    serve::serve,
};
use crate::{
    backup::{
        error::Error,
        repository::{HANDED_ON, Route},
        volume::helper::{Container, Input, PRIVATE},
    },
    bounded,
    engine::{ExecSession, Stream},
};

/// Reads its variables, which are gone then, and becomes restic.
const RUN: &str = "set -a && . /run/potluck/environment && set +a && \
                   rm -f /run/potluck/environment && echo $$ >/run/potluck/pid && \
                   exec restic \"$@\"";
/// Carries what the bridge says to this side, and the answers back.
const CARRY: &str = "cat /run/potluck/up & exec cat >/run/potluck/down";
/// Where restic keeps what it read of the repository, while the container exists.
const CACHE: &str = "/var/tmp/potluck-cache";
/// The longest password file.
const LONGEST_PASSWORD: u64 = 64 * 1024;

impl Restic {
    /// Starts restic in a helper, in a folder there.
    pub(super) async fn start_there(
        &self,
        container: &Arc<Container>,
        folder: &Path,
        arguments: &[std::ffi::OsString],
    ) -> Result<Process, Error> {
        let route = self.repository.route()?;
        let version = version_there(container).await?;
        let reading = Error::io("reading", &self.repository.password_file);
        let password = std::fs::File::open(&self.repository.password_file)
            .and_then(|file| bounded::read(file, LONGEST_PASSWORD))
            .map_err(reading)?;
        container.write("password", &Zeroizing::new(password)).await?;
        let environment = self.environment_there(&route);
        container.write("environment", environment.as_bytes()).await?;
        let carried = match route {
            Route::Direct => None,
            Route::Folder(root) => {
                let session = container.session(CARRY, &[], None, Input::Piped).await?;
                Some(Carried::begin(session, root))
            }
        };
        let mut all = match carried {
            Some(_) => vec!["-o".into(), format!("rclone.program=sh {PRIVATE}/bridge")],
            None => Vec::new(),
        };
        let arguments = arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
        all.extend(known_to(version, arguments.collect()));
        let session = container.session(RUN, &all, Some(folder), Input::None).await?;
        let (interrupted, killed) = (Arc::clone(container), Arc::clone(container));
        let remote = Remote {
            session,
            interrupt: Box::new(move || {
                tokio::spawn(async move {
                    // One that has just ended is none any more; one that does not is killed.
                    if let Err(error) = interrupted.interrupt().await {
                        tracing::debug!(%error, "interrupting restic in the helper");
                    }
                });
            }),
            kill: Box::new(move || {
                tokio::spawn(async move {
                    if let Err(error) = killed.kill().await {
                        tracing::warn!(%error, "ending the helper container");
                    }
                });
            }),
            needs: Box::new((carried, Arc::clone(container))),
        };
        Ok(Process::start_remote(remote, &self.tracker, self.watch()))
    }

    /// The variables of restic there, as a shell reads them.
    fn environment_there(&self, route: &Route) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        let mut set = |key: &str, value: &str| {
            let value = Zeroizing::new(value.replace('\'', "'\\''"));
            // Writing to a text does not fail.
            let _ = writeln!(text, "{key}='{}'", value.as_str());
        };
        // Those of this machine's own mean nothing there.
        let foreign = |key: &OsStr| HANDED_ON.iter().any(|own| key == OsStr::new(own));
        if matches!(route, Route::Direct) {
            for (key, value) in &self.repository.environment {
                if let (false, Some(key), Some(value)) =
                    (foreign(key), key.to_str(), value.to_str())
                {
                    set(key, value);
                }
            }
        }
        set(
            "RESTIC_REPOSITORY",
            match route {
                Route::Direct => &self.repository.location,
                Route::Folder(_) => "rclone:potluck",
            },
        );
        set("RESTIC_PASSWORD_COMMAND", &format!("sh {PRIVATE}/tell {PRIVATE}/password"));
        set("RESTIC_CACHE_DIR", CACHE);
        set("RESTIC_PROGRESS_FPS", "4");
        set("HOME", PRIVATE);
        text
    }
}

/// The version of restic there.
async fn version_there(container: &Container) -> Result<Version, Error> {
    let limit = std::time::Duration::from_secs(60);
    let ran = container.run("restic version", &[], None, limit).await?;
    if ran.code != 0 {
        return Err(container.odd("its image has no restic", &ran).into());
    }
    let version = Version::parse(ran.stdout.trim()).ok_or_else(|| Error::ResticVersion {
        printed: ran.stdout.trim().chars().take(200).collect(),
    })?;
    if version < Version::OLDEST {
        let Version { major, minor } = version;
        return Err(Error::ResticTooOld { found: format!("{major}.{minor}") });
    }
    Ok(version)
}

/// Without what only a newer restic knows: this machine's may be one.
fn known_to(version: Version, mut arguments: Vec<String>) -> Vec<String> {
    if version < Version::RETRIES_LOCKS
        && let Some(at) = arguments.iter().position(|argument| argument == "--retry-lock")
    {
        arguments.drain(at..(at + 2).min(arguments.len()));
    }
    if version < Version::SPARSE {
        arguments.retain(|argument| argument != SPARSE);
    }
    arguments
}

/// A repository that is served for as long as this exists.
struct Carried(tokio::task::JoinHandle<()>);

impl Carried {
    fn begin(session: ExecSession, root: std::path::PathBuf) -> Self {
        let ExecSession { stdin, output, .. } = session;
        Carried(tokio::spawn(async move {
            let Some(stdin) = stdin else { return };
            let pieces = output.filter_map(async |chunk| match chunk {
                Ok(chunk) if chunk.stream == Stream::Stdout => Some(Ok(chunk.bytes)),
                Ok(_) => None,
                Err(error) => Some(Err(io::Error::other(error))),
            });
            let stream = tokio::io::join(StreamReader::new(pieces.boxed()), stdin);
            serve(root, stream).await;
        }))
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.abort();
    }
}
