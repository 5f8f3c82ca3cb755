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

use std::{sync::Arc, time::Instant};

use crate::{
    app::{App, Context, Error, half_restored},
    engine::Kind,
    home::AppGuard,
    rollout::{Plan, Reached, run::Rollout},
};

use super::{
    DeployOptions, DeployReport,
    app_rollout::{Wanted, rollout, work},
    data,
    lease::{Lease, leased},
    prepare::{Prepared, prepare},
    steps::Steps,
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
    let plan = prepare(context, &rollout, None, app, options).await?.plan;
    Ok(report(app, plan, false, Reached::default(), started))
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
    let (plan, changed, reached) = run(context, guard, app, options).await?;
    Ok(report(app, plan, changed, reached, started))
}

fn report(
    app: &App,
    plan: Plan,
    changed: bool,
    reached: Reached,
    started: Instant,
) -> DeployReport {
    DeployReport {
        app: app.entry.name.to_string(),
        stack: app.name.to_string(),
        version: app.checkout.version.clone(),
        plan,
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
) -> Result<(Plan, bool, Reached), Error> {
    let wanted = Wanted::of(context, app)?;
    let rollout = rollout(context, app, &wanted, options);
    let prepared = prepare(context, &rollout, Some(guard), app, options).await?;
    if prepared.due.is_some() && !context.consent.plan(&prepared.plan) {
        return Err(Error::Declined { app: app.entry.name.to_string() });
    }
    // What changes nothing needs no lease; the deploy of a restore has that of the restore.
    if prepared.due.is_none() || app.engine.is_fenced() {
        return carry_out(context, guard, app, options, &rollout, prepared, None).await;
    }
    let engine = Arc::clone(&app.engine);
    leased(context, &engine, guard, "a deploy", async |lease| {
        let prepared = anew(context, guard, app, options, &rollout, prepared).await?;
        carry_out(context, guard, app, options, &rollout, prepared, Some(lease)).await
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
) -> Result<Prepared, Error> {
    let live = rollout.live().await?;
    let work = work(rollout, app, &live, &prepared.images).await?;
    if work.plan().changes == prepared.work.plan().changes {
        return Ok(Prepared { live, work, ..prepared });
    }
    // Its plugins end before others of the same names start.
    drop(prepared);
    let prepared = prepare(context, rollout, Some(guard), app, options).await?;
    match prepared.due.is_none() || context.consent.changed_plan(&prepared.plan) {
        true => Ok(prepared),
        false => Err(Error::PlanChanged { app: app.entry.name.to_string() }),
    }
}

async fn carry_out(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    options: &DeployOptions,
    rollout: &Rollout<'_>,
    prepared: Prepared,
    lease: Option<&Lease>,
) -> Result<(Plan, bool, Reached), Error> {
    let Prepared { plan, live, work, images, due } = prepared;
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
        return Ok((plan, false, reached));
    };
    keep_record(context, guard, app, &due.missing).await?;
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
        lease,
    };
    let reached = steps.run(live, work).await?;
    Ok((plan, true, reached))
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
