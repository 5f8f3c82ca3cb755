//! Deploying an app, as a list of steps known before it starts:
//!
//! what [`mod@super::prepare`] finds out (checks, plugins and grants, hooks `check`,
//! migrations, the plan) → `before-deploy` → networks, secrets, configs, services → converge →
//! migrations → lock file → `after-deploy` → verify → record → prune. What comes after
//! the plan is in [`super::steps`].
//!
//! Nothing on the swarm changes before the plan was agreed to, and nothing is removed
//! before the new state has proved itself. If services fail to start, those that ran before
//! get their previous spec back ([`crate::rollout`]); on a first deploy they are kept as
//! they are, so that the operator can look into them.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use crate::{
    app::{App, Context, Error, half_restored, version},
    engine::Kind,
    home::AppGuard,
    owner::journal::{Entry, MadeKind, Marks, Outcome, What},
    plugin::Transition,
    recipe::Version,
    rollout::{
        Plan, Reached, external,
        live::Live,
        run::{Rollout, WayBack},
    },
};

use super::{
    DeployOptions, DeployReport,
    agreed::is_within,
    app_rollout::{Wanted, rollout, what, work},
    data,
    journal::{self, Journal},
    lease::{Lease, leased},
    prepare::{Due, Prepared, prepare},
    record, recover,
    steps::{self, Cut, Steps},
    unfinished::abandoned,
};

/// What a deploy would do. Asks and changes nothing.
///
/// # Errors
/// As [`deploy`], as far as it comes before the first step.
pub async fn plan(
    context: &Context,
    app: &mut App,
    options: &DeployOptions,
) -> Result<DeployReport, Error> {
    let started = Instant::now();
    let wanted = Wanted::of(context, app)?;
    let rollout = rollout(context, app, &wanted, options);
    let mut plan = Box::pin(prepare(context, &rollout, None, app, options, None)).await?.plan;
    if let Some(unfinished) = abandoned(&app.engine).await? {
        plan.warnings.insert(0, format!("{unfinished} ({})", unfinished.next()));
    }
    Ok(report(app, Done { plan, set: None, changed: false, reached: Reached::default() }, started))
}

/// Deploys what the app's recipe and settings ask for, and waits until it
/// runs.
///
/// # Errors
/// [`crate::rollout::Error::RolledBack`] when it failed and the previous version is back,
/// [`crate::rollout::Error::Failed`] when nothing ran before, [`Error::Migration`],
/// [`Error::NeedsConsent`], [`Error::Declined`], and what the checks find.
pub async fn deploy(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    options: &DeployOptions,
) -> Result<DeployReport, Error> {
    let started = Instant::now();
    let done = run(context, guard, app, options).await?;
    Ok(report(app, done, started))
}

/// What a deploy came to.
struct Done {
    plan: Plan,
    set: Option<String>,
    changed: bool,
    reached: Reached,
}

fn report(app: &App, done: Done, started: Instant) -> DeployReport {
    let Done { plan, set, changed, reached } = done;
    DeployReport {
        app: app.entry.name.to_string(),
        stack: app.name.to_string(),
        version: app.checkout.version.clone(),
        chaos: version::pinned(app).chaos,
        plan,
        set,
        changed,
        reached,
        seconds: started.elapsed().as_secs_f64(),
    }
}

async fn run(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    options: &DeployOptions,
) -> Result<Done, Error> {
    let wanted = Wanted::of(context, app)?;
    let rollout = rollout(context, app, &wanted, options);
    let prepared = Box::pin(prepare(context, &rollout, Some(guard), app, options, None)).await;
    // Before a question that would be for nothing; what kept it from being prepared may be
    // what that operation left.
    if !app.engine.is_fenced()
        && prepared.as_ref().map_or(true, |prepared| prepared.due.is_some())
        && let Ok(Some(unfinished)) = abandoned(&app.engine).await
    {
        return Err(Error::Unfinished(Box::new(unfinished)));
    }
    let prepared = prepared?;
    if prepared.due.is_some() && !context.consent.plan(&prepared.plan) {
        return Err(Error::Declined { app: app.entry.name.to_string() });
    }
    // What changes nothing needs no lease; the deploy of a restore has that of the restore.
    if prepared.due.is_none() || app.engine.is_fenced() {
        return carry_out(context, guard, app, options, &rollout, prepared, Of::Nothing).await;
    }
    let engine = Arc::clone(&app.engine);
    let recorded = engine.record_id().await?;
    let doing = match what(app, options) {
        What::Upgrade => "an upgrade",
        What::Rollback => "a rollback",
        _ => "a deploy",
    };
    leased(context, &engine, guard, doing, async |lease| {
        let prepared = anew(context, guard, app, options, &rollout, prepared, recorded).await?;
        carry_out(context, guard, app, options, &rollout, prepared, Of::Lease(lease)).await
    })
    .await
}

