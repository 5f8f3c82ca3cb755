//! An operation that did not end, because its process was killed or lost its swarm, is
//! finished or undone: by anyone who has the app in their folder, on any machine.
//!
//! Programs that it started in services outlive its process; what begins here waits for
//! them, so that none runs twice at once.

use std::{sync::Arc, time::Duration};

use crate::{
    app::{self, App, Context, Error, Leaving, OnServer, Unfinished},
    backup::{self, Options, Which},
    home::AppGuard,
    hooks::{self, consent},
    owner::{
        Confined,
        history::Line,
        journal::{Entry, Journal as Kept, Outcome, Undo, What},
    },
    plugin::{Role, Transition},
    recipe::Version,
    secrets::{self, Keeper},
};

use super::{
    DeployOptions, DeployReport, MoveReport, RebuildReport, RestoreReport, SetReport, Upgrade,
    backup::{Complete, back_up_alone, end_unfinished},
    claim::claim,
    connection, deploy,
    journal::Journal,
    lease::{Lease, leased_anyway},
    moving::{self, Moving},
    rebuild,
    record::require_goal,
    recover::{restore_files, take_over, undo_services},
    restart::finish_restart,
    restore::{Part, prepare_restore_of},
    rollback::{data_of, load_again},
    rotate::{finish_rotation, undo_rotation},
    safety::{BACKUP, Safety},
    scale::finish_scaling,
    steps::before_deploy,
    undeploy::{finish_removal, finish_undeploy},
    unfinished::{self as known},
};

/// How long tasks may take to end.
const TASK_PATIENCE: Duration = Duration::from_secs(300);

/// What finishing an operation did.
#[derive(Debug)]
pub enum Resumed {
    Deployed(Box<DeployReport>),
    Undeployed,
    Restarted,
    Scaled,
    /// The next deploy uses the new secrets.
    Rotated,
    Connected,
    Disconnected,
    /// Its settings in this folder are still there.
    Removed,
    BackedUp(SetReport),
    Restored(RestoreReport),
    Rebuilt(Box<RebuildReport>),
    Moved(MoveReport),
    /// It had ended; only that was not written down.
    Ended,
}

/// The operation on an app that did not end.
///
/// # Errors
/// [`Error::NothingUnfinished`], [`Error::BadJournal`], and what the engine says.
pub async fn unfinished(on_server: &OnServer) -> Result<Unfinished, Error> {
    let running = known::is_held(&on_server.engine).await?;
    Ok(Unfinished { running, ..Unfinished::of(&look(on_server).await?) })
}

/// What was done to an app, oldest first, and what is unfinished.
///
/// # Errors
/// [`Error::BadJournal`], and what the engine says.
pub async fn history(on_server: &OnServer) -> Result<(Vec<Line>, Option<Unfinished>), Error> {
    on_server.engine.require().await?;
    known::history(&on_server.engine).await
}

async fn look(on_server: &OnServer) -> Result<Kept, Error> {
    on_server.engine.require().await?;
    let app = &on_server.entry.name;
    let nothing = || Error::NothingUnfinished { app: app.to_string() };
    let kept = known::look(&on_server.engine).await?.ok_or_else(nothing)?;
    if kept.reached.outcome.is_some() {
        // It ended, and its process only did not come to say so.
        known::refuse_unfinished(&on_server.engine, app.as_str()).await?;
        return Err(nothing());
    }
    if kept.entry.app != app.as_str() {
        return Err(known::bad(on_server.engine.stack(), "it is of another app".into()));
    }
    Ok(kept)
}

