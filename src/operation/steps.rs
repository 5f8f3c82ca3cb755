//! The steps of a deploy that was agreed to: `before-deploy` → apply →
//! converge → migrations → lock file → `after-deploy` → verify → record → prune.
//!
//! If `before-deploy` or a later step fails, each plugin whose
//! `before-deploy` was called receives `deploy-failed`.

use std::time::Duration;

use crate::{
    app::{App, Context, Error, Left, MigrationFailed, version},
    backup,
    compose::StackService,
    engine::{Engine, Scope, api},
    hint::Hint,
    home::AppGuard,
    hooks,
    owner::journal::{Entry, Step, Undo},
    plugin::{Hooks, Role, Transition},
    rollout::{
        Error as RolloutError, FailedService, Problem, Reached,
        converge::{Target, converge},
        live::{Live, by_name},
        run::{Images, Rollout, WayBack},
        send::apply::Applied,
        state::since::Since,
        wants_tasks,
        work::{Action, Work},
    },
};

use super::{
    DeployOptions, PartOf, app_rollout, data,
    journal::{Journal, stays_unfinished},
    migrate::{Migrations, Stopped},
    record::Record,
    releases,
    restore::steps::steps_of_data,
    restores::{DataBack, On},
    safety::{BACKUP, Safety},
};

/// How long to wait for services that ran a moment ago; a hook may have restarted one.
const VERIFY_PATIENCE: Duration = Duration::from_secs(60);

/// A deploy that was agreed to.
pub(super) struct Steps<'a> {
    pub context: &'a Context,
    pub rollout: &'a Rollout<'a>,
    pub guard: &'a AppGuard,
    pub app: &'a mut App,
    pub options: &'a DeployOptions,
    /// Of the roles `lifecycle` and `migration`, in the order of `recipe.yml`.
    pub plugins: Vec<(String, Hooks)>,
    pub migrations: Migrations,
    pub transition: Transition,
    pub images: Images,
    /// Whether the previous version is restored if the deploy fails, as the plan says.
    pub way_back: WayBack,
    /// The inputs of the deploy; recorded if it succeeds.
    pub record: Record,
    /// The backup set of an upgrade, and the way back with it.
    pub safety: Option<Box<Safety>>,
    /// None where a restore has it.
    pub journal: Option<&'a Journal>,
}

/// How far a deploy came.
struct Progress {
    /// Plugins whose `before-deploy` was called.
    called: Vec<String>,
    /// Whether the services run as before, perhaps again.
    as_before: bool,
}

/// A deploy that failed.
pub(super) struct Cut {
    pub error: Error,
    /// Whether the services run as before, perhaps again.
    pub as_before: bool,
}

impl From<Error> for Cut {
    /// What fails before the first step.
    fn from(error: Error) -> Self {
        Cut { error, as_before: true }
    }
}

/// The steps of a deploy, as its journal has them.
pub(super) fn rows(
    plugins: &[(String, Hooks)],
    migrations: &Migrations,
    work: &Work,
    options: &DeployOptions,
    has_set: bool,
) -> Vec<Step> {
    let lifecycle: Vec<&String> =
        plugins.iter().filter(|(_, p)| p.plays(Role::Lifecycle)).map(|(name, _)| name).collect();
    let mut rows: Vec<Step> =
        has_set.then(|| Step::new(BACKUP, Undo::Nothing)).into_iter().collect();
    if options.data.is_some() {
        rows.extend(steps_of_data());
    }
    rows.extend(lifecycle.iter().map(|name| Step::new(before_deploy(name), Undo::Tell)));
    rows.push(Step::new(SERVICES, Undo::Services));
    if options.detach {
        return rows;
    }
    rows.extend(migrations.rows(has_set));
    rows.push(Step::new(VERSION, Undo::Services));
    rows.extend(lifecycle.iter().map(|name| Step::new(after_deploy(name), Undo::Services)));
    if !plugins.is_empty() {
        rows.push(Step::new(VERIFY, Undo::Nothing));
    }
    rows.push(Step::new(RELEASE, Undo::Services));
    if !work.stale.is_empty() {
        rows.push(Step::new(PRUNE, Undo::Never));
    }
    rows
}

/// Networks, secrets, configs and services are sent, and run.
const SERVICES: &str = "services";
/// The version is recorded as the one that runs.
const VERSION: &str = "record the version";
const VERIFY: &str = "verify";
/// What runs now is recorded, so that it can come back.
const RELEASE: &str = "record the release";
/// What is no longer needed is removed.
const PRUNE: &str = "prune";

