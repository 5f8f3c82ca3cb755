//! The steps of a move, and how it is finished or undone.

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        backup::{Complete, Found, make, new_set, tidy},
        journal::{self, Journal, in_one_line, stays_unfinished},
        lease::{Lease, leased},
        rebuild::{NewApp, Rebuild, identity_of},
        recover::{self, undo_services},
        unfinished::{tell, whats_next},
    },
    BACKUP, MAKE, STOP, STOP_REST, TAKE_OFF, leave,
    plan::MoveReport,
    prepare::{Move, Stopping, running},
    steps,
    there::{self, There},
    who::{Moving, set_of, target_of},
};
use crate::{
    app::{self, App, Context, Stopped},
    backup::{
        Error, Options, Which,
        options::{Missing, find, unless_cancelled},
    },
    engine::{self, Engine, Scope},
    home::{self, AppEntry, AppGuard},
    owner::{
        Confined,
        journal::{Entry, Moves, Outcome, What},
    },
};

/// Containers get their own grace period; this is for all of them.
const PATIENCE: Duration = Duration::from_secs(300);

impl Move {
    /// Carries the plan out.
    ///
    /// # Errors
    /// Until the app runs on the other server, what fails is undone on both; the error says
    /// why it failed. After that it stays unfinished, to be resumed.
    pub async fn run(
        self,
        context: &Context,
        (guard, guard_there): (&AppGuard, &AppGuard),
        options: &Options,
    ) -> Result<MoveReport, Error> {
        let Move { plan, app, target } = self;
        let moving = Moving { context, guard, guard_there, options };
        let engine = Arc::clone(&app.engine);
        leased(context, &engine, guard, "a move", async |lease: &Lease| {
            let live = engine.services(Scope::Stack(&app.name)).await?;
            let begins = Entry {
                recipe: app.checkout.recipe.to_string(),
                set: Some(new_set()?.to_string()),
                before: app.checkout.version.clone(),
                steps: steps(),
                services: recover::services(live.iter()),
                ran: true,
                new_secrets: target.new_secrets.iter().cloned().collect(),
                // What the history says of it.
                after: Some(target.app.server.to_string()),
                moves: Some(Moves {
                    from: app.entry.server.clone(),
                    to: target.app.server.clone(),
                    keeps: plan.keeps.clone(),
                }),
                ..journal::entry_of(lease, &app.entry.name, What::Move)
            };
            let journal = Journal::begin(&engine, lease, begins).await?;
            moving.finish(app, target, journal).await
        })
        .await
    }
}

/// Finishes a move that did not end.
///
/// # Errors
/// As [`Move::run`].
pub(in crate::operation) async fn resume(
    moving: &Moving<'_>,
    app: App,
    journal: Journal,
) -> Result<MoveReport, Error> {
    let entry = journal.entry();
    let target = NewApp {
        source: app.entry.clone(),
        app: moving.guard_there.app().clone(),
        server: None,
        new_secrets: entry.new_secrets.iter().cloned().collect(),
        identity: identity_of(moving.context)?,
    };
    moving.finish(app, target, journal).await
}

/// Undoes a move that did not end: the app is on the server that it was to leave again.
///
/// # Errors
/// What the engines say; [`app::Error::PastReturn`] where it runs on the other one already.
pub(in crate::operation) async fn abort(
    moving: &Moving<'_>,
    engine: &Arc<Confined>,
    journal: Journal,
) -> Result<(), Error> {
    let (context, entry) = (moving.context, journal.entry());
    if journal.has_begun(MAKE) {
        match moving.undo_there(&entry).await {
            Ok(Left::Nothing) => {}
            Ok(Left::All) => {
                let (app, told) = (entry.app.clone(), entry.told());
                return Err(app::Error::PastReturn { app, told, step: MAKE.into() }.into());
            }
            // A server that is lost keeps nobody from running the app where its data is.
            Err(lost) if lost.of_engine().is_some_and(stays_unfinished) => {
                context.progress.warn(lost.to_string());
                moving.warn_left_there();
            }
            Err(error) => return Err(error),
        }
    }
    journal.abort().await?;
    if journal.has_begun(BACKUP) && !journal.was_done(BACKUP) {
        let app = app::load_deployed(context, moving.guard.app()).await?;
        moving.tidy(&app, &entry, Complete::Kept).await?;
    }
    let undone = undo_services(&*context.progress, engine, &entry).await;
    match undone.map_err(Error::from) {
        Ok(()) => Ok(journal.end(context, Outcome::Aborted, None).await?),
        failed => journal.conclude(context, failed, Error::of_engine, |_| false).await,
    }
}