/// Finishes the operation on an app that did not end. If that fails, it ends as one that
/// failed: what it changed is undone, as far as that is possible.
///
/// # Errors
/// [`Error::NothingUnfinished`], [`Error::Undoing`], [`Error::OtherGoal`],
/// [`Error::StillRunning`], and those of the operation.
pub async fn resume(
    context: &Context,
    guard: &AppGuard,
    options: &Options,
) -> Result<Resumed, backup::Error> {
    let app = guard.app();
    let kept = look(&OnServer::new(&context.home, app)?).await?;
    if kept.reached.aborting && kept.entry.what != What::Backup {
        let app = app.name.to_string();
        return Err(Error::Undoing { app, told: kept.entry.told() }.into());
    }
    const DOING: &str = "the resumption of an operation";
    match kept.entry.what {
        What::Deploy | What::Upgrade | What::Rollback => {
            let version = version_of(&kept.entry);
            let mut loaded = match kept.entry.replays {
                Some(number) => {
                    load_again(context, &OnServer::new(&context.home, app)?, number).await?
                }
                None => app::load_to_deploy(context, app, &version).await?,
            };
            // What the folder that began it knows of the migration's progress.
            let progress = kept.entry.marks.as_ref().and_then(|marks| marks.upgrade());
            if loaded.lock.upgrade.is_none() {
                loaded.lock.upgrade = progress.cloned();
            }
            let deploys = DeployOptions {
                version: if kept.entry.named { version } else { Version::Newest },
                detach: kept.entry.detach,
                downgrade: true,
                force: kept.entry.force,
                timeout: kept.entry.timeout.map(Duration::from_secs),
                leave_data: kept.entry.leave_data,
                data: match (kept.entry.what, &kept.entry.set) {
                    (What::Rollback, Some(set)) => {
                        let set = set.parse().ok();
                        set.and_then(|set| data_of(&loaded, set, options.clone()))
                    }
                    _ => None,
                },
                upgrade: (kept.entry.what == What::Upgrade)
                    .then(|| Upgrade::with_backup(options.clone())),
                ..DeployOptions::default()
            };
            let engine = Arc::clone(&loaded.engine);
            leased_anyway(context, &engine, guard, DOING, async |lease: &Lease| {
                let Some(journal) = take(context, &engine, lease, &kept).await? else {
                    return Ok(Resumed::Ended);
                };
                let done = deploy::finish(context, guard, &mut loaded, &deploys, journal).await?;
                Ok(Resumed::Deployed(Box::new(done)))
            })
            .await
        }
        What::Undeploy | What::Remove => {
            let leaving = Leaving::load(context, app).await?;
            let engine = leaving.engine();
            leased_anyway(context, engine, guard, DOING, async |lease: &Lease| {
                let Some(journal) = take(context, engine, lease, &kept).await? else {
                    return Ok(Resumed::Ended);
                };
                if kept.entry.what == What::Remove {
                    finish_removal(context, &leaving, journal).await?;
                    return Ok(Resumed::Removed);
                }
                finish_undeploy(context, &leaving, journal, TASK_PATIENCE).await?;
                Ok(Resumed::Undeployed)
            })
            .await
        }
        What::Restart => {
            let on_server = OnServer::new(&context.home, app)?;
            let engine = &on_server.engine;
            leased_anyway(context, engine, guard, DOING, async |lease: &Lease| {
                let Some(journal) = take(context, engine, lease, &kept).await? else {
                    return Ok(Resumed::Ended);
                };
                finish_restart(context, engine, journal, TASK_PATIENCE).await?;
                Ok(Resumed::Restarted)
            })
            .await
        }
        What::Scale => {
            let on_server = OnServer::new(&context.home, app)?;
            let engine = &on_server.engine;
            leased_anyway(context, engine, guard, DOING, async |lease: &Lease| {
                let Some(journal) = take(context, engine, lease, &kept).await? else {
                    return Ok(Resumed::Ended);
                };
                finish_scaling(context, engine, journal, TASK_PATIENCE).await?;
                Ok(Resumed::Scaled)
            })
            .await
        }
        What::Rotate => {
            let loaded = app::load(context, app, &Version::Newest).await?;
            let keeper = Keeper::of(&context.home, app, &loaded.name)
                .map_err(|error| Error::from(secrets::Error::from(error)))?;
            leased_anyway(context, &loaded.engine, guard, DOING, async |lease: &Lease| {
                let Some(journal) = take(context, &loaded.engine, lease, &kept).await? else {
                    return Ok(Resumed::Ended);
                };
                finish_rotation(context, guard, &loaded, &keeper, journal).await?;
                Ok(Resumed::Rotated)
            })
            .await
        }
        What::Connect | What::Disconnect => {
            let loaded = app::load_deployed(context, app).await?;
            leased_anyway(context, &loaded.engine, guard, DOING, async |lease: &Lease| {
                let Some(journal) = take(context, &loaded.engine, lease, &kept).await? else {
                    return Ok(Resumed::Ended);
                };
                Box::pin(connection::finish(context, guard, &loaded.engine, journal)).await?;
                Ok(match kept.entry.what {
                    What::Connect => Resumed::Connected,
                    _ => Resumed::Disconnected,
                })
            })
            .await
        }
        What::Rebuild => {
            let mut loaded = app::load_deployed(context, app).await?;
            require_goal(&loaded, &kept.entry)?;
            let engine = Arc::clone(&loaded.engine);
            leased_anyway(context, &engine, guard, DOING, async |lease: &Lease| {
                let Some(journal) = take(context, &engine, lease, &kept).await? else {
                    return Ok(Resumed::Ended);
                };
                let app = &mut loaded;
                let done = rebuild::finish(context, guard, app, None, options, journal).await?;
                Ok(Resumed::Rebuilt(Box::new(done)))
            })
            .await
        }
        What::Move => {
            let loaded = app::load_deployed(context, app).await?;
            let guard_there = guard_there(context, guard, &kept.entry).await?;
            let moving = Moving { context, guard, guard_there: &guard_there, options };
            let engine = Arc::clone(&loaded.engine);
            leased_anyway(context, &engine, guard, DOING, async |lease: &Lease| {
                let Some(journal) = take(context, &engine, lease, &kept).await? else {
                    return Ok(Resumed::Ended);
                };
                Ok(Resumed::Moved(moving::resume(&moving, loaded, journal).await?))
            })
            .await
        }
        What::Restore => {
            let (source, options) = rebuild::source_of(app, &kept.entry, options)?;
            let options = &options;
            let set = kept.entry.set.clone().map_or(Which::Latest, Which::Named);
            let version = version_of(&kept.entry);
            let mut loaded = app::load(context, app, &version).await?;
            require_goal(&loaded, &kept.entry)?;
            let engine = Arc::clone(&loaded.engine);
            leased_anyway(context, &engine, guard, DOING, async |lease: &Lease| {
                let Some(journal) = take(context, &engine, lease, &kept).await? else {
                    return Ok(Resumed::Ended);
                };
                let part = Part::of(&kept.entry.part.0, &kept.entry.part.1);
                let wanted = (&set, &part);
                let restore =
                    prepare_restore_of(context, guard, &loaded, &source, wanted, options).await?;
                let done = restore.finish(context, guard, &mut loaded, options, journal).await?;
                Ok(Resumed::Restored(done))
            })
            .await
        }
        What::Backup => {
            let loaded = app::load_deployed(context, app).await?;
            leased_anyway(context, &loaded.engine, guard, DOING, async |lease: &Lease| {
                let Some(journal) = take(context, &loaded.engine, lease, &kept).await? else {
                    return Ok(Resumed::Ended);
                };
                end_unfinished(context, guard, &loaded, options, journal).await?;
                let done = back_up_alone(context, guard, &loaded, options, lease).await?;
                Ok(Resumed::BackedUp(done))
            })
            .await
        }
        What::Secrets | What::Volumes => {
            let OnServer { stack, .. } = OnServer::new(&context.home, app)?;
            Err(known::bad(&stack, "what it is about has no journal".into()).into())
        }
    }
}