pub(super) fn before_deploy(plugin: &str) -> String {
    format!("{plugin}: before-deploy")
}

fn after_deploy(plugin: &str) -> String {
    format!("{plugin}: after-deploy")
}

impl Steps<'_> {
    /// Goes all the steps; of an operation that is resumed, those that it did not do.
    ///
    /// # Errors
    /// The step that failed, after plugins have received `deploy-failed`.
    pub async fn run(mut self, live: Live, work: Work) -> Result<Reached, Cut> {
        let mut progress = Progress { called: Vec::new(), as_before: true };
        self.begin()?;
        let outcome = self.forward(live, work, &mut progress).await;
        // What was made stays claimed where this fails; the next deploy tells ids.
        let settled = self.app.engine.settle().await;
        let as_before = progress.as_before;
        let reached = match outcome {
            Ok(reached) => reached,
            Err(error) => {
                let (error, as_before) = match as_before {
                    true => (error, true),
                    false => self.back(error).await,
                };
                if as_before {
                    self.end()?;
                }
                self.tell(Progress { as_before, ..progress }).await;
                return Err(Cut { error, as_before });
            }
        };
        settled.map_err(|error| Cut { error: error.into(), as_before: false })?;
        Ok(reached)
    }

    /// An upgrade that failed goes back, with its data where that is needed. Returns the
    /// error that says so, and whether everything is as before.
    async fn back(&mut self, error: Error) -> (Error, bool) {
        let Steps { context, guard, journal, .. } = *self;
        let (Some(safety), Some(journal)) = (&mut self.safety, journal) else {
            return (error, false);
        };
        if error.of_engine().is_some_and(stays_unfinished) {
            return (error, false);
        }
        let said = error.to_string();
        context.progress.warn(said.lines().map(str::trim).collect::<Vec<_>>().join("; "));
        let set = safety.set.to_string();
        let gone_back = Box::pin(safety.go_back(context, guard, journal)).await;
        // It wrote the lock file.
        match context.home.lock_file(&self.app.entry) {
            Ok(lock) => self.app.lock = lock,
            Err(error) => context.progress.warn(error.to_string()),
        }
        let app = self.app.entry.name.to_string();
        match gone_back {
            Ok(with_data) => {
                let set = with_data.then_some(set);
                (Error::UpgradeUndone { app, set, source: Box::new(error) }, true)
            }
            Err(undo) if undo.of_engine().is_some_and(stays_unfinished) => (error, false),
            Err(undo) => {
                let undo = undo.to_string();
                (Error::UpgradeNotUndone { app, set, undo, source: Box::new(error) }, false)
            }
        }
    }

    /// A step begins.
    async fn step(&self, name: &str) -> Result<(), Error> {
        match self.journal {
            Some(journal) => journal.step(name).await,
            None => Ok(()),
        }
    }

    /// Whether the process that began the operation did a step.
    fn was_done(&self, name: &str) -> bool {
        self.journal.is_some_and(|journal| journal.was_done(name))
    }

    async fn forward(
        &mut self,
        mut live: Live,
        mut work: Work,
        progress: &mut Progress,
    ) -> Result<Reached, Error> {
        let Steps { context, guard, rollout, options, journal, .. } = *self;
        if let (Some(safety), Some(journal)) = (&mut self.safety, journal)
            && !journal.was_done(BACKUP)
        {
            journal.step(BACKUP).await?;
            Box::pin(safety.take(context, guard, journal)).await?;
            // Its hooks may have restarted services.
            live = rollout.live().await?;
            work = app_rollout::work(rollout, self.app, &live, &self.images).await?;
        }
        for index in 0..self.plugins.len() {
            let (name, plugin) = &self.plugins[index];
            if !plugin.plays(Role::Lifecycle) {
                continue;
            }
            let step = before_deploy(name);
            progress.called.push(name.clone());
            if self.was_done(&step) {
                continue;
            }
            self.step(&step).await?;
            context.progress.step(step);
            self.plugins[index].1.before_deploy(&self.transition).await?;
        }
        if !progress.called.is_empty() {
            // Hooks may have made secrets or restarted services.
            live = rollout.live().await?;
            work = app_rollout::work(rollout, self.app, &live, &self.images).await?;
        }

        let mut begun = None;
        if let (Some(data), Some(journal)) = (&options.data, journal) {
            let on = On { context, guard, options: &data.means.options };
            let begin = data.means.restores.begin(&on, data, self.app, journal).await;
            begun = Some(begin.map_err(|error| data_left(self.app, data, &error))?);
            self.app.lock = context.home.lock_file(&self.app.entry)?;
            live = rollout.live().await?;
            work = app_rollout::work(rollout, self.app, &live, &self.images).await?;
        }

        self.step(SERVICES).await?;
        let applied = rollout
            .carry_out(&live, &work, self.way_back, options.detach)
            .await
            .inspect_err(|error| {
                let touched =
                    matches!(error, RolloutError::Failed(_) | RolloutError::UndoFailed { .. });
                progress.as_before = !touched;
            })?;
        progress.as_before = applied.sent.is_empty();
        if options.leave_data {
            data::accept(self.app).await?;
        }
        if options.detach {
            version::pin(context, self.app, &options.version)?;
            if !progress.called.is_empty() {
                context
                    .progress
                    .warn("after-deploy hooks are not run with --detach; a later deploy runs them");
            }
            return Ok(applied.reached);
        }
        let Steps { migrations, app, plugins, .. } = self;
        if let Err(stopped) = migrations.run(context, guard, app, plugins, journal).await {
            let failed = self.stopped(stopped, &applied, progress).await;
            // The new version stays: the next plain deploy must not go back.
            if !progress.as_before
                && let Err(error) = version::pin(context, self.app, &options.version)
            {
                context.progress.warn(format!("the settings still pin the old version: {error}"));
            }
            return Err(failed);
        }
        if let (Some(mut begun), Some(data), Some(journal)) = (begun, &options.data, journal) {
            let on = On { context, guard: self.guard, options: &data.means.options };
            let completed = begun.complete(&on, journal).await;
            completed.map_err(|error| data_left(self.app, data, &error))?;
            self.app.lock = context.home.lock_file(&self.app.entry)?;
        }
        self.step(VERSION).await?;
        let own = journal.filter(|_| !options.restoring);
        let whole = options.release_of.as_ref().map(|PartOf(whole)| (**whole).clone());
        let release = own.map(Journal::entry).or(whole);
        self.arrive(release.as_ref().map(|entry| entry.operation.clone()))?;
        if !options.restoring {
            version::pin(context, self.app, &options.version)?;
            self.after_deploy(&work).await?;
            // Without a record, the next deploy runs the hooks that this one left
            // out.
            self.record.services = ids(&work, &applied);
            self.record.write(context, &self.app.entry)?;
        }
        if let Some(journal) = own {
            journal.step(RELEASE).await?;
        }
        if let Some(entry) = &release {
            self.keep_release(&work, entry).await?;
        }
        if !work.stale.is_empty() {
            self.step(PRUNE).await?;
            rollout.prune(&work).await;
        }
        Ok(applied.reached)
    }

    /// Records what runs now.
    async fn keep_release(&mut self, work: &Work, entry: &Entry) -> Result<(), Error> {
        let release = releases::of(self.app, work, entry);
        let known = releases::record(&self.app.engine, release).await?;
        let lock = &mut self.app.lock;
        (lock.release, lock.releasing) = (Some(known), None);
        Ok(self.context.home.write_lock_file(self.guard, &self.app.lock)?)
    }

    /// Handles a failed migration: if the old version can still use the data,
    /// it is restored.
    async fn stopped(&self, stopped: Stopped, applied: &Applied, progress: &mut Progress) -> Error {
        let left = if stopped.reversible {
            match self.rollout.go_back(applied).await {
                Ok(()) => Left::Back,
                Err(undo) => Left::NotBack(undo),
            }
        } else if self.safety.is_some() {
            Left::ToBeUndone
        } else {
            Left::PartlyMigrated
        };
        progress.as_before = left == Left::Back;
        let name = |version: &Option<String>| version.clone().unwrap_or_default();
        Error::Migration(Box::new(MigrationFailed {
            app: self.app.entry.name.to_string(),
            before: name(&self.transition.before),
            after: name(&self.transition.after),
            step: stopped.step,
            release: version::pinned(self.app).released().cloned(),
            source: stopped.source,
            left,
        }))
    }

    /// Runs the hooks that need running services, then checks the services again.
    async fn after_deploy(&mut self, work: &Work) -> Result<(), Error> {
        if self.plugins.is_empty() {
            return Ok(());
        }
        let before = by_name(self.app.engine.services(Scope::Stack(&self.app.name)).await?);
        let ids: Vec<String> = before.into_values().filter_map(|service| service.id).collect();
        let mut settled = Since::settled(&*self.app.engine, &ids).await?;
        for index in 0..self.plugins.len() {
            let (name, plugin) = &self.plugins[index];
            let step = after_deploy(name);
            if !plugin.plays(Role::Lifecycle) || self.was_done(&step) {
                continue;
            }
            self.step(&step).await?;
            self.context.progress.step(step);
            self.plugins[index].1.after_deploy(&self.transition).await.inspect_err(|_| {
                let message = "the services are kept; the next deploy runs the hook again";
                self.context.progress.warn(message);
            })?;
        }
        self.step(VERIFY).await?;
        self.context.progress.step(VERIFY);
        let live: Vec<api::Service> =
            self.app.engine.services(Scope::Stack(&self.app.name)).await?;
        let live = by_name(live);
        let mut targets = Vec::new();
        let mut gone = Vec::new();
        for service in &work.services {
            match live.get(&service.name) {
                Some(found) => {
                    let id = found.id.clone().unwrap_or_default();
                    targets.push(Target {
                        key: service.key.clone(),
                        // What a hook made anew was not seen before.
                        since: settled.remove(&id).unwrap_or(Since::Unchanged),
                        id,
                        spec: found.spec.clone().unwrap_or_default(),
                    });
                }
                None => gone.push(FailedService {
                    service: service.key.clone(),
                    problem: Problem::Gone,
                    cause: None,
                    log: Vec::new(),
                }),
            }
        }
        let progress = &*self.context.progress;
        let late = converge(&*self.app.engine, &targets, VERIFY_PATIENCE, progress).await;
        gone.extend(late.err().into_iter().flatten());
        if gone.is_empty() {
            Ok(())
        } else {
            let failed = self.rollout.failed(gone);
            Err(RolloutError::Failed(failed).into())
        }
    }

    /// Records what is about to be sent to the server, so that after a crash the
    /// version deployed before is not mistaken for the running one.
    fn begin(&mut self) -> Result<(), Error> {
        if self.options.restoring {
            return Ok(());
        }
        self.app.lock.begun = Some(version::pinned(self.app));
        Ok(self.context.home.write_lock_file(self.guard, &self.app.lock)?)
    }

    /// Records that the begun deploy was undone, or is complete.
    fn end(&mut self) -> Result<(), Error> {
        match self.app.lock.begun.take() {
            Some(_) => Ok(self.context.home.write_lock_file(self.guard, &self.app.lock)?),
            None => Ok(()),
        }
    }

    /// Records that this version runs on migrated data: even if hooks fail
    /// afterwards, an upgrade to the next version starts from here. What the operation is
    /// about to record as its release is this folder's.
    fn arrive(&mut self, operation: Option<String>) -> Result<(), Error> {
        let app = &mut *self.app;
        app.lock.releasing = operation;
        app.lock.recipe = Some(version::pinned(app));
        app.lock.begun = None;
        let asks_for_none = |service: &&StackService| !wants_tasks(&service.spec);
        let resting = app.stack.services.iter().filter(asks_for_none);
        app.lock.resting = resting.map(|service| service.key.clone()).collect();
        // The old version, deployed again, leaves the data as the upgrade left
        // it; so does a deploy whose data is about to come back.
        let after = self.transition.after.as_ref();
        let restoring = self.options.restoring;
        app.lock.restoring.take_if(|_| !restoring);
        app.lock.upgrade.take_if(|upgrade| !restoring && after != Some(&upgrade.before));
        Ok(self.context.home.write_lock_file(self.guard, &app.lock)?)
    }

    /// Calls `deploy-failed`. A broken instance is replaced by a new one,
    /// because the hook may have to end a maintenance mode.
    async fn tell(&mut self, progress: Progress) {
        let Progress { called, as_before } = progress;
        for (name, plugin) in self.plugins.iter_mut().filter(|(name, _)| called.contains(name)) {
            let told = async {
                hooks::restart_broken(self.context, self.app, name, plugin).await?;
                plugin.deploy_failed(&self.transition, as_before).await?;
                Ok::<(), Error>(())
            };
            if let Err(error) = told.await {
                self.context.progress.warn(format!("{name}: `deploy-failed` failed: {error}"));
            }
        }
    }
}

fn data_left(app: &App, data: &DataBack, error: &backup::Error) -> Error {
    Error::DataNotBack {
        app: app.entry.name.to_string(),
        set: data.set.to_string(),
        reason: error.to_string(),
        hint: error.hint(),
    }
}

/// Ids of the services: of those that were sent, and of those that are kept.
fn ids(work: &Work, applied: &Applied) -> Vec<String> {
    let sent = applied.sent.iter().map(|sent| sent.id.clone());
    let kept = work.services.iter().filter(|service| service.action == Action::Keep);
    sent.chain(kept.filter_map(|kept| kept.before.as_ref()?.id.clone())).collect()
}