/// What there is on the other server after an attempt to remove what a move made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    /// The app runs there.
    All,
}

impl Moving<'_> {
    async fn finish(
        &self,
        app: App,
        target: NewApp,
        journal: Journal,
    ) -> Result<MoveReport, Error> {
        if !journal.has_begun(TAKE_OFF) {
            let begun = journal.has_begun(MAKE);
            let arrived = match begun {
                true => self.undo_there(&journal.entry()).await,
                false => Ok(Left::Nothing),
            };
            let arrived = match arrived {
                Ok(Left::All) => {
                    // Its files are in the folder in which the move was begun.
                    self.require_files_there().inspect_err(|_| self.warn_unfinished(None))?;
                    Ok(())
                }
                Ok(Left::Nothing) => self.arrive(&app, target, &journal).await,
                Err(error) => Err(error),
            };
            if let Err(error) = arrived {
                return Err(self.stay(&app, journal, error).await);
            }
        }
        let done = leave::leave(self, app, &journal).await;
        match done {
            Ok(report) => {
                self.tell_there(&journal).await;
                // Anyone who still has its files here learns from it where the app is.
                journal.end(self.context, Outcome::Done, None).await?;
                leave::forget_files(self)?;
                Ok(report)
            }
            Err(error) => {
                self.warn_unfinished(error.of_engine());
                Err(error)
            }
        }
    }

    /// The history of the app on the other server begins with it.
    async fn tell_there(&self, journal: &Journal) {
        let mut kept = journal.kept();
        kept.reached.outcome = Some(Outcome::Done);
        let (here, there) = (self.guard.app(), self.guard_there.app());
        let told = async {
            let engine = there::engine_of(self.context, here, there)?;
            let by = self.context.operator.to_string();
            tell(&*engine.beneath(), engine.stack(), &kept, &by).await
        };
        if let Err(error) = told.await {
            let said =
                format!("the history of {} on {} lacks it: {error}", there.name, there.server);
            self.context.progress.warn(said);
        }
    }

    /// Two servers of the folder may have the app meanwhile.
    fn warn_unfinished(&self, because: Option<&engine::Error>) {
        let AppEntry { name, server } = self.guard.app();
        self.context.progress.warn(whats_next(&format!("{name} --server {server}"), because));
    }

    /// Until the app runs on the other server.
    async fn arrive(&self, app: &App, target: NewApp, journal: &Journal) -> Result<(), Error> {
        let Moving { context, guard_there, options, .. } = *self;
        let entry = journal.entry();
        if !journal.has_begun(MAKE) {
            // What ran for it may be stopped by now.
            if !journal.was_done(BACKUP) {
                self.back_up(app, &entry, journal).await?;
            }
            journal.step(STOP_REST).await?;
            self.stop(app, &running(app).await?).await?;
        }
        journal.step(MAKE).await?;
        context.progress.step(format!("make {} on {}", target.app.name, target.app.server));
        let set = Which::Named(entry.set.unwrap_or_default());
        let rebuild = Box::pin(Rebuild::prepare(context, guard_there, target, &set, options));
        let rebuild = rebuild.await?;
        for warning in &rebuild.plan.warnings {
            context.progress.warn(warning.clone());
        }
        Box::pin(rebuild.make(context, guard_there, options)).await?;
        Ok(())
    }

    /// Stops what writes, and takes the last backup.
    async fn back_up(&self, app: &App, entry: &Entry, journal: &Journal) -> Result<(), Error> {
        let Moving { context, guard, options, .. } = *self;
        let Stopping { stops, .. } = Stopping::plan(context, guard, app, options).await?;
        journal.step(STOP).await?;
        self.stop(app, &stops).await?;
        journal.step(BACKUP).await?;
        if journal.is_resumed() {
            self.tidy(app, entry, Complete::Replaced).await?;
        }
        let restic = find(context, &app.entry, options, Missing::Made).await?;
        let set = set_of(app, entry)?;
        match make(context, guard, app, options, (restic, set), journal).await {
            Ok(report) => {
                for warning in report.warnings {
                    context.progress.warn(warning);
                }
                Ok(())
            }
            Err(error @ Error::AfterBackup { .. }) => {
                context.progress.warn(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn stop(&self, app: &App, services: &[String]) -> Result<(), Error> {
        if services.is_empty() {
            return Ok(());
        }
        self.context.progress.step(format!("stop {}", services.join(", ")));
        // The journal has what they were.
        let mut stopped = Stopped::default();
        let stopping = app::scale_down(self.context, app, services, PATIENCE, &mut stopped);
        let stopping = async { Ok(stopping.await?) };
        unless_cancelled(&self.options.cancel, "the app stays where it is", stopping).await
    }

    /// Ends a backup of the same name that did not end.
    async fn tidy(&self, app: &App, entry: &Entry, complete: Complete) -> Result<(), Error> {
        let found = Found { set: Some(set_of(app, entry)?), begun: true, complete };
        tidy(self.context, self.guard, app, self.options, found).await.map(drop)
    }

    /// Removes what a rebuild made on the other server that did not end.
    async fn undo_there(&self, entry: &Entry) -> Result<Left, Error> {
        let (here, target) = (self.guard.app(), target_of(self.guard.app(), entry)?);
        let engine = there::engine_of(self.context, here, &target)?;
        match there::look(&engine, entry).await? {
            There::Made => Ok(Left::All),
            There::Begun(kept) => {
                self.context
                    .progress
                    .step(format!("remove what was begun of {} on {}", target.name, target.server));
                there::undo(self.context, self.guard_there, &engine, *kept).await?;
                Ok(Left::Nothing)
            }
            There::Nothing => Ok(Left::Nothing),
        }
    }

    /// Its files were written into the folder in which the move was begun.
    fn require_files_there(&self) -> Result<(), Error> {
        let target = self.guard_there.app();
        match self.context.home.env_path(target).is_file() {
            true => Ok(()),
            false => {
                let (app, server) = (target.name.to_string(), target.server.to_string());
                Err(app::Error::from(home::Error::MovedElsewhere { app, server }).into())
            }
        }
    }

    fn warn_left_there(&self) {
        let AppEntry { name, server } = self.guard_there.app();
        self.context.progress.warn(format!(
            "what was begun of {name} on {server} may be there still: `potluck app abort {name} \
             --server {server}` removes it; where it says that nothing is unfinished, all of it was \
             made, and `potluck app undeploy` and `app rm` with that server remove it"
        ));
    }

    /// The app did not arrive: it runs here as before, unless this server is lost.
    async fn stay(&self, app: &App, journal: Journal, error: Error) -> Error {
        let (context, entry) = (self.context, journal.entry());
        let name = &app.entry.name;
        if matches!(error.of_engine(), Some(engine::Error::LeaseLost { stack }) if stack == app.name.as_str())
        {
            return error;
        }
        // They go with the last of what was made there.
        if journal.has_begun(MAKE) && context.home.env_path(self.guard_there.app()).is_file() {
            self.warn_left_there();
        }
        context.progress.step(format!("start {name} on {} again", app.entry.server));
        let said = Some(in_one_line(&error));
        let ended = match undo_services(&*context.progress, &app.engine, &entry).await {
            Ok(()) => journal.end(context, Outcome::FailedAndUndone, said).await,
            Err(lost) if lost.of_engine().is_some_and(stays_unfinished) => Err(lost),
            Err(undone) => {
                context.progress.warn(undone.to_string());
                journal.end(context, Outcome::Failed, said).await
            }
        };
        if let Err(unwritten) = ended {
            context.progress.warn(unwritten.to_string());
            self.warn_unfinished(unwritten.of_engine());
        }
        error
    }
}
