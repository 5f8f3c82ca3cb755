//! One run of restic, and its end in every case.
//!
//! restic takes the end of its standard input for the end of the data: if the
//! pipe were simply closed when something fails, it would store half a dump.
//! So a run that is not finished is interrupted first, and its input stays open
//! until it is gone. An interrupt (unlike a kill) also lets restic remove its
//! lock. This holds when a future is dropped, too: a separate task owns the
//! child.
//!
//! There is one moment in which an interrupt does leave a lock: up to 0.15, restic writes
//! its lock, waits 200 ms to see whether somebody else did so, too, and only then remembers
//! it (`cmd/restic/lock.go`). A dump that fails at once would hit exactly this moment. So a
//! backup is interrupted only after restic has reported that it began.

use std::{
    collections::VecDeque,
    io,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    backup::error::Error,
    engine::{Chunk, Error as EngineError, ExecSession, Stream},
};

use super::{retries::Watch, unread::Unread};

/// How long restic gets to remove its lock after an interrupt. Against a slow
/// remote store this takes a few seconds.
const GRACE: Duration = Duration::from_secs(20);
/// How long a run's standard error is read once it is gone: what it started for itself, such as
/// rclone or ssh, may outlive it with the stream open.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long restic gets to say that it began before it is interrupted anyway:
/// a slow remote store takes its time to open.
const BEGIN: Duration = Duration::from_secs(10);
/// How much of standard error is kept: its end.
const STDERR_KEPT: usize = 16 * 1024;
/// Between a run in a helper container and the one who reads its standard output.
const PIPE: usize = 64 * 1024;

/// Standard output of a run.
pub(super) type Output = Box<dyn AsyncRead + Send + Unpin>;

/// A run of restic.
pub(super) struct Process {
    /// Taken when it is closed.
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<Output>,
    /// Cancelled once restic has reported that it began; see above.
    pub begun: CancellationToken,
    signal: Arc<Alive>,
    /// Tells the keeper that the run was interrupted, so that it begins to count.
    interrupted: CancellationToken,
    /// Where standard input waits for restic's end after an interrupt.
    hold: mpsc::UnboundedSender<ChildStdin>,
    keeper: Option<JoinHandle<io::Result<Ended>>>,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub status: ExitStatus,
    /// The end of what it wrote to standard error.
    pub stderr: String,
    /// What all of it says of single files.
    pub unread: Unread,
    /// It was interrupted because it retried something that cannot change.
    pub gave_up: bool,
}

/// A run in a helper container.
pub(super) struct Remote {
    pub session: ExecSession,
    /// Sends the program the interrupt.
    pub interrupt: Box<dyn FnOnce() + Send>,
    /// Ends the container, if the program does not end.
    pub kill: Box<dyn FnOnce() + Send>,
    /// What it needs for as long as it runs.
    pub needs: Box<dyn Send>,
}

/// What interrupts the run, for as long as it runs and was not interrupted.
struct Alive(Mutex<Option<Interrupt>>);

type Interrupt = Box<dyn FnOnce() + Send>;