/// Looks again, now that nobody else changes the app: another plan than the one that was
/// agreed to is asked about anew.
async fn anew(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    options: &DeployOptions,
    rollout: &Rollout<'_>,
    prepared: Prepared,
    recorded: Option<String>,
) -> Result<Prepared, Error> {
    let live = rollout.live().await?;
    let work = work(rollout, app, &live, &prepared.images).await?;
    let is_same = work.plan().changes == prepared.work.plan().changes;
    // A removal that was waited for took the record along, and what it had claimed.
    if is_same && app.engine.record_id().await? == recorded {
        return Ok(Prepared { live, work, ..prepared });
    }
    let agreed = prepared.plan.changes.clone();
    // Its plugins end before others of the same names start.
    drop(prepared);
    let prepared = Box::pin(prepare(context, rollout, Some(guard), app, options, None)).await?;
    let is_agreed = prepared.due.is_none() || is_within(&prepared.plan.changes, &agreed);
    match is_agreed || context.consent.changed_plan(&prepared.plan) {
        true => Ok(prepared),
        false => Err(Error::PlanChanged { app: app.entry.name.to_string() }),
    }
}

/// Whose steps they are.
enum Of<'a> {
    /// A deploy that changes nothing, or of a restore, whose steps they are a part of.
    Nothing,
    /// A new operation.
    Lease(&'a Lease),
    /// One that did not end.
    Journal(Journal),
}

/// Finishes a deploy that did not end. If that fails, the services get back what they had,
/// as far as its journal allows.
///
/// # Errors
/// [`Error::OtherGoal`] where this folder would bring something else, and those of
/// [`deploy`].
pub(super) async fn finish(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    options: &DeployOptions,
    journal: Journal,
) -> Result<DeployReport, Error> {
    let started = Instant::now();
    let wanted = Wanted::of(context, app)?;
    let rollout = rollout(context, app, &wanted, options);
    record::require_goal(app, &journal.entry())?;
    let prepared =
        Box::pin(prepare(context, &rollout, Some(guard), app, options, Some(&journal))).await?;
    let of = Of::Journal(journal);
    let done = carry_out(context, guard, app, options, &rollout, prepared, of).await?;
    Ok(report(app, done, started))
}

/// What is to be known before the first step of a deploy.
fn entry(
    lease: &Lease,
    app: &App,
    prepared: &Prepared,
    due: &Due,
    options: &DeployOptions,
) -> Result<Entry, Error> {
    let Prepared { live, work, .. } = prepared;
    let missing = due.missing.iter().filter_map(|(kind, name)| {
        let kind = MadeKind::of(*kind)?;
        Some((kind, name.clone()))
    });
    let services = work.services.iter().filter(|service| service.before.is_none());
    let services = services.map(|service| (MadeKind::Service, service.name.clone()));
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let networks = work.networks.iter().map(|it| (MadeKind::Network, it.name.clone()));
    let secrets = work.secrets.iter().map(|it| (MadeKind::Secret, name(&it.name)));
    let configs = work.configs.iter().map(|it| (MadeKind::Config, name(&it.name)));
    let made: BTreeSet<(MadeKind, String)> =
        missing.chain(services).chain(networks).chain(secrets).chain(configs).collect();
    let Transition { before, after } = due.transition.clone();
    Ok(Entry {
        recipe: app.checkout.recipe.to_string(),
        before,
        after,
        pin: Some(version::pinned(app)),
        pinned: app.env.recipe_pin().ok().flatten().and_then(|(_, pin)| pin),
        named: matches!(options.version, Version::Named(_)),
        detach: options.detach,
        leave_data: options.leave_data,
        wanted: Some(record::goal(app, &app.components()?)),
        steps: steps::rows(&due.plugins, &due.migrations, work, options, due.safety.is_some()),
        set: due
            .safety
            .as_ref()
            .map(|safety| &safety.set)
            .or(options.data.as_ref().map(|data| &data.set))
            .map(ToString::to_string),
        migrations: due.migrations.rows(false).map(|step| step.name).collect(),
        settings: due.settings.clone(),
        replays: app.replays.as_ref().map(|release| release.number),
        services: recover::services(live.services.values()),
        ran: due.way_back == WayBack::Open,
        made: made.into_iter().collect(),
        marks: Some(Marks::of(&app.lock)),
        force: options.force,
        timeout: options.timeout.map(|timeout| timeout.as_secs()),
        ..journal::entry_of(lease, &app.entry.name, what(app, options))
    })
}

