//! Deploying an app, as a list of steps known before it starts:
//!
//! what [`mod@super::prepare`] finds out (checks, plugins and grants, hooks `check`,
//! migrations, the plan) → `before-deploy` → networks, secrets, configs, services → converge →
//! migrations → lock file → `after-deploy` → verify → record → prune. What comes after
//! the plan is in [`super::steps`].
//!
//! Nothing on the swarm changes before the plan was agreed to, and nothing is
//! removed before the new state has proved itself. When services do not come
//! to run, those that ran before get their old spec back ([`super::undo`]); on
//! a first deploy they are left as they are, to be looked at.

use std::time::{Duration, Instant};

use crate::{engine::Kind, lint::Strictness, recipe::Version};

use super::{
    App, Context, Error, Plan,
    app_rollout::rollout,
    prepare::{Prepared, prepare},
    steps::Steps,
};

/// How an app is deployed.
#[derive(Debug, Clone, Default)]
pub struct DeployOptions {
    pub version: Version,
    /// Else the stack's timeout label, else 300 s.
    pub timeout: Option<Duration>,
    /// Return as soon as the swarm has the specs; hooks that need running
    /// services are then not run.
    pub detach: bool,
    pub dry_run: bool,
    /// Send services to the swarm even when nothing changed.
    pub force: bool,
    /// What lint may find before it stops the deploy.
    pub strictness: Strictness,
    /// Part of a restore: migrations and `after-deploy` are left out, because
    /// the data that they work on is about to come back; a later deploy runs
    /// `after-deploy`.
    pub restoring: bool,
    /// Take over what only labels call the app's, without a question.
    pub takeover: bool,
    /// Deploy an older release over a newer one, without a question.
    pub downgrade: bool,
}

/// What a deploy did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DeployReport {
    pub app: String,
    pub stack: String,
    pub version: Option<String>,
    pub plan: Plan,
    /// False after a dry run, or when nothing had to change.
    pub changed: bool,
    pub seconds: f64,
}

/// Brings the swarm to what the app's recipe and settings ask for, and proves
/// that it runs.
///
/// # Errors
/// [`Error::RolledBack`] when it failed and the previous version is back,
/// [`Error::Failed`] when nothing ran before, [`Error::Migration`], [`Error::NeedsConsent`],
/// [`Error::Declined`], and what the checks find. With
/// [`DeployOptions::dry_run`], only what comes before the first step.
pub async fn deploy(
    context: &Context,
    app: &mut App,
    options: &DeployOptions,
) -> Result<DeployReport, Error> {
    let started = Instant::now();
    let (plan, changed) = run(context, app, options).await?;
    Ok(DeployReport {
        app: app.entry.name.to_string(),
        stack: app.name.to_string(),
        version: app.checkout.version.clone(),
        plan,
        changed,
        seconds: started.elapsed().as_secs_f64(),
    })
}

async fn run(
    context: &Context,
    app: &mut App,
    options: &DeployOptions,
) -> Result<(Plan, bool), Error> {
    let Prepared { plan, live, work, images, due } = prepare(context, app, options).await?;
    if options.dry_run {
        return Ok((plan, false));
    }
    let Some(due) = due else {
        // That it still runs is looked at all the same.
        if !options.detach {
            rollout(context, app, options).check_running(&work).await?;
        }
        keep_record(context, app, &[]).await?;
        return Ok((plan, false));
    };
    if !context.consent.plan(&plan) {
        return Err(Error::Declined { app: app.entry.name.to_string() });
    }
    keep_record(context, app, &due.missing).await?;
    Steps {
        context,
        app,
        options,
        plugins: due.plugins,
        migrations: due.migrations,
        transition: due.transition,
        images,
        record: due.record,
    }
    .run(live, work)
    .await?;
    Ok((plan, true))
}

/// Claims names on the swarm, and writes into the lock file which record says
/// so.
async fn keep_record(
    context: &Context,
    app: &mut App,
    names: &[(Kind, String)],
) -> Result<(), Error> {
    app.engine.claim(names).await?;
    let id = app.engine.record_id().await?;
    if app.lock.owner != id {
        app.lock.owner = id;
        context.home.write_lock_file(&app.entry, &app.lock)?;
    }
    Ok(())
}