/// Undoes the operation on an app that did not end, as far as its journal allows: services
/// get back what they had, what was made for it goes, and plugins are told. Volumes are kept.
///
/// # Errors
/// [`Error::NothingUnfinished`], [`Error::PastReturn`], [`Error::StillRunning`],
/// [`Error::NotUndone`].
pub async fn abort(
    context: &Context,
    guard: &AppGuard,
    options: &Options,
) -> Result<(), backup::Error> {
    let app = guard.app();
    let on_server = OnServer::new(&context.home, app)?;
    let kept = look(&on_server).await?;
    if kept.is_past_return() {
        return Err(past_return(app.name.as_str(), &kept).into());
    }
    const DOING: &str = "the undoing of an operation";
    if kept.entry.what == What::Backup {
        let loaded = match app::load_deployed(context, app).await {
            Ok(loaded) => loaded,
            Err(error) => {
                context.progress.warn(format!(
                    "plugins are not told, and what it stored is kept, because the recipe or the \
                     settings cannot be read: {error}"
                ));
                return leased_anyway(context, &on_server.engine, guard, DOING, async |lease| {
                    match take(context, &on_server.engine, lease, &kept).await? {
                        Some(journal) => Ok(journal.end(context, Outcome::Aborted, None).await?),
                        None => Ok(()),
                    }
                })
                .await;
            }
        };
        return leased_anyway(context, &loaded.engine, guard, DOING, async |lease: &Lease| {
            match take(context, &loaded.engine, lease, &kept).await? {
                Some(journal) => end_unfinished(context, guard, &loaded, options, journal).await,
                None => Ok(()),
            }
        })
        .await;
    }
    let engine = &on_server.engine;
    if kept.entry.what == What::Move {
        let guard_there = guard_there(context, guard, &kept.entry).await?;
        let moving = Moving { context, guard, guard_there: &guard_there, options };
        return leased_anyway(context, engine, guard, DOING, async |lease: &Lease| {
            match take(context, engine, lease, &kept).await? {
                Some(journal) => Box::pin(moving::abort(&moving, engine, journal)).await,
                None => Ok(()),
            }
        })
        .await;
    }
    leased_anyway(context, engine, guard, DOING, async |lease: &Lease| {
        let Some(journal) = take(context, engine, lease, &kept).await? else { return Ok(()) };
        if kept.entry.what == What::Rebuild {
            return Box::pin(rebuild::undo(context, guard, engine, journal)).await;
        }
        if kept.entry.connection.is_some() && !journal.is_past_return() {
            return Ok(Box::pin(connection::abort(context, guard, engine, journal)).await?);
        }
        // It may have gone on while the lease was waited for.
        let kept = journal.kept();
        if kept.is_past_return() {
            return Err(past_return(app.name.as_str(), &kept).into());
        }
        journal.abort().await?;
        let begun = kept.entry.steps.iter().take(kept.reached.step.map_or(0, |step| step + 1));
        let undoes = |undo: Undo| begun.clone().any(|step| step.undo == undo);
        let undone = match with_set(context, guard, engine, &kept, options).await? {
            Some(mut safety) if undoes(Undo::Services) => {
                Box::pin(safety.go_back(context, guard, &journal)).await.map(drop)
            }
            Some(safety) if kept.step().is_some_and(|step| step.name == BACKUP) => {
                safety.tidy(context, guard, Complete::Kept).await
            }
            None if undoes(Undo::Services) || undoes(Undo::Start) => {
                let undone = undo_services(&*context.progress, engine, &kept.entry).await;
                undone.map_err(backup::Error::from)
            }
            Some(_) | None => Ok(()),
        };
        if let Err(error) = undone {
            // It ends nevertheless, so that the app can be deployed, restored or removed.
            let failed = Err::<(), _>(error);
            let (of_engine, undone) = (backup::Error::of_engine, |_: &_| false);
            return journal.conclude(context, failed, of_engine, undone).await;
        }
        if undoes(Undo::Secrets) || undoes(Undo::Settings) {
            let undone = undo_rotation(context, guard, engine, &kept.entry).await;
            let (of_engine, failed) = (backup::Error::of_engine, |_: &_| false);
            if let Err(error) = undone {
                let error = Err::<(), _>(backup::Error::from(error));
                return journal.conclude(context, error, of_engine, failed).await;
            }
        }
        restore_files(context, guard, &kept.entry)?;
        if undoes(Undo::Tell) {
            tell(context, guard, lease, &kept).await;
        }
        journal.end(context, Outcome::Aborted, None).await?;
        Ok(())
    })
    .await
}

