//! The steps of a rebuild.

use std::{cell::Cell, collections::BTreeSet, sync::Arc};

use super::{
    place,
    plan::RebuildReport,
    prepare::{Rebuild, claims},
    undo::undo,
    watch::Watch,
};
use crate::{
    app::{self, App, Context, World, version},
    backup::{
        Error, Of, Options, Which,
        options::unless_cancelled,
        restore::obstacle::{Lost, Obstacle},
    },
    home::{AppEntry, AppGuard, AppName, ServerName},
    operation::{
        DeployOptions, PartOf,
        deploy::deploy,
        journal::{self, Journal, in_one_line, stays_unfinished},
        lease::{Lease, leased},
        record::goal,
        restore::{Part, prepare_restore_of, steps as of_restore},
        unfinished::whats_next,
    },
    owner::journal::{Entry, Outcome, Source, Step, Undo, What},
    secrets::{
        self, Keeper, SecretPlan,
        escrow::{self, Folder, Identity, Restored},
    },
};

/// The app's secrets are stored on its server.
const SECRETS: &str = "secrets";

/// The parts whose times a drill keeps; the data and the services of it, and its checks.
pub(super) const DATA: &str = "data";
pub(super) const SERVICES: &str = "services";
const CHECKS: &str = "checks";

/// Those of a restore behind it, of which each can be undone: nothing was there before.
fn steps() -> Vec<Step> {
    let mut steps = vec![Step::new(SECRETS, Undo::Made)];
    steps.extend(of_restore::steps().into_iter().map(|step| Step { undo: Undo::Made, ..step }));
    steps
}

/// What becomes of a rebuild that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// It is unfinished, to be resumed or aborted.
    Stays,
    Undone,
}

impl Rebuild {
    /// Carries the plan out.
    ///
    /// # Errors
    /// Before its journal is written, nothing is left. A failure after that leaves it
    /// unfinished, to be resumed or aborted; the app's own checks that fail do not.
    pub async fn run(
        self,
        context: &Context,
        guard: &AppGuard,
        options: &Options,
    ) -> Result<RebuildReport, Error> {
        self.carry_out(context, guard, options, Failure::Stays).await
    }

    /// The same, where what fails is undone at once, the app's own checks included: it runs
    /// elsewhere still.
    ///
    /// # Errors
    /// As [`Rebuild::run`]; where its server is lost, it stays unfinished there.
    pub(in crate::operation) async fn make(
        self,
        context: &Context,
        guard: &AppGuard,
        options: &Options,
    ) -> Result<RebuildReport, Error> {
        self.carry_out(context, guard, options, Failure::Undone).await
    }

    async fn carry_out(
        self,
        context: &Context,
        guard: &AppGuard,
        options: &Options,
        failure: Failure,
    ) -> Result<RebuildReport, Error> {
        let began = Cell::new(false);
        place::place(context, guard, &self)?;
        let done = self.begin(context, guard, options, failure, &began).await;
        if done.is_err() && !began.get() {
            place::take_away(context, guard, &self.made)?;
        }
        done
    }

    async fn begin(
        &self,
        context: &Context,
        guard: &AppGuard,
        options: &Options,
        failure: Failure,
        began: &Cell<bool>,
    ) -> Result<RebuildReport, Error> {
        let target = &self.target;
        let mut app = app::load_deployed(context, &target.app).await?;
        let engine = Arc::clone(&app.engine);
        leased(context, &engine, guard, "a rebuild", async |lease: &Lease| {
            let journal = Journal::begin(&app.engine, lease, self.entry(&app, lease)?).await?;
            began.set(true);
            let identity = target.identity.as_ref();
            if failure == Failure::Stays {
                return finish(context, guard, &mut app, identity, options, journal).await;
            }
            let mut watch = Watch::start();
            let made = go(context, guard, &mut app, identity, options, &journal, &mut watch);
            match made.await {
                Ok(report) => {
                    journal.end(context, Outcome::Done, None).await?;
                    Ok(report)
                }
                Err(error) if error.of_engine().is_some_and(stays_unfinished) => Err(error),
                Err(error) => {
                    let undone = undo(context, guard, &engine, journal).await;
                    if let Err(left) = undone {
                        context.progress.warn(left.to_string());
                    }
                    Err(error)
                }
            }
        })
        .await
    }

