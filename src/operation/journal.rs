//! The journal of the operation that runs: written before its first step, moved on as each
//! step begins, gone when it ended. It is kept on the swarm ([`crate::owner::journal`]), so
//! that after a crash a colleague on another machine can finish or undo the operation.
//!
//! While an operation has a journal, its engine asks for the lease before each change, as
//! without one, and writes down in which containers programs were started: they outlive
//! this process.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    app::{Context, Error},
    engine::{self, Engine, if_there},
    home::{AppName, StackName},
    owner::{
        Confined, Fence,
        journal::{self as kept, Entry, Journal as Kept, Outcome, Program, Reached},
    },
};

use super::{
    lease::Lease,
    unfinished::{bad, close, history_of, look, refuse_unfinished, tell_removal, whats_next},
};

/// Number of attempts if an answer of the swarm is lost; then it is an error.
const TRIES: usize = 3;

/// The journal of an operation that runs under its lease.
#[derive(Debug)]
pub(super) struct Journal {
    core: Arc<Core>,
    /// Steps before this one were done before this process took over.
    done: usize,
    resumed: bool,
}

struct Core {
    engine: Arc<dyn Engine>,
    stack: StackName,
    lease: Arc<dyn Fence>,
    kept: Mutex<Kept>,
    /// One writer at a time: each write needs the version of the one before.
    writing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("stack", &self.stack).finish_non_exhaustive()
    }
}

impl Core {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down how far it came, where that is news.
    async fn reach(&self, change: impl FnOnce(&mut Reached)) -> Result<(), engine::Error> {
        let _one = self.writing.lock().await;
        let before = self.kept().clone();
        let mut reached = before.reached.clone();
        change(&mut reached);
        if reached == before.reached {
            return Ok(());
        }
        self.lease.may_change().await?;
        let mut version = before.version;
        for attempt in 1.. {
            let spec = before.at(&reached);
            match self.engine.update_config(&before.config, version, spec).await {
                Ok(()) => break,
                // An answer was lost: only the holder of the lease writes it.
                Err(engine::Error::OutOfSequence { .. }) if attempt < TRIES => {
                    self.lease.may_change().await?;
                    version = self.read().await?.version;
                }
                Err(error) => {
                    // Perhaps somebody ended the operation, and its journal is gone.
                    self.read().await?;
                    return Err(error);
                }
            }
        }
        // Swarm does not tell the new version.
        let version = self.read().await?.version;
        let mut kept = self.kept();
        (kept.version, kept.reached) = (version, reached);
        Ok(())
    }

    async fn read(&self) -> Result<Kept, engine::Error> {
        let name = kept::name(&self.stack);
        // Only those who have the lease remove it.
        let lost = || engine::Error::LeaseLost { stack: self.stack.to_string() };
        let config = if_there(self.engine.config(&name).await)?.ok_or_else(lost)?;
        Kept::read(&config).map_err(|why| engine::Error::Refused {
            action: format!("reading the journal `{name}`"),
            message: why.to_string(),
        })
    }
}

#[async_trait]
impl Fence for Core {
    async fn may_change(&self) -> Result<(), engine::Error> {
        self.lease.may_change().await
    }

    async fn starting(&self, service: &str, container: &str) -> Result<(), engine::Error> {
        let program = Program { service: service.to_owned(), container: container.to_owned() };
        self.reach(|reached| {
            if !reached.programs.contains(&program) {
                reached.programs.push(program);
            }
        })
        .await
    }

    async fn pausing(&self, service: &str, container: &str) -> Result<(), engine::Error> {
        let paused = Program { service: service.to_owned(), container: container.to_owned() };
        self.reach(|reached| {
            if !reached.paused.contains(&paused) {
                reached.paused.push(paused);
            }
        })
        .await
    }
}