async fn carry_out(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    options: &DeployOptions,
    rollout: &Rollout<'_>,
    mut prepared: Prepared,
    of: Of<'_>,
) -> Result<Done, Error> {
    let due = prepared.due.take();
    let journal = match (&due, of) {
        (Some(due), Of::Lease(lease)) => {
            let entry = entry(lease, app, &prepared, due, options)?;
            Some(Journal::begin(&app.engine, lease, entry).await?)
        }
        (_, Of::Journal(journal)) => Some(journal),
        (None, Of::Lease(_)) | (_, Of::Nothing) => None,
    };
    let Prepared { plan, live, work, images, .. } = prepared;
    let Some(due) = due else {
        // A deploy that changes nothing does not accept such data.
        if let Some(message) = half_restored(&app.entry.name, &app.lock) {
            context.progress.warn(message);
        }
        // Whether it still runs is checked nevertheless.
        let mut reached = Reached::default();
        if !options.detach {
            reached = rollout.check_running(&live, &work).await?;
        }
        if options.leave_data {
            data::accept(app).await?;
            app.engine.settle().await?;
        }
        keep_record(context, guard, app, &[]).await?;
        return Ok(Done { plan, set: None, changed: false, reached });
    };
    if let Err(error) = keep_record(context, guard, app, &due.missing).await {
        return Err(match journal {
            Some(journal) => recover::failed(context, guard, app, journal, error, true).await,
            None => error,
        });
    }
    let set = journal.as_ref().and_then(|journal| journal.entry().set);
    let steps = Steps {
        context,
        rollout,
        guard,
        app,
        options,
        plugins: due.plugins,
        migrations: due.migrations,
        transition: due.transition,
        images,
        way_back: due.way_back,
        record: due.record,
        safety: due.safety,
        journal: journal.as_ref(),
    };
    // Boxed: it is the largest part of a future that others hold.
    let outcome = Box::pin(steps.run(live, work)).await;
    let Some(journal) = journal else {
        let reached = outcome.map_err(|cut| cut.error)?;
        return Ok(Done { plan, set, changed: true, reached });
    };
    match outcome {
        Ok(reached) => {
            journal.end(context, Outcome::Done, None).await?;
            Ok(Done { plan, set, changed: true, reached })
        }
        Err(Cut { error, as_before }) => {
            Err(recover::failed(context, guard, app, journal, error, as_before).await)
        }
    }
}

/// Claims names on the swarm, and stores the record's id in the lock
/// file.
async fn keep_record(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    names: &[(Kind, String)],
) -> Result<(), Error> {
    app.engine.claim(names).await?;
    let id = app.engine.record_id().await?;
    if app.lock.owner != id {
        app.lock.owner = id;
        context.home.write_lock_file(guard, &app.lock)?;
    }
    Ok(())
}

/// Whether an app, as it is loaded, has secrets that its server lacks.
///
/// # Errors
/// What the engine says.
pub async fn lacks_secrets(app: &App) -> Result<bool, Error> {
    let live = Live::read(&*app.engine, &app.stack).await?;
    Ok(!external::has_all_secrets(&app.stack, &live))
}