    /// What is to be known before the first step.
    ///
    /// # Errors
    /// Components that cannot be read.
    pub(super) fn entry(&self, app: &App, lease: &Lease) -> Result<Entry, app::Error> {
        let source = Source {
            app: self.target.source.name.to_string(),
            server: self.target.source.server.to_string(),
            taken_on: None,
            copy: None,
        };
        Ok(Entry {
            recipe: app.checkout.recipe.to_string(),
            set: Some(self.plan.set.to_string()),
            from: Some(source),
            new_secrets: self.secrets.made(),
            after: self.plan.version.clone(),
            steps: steps(),
            made: self.made.clone(),
            pin: Some(version::pinned(app)),
            wanted: Some(goal(app, &app.components()?)),
            ..journal::entry_of(lease, &app.entry.name, What::Rebuild)
        })
    }
}

/// The app whose set an operation restores, with the server that names the repository, and
/// the options to read it with.
///
/// # Errors
/// A journal with names that are none.
pub(in crate::operation) fn source_of(
    app: &AppEntry,
    entry: &Entry,
    options: &Options,
) -> Result<(AppEntry, Options), Error> {
    // A rebuild names the set that it found, on whichever server that was taken.
    let sets_of = if entry.what == What::Rebuild { Of::Any } else { Of::Own };
    let options = Options { sets_of, ..options.clone() };
    let Some(Source { app: name, server, taken_on, copy }) = &entry.from else {
        return Ok((app.clone(), options));
    };
    let name = AppName::new(name).map_err(app::Error::from)?;
    let source = AppEntry { name, server: ServerName::new(server).map_err(app::Error::from)? };
    let taken_on = taken_on.as_deref().map(ServerName::new).transpose();
    let taken_on = taken_on.map_err(app::Error::from)?;
    let sets_of = taken_on.map_or(options.sets_of.clone(), Of::Server);
    Ok((source, Options { sets_of, ..options.of(copy.as_ref()) }))
}

/// Goes the steps; of a rebuild that did not end, all of them again but the secrets.
///
/// # Errors
/// As [`Rebuild::run`].
pub(in crate::operation) async fn finish(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    identity: Option<&Identity>,
    options: &Options,
    journal: Journal,
) -> Result<RebuildReport, Error> {
    match go(context, guard, app, identity, options, &journal, &mut Watch::start()).await {
        Err(error) if !matches!(error, Error::Verify { .. }) => {
            let name = app.entry.name.as_str();
            context.progress.warn(whats_next(name, error.of_engine()));
            Err(error)
        }
        Err(error) => {
            // All of it is there, and runs.
            journal.end(context, Outcome::Failed, Some(in_one_line(&error))).await?;
            Err(error)
        }
        Ok(report) => {
            journal.end(context, Outcome::Done, None).await?;
            Ok(report)
        }
    }
}