impl Journal {
    /// Writes it, before the first step.
    ///
    /// # Errors
    /// [`Error::Unfinished`] where there is one already, and what the engine says.
    pub async fn begin(confined: &Confined, lease: &Lease, entry: Entry) -> Result<Self, Error> {
        let (engine, stack) = (confined.beneath(), confined.stack());
        let spec = kept::spec(stack, &entry).map_err(|kept::TooLarge| Error::JournalTooLarge {
            app: entry.app.clone(),
            services: entry.services.len(),
        })?;
        match engine.create_config(spec).await {
            Ok(_) => {}
            Err(engine::Error::Exists { .. }) => {
                refuse_unfinished(confined, &entry.app).await?;
                // It ended in between, which under the lease nothing does.
                return Err(bad(stack, "swarm says that it exists, and does not find it".into()));
            }
            Err(error) => return Err(error.into()),
        }
        let Some(kept) = look(confined).await? else {
            return Err(bad(stack, "it is gone right after it was written".into()));
        };
        Ok(Journal { resumed: false, ..Self::go_on(confined, lease, kept) })
    }

    /// Continues that of an operation that did not end.
    pub fn go_on(confined: &Confined, lease: &Lease, kept: Kept) -> Self {
        let done = kept.reached.step.unwrap_or_default();
        let core = Arc::new(Core {
            engine: confined.beneath(),
            stack: confined.stack().clone(),
            lease: lease.as_fence(),
            kept: Mutex::new(kept),
            writing: tokio::sync::Mutex::default(),
        });
        confined.fence(Some(Arc::clone(&core) as Arc<dyn Fence>));
        Journal { core, done, resumed: true }
    }

    /// What was decided before the first step.
    pub fn entry(&self) -> Entry {
        self.core.kept().entry.clone()
    }

    /// A step begins: the app is still this operation's, and a crash from now on is one in
    /// this step.
    ///
    /// # Errors
    /// [`engine::Error::LeaseLost`], and what the engine says.
    pub async fn step(&self, name: &str) -> Result<(), Error> {
        self.core.lease.may_change().await?;
        let index = self.core.kept().entry.index(name);
        Ok(self.core.reach(|reached| reached.step = reached.step.max(index)).await?)
    }

    /// Whether another process began it.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Whether a step was done before this process took over.
    pub fn was_done(&self, name: &str) -> bool {
        self.core.kept().entry.index(name).is_some_and(|index| index < self.done)
    }

    /// Whether a step has begun, here or before.
    pub fn has_begun(&self, name: &str) -> bool {
        let kept = self.core.kept();
        kept.entry.index(name).is_some_and(|index| Some(index) <= kept.reached.step)
    }

    /// Undoing begins: it can only be undone from now on.
    ///
    /// # Errors
    /// As [`Journal::step`].
    pub async fn abort(&self) -> Result<(), Error> {
        Ok(self.core.reach(|reached| reached.aborting = true).await?)
    }

    /// The programs that it started are gone.
    ///
    /// # Errors
    /// As [`Journal::step`].
    pub async fn forget_programs(&self) -> Result<(), Error> {
        Ok(self.core.reach(|reached| reached.programs.clear()).await?)
    }

    /// Services are about to be stopped for a backup, by their full names.
    ///
    /// # Errors
    /// As [`Journal::step`].
    pub async fn stopping(&self, services: &[String]) -> Result<(), Error> {
        Ok(self.core.reach(|reached| reached.stopped = services.to_vec()).await?)
    }

    /// What it paused and stopped runs on.
    ///
    /// # Errors
    /// As [`Journal::step`].
    pub async fn forget_held(&self) -> Result<(), Error> {
        let forget = |reached: &mut Reached| {
            reached.paused.clear();
            reached.stopped.clear();
        };
        Ok(self.core.reach(forget).await?)
    }

    /// Whether it has a step of this name.
    pub fn has_step(&self, name: &str) -> bool {
        self.core.kept().entry.index(name).is_some()
    }

    /// How far it came.
    pub fn kept(&self) -> Kept {
        self.core.kept().clone()
    }

    /// Whether its point of no return is passed.
    pub fn is_past_return(&self) -> bool {
        self.core.kept().is_past_return()
    }

