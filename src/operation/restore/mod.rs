//! `backup restore`: restores an app's data from a set, even if nothing of
//! the app is left on the server.
//!
//! Everything that can fail for reasons of the repository happens first, while the app
//! still runs: volumes are restored beside the live ones. Then services stop, volumes are
//! exchanged, databases start, dumps are loaded, the rest starts, and the app's own checks
//! run last. A database that only takes a dump back keeps running. Plugins restore their
//! items when everything runs, because they can only reach running services.
//! `backup/restore/` has the parts, `part.rs` what of a set is meant, `places.rs` where it
//! belongs; `services.rs` stops and starts.

mod part;
mod places;
mod services;
pub(super) mod steps;

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::{
    places::{describe, match_items},
    services::{Services, Start},
    steps::{
        AFTER_RESTORE, BEFORE_RESTORE, DUMPS, EXCHANGE, ITEMS, STAGE, START, START_DATA, STOP,
        steps,
    },
};
use super::{
    journal::{self, Journal, stays_unfinished},
    lease::{Lease, leased_anyway},
    record::goal,
    recover::undo_services,
    unfinished,
};
use crate::{
    app::{self, App, Context, Stopped, Unfinished, version},
    backup::{
        Error,
        options::{Missing, Options, find, unless_cancelled},
        restic::Restic,
        restore::data::{Left, Restoring, check_volumes},
        set::{
            ItemKind, SetId,
            choose::choose,
            manifest::{Item, Manifest},
            open::{Opened, believe},
            plan::{self, Planned, What},
            snapshots::{Which, sets_of},
        },
    },
    compose::StackVolume,
    engine::{Engine, Scope},
    home::{AppEntry, AppGuard, lock_file::Upgrade},
    hooks::{self, Guarding},
    owner::journal::{self as kept, Before, Entry, Marks, Outcome},
    plugin::{Finding, Hooks, Role},
    rollout::state::wanted::without_tasks,
    text::line,
};

pub use part::Part;
pub use places::RestorePlan;

/// The error when a restore is cancelled before anything changed.
const UNCHANGED: &str = "nothing was changed";
const UNCHANGED_DATA: &str = "its data is unchanged";

