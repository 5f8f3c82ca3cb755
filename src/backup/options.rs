//! The options of every backup command, and small functions that all of
//! them share.

use std::{
    ffi::OsString,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    error::Error,
    known, password,
    repository::Repository,
    restic::Restic,
    set::{trust::Trust, whose::Of},
};
use crate::{
    app::Context,
    home::{AppEntry, CopyName, ServerName, VolumeWriters},
    progress::{Event, Sink},
};

/// At most four progress events a second.
const BETWEEN_EVENTS: Duration = Duration::from_millis(250);

/// What the caller decides.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The caller's variables named in [`super::HANDED_ON`], for restic and
    /// what it starts.
    pub environment: Vec<(OsString, OsString)>,
    /// Cancelled on Ctrl-C: the command then cleans up and ends with [`Error::Cancelled`].
    /// Dropping its future instead ends restic, too, but skips `after-backup` and leaves
    /// the incomplete set.
    pub cancel: CancellationToken,
    /// Whose sets are read.
    pub trust: Trust,
    /// The copy that is read or looked after, instead of the server's own repository.
    pub from: Option<CopyName>,
    /// Whose sets of an app's name are read.
    pub sets_of: Of,
    /// What services do while the volumes that they write are read; without it, what the
    /// server's settings say.
    pub writers: Option<VolumeWriters>,
    /// A dump that is much smaller than the last one is accepted.
    pub allow_shrink: bool,
}

impl Options {
    /// The same, of another repository of the server.
    #[must_use]
    pub fn of(&self, copy: Option<&CopyName>) -> Self {
        Options { from: copy.cloned(), ..self.clone() }
    }
}

/// What the services of an app do while the volumes that they write are read.
///
/// # Errors
/// Settings of the server that cannot be read.
pub(crate) fn writers_of(
    context: &Context,
    app: &AppEntry,
    options: &Options,
) -> Result<VolumeWriters, Error> {
    match options.writers {
        Some(writers) => Ok(writers),
        None => Ok(context.home.backup(&app.server)?.writers_of(&app.name)),
    }
}

/// What to do if there is no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Makes one, for a new repository of our own.
    Made,
    /// Without a password there is nothing to read.
    Refused,
}

/// restic with the repository of an app's server. The first call shows whether the
/// repository exists and the password is right.
///
/// # Errors
/// [`Error::NoRepository`], [`Error::PasswordFile`], [`Error::ResticMissing`], ….
pub(crate) async fn find(
    context: &Context,
    app: &AppEntry,
    options: &Options,
    missing: Missing,
) -> Result<Restic, Error> {
    Ok(repository_of(context, &app.server, options, missing).await?.of_app(&app.name))
}

/// The same of a server whose repository is only looked after.
///
/// # Errors
/// As [`find`].
pub(crate) async fn of_server(
    context: &Context,
    server: &ServerName,
    options: &Options,
) -> Result<Restic, Error> {
    repository_of(context, server, options, Missing::Refused).await
}

async fn repository_of(
    context: &Context,
    server: &ServerName,
    options: &Options,
    missing: Missing,
) -> Result<Restic, Error> {
    let mut repository =
        Repository::of(&context.home, server, options.from.as_ref(), &options.environment)?;
    let own = repository.own;
    let shown = repository.display();
    let holds = known::holds(context, server, options.from.as_ref(), &shown)?;
    if own && missing == Missing::Refused && !repository.is_there() {
        // A word about its password would mislead.
        return Err(match holds {
            Some(holds) => holds.gone(shown),
            None => Error::NoRepository { repository: shown, own },
        });
    }
    repository.prepare(own && missing == Missing::Made, &*context.progress)?;
    let held = match repository.password_command.as_slice() {
        [] => None,
        command => Some(password::ask(command, &options.environment).await?),
    };
    if let Some(held) = &held {
        repository.password_file = held.path();
    }
    let restic = Restic::new(repository).await?.known_to_hold(holds).holding(held);
    Ok(restic.telling(context.progress.clone()))
}

/// Waits for something unless the command is cancelled first.
pub(crate) async fn unless_cancelled<T>(
    cancel: &CancellationToken,
    left: &'static str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::Cancelled { left }),
        done = work => match done {
            // Ctrl-C at a terminal reaches restic as well, perhaps first.
            Err(Error::Interrupted) => Err(Error::Cancelled { left }),
            done => done,
        },
    }
}

/// Reports the progress of a step, at a limited rate.
pub(crate) struct Meter<'a> {
    sink: &'a dyn Sink,
    step: String,
    last: Option<Instant>,
}

impl<'a> Meter<'a> {
    pub fn new(sink: &'a dyn Sink, step: String) -> Self {
        sink.step(step.clone());
        Meter { sink, step, last: None }
    }

    pub fn reached(&mut self, done: u64, total: Option<u64>) {
        if self.last.is_some_and(|last| last.elapsed() < BETWEEN_EVENTS) {
            return;
        }
        self.last = Some(Instant::now());
        self.sink.event(Event::Progress { step: self.step.clone(), done, total, unit: "bytes" });
    }

    pub fn done(self, detail: String) {
        self.sink.event(Event::Done { name: self.step, detail });
    }
}