/// The backup set of an upgrade, where its data may have to come back, or it was not taken to
/// its end. Where the app as it was cannot be loaded, services come back without it, unless
/// the old version cannot use the data any more.
async fn with_set(
    context: &Context,
    guard: &AppGuard,
    engine: &Arc<Confined>,
    kept: &Kept,
    options: &Options,
) -> Result<Option<Box<Safety>>, Error> {
    let Some(means) = Upgrade::with_backup(options.clone()).backup else { return Ok(None) };
    if kept.reached.step.is_none() {
        return Ok(None);
    }
    match Safety::again(context, guard.app(), engine, &kept.entry, &means).await {
        Err(error) if !kept.has_begun(Undo::Data) => {
            context.progress.warn(format!(
                "services come back without a look at the backup, because the app as it was \
                 cannot be loaded: {error}"
            ));
            Ok(None)
        }
        found => found,
    }
}

/// What keeps others in this folder from the app on the server that it goes to.
async fn guard_there(
    context: &Context,
    guard: &AppGuard,
    moves: &Entry,
) -> Result<AppGuard, Error> {
    let there = moving::target_of(guard.app(), moves)?;
    Ok(claim(&context.home, &there, "a move", context.lock_wait).await?)
}

/// The version that an operation is about, as git knows it.
fn version_of(entry: &Entry) -> Version {
    if entry.pin.as_ref().is_some_and(|pin| pin.chaos.is_some()) {
        return Version::Working;
    }
    let released = entry.pin.as_ref().and_then(|pin| pin.released()).cloned();
    released.map_or(Version::Newest, Version::Named)
}

