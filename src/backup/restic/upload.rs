//! A backup that runs: bytes streamed into `restic backup --stdin`, or a folder
//! read by restic itself.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::backup::error::Error;

use super::{
    failure::{Doing, Kind, Named, judge},
    output::{BackupMessage, Summary},
    process::{Process, lost},
    unread::Vanished,
};

/// A line longer than this is none of restic's messages; `current_files` may
/// name two files of 4 kB each.
const LONGEST_LINE: usize = 256 * 1024;

/// What restic says when all that it found was gone before it could be read, or was left out.
const EMPTY: &str = "snapshot is empty";

/// How far a folder's backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reached {
    pub bytes: u64,
    pub total: Option<u64>,
}

/// A backup that runs. Dropping it interrupts restic, and no snapshot exists.
pub struct Upload {
    process: Option<Process>,
    messages: JoinHandle<io::Result<Option<Summary>>>,
    reached: watch::Receiver<Reached>,
    action: String,
    repository: Arc<Named>,
    /// Bytes written to standard input.
    written: u64,
    source: Source,
}

/// What a backup reads.
#[derive(Debug)]
pub(super) enum Source {
    /// What it is given.
    Stream,
    /// Paths of a folder; all of it when there are none. `leaves_out` says whether there are
    /// patterns of what is not read.
    Folder { root: PathBuf, paths: Vec<String>, leaves_out: bool },
}

impl Upload {
    pub(super) fn new(
        mut process: Process,
        source: Source,
        action: String,
        repository: Arc<Named>,
    ) -> Self {
        let (report, reached) = watch::channel(Reached::default());
        let stdout = process.stdout.take();
        let begun = process.begun.clone();
        let messages = tokio::spawn(async move {
            match stdout {
                Some(stdout) => read_messages(stdout, &report, &begun).await,
                None => Ok(None),
            }
        });
        Upload { process: Some(process), messages, reached, action, repository, written: 0, source }
    }

    /// Hands bytes to restic; waits while it is busy.
    ///
    /// # Errors
    /// restic's own failure, if it ended before it had read everything.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let stdin = self.process.as_mut().and_then(|p| p.stdin.as_mut());
        let Some(stdin) = stdin else {
            return Err(self.odd("it has no standard input"));
        };
        match stdin.write_all(bytes).await {
            Ok(()) => {
                self.written += bytes.len() as u64;
                Ok(())
            }
            Err(broken) => Err(self.why_it_broke(broken).await),
        }
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How far restic is, for a folder.
    pub fn reached(&self) -> watch::Receiver<Reached> {
        self.reached.clone()
    }

    /// Ends the input and waits for the snapshot.
    ///
    /// # Errors
    /// restic's failure; a snapshot of fewer bytes than were written is one, too.
    pub async fn finish(self) -> Result<Summary, Error> {
        self.finish_looking(|_| false).await
    }

    /// The same; `gone` tells of a path in the folder whether it is missing now: old versions do not say why they could not read it.
    pub async fn finish_looking(mut self, gone: impl Fn(&str) -> bool) -> Result<Summary, Error> {
        let summary = match self.process.as_mut() {
            Some(process) => {
                process.stdin = None;
                // Standard output ends when restic does; waiting for it here
                // keeps `process` in place, and with it the guard.
                let read = (&mut self.messages).await;
                read.map_err(io::Error::other).and_then(|r| r)
            }
            None => return Err(self.odd("it has ended already")),
        };
        let vanished = self.end(gone).await?;
        let summary = summary.map_err(|e| self.odd(&e.to_string()))?;
        let mut summary = summary.ok_or_else(|| self.odd("it printed no summary"))?;
        if matches!(self.source, Source::Stream) && summary.bytes != self.written {
            return Err(self.odd(&format!(
                "it stored {} bytes of the {} it was given",
                summary.bytes, self.written
            )));
        }
        summary.vanished = vanished;
        Ok(summary)
    }

    /// Interrupts restic before the end of its input and waits until it is
    /// gone: no snapshot exists.
    pub async fn abort(mut self) {
        if let Some(process) = self.process.take()
            && let Err(error) = process.interrupt().await
        {
            tracing::warn!(%error, "waiting for an interrupted restic");
        }
    }