/// A restore that is ready to run.
pub struct Restore {
    pub plan: RestorePlan,
    restic: Restic,
    hooks: Vec<(String, Hooks)>,
    items: Vec<(Item, Planned)>,
    services: Services,
    /// Where the set is, if that is not the app's own of its server's repository.
    from: Option<kept::Source>,
    part: Part,
    /// The set of an earlier restore that did not complete the data.
    earlier: Option<String>,
    /// What the services were before a restore that did not end.
    interrupted: Vec<Before>,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RestoreReport {
    pub set: SetId,
    pub app: String,
    pub bytes: u64,
    pub seconds: f64,
    /// The app's own checks, all of which passed.
    pub checks: Vec<String>,
}

/// Reads a set and finds a place in the app for all of it. Changes nothing.
///
/// # Errors
/// [`Error::NoSet`] and its like, [`Error::Manifest`], [`Error::NoPlaceFor`].
pub async fn prepare_restore(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    which: &Which,
    options: &Options,
) -> Result<Restore, Error> {
    let source = app.entry.clone();
    prepare_restore_of(context, guard, app, &source, (which, &Part::All), options).await
}

/// The same with a part of a set, which may be another app's, of its server's repository.
///
/// # Errors
/// As [`prepare_restore`]; [`Error::OtherRecipe`].
pub async fn prepare_restore_of(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    source: &AppEntry,
    (which, part): (&Which, &Part),
    options: &Options,
) -> Result<Restore, Error> {
    app.engine.require().await.map_err(app::Error::from)?;
    let reading = set_of(context, source, which, options);
    let Read { restic, opened, told } =
        unless_cancelled(&options.cancel, UNCHANGED, reading).await?;
    let taken_on = opened.manifest.server.clone();
    let read = (restic, opened.manifest, told);
    let mut restore = Restore::of(context, guard, app, source, read, part).await?;
    if taken_on != source.server.as_str() {
        let (name, set) = (&source.name, &restore.plan.set);
        let said = format!("the backup {set} was taken of {name} on the server {taken_on}");
        restore.plan.warnings.push(line(&said).into_owned());
    }
    Ok(restore)
}

/// A set that was read and is believed.
pub(in crate::operation) struct Read {
    pub restic: Restic,
    pub opened: Opened,
    /// What has to be said of it.
    pub told: Option<String>,
}

/// Reads the set that is meant.
///
/// # Errors
/// [`Error::NoSet`] and its like, [`Error::Distrusted`], restic's failures.
pub(in crate::operation) async fn set_of(
    context: &Context,
    source: &AppEntry,
    which: &Which,
    options: &Options,
) -> Result<Read, Error> {
    let restic = find(context, source, options, Missing::Refused).await?;
    let sets = sets_of(&restic, source, &options.sets_of).await?;
    let (_, opened) = choose(context, &restic, source, sets, which, options).await?;
    let told = believe(&opened, &options.trust)?;
    Ok(Read { restic, opened, told })
}

impl Restore {
    /// Finds a place in the app for all of a set.
    ///
    /// # Errors
    /// As [`prepare_restore_of`].
    pub(in crate::operation) async fn of(
        context: &Context,
        guard: &AppGuard,
        app: &App,
        source: &AppEntry,
        (restic, manifest, told): (Restic, Manifest, Option<String>),
        part: &Part,
    ) -> Result<Self, Error> {
        if manifest.recipe != app.checkout.recipe.as_str() {
            return Err(Error::OtherRecipe {
                set: manifest.set,
                found: manifest.recipe,
                app: app.entry.name.to_string(),
                recipe: app.checkout.recipe.to_string(),
            });
        }
        let mut manifest = part.take(manifest)?;
        part::measure(part, &restic, &mut manifest).await?;
        let mut hooks = hooks::start(context, app, Role::Backup, Guarding::Held(guard)).await?;
        let planned = plan::ask(app, &mut hooks).await?;
        let items = match_items(&manifest, planned)?;
        let services = Services::look(app, &items, part).await?;
        let volumes = app.engine.volumes(Scope::All).await.map_err(app::Error::from)?;
        let volumes = volumes.into_iter().map(|volume| volume.name).collect();
        check_volumes(app, &restic, &items).await?;
        let mut plan = describe(app, &manifest, &items, &services, &volumes);
        plan.warnings.extend(told);
        plan.warnings.extend(services.told());
        if matches!(part, Part::Paths(_)) {
            let facts = items.iter().filter_map(|(item, _)| item.volume.as_ref());
            plan.paths = facts.flat_map(|facts| facts.paths.clone()).collect();
        }
        let taken_on = Some(manifest.server.clone()).filter(|it| it != source.server.as_str());
        let copy = restic.copy().cloned();
        let is_own = *source == app.entry && taken_on.is_none() && copy.is_none();
        let from = (!is_own).then(|| kept::Source {
            app: source.name.to_string(),
            server: source.server.to_string(),
            taken_on,
            copy,
        });
        let part = part.clone();
        let (earlier, interrupted) = (None, Vec::new());
        Ok(Restore { plan, restic, hooks, items, services, from, part, earlier, interrupted })
    }
}

impl Restore {
    /// Carries the plan out.
    ///
    /// # Errors
    /// Until services stop, the app is unchanged. A failure after that says
    /// what was left; running the restore again is always possible.
    pub async fn run(
        mut self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        options: &Options,
    ) -> Result<RestoreReport, Error> {
        let engine = Arc::clone(&app.engine);
        leased_anyway(context, &engine, guard, "a restore", async |lease: &Lease| {
            match unfinished::look(&engine).await? {
                // The data of this set takes the place of what that one left.
                Some(kept)
                    if self.part == Part::All
                        && kept.entry.what == kept::What::Restore
                        && kept.reached.outcome.is_none() =>
                {
                    context.progress.warn(format!("{}; restoring anew", Unfinished::of(&kept)));
                    self.interrupted.clone_from(&kept.entry.services);
                    let journal = Journal::go_on(&engine, lease, kept);
                    journal.end(context, Outcome::Failed, None).await?;
                }
                _ => unfinished::refuse_unfinished(&engine, app.entry.name.as_str()).await?,
            }
            self.run_alone(context, guard, app, options, lease).await
        })
        .await
    }