impl Alive {
    fn interrupt(&self) {
        let mut interrupt = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupt) = interrupt.take() {
            interrupt();
        }
    }

    fn new(interrupt: Option<Interrupt>) -> Arc<Self> {
        Arc::new(Alive(Mutex::new(interrupt)))
    }

    fn gone(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Process {
    /// Starts the command; `tracker` knows of it until it is gone.
    pub fn start(mut command: Command, tracker: &TaskTracker, watch: Watch) -> io::Result<Self> {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(false).spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let signal = Alive::new(pid.map(|pid| {
            Box::new(move || {
                // It may have ended by itself just now; that is all that can go wrong.
                let _ = kill_process(pid, Signal::INT);
            }) as Interrupt
        }));
        let stopping = Stopping::new(signal);
        let (hold, held) = mpsc::unbounded_channel();
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(|stdout| Box::new(stdout) as Output);
        let keeper = tracker.spawn(keep(child, stopping.clone(), held, watch));
        Ok(Process::of(stopping, stdin, stdout, hold, keeper))
    }

    /// The same of a run in a helper container, which has no standard input.
    pub fn start_remote(remote: Remote, tracker: &TaskTracker, watch: Watch) -> Self {
        let Remote { session, interrupt, kill, needs } = remote;
        let stopping = Stopping::new(Alive::new(Some(interrupt)));
        let (hold, _) = mpsc::unbounded_channel();
        let (theirs, ours) = tokio::io::duplex(PIPE);
        let kept = keep_remote(session, stopping.clone(), theirs, watch);
        let keeper = tracker.spawn(async move {
            let ended = kept.await;
            // Of what is not known to have ended nothing may go on.
            let outlived = ended.is_err() || matches!(ended, Ok((_, Outlived::Yes)));
            if outlived {
                kill();
            }
            drop(needs);
            ended.map(|(ended, _)| ended)
        });
        Process::of(stopping, None, Some(Box::new(ours)), hold, keeper)
    }

    fn of(
        stopping: Stopping,
        stdin: Option<ChildStdin>,
        stdout: Option<Output>,
        hold: mpsc::UnboundedSender<ChildStdin>,
        keeper: JoinHandle<io::Result<Ended>>,
    ) -> Self {
        let Stopping { begun, signal, interrupted } = stopping;
        Process { stdin, stdout, begun, signal, interrupted, hold, keeper: Some(keeper) }
    }

    /// Closes standard input and waits for the end.
    pub async fn wait(mut self) -> io::Result<Ended> {
        self.stdin = None;
        self.stdout = None;
        self.end().await
    }

    /// Interrupts the run and waits for its end. Standard input stays open, so
    /// that restic can't take it for the end of the data.
    pub async fn interrupt(mut self) -> io::Result<Ended> {
        self.stop();
        self.end().await
    }

    fn stop(&mut self) {
        // At once where that is safe: the keeper may not get to run any more.
        if self.begun.is_cancelled() {
            self.signal.interrupt();
        }
        if let Some(stdin) = self.stdin.take() {
            // The keeper drops it when the child is gone; if it is gone
            // already, dropping it here does no harm.
            let _ = self.hold.send(stdin);
        }
        self.interrupted.cancel();
    }

    async fn end(&mut self) -> io::Result<Ended> {
        let Some(keeper) = self.keeper.as_mut() else {
            return Err(io::Error::other("the end of restic was asked for twice"));
        };
        // Kept in place while waiting: if this future is dropped, `Drop` still
        // sees an unfinished run.
        let ended = keeper.await.map_err(io::Error::other)?;
        self.keeper = None;
        ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.keeper.is_some() {
            self.stop();
        }
    }
}

/// What the keeper of a run needs to stop it.
#[derive(Clone)]
struct Stopping {
    begun: CancellationToken,
    signal: Arc<Alive>,
    interrupted: CancellationToken,
}

impl Stopping {
    fn new(signal: Arc<Alive>) -> Self {
        let (begun, interrupted) = (CancellationToken::new(), CancellationToken::new());
        Stopping { begun, signal, interrupted }
    }

    async fn stop(&self, child: &mut Child) -> io::Result<ExitStatus> {
        tokio::select! {
            status = child.wait() => return status,
            () = self.begun.cancelled() => {}
            () = tokio::time::sleep(BEGIN) => {}
        }
        self.signal.interrupt();
        match tokio::time::timeout(GRACE, child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                child.start_kill()?;
                child.wait().await
            }
        }
    }
}

/// Owns the child until it is gone.
async fn keep(
    mut child: Child,
    stopping: Stopping,
    held: mpsc::UnboundedReceiver<ChildStdin>,
    mut watch: Watch,
) -> io::Result<Ended> {
    let stderr = child.stderr.take();
    let mut said = Said::default();
    let read = async {
        let mut give_up = || {
            stopping.signal.interrupt();
            stopping.interrupted.cancel();
        };
        if let Some(stderr) = stderr {
            listen(stderr, &mut said, &mut watch, &mut give_up).await;
        }
    };
    let wait = async {
        let interrupted = tokio::select! {
            status = child.wait() => Some(status),
            () = stopping.interrupted.cancelled() => None,
        };
        let status = match interrupted {
            Some(status) => status,
            None => stopping.stop(&mut child).await,
        };
        stopping.signal.gone();
        status
    };
    let status = {
        tokio::pin!(read, wait);
        tokio::select! {
            status = &mut wait => {
                let _ = tokio::time::timeout(LAST_WORDS, read).await;
                status
            }
            () = &mut read => wait.await,
        }
    };
    drop(held);
    let Said { kept, unread } = said;
    let stderr = kept.into_text();
    Ok(Ended { status: status?, stderr, unread, gave_up: watch.gave_up() })
}

/// Reads what a run in a helper container says, until it ends.
async fn keep_remote(
    session: ExecSession,
    stopping: Stopping,
    mut stdout: tokio::io::DuplexStream,
    mut watch: Watch,
) -> io::Result<(Ended, Outlived)> {
    let ExecSession { mut output, exit_code, .. } = session;
    let mut said = Said::default();
    let mut run = Box::pin(async {
        let mut wanted = true;
        while let Some(chunk) = output.next().await {
            let Chunk { stream, bytes } = chunk.map_err(io::Error::other)?;
            match stream {
                // Nobody reads the rest.
                Stream::Stdout => wanted = wanted && stdout.write_all(&bytes).await.is_ok(),
                Stream::Stderr => {
                    if said.push(&bytes, &mut watch) {
                        stopping.signal.interrupt();
                        stopping.interrupted.cancel();
                    }
                }
            }
        }
        drop(stdout);
        let code = exit_code.await.map_err(io::Error::other)?;
        Ok::<_, io::Error>(ExitStatus::from_raw(i32::try_from(code & 0xff).unwrap_or(1) << 8))
    });
    let interrupted = tokio::select! {
        status = &mut run => Some(status),
        () = stopping.interrupted.cancelled() => None,
    };
    let status = match interrupted {
        Some(status) => Some(status),
        None => {
            let begun = async {
                tokio::select! {
                    () = stopping.begun.cancelled() => {}
                    () = tokio::time::sleep(BEGIN) => {}
                }
            };
            tokio::select! {
                status = &mut run => Some(status),
                () = begun => {
                    stopping.signal.interrupt();
                    tokio::time::timeout(GRACE, &mut run).await.ok()
                }
            }
        }
    };
    drop(run);
    stopping.signal.gone();
    let outlived = if status.is_none() { Outlived::Yes } else { Outlived::No };
    let status = status.unwrap_or_else(|| Ok(ExitStatus::from_raw(Signal::KILL.as_raw())))?;
    let Said { kept, unread } = said;
    let stderr = kept.into_text();
    Ok((Ended { status, stderr, unread, gave_up: watch.gave_up() }, outlived))
}