    async fn end(&mut self, gone: impl Fn(&str) -> bool) -> Result<Vanished, Error> {
        let Some(process) = self.process.take() else {
            return Err(self.odd("it has ended already"));
        };
        let ended = process.wait().await.map_err(|e| lost(&self.action, e))?;
        let doing = Doing { action: &self.action, repository: &self.repository };
        match judge(&doing, &ended) {
            Ok(()) => Ok(Vanished::default()),
            Err(error @ Error::Partial { .. }) => {
                let Source::Folder { root, paths, .. } = &self.source else { return Err(error) };
                let gone = |name: &str| relative(root, name).is_some_and(|path| gone(&path));
                let vanished = ended.unread.forgiven(gone);
                let whole = vanished.filter(|vanished| !misses_a_path(root, paths, vanished));
                whole.ok_or_else(|| match ended.unread.is_of_the_one_before(gone) {
                    true => Error::Damaged {
                        what: self.action.clone(),
                        repository: self.repository.repository.clone(),
                        reason: "the snapshot before this one cannot be read".into(),
                        remedy: self.repository.remedy(Kind::Pack),
                    },
                    false => error,
                })
            }
            Err(error) => {
                let Source::Folder { root, paths, leaves_out } = &self.source else {
                    return Err(error);
                };
                let is_empty = ended.stderr.contains(EMPTY);
                if is_empty && *leaves_out && ended.unread.is_none() {
                    return Err(Error::AllLeftOut { what: self.action.clone() });
                }
                let gone = |name: &str| relative(root, name).is_some_and(|path| gone(&path));
                let vanished = ended.unread.forgiven(gone);
                let whole = vanished.is_some_and(|all| !misses_a_path(root, paths, &all));
                if whole && is_empty {
                    return Err(Error::AllVanished { what: self.action.clone() });
                }
                Err(error)
            }
        }
    }

    async fn why_it_broke(&mut self, broken: io::Error) -> Error {
        match self.end(|_| false).await {
            Err(error) => error,
            // It ended well without having read everything.
            Ok(_) => self.odd(&format!("it stopped reading its input: {broken}")),
        }
    }

    fn odd(&self, message: &str) -> Error {
        Error::ResticOutput { action: self.action.clone(), message: message.into() }
    }
}

/// Where in the folder something is that restic names: mostly by its whole path,
/// sometimes by the one from the folder.
fn relative(root: &Path, name: &str) -> Option<String> {
    let name = Path::new(name);
    let below = if name.is_absolute() { name.strip_prefix(root).ok()? } else { name };
    Some(below.strip_prefix(".").unwrap_or(below).to_str()?.to_owned())
}

/// Whether a path that was asked for by name is among what vanished, or a folder
/// above it.
fn misses_a_path(root: &Path, paths: &[String], vanished: &Vanished) -> bool {
    let missed = |name: &String| match relative(root, name) {
        None => true,
        Some(gone) => {
            paths.iter().any(|path| path.as_str() == gone || Path::new(path).starts_with(&gone))
        }
    };
    let all_known = vanished.count == vanished.names.len() as u64;
    !paths.is_empty() && (!all_known || vanished.names.iter().any(missed))
}

async fn read_messages(
    stdout: impl AsyncRead + Unpin,
    report: &watch::Sender<Reached>,
    begun: &CancellationToken,
) -> io::Result<Option<Summary>> {
    let mut lines = BufReader::with_capacity(16 * 1024, stdout);
    let mut line = Vec::new();
    let mut summary = None;
    loop {
        line.clear();
        if !read_line(&mut lines, &mut line).await? {
            return Ok(summary);
        }
        match serde_json::from_slice::<BackupMessage>(&line) {
            Ok(BackupMessage::Status { bytes_done, total_bytes, total_files }) => {
                // It counts files, and so holds its lock.
                if total_files > 0 || bytes_done > 0 {
                    begun.cancel();
                }
                report.send_replace(Reached { bytes: bytes_done, total: total_bytes });
            }
            Ok(BackupMessage::Summary(found)) => summary = Some(found),
            Ok(BackupMessage::Other) | Err(_) => {}
        }
    }
}

/// Reads one line of bounded length; the rest of a longer one is skipped.
/// False at the end.
async fn read_line(
    from: &mut (impl AsyncBufReadExt + Unpin),
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut any = false;
    loop {
        let buffer = from.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|b| *b == b'\n');
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        let used = end.map_or(buffer.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}