    async fn run_alone(
        mut self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        options: &Options,
        lease: &Lease,
    ) -> Result<RestoreReport, Error> {
        // As they are now that nobody else changes them.
        self.services = Services::look(app, &self.items, &self.part).await?;
        self.services.recall(&self.interrupted);
        let volumes = app.engine.volumes(Scope::All).await.map_err(app::Error::from)?;
        let is_there = |wanted: &StackVolume| {
            !wanted.external && volumes.iter().any(|volume| volume.name == wanted.name)
        };
        let loses = !self.services.running.is_empty() || app.stack.volumes.iter().any(is_there);
        if loses && !self.plan.loses_data {
            let app = app.entry.name.to_string();
            return Err(app::Error::PlanChanged { app }.into());
        }
        let begins = Entry {
            set: Some(self.plan.set.to_string()),
            from: self.from.clone(),
            part: self.part.rows(),
            before: app.checkout.version.clone(),
            after: self.plan.version.clone(),
            steps: steps(),
            services: self.services.before.clone(),
            ran: !self.services.running.is_empty(),
            marks: Some(Marks::of(&app.lock)),
            pin: Some(version::pinned(app)),
            wanted: Some(goal(app, &app.components()?)),
            ..journal::entry_of(lease, &app.entry.name, kept::What::Restore)
        };
        let journal = Journal::begin(&app.engine, lease, begins).await?;
        self.finish(context, guard, app, options, journal).await
    }

    /// Goes the steps; of a restore that did not end, all of them again.
    ///
    /// # Errors
    /// As [`Restore::run`].
    pub(in crate::operation) async fn finish(
        mut self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        options: &Options,
        journal: Journal,
    ) -> Result<RestoreReport, Error> {
        let entry = journal.entry();
        self.services.recall(&entry.services);
        let done = self.go(context, guard, app, options, &journal).await;
        let mut undone = true;
        if let Err(error) = &done
            && journal.is_resumed()
            && !journal.is_past_return()
            && !error.of_engine().is_some_and(stays_unfinished)
        {
            // The process that began it may have stopped services.
            let undo = undo_services(&*context.progress, &app.engine, &entry).await;
            if let Err(undo) = undo {
                context.progress.warn(format!("its services did not start again: {undo}"));
                undone = false;
            }
        }
        let is_undone = |error: &Error| undone && !matches!(error, Error::NotStarted { .. });
        journal.conclude(context, done, Error::of_engine, is_undone).await
    }

    async fn go(
        &mut self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        options: &Options,
        journal: &Journal,
    ) -> Result<RestoreReport, Error> {
        let began = Instant::now();
        let apps = self.bring_data(context, guard, app, options, journal).await?;
        journal.step(START).await?;
        self.services.start_rest(context, app, apps).await?;
        let checks = self.complete(context, guard, app, options, journal).await?;
        Ok(RestoreReport {
            set: self.plan.set.clone(),
            app: self.plan.app.clone(),
            bytes: self.plan.bytes,
            seconds: began.elapsed().as_secs_f64(),
            checks,
        })
    }

