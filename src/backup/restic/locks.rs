//! Locks that other runs of restic left, or hold.
//!
//! restic's own rule (`restic unlock`) decides which lock is stale: its process no longer
//! runs on this host, or it was not refreshed for half an hour. The lock of a running process
//! is never removed, only waited for; it becomes stale if that process dies meanwhile.

use std::{
    ffi::OsString,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{CHANGE, Restic};
use crate::{backup::error::Error, progress::Sink};

/// How long to wait for the lock of a running process.
pub const LOCK_LIMIT: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(3);

impl Restic {
    /// Runs something that takes a lock, and handles existing locks.
    ///
    /// # Errors
    /// [`Error::Locked`] if a running process still holds its lock after `limit`.
    pub async fn past_locks<T, F: Future<Output = Result<T, Error>>>(
        &self,
        limit: Duration,
        progress: &dyn Sink,
        work: impl Fn() -> F,
    ) -> Result<T, Error> {
        // restic would wait for a dead lock as for a living one.
        self.waits.store(true, Ordering::Relaxed);
        let done = self.retry(limit, progress, work).await;
        self.waits.store(false, Ordering::Relaxed);
        done
    }

    /// Reads something; without a lock if the repository cannot be written, for example
    /// because its disk is full. From then on, reads take no lock.
    ///
    /// # Errors
    /// As [`Restic::past_locks`].
    pub async fn read_past_locks<T, F: Future<Output = Result<T, Error>>>(
        &self,
        limit: Duration,
        progress: &dyn Sink,
        work: impl Fn() -> F,
    ) -> Result<T, Error> {
        match self.past_locks(limit, progress, &work).await {
            Err(error @ (Error::NoSpace { .. } | Error::ReadOnly { .. })) => {
                self.lockless.store(true, Ordering::Relaxed);
                progress
                    .warn(format!("{error}: reading it without a lock; do not prune it meanwhile"));
                work().await
            }
            done => done,
        }
    }

    /// The reason why a run that only reads cannot take a lock.
    pub(super) fn lock_free(&self) -> Option<OsString> {
        self.lockless.load(Ordering::Relaxed).then(|| "--no-lock".into())
    }

    async fn retry<T, F: Future<Output = Result<T, Error>>>(
        &self,
        limit: Duration,
        progress: &dyn Sink,
        work: impl Fn() -> F,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let mut unlocked = false;
        loop {
            let by = match work().await {
                Err(Error::Locked { by, .. }) if began.elapsed() < limit || !unlocked => by,
                done => return done,
            };
            let is_first = !std::mem::replace(&mut unlocked, true);
            if self.unlock().await? {
                progress.warn(format!(
                    "removed the stale lock of a restic that no longer runs: the repository was \
                     locked {by}"
                ));
                continue;
            }
            if is_first {
                progress.step(format!("waiting: the repository is locked {by}"));
            } else {
                tokio::time::sleep(PAUSE.min(limit)).await;
            }
        }
    }

    /// Removes stale locks by restic's own rule, and returns whether there were
    /// any. restic 0.14 always says that it removed some, so they are counted.
    async fn unlock(&self) -> Result<bool, Error> {
        let before = self.list("locks").await?;
        self.answer("remove dead locks", &["unlock".into()], 64 * 1024, CHANGE).await?;
        let after = self.list("locks").await?;
        Ok(before.iter().any(|lock| !after.contains(lock)))
    }
}