    /// It ended: a line of the history remains. Where that cannot be written because the
    /// swarm cannot be reached or the lease is lost, it stays unfinished.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn end(
        self,
        context: &Context,
        outcome: Outcome,
        error: Option<String>,
    ) -> Result<(), Error> {
        // First: anyone who finds it then writes the line, and does nothing else.
        self.core.reach(|reached| reached.outcome = Some(outcome)).await?;
        let kept = self.core.kept().clone();
        close(&*self.core.engine, &self.core.stack, &kept, &context.operator.to_string(), error)
            .await
    }

    /// It ended with a result; where that is an error which leaves unknown what was done, it
    /// stays unfinished, and that is said.
    ///
    /// # Errors
    /// The result's, and what the engine says.
    pub async fn conclude<T, E: std::error::Error + From<Error>>(
        self,
        context: &Context,
        result: Result<T, E>,
        of_engine: impl Fn(&E) -> Option<&engine::Error>,
        is_undone: impl FnOnce(&E) -> bool,
    ) -> Result<T, E> {
        let error = match result {
            Ok(done) => {
                self.end(context, Outcome::Done, None).await?;
                return Ok(done);
            }
            Err(error) => error,
        };
        let app = self.core.kept().entry.app.clone();
        if of_engine(&error).is_some_and(stays_unfinished) {
            context.progress.warn(whats_next(&app, of_engine(&error)));
            return Err(error);
        }
        // Before that point, what fails has put back what it changed.
        let outcome = match !self.is_past_return() && is_undone(&error) {
            true => Outcome::FailedAndUndone,
            false => Outcome::Failed,
        };
        if let Err(unwritten) = self.end(context, outcome, Some(in_one_line(&error))).await {
            context
                .progress
                .warn(format!("{}: {unwritten}", whats_next(&app, unwritten.of_engine())));
        }
        Err(error)
    }

    /// It ended, and nothing of the app is left: nor is its history. The swarm keeps a line
    /// among those of removed apps.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn end_for_good(self, context: &Context, outcome: Outcome) -> Result<(), Error> {
        let (engine, stack) = (&*self.core.engine, &self.core.stack);
        self.core.lease.may_change().await?;
        let mut kept = self.core.kept().clone();
        kept.reached.outcome = Some(outcome);
        // Nothing can be done about it later, and it keeps nobody from removing the app.
        if let Err(error) = tell_removal(engine, &kept, &context.operator.to_string()).await {
            context.progress.warn(format!("the log lacks this operation: {error}"));
        }
        match history_of(engine, stack).await {
            Ok(Some(history)) => {
                if_there(engine.remove_config(&history.config).await)?;
            }
            // What cannot be read is not known to be ours.
            Ok(None) | Err(Error::BadJournal { .. }) => {}
            Err(error) => return Err(error),
        }
        let journal = self.core.kept().config.clone();
        if_there(engine.remove_config(&journal).await)?;
        Ok(())
    }
}

/// What an error and its causes say.
pub(super) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        for part in error.to_string().lines().map(str::trim).filter(|part| !part.is_empty()) {
            // Many messages have their cause's.
            if !told.iter().any(|known| known.contains(part)) {
                told.push(part.to_owned());
            }
        }
        next = error.source();
    }
    told.join("; ")
}

/// What an operation begins with; its steps and what undoing them needs are to be added.
pub(super) fn entry_of(lease: &Lease, app: &AppName, what: kept::What) -> Entry {
    let holder = lease.holder();
    Entry {
        operation: holder.operation.clone(),
        what,
        app: app.to_string(),
        recipe: String::new(),
        user: holder.user.clone(),
        host: holder.host.clone(),
        began: Timestamp::now(),
        place: holder.place.clone(),
        before: None,
        after: None,
        pin: None,
        pinned: None,
        named: false,
        force: false,
        timeout: None,
        detach: false,
        leave_data: false,
        set: None,
        from: None,
        part: Default::default(),
        new_secrets: Vec::new(),
        wanted: None,
        steps: Vec::new(),
        migrations: Vec::new(),
        settings: Vec::new(),
        replays: None,
        services: Vec::new(),
        ran: false,
        made: Vec::new(),
        rotated: Vec::new(),
        connection: None,
        moves: None,
        keeps: Vec::new(),
        marks: None,
    }
}

/// Whether an operation that failed with this may not say so: what it did is not known to
/// be all undone, and another process finishes or undoes it.
pub(super) fn stays_unfinished(error: &engine::Error) -> bool {
    matches!(error, engine::Error::Unreachable { .. } | engine::Error::LeaseLost { .. })
}