    /// The data of the set takes the place of what is there; of the services, only data
    /// stores run then. Returns what else is to be started.
    ///
    /// # Errors
    /// As [`Restore::run`].
    pub(in crate::operation) async fn bring_data(
        &mut self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        options: &Options,
        journal: &Journal,
    ) -> Result<Stopped, Error> {
        let cancel = &options.cancel;
        journal.step(STAGE).await?;
        // With what was agreed to while it was prepared.
        app.lock = context.home.lock_file(&app.entry).map_err(app::Error::from)?;
        let part = matches!(self.part, Part::Paths(_));
        let restoring = Restoring { context, restic: &self.restic, set: &self.plan.set, part };
        let stage = restoring.stage_all(app, &self.items);
        let staged = unless_cancelled(cancel, UNCHANGED, stage).await;
        self.restic.settle().await;
        let staged = staged?;

        journal.step(BEFORE_RESTORE).await?;
        let asking = restoring.before_restore(app);
        unless_cancelled(cancel, UNCHANGED_DATA, asking).await?;
        let data = stores(&self.items);
        journal.step(STOP).await?;
        // After a crash it must be known from which set the data is.
        let set = self.plan.set.to_string();
        let before = app.lock.restoring.replace(set.clone());
        // What an earlier one left half restored, a part does not complete.
        let own = journal.is_resumed() && before.as_ref() == Some(&set);
        self.earlier = before.clone().filter(|_| self.part != Part::All && !own);
        context.home.write_lock_file(guard, &app.lock).map_err(app::Error::from)?;
        let stopped = match self.services.stop(context, app, &data, cancel).await {
            Ok(stopped) => stopped,
            Err(error) => {
                mark(context, guard, app, before)?;
                return Err(error);
            }
        };
        if let Err(error) = journal.step(EXCHANGE).await {
            let error = stopped.bring_back(context, app, error.into()).await;
            mark(context, guard, app, before)?;
            return Err(error);
        }
        if let Err(failed) = restoring.commit_all(app, staged).await {
            let (error, left) = *failed;
            let error = stopped.bring_back(context, app, error).await;
            if left == Left::AsBefore {
                mark(context, guard, app, before)?;
            }
            return Err(error);
        }
        journal.step(START_DATA).await?;
        let apps = self.services.start_data(context, guard, app, &data, stopped).await?;
        journal.step(DUMPS).await?;
        let putting = restoring.put_back_all(app, &self.items, &data);
        let put = unless_cancelled(cancel, "its data is half restored, restore it again", putting);
        let put = put.await;
        self.restic.settle().await;
        put.map_err(|error| left_stopped(error, apps.services()))?;
        // Data of the version before an upgrade has none of its migration.
        let version = self.plan.version.as_ref();
        let whole = self.part == Part::All;
        let undone = |upgrade: &mut Upgrade| whole && version == Some(&upgrade.before);
        if app.lock.upgrade.take_if(undone).is_some() {
            context.home.write_lock_file(guard, &app.lock)?;
        }
        // What plugins take back, they take from services that run.
        if self.items.iter().all(|(_, place)| place.what != What::Custom) {
            settled(context, guard, app, self.earlier.clone())?;
        }
        Ok(apps)
    }

    /// What needs services that run: the plugins' items, their hooks and checks. Returns
    /// the checks that passed.
    ///
    /// # Errors
    /// As [`Restore::run`].
    pub(in crate::operation) async fn complete(
        &mut self,
        context: &Context,
        guard: &AppGuard,
        app: &mut App,
        options: &Options,
        journal: &Journal,
    ) -> Result<Vec<String>, Error> {
        let part = matches!(self.part, Part::Paths(_));
        let restoring = Restoring { context, restic: &self.restic, set: &self.plan.set, part };
        journal.step(ITEMS).await?;
        for (item, place) in &self.items {
            if place.what == What::Custom {
                let hooks = place.plugin.and_then(|index| self.hooks.get_mut(index));
                restoring.consume(item, hooks).await?;
            }
        }
        settled(context, guard, app, self.earlier.clone())?;
        journal.step(AFTER_RESTORE).await?;
        finish(context, &mut self.hooks, &options.cancel).await
    }

    /// The bytes that bringing the data back takes beside what is there.
    pub(in crate::operation) fn room(&self) -> u64 {
        room(self.items.iter().map(|(item, _)| (item.kind, item.bytes)))
    }

    /// Makes data stores come back with these specs, and leaves the rest stopped: another
    /// version runs than the data is of.
    ///
    /// # Errors
    /// What the engine says.
    pub(in crate::operation) async fn onto(
        mut self,
        app: &App,
        specs: Vec<Before>,
    ) -> Result<Self, Error> {
        self.services = Services::all(app, Start::Stores(specs)).await?;
        Ok(self)
    }

    /// Makes data stores come first, of an app that does not run yet: nothing else runs on
    /// data that is not complete.
    ///
    /// # Errors
    /// What the engine says.
    pub(in crate::operation) async fn data_first(
        self,
        app: &App,
        mut again: App,
    ) -> Result<Self, Error> {
        if stores(&self.items).is_empty() {
            return self.onto(app, Vec::new()).await;
        }
        again.engine = Arc::clone(&app.engine);
        self.onto_release(app, again).await
    }