/// Whether a run did not end after an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outlived {
    Yes,
    No,
}

/// What a run wrote to standard error.
struct Said {
    kept: Tail,
    unread: Unread,
}

impl Default for Said {
    fn default() -> Self {
        Said { kept: Tail::new(STDERR_KEPT), unread: Unread::default() }
    }
}

impl Said {
    /// Whether the run retries something that cannot change.
    fn push(&mut self, bytes: &[u8], watch: &mut Watch) -> bool {
        self.kept.push(bytes);
        self.unread.push(bytes);
        watch.push(bytes)
    }
}

/// Reads to the end.
async fn listen(
    mut from: impl AsyncRead + Unpin,
    said: &mut Said,
    watch: &mut Watch,
    give_up: &mut (dyn FnMut() + Send),
) {
    let mut buffer = [0; 4096];
    // A broken pipe on standard error is the end of it, too.
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if said.push(&buffer[..n], watch) {
            give_up();
        }
    }
}

/// A run whose end is not known: of one in a helper container the engine says why.
pub(super) fn lost(action: &str, error: io::Error) -> Error {
    match error.downcast::<EngineError>() {
        Ok(error) => Error::Engine(error),
        Err(error) => Error::ResticOutput { action: action.to_owned(), message: error.to_string() },
    }
}

/// The last bytes of a stream, for error messages.
#[derive(Debug)]
pub(in crate::backup) struct Tail {
    bytes: VecDeque<u8>,
    limit: usize,
}

impl Tail {
    pub fn new(limit: usize) -> Self {
        Tail { bytes: VecDeque::new(), limit }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(self.limit)..];
        let over = (self.bytes.len() + bytes.len()).saturating_sub(self.limit);
        self.bytes.drain(..over);
        self.bytes.extend(bytes);
    }

    pub fn into_text(self) -> String {
        String::from_utf8_lossy(&Vec::from(self.bytes)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_keeps_the_end() {
        let mut tail = Tail::new(5);
        for piece in ["abc", "", "def", "0123456789"] {
            tail.push(piece.as_bytes());
        }
        tail.push(b"x");
        assert_eq!(tail.into_text(), "6789x");
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::piped());
        command
    }

    #[tokio::test]
    async fn a_dropped_run_is_interrupted_before_its_input_ends() {
        let folder = tempfile::tempdir().unwrap();
        let said = folder.path().join("said");
        // A signal just before `read` blocks would be handled after it only.
        let script = format!(
            "exec 3<&0; trap 'kill $!; echo interrupted >>{0}; exit 130' INT; \
             {{ read line <&3; echo end >>{0}; }} & echo ready; while :; do sleep 0.02; done",
            said.display()
        );
        let tracker = TaskTracker::new();
        let mut process = Process::start(shell(&script), &tracker, Watch::default()).unwrap();
        let mut ready = [0; 6];
        process.stdout.as_mut().unwrap().read_exact(&mut ready).await.unwrap();
        process.begun.cancel();
        drop(process);
        tracker.close();
        tracker.wait().await;
        assert_eq!(std::fs::read_to_string(said).unwrap(), "interrupted\n");
    }

    #[tokio::test]
    async fn what_outlives_a_run_is_not_waited_for() {
        let tracker = TaskTracker::new();
        let command = shell("sleep 600 >/dev/null & echo $! said >&2; exit 3");
        let process = Process::start(command, &tracker, Watch::default()).unwrap();
        let ended = process.wait().await.unwrap();
        assert_eq!(ended.status.code(), Some(3));
        let left = ended.stderr.strip_suffix(" said\n").unwrap();
        let left = Pid::from_raw(left.parse().unwrap()).unwrap();
        kill_process(left, Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn a_run_that_is_waited_for_tells_how_it_ended() {
        let tracker = TaskTracker::new();
        let command = shell("cat >/dev/null; echo no >&2; exit 3");
        let process = Process::start(command, &tracker, Watch::default()).unwrap();
        let ended = process.wait().await.unwrap();
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(3), "no\n"));
    }
}