fn past_return(app: &str, kept: &Kept) -> Error {
    let step = kept.entry.point_of_no_return();
    Error::PastReturn {
        app: app.to_owned(),
        told: kept.entry.told(),
        step: step.map(|(_, step)| step.name.clone()).unwrap_or_default(),
    }
}

/// The journal, now that nobody else changes the app, once what it started has ended; none
/// where it ended in between, or had ended.
async fn take(
    context: &Context,
    engine: &Confined,
    lease: &Lease,
    kept: &Kept,
) -> Result<Option<Journal>, Error> {
    let app = kept.entry.app.clone();
    let now = match known::look(engine).await? {
        Some(now) if now.entry.operation == kept.entry.operation => now,
        _ => return Err(Error::PlanChanged { app }),
    };
    if now.reached.outcome.is_some() {
        known::refuse_unfinished(engine, &app).await?;
        return Ok(None);
    }
    Ok(Some(take_over(context, engine, lease, now).await?))
}

/// Calls `deploy-failed` of the plugins whose `before-deploy` was called, as far as they can
/// be had here.
async fn tell(context: &Context, guard: &AppGuard, lease: &Lease, kept: &Kept) {
    let warn = |message: String| context.progress.warn(message);
    let Entry { before, after, .. } = &kept.entry;
    let transition = Transition { before: before.clone(), after: after.clone() };
    let version = version_of(&kept.entry);
    let telling = async {
        let app: App = app::load(context, guard.app(), &version).await?;
        app.engine.fence(Some(lease.as_fence()));
        let components = app.components()?;
        let wishes = consent::wishes(&app, &components, &[]);
        let agreed = components
            .iter()
            .filter(|component| wishes.iter().all(|wish| wish.plugin != component.entry.name));
        let roles = &[Role::Lifecycle];
        let plugins = hooks::start_components(context, &app, agreed, roles).await?;
        for (name, mut plugin) in plugins {
            let step = before_deploy(&name);
            let begun = kept.entry.index(&step).is_some_and(|i| Some(i) <= kept.reached.step);
            if begun && let Err(error) = plugin.deploy_failed(&transition, true).await {
                warn(format!("{name}: `deploy-failed` failed: {error}"));
            }
        }
        Ok::<(), Error>(())
    };
    if let Err(error) = telling.await {
        warn(format!("plugins were not told, because the recipe cannot be read: {error}"));
    }
}