    /// The plan, once it is known that nothing runs.
    pub(in crate::operation) fn into_plan(self) -> RestorePlan {
        self.plan
    }

    /// Makes data stores come back as another app of the stack has them, and leaves the rest
    /// stopped.
    ///
    /// # Errors
    /// What the engine says.
    pub(in crate::operation) async fn onto_release(
        mut self,
        app: &App,
        mut release: App,
    ) -> Result<Self, Error> {
        let stores = stores(&self.items);
        let mut stack = (*release.stack).clone();
        for service in stack.services.iter_mut().filter(|it| !stores.contains(&it.key)) {
            without_tasks(&mut service.spec);
        }
        release.stack = Arc::new(stack);
        self.services = Services::all(app, Start::Of(Box::new(release))).await?;
        Ok(self)
    }
}

/// A database takes more than its dump: indexes, a log of what it writes, and itself beside
/// the old one.
fn room(items: impl Iterator<Item = (ItemKind, u64)>) -> u64 {
    const STORE: u64 = 64 << 20;
    let of = |(kind, bytes): (ItemKind, u64)| match kind {
        ItemKind::Dump => bytes.saturating_mul(3).saturating_add(STORE),
        ItemKind::Volume | ItemKind::Custom | ItemKind::Settings => bytes,
    };
    items.map(of).fold(0, u64::saturating_add)
}

/// Writes down what was known before: the set of an earlier restore that did not finish,
/// whose mark the failure of this one must not clear.
fn mark(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    restoring: Option<String>,
) -> Result<(), Error> {
    app.lock.restoring = restoring;
    Ok(context.home.write_lock_file(guard, &app.lock).map_err(app::Error::from)?)
}

/// Records that the app's data is completely restored; or, after a part of it was, what was
/// known before.
fn settled(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    earlier: Option<String>,
) -> Result<(), Error> {
    if app.lock.restoring != earlier {
        app.lock.restoring = earlier;
        context.home.write_lock_file(guard, &app.lock).map_err(app::Error::from)?;
    }
    Ok(())
}

/// Keys of the services that take dumps back.
fn stores(items: &[(Item, Planned)]) -> BTreeSet<String> {
    items
        .iter()
        .filter_map(|(_, place)| match &place.what {
            What::Dump { service, .. } => Some(service.clone()),
            _ => None,
        })
        .collect()
}

/// An app with partly restored data is not started: a web application on
/// an empty database would offer its installation page to any visitor.
fn left_stopped(error: Error, services: Vec<&str>) -> Error {
    if services.is_empty() {
        return error;
    }
    Error::LeftStopped {
        services: services.into_iter().map(Into::into).collect(),
        source: Box::new(error),
    }
}

/// `after-restore` of all plugins, then the checks of all.
async fn finish(
    context: &Context,
    hooks: &mut [(String, Hooks)],
    cancel: &CancellationToken,
) -> Result<Vec<String>, Error> {
    const LEFT: &str = "the data is restored, but the app's hooks did not run";
    let running = async {
        for (name, plugin) in hooks.iter_mut() {
            context.progress.step(format!("{name}: after-restore"));
            plugin.after_restore().await?;
        }
        let (mut passed, mut failed) = (Vec::new(), Vec::new());
        for (name, plugin) in hooks.iter_mut() {
            context.progress.step(format!("{name}: verify"));
            for Finding { name, passed: good, detail } in plugin.verify().await? {
                let check = match detail {
                    Some(detail) => format!("{name} ({detail})"),
                    None => name,
                };
                if good { passed.push(check) } else { failed.push(check) }
            }
        }
        if failed.is_empty() { Ok(passed) } else { Err(Error::Verify { failed }) }
    };
    unless_cancelled(cancel, LEFT, running).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_needs_more_room_than_its_bytes() {
        for (items, needed) in [
            (&[][..], 0),
            (&[(ItemKind::Volume, 10), (ItemKind::Settings, 1)], 11),
            (&[(ItemKind::Volume, 10), (ItemKind::Dump, 5)], 10 + 15 + (64 << 20)),
            (&[(ItemKind::Dump, u64::MAX), (ItemKind::Volume, 1)], u64::MAX),
        ] {
            assert_eq!(room(items.iter().copied()), needed, "{items:?}");
        }
    }
}