/// Goes the steps.
///
/// # Errors
/// As [`Rebuild::run`].
pub(super) async fn go(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    identity: Option<&Identity>,
    options: &Options,
    journal: &Journal,
    watch: &mut Watch,
) -> Result<RebuildReport, Error> {
    let entry = journal.entry();
    let (source, options) = source_of(&app.entry, &entry, options)?;
    let options = &options;
    journal.step(SECRETS).await?;
    // Everything has its owner before it exists, so that anyone who resumes finds it.
    app.engine.claim(&claims(&entry.made)).await.map_err(app::Error::from)?;
    app.lock = context.home.lock_file(&app.entry)?;
    app.lock.owner = app.engine.record_id().await.map_err(app::Error::from)?;
    context.home.write_lock_file(guard, &app.lock)?;
    let stored = match journal.was_done(SECRETS) {
        true => Vec::new(),
        false => store_secrets(context, app, identity, &entry.new_secrets).await?,
    };
    watch.lap(SECRETS);

    let set = Which::Named(entry.set.clone().unwrap_or_default());
    let restore =
        prepare_restore_of(context, guard, app, &source, (&set, &Part::All), options).await?;
    let again = app::load_deployed(context, &app.entry).await?;
    let mut restore = restore.data_first(app, again).await?;
    restore.bring_data(context, guard, app, options, journal).await?;
    watch.lap(DATA);

    journal.step(of_restore::START).await?;
    app.lock = context.home.lock_file(&app.entry)?;
    // Nobody goes back to a release of an app that is drilled, and another would keep its
    // secrets.
    let release_of = (context.world == World::Open).then(|| PartOf(Box::new(journal.entry())));
    let deploys = DeployOptions { restoring: true, release_of, ..DeployOptions::default() };
    context.progress.step("deploy");
    let deploying = async { Ok(Box::pin(deploy(context, guard, app, &deploys)).await?) };
    unless_cancelled(&options.cancel, "it is unfinished", deploying).await?;
    watch.lap(SERVICES);
    let checks = restore.complete(context, guard, app, options, journal).await?;
    watch.lap(CHECKS);
    let plan = restore.into_plan();
    Ok(RebuildReport {
        set: plan.set,
        source: source.name.to_string(),
        app: plan.app,
        server: app.entry.server.to_string(),
        secrets: stored,
        new_secrets: entry.new_secrets,
        bytes: plan.bytes,
        seconds: watch.seconds(),
        checks,
    })
}

/// Stores the kept secrets that the app needs, and makes those anew that the operator named.
/// Returns names and versions of the former.
async fn store_secrets(
    context: &Context,
    app: &App,
    identity: Option<&Identity>,
    made_anew: &[String],
) -> Result<Vec<String>, Error> {
    context.progress.step("store secrets");
    let failed = |error: secrets::Error| Error::from(app::Error::from(error));
    let plans = secrets::survey(&app.stack, &app.env, &app.sources).complete().map_err(failed)?;
    let (anew, kept): (Vec<SecretPlan>, Vec<SecretPlan>) =
        plans.into_iter().partition(|plan| made_anew.contains(&plan.name));
    let name = &app.entry.name;
    let keeper = Keeper::of(&context.home, &app.entry, &app.name)
        .map_err(|error| failed(secrets::Error::from(error)))?;
    let read;
    let identity = match identity {
        Some(identity) => Some(identity),
        // Of one that is resumed.
        None => {
            read = identity_of(context)?;
            read.as_ref()
        }
    };
    let mut stored = Vec::new();
    if let Some(identity) = identity {
        let folder = Folder::of(&context.home, &app.entry);
        let wanted: BTreeSet<&str> = kept
            .iter()
            .filter_map(|plan| plan.full_name.strip_prefix(app.name.as_str())?.strip_prefix('_'))
            .collect();
        let restored = escrow::restore(
            &*app.engine,
            name,
            &app.name,
            (&folder, &keeper),
            identity,
            |secret| wanted.contains(secret),
        );
        let Restored { restored, present: _, failed: lost } = restored.await.map_err(failed)?;
        if !lost.is_empty() {
            let lost = lost.into_iter().map(|it| Lost {
                full_name: format!("{}_{}", app.name, it.secret),
                name: it.secret,
                why: it.why,
                makes: false,
            });
            let obstacle = Obstacle::Secrets { app: name.clone(), lost: lost.collect() };
            return Err(Box::new(obstacle).into());
        }
        stored = restored;
    }
    secrets::generate(&*app.engine, name, &anew, &keeper).await.map_err(failed)?;
    Ok(stored)
}

/// The operator's key, where there is one; nobody is asked for a passphrase.
///
/// # Errors
/// One that cannot be read.
pub(in crate::operation) fn identity_of(context: &Context) -> Result<Option<Identity>, Error> {
    let Some(path) = context.identity.as_deref().filter(|path| path.exists()) else {
        return Ok(None);
    };
    let read = Identity::read(path, &escrow::nobody);
    Ok(Some(read.map_err(|error| app::Error::from(secrets::Error::from(error)))?))
}
