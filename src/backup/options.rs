//! What every backup command is given by its caller, and small things that
//! all of them share.

use std::{
    ffi::OsString,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{error::Error, repository::Repository, restic::Restic};
use crate::{
    home::ServerName,
    operation::{App, Context},
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
    /// Cancelled on Ctrl-C: the command then tidies up and ends in
    /// [`Error::Cancelled`]. Dropping its future instead ends restic, too, but
    /// leaves out `after-backup` and the incomplete set.
    pub cancel: CancellationToken,
}

/// restic with a server's repository, which must be there.
///
/// # Errors
/// [`Error::NoRepository`], [`Error::WrongPassword`], [`Error::ResticMissing`], ….
pub(super) async fn open(
    context: &Context,
    server: &ServerName,
    options: &Options,
) -> Result<Restic, Error> {
    let repository = Repository::of(&context.home, server, &options.environment)?;
    // Nothing is made here: a repository that is there has its password.
    repository.prepare(false, &*context.progress)?;
    Restic::new(repository).await
}

/// As [`open`], but makes the repository where there is none yet.
pub(super) async fn open_or_make(
    context: &Context,
    server: &ServerName,
    options: &Options,
) -> Result<Restic, Error> {
    let repository = Repository::of(&context.home, server, &options.environment)?;
    let own = context.home.server(server)?.backup.is_none();
    repository.prepare(own, &*context.progress)?;
    let restic = Restic::new(repository).await?;
    match restic.open().await {
        Ok(()) => Ok(restic),
        Err(Error::NoRepository { repository }) => {
            restic.init().await?;
            context.progress.event(Event::Done {
                name: "repository".into(),
                detail: format!("made a new one at {repository}"),
            });
            Ok(restic)
        }
        Err(error) => Err(error),
    }
}

/// Volumes are read by path: the engine has to be this machine's.
pub(super) fn check_here(app: &App) -> Result<(), Error> {
    let endpoint = app.engine.endpoint();
    let remote = ["ssh://", "tcp://", "http://", "https://"];
    if remote.iter().any(|scheme| endpoint.starts_with(scheme)) {
        return Err(Error::NotHere { endpoint: endpoint.to_owned() });
    }
    Ok(())
}

/// Waits for something unless the command is cancelled first.
pub(super) async fn unless_cancelled<T>(
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

/// Says how far a step is, not too often.
pub(super) struct Meter<'a> {
    sink: &'a dyn Sink,
    step: String,
    last: Option<Instant>,
}

impl<'a> Meter<'a> {
    pub fn new(sink: &'a dyn Sink, step: String) -> Self {
        sink.event(Event::Step { name: step.clone() });
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
