//! Deploying an app, as a list of steps known before it starts:
//!
//! check → plugins and grants → hooks `check` → plan of migrations → plan →
//! `before-deploy` → networks, secrets, configs, services → converge →
//! migrations → lock file → `after-deploy` → verify → record → prune. What comes after
//! the plan is in [`super::steps`].
//!
//! Nothing on the swarm changes before the plan was agreed to, and nothing is
//! removed before the new state has proved itself. When services do not come
//! to run, those that ran before get their old spec back ([`super::undo`]); on
//! a first deploy they are left as they are, to be looked at.

use std::time::Instant;

use crate::{
    engine::Kind,
    plugin::{Role, Transition},
};

use super::{
    App, Change, Context, DeployOptions, DeployReport, Error, Plan,
    auths::SendAuth,
    checks,
    consent::{self, Agreed},
    contents::Marks,
    error::Subject,
    hooks,
    live::Live,
    migrate::Migrations,
    owner, reach, reaching,
    record::{self, Record},
    rollout::{Images, OnFailure, Rollout, timeout},
    steps::Steps,
    version,
    work::{Jobs, Policy, Prune, ResolveImage, Work},
};

/// A version that has no name: of a folder without git.
pub(super) const UNRELEASED: &str = "unreleased";

/// Brings the swarm to what the app's recipe and settings ask for, and proves
/// that it runs.
///
/// # Errors
/// [`Error::RolledBack`] when it failed and the previous version is back,
/// [`Error::Failed`] when nothing ran before, [`Error::Migration`], [`Error::NeedsConsent`],
/// [`Error::Declined`], and what the checks find.
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

/// What a deploy would change. Changes nothing and asks nothing.
///
/// # Errors
/// What [`deploy`] would end in before it changes anything, consent aside.
pub async fn plan(context: &Context, app: &App, options: &DeployOptions) -> Result<Plan, Error> {
    checks::reserved(app)?;
    let version = version::change(app)?;
    let mut takeovers = owner::preview(app).await?;
    let rollout = rollout(context, app, options);
    let live = rollout.live().await?;
    checks::external(&app.stack, &rollout.subject, &live)?;
    let lint = checks::lint(app, options.strictness)?;
    let components = hooks::components(app)?;
    consent::check_flags(context, app, &components)?;
    let images = rollout.images(&live).await?;
    let work = work(&rollout, app, &live, &images).await?;
    if !work.is_empty() {
        takeovers.extend(owner::preview_names(app, &work).await?);
    }
    let mut plan = work.plan();
    plan.changes.splice(0..0, version);
    plan.warnings.splice(0..0, takeovers);
    plan.changes.extend(consent::changed_components(app, &components));
    add_hooks(&mut plan, components.iter().map(|c| c.entry.name.as_str()));
    add_warnings(&mut plan, app, &lint);
    for wish in consent::wishes(app, &components, &context.grants) {
        plan.warnings.push(format!("not agreed to yet: {}", wish.to_string().trim()));
    }
    let reaches = reaching::of_app(context, app, &live).await?;
    reaching::check_flags(context, app, &reaches)?;
    reaching::show(&mut plan, &app.lock, &reaches);
    for wish in reaching::wishes(&app.lock, &reaches, &context.reaches) {
        plan.warnings.push(format!("not agreed to yet: {}", wish.to_string().trim()));
    }
    Ok(plan)
}

async fn run(
    context: &Context,
    app: &mut App,
    options: &DeployOptions,
) -> Result<(Plan, bool), Error> {
    if options.dry_run {
        return Ok((plan(context, app, options).await?, false));
    }
    checks::reserved(app)?;
    version::allow(context, app, options)?;
    // Side by side: what belongs to the app nearly always needs no question.
    let early = {
        let rollout = rollout(context, app, options);
        let (standing, live) = futures_util::join!(app.engine.standing(), rollout.live());
        if standing?.is_settled() { Some(live?) } else { None }
    };
    owner::enter(context, app, options.takeover).await?;
    let (mut live, components) = {
        let live = match early {
            Some(live) => live,
            None => rollout(context, app, options).live().await?,
        };
        checks::external(&app.stack, &subject(app), &live)?;
        let components = hooks::components(app)?;
        consent::check_flags(context, app, &components)?;
        (live, components)
    };
    let images = rollout(context, app, options).images(&live).await?;
    let mut work = work(&rollout(context, app, options), app, &live, &images).await?;
    let fingerprint = record::fingerprint(app, &components);
    let own_reach = reaching::of_specs(context, app, &live)?;
    let known = Record::read(context, &app.entry)?;
    let settled = known.is_some_and(|r| r.fingerprint == fingerprint)
        && consent::wishes(app, &components, &[]).is_empty()
        && reach::missing(&own_reach, &app.lock.reach).is_empty();
    if work.is_empty() && settled && !options.force {
        // Nothing differs from the last good deploy. That it still runs is
        // looked at all the same.
        if !options.detach {
            rollout(context, app, options).check_running(&work).await?;
        }
        let mut plan = work.plan();
        add_warnings(&mut plan, app, &[]);
        keep_record(context, app, &[]).await?;
        reaching::show(&mut plan, &app.lock, &own_reach);
        return Ok((plan, false));
    }
    context.progress.step("check");
    let lint = checks::lint(app, options.strictness)?;
    let reviewed = owner::review(context, app, &work, options.takeover).await?;
    if reviewed.took {
        let rollout = rollout(context, app, options);
        live = rollout.live().await?;
        work = self::work(&rollout, app, &live, &images).await?;
    }

    let changed_components = consent::changed_components(app, &components);
    let reaches = reaching::of_app(context, app, &live).await?;
    reaching::check_flags(context, app, &reaches)?;
    let shown_reach = reaching::rows(&app.lock, &reaches);
    let mut refused = reaching::wishes(&app.lock, &reaches, &context.reaches);
    // A restore brings back what was agreed to, and asks for nothing new.
    refused.retain(|wish| options.restoring || !context.consent.reach(wish));
    let agreed = consent::decide(context, app, &components, refused)?;
    remember(context, app, &agreed, &reaches)?;
    let roles = &[Role::Lifecycle, Role::Migration];
    let mut plugins = hooks::start_components(context, app, &components, roles).await?;
    let transition = transition(app, &live);
    for (name, plugin) in plugins.iter_mut().filter(|(_, p)| p.plays(Role::Lifecycle)) {
        context.progress.step(format!("{name}: check"));
        plugin.check(&transition).await?;
    }
    let migrations = if options.restoring {
        // The data that comes back is of the version that it was taken with.
        Migrations::default()
    } else {
        Migrations::plan(context, &app.lock, &mut plugins, &transition).await?
    };
    if options.detach && !migrations.is_empty() {
        let after = transition.after.unwrap_or_default();
        return Err(Error::DetachedMigration { after });
    }

    let mut plan = work.plan();
    plan.changes.splice(0..0, version::change(app)?);
    plan.reach = shown_reach;
    plan.changes.extend(changed_components);
    let of_lifecycle = plugins.iter().filter(|(_, p)| p.plays(Role::Lifecycle));
    add_hooks(&mut plan, of_lifecycle.map(|(name, _)| name.as_str()));
    plan.changes.extend(migrations.changes());
    plan.warnings.extend(migrations.warnings(&app.lock, &transition));
    add_warnings(&mut plan, app, &lint);
    if !context.consent.plan(&plan) {
        return Err(Error::Declined { app: app.entry.name.to_string() });
    }
    keep_record(context, app, &reviewed.missing).await?;
    let steps = Steps {
        context,
        app,
        options,
        plugins,
        migrations,
        transition,
        images,
        record: Record { fingerprint },
    };
    steps.run(live, work).await?;
    Ok((plan, true))
}

/// What has to be done; what is wanted no more goes only where it is the app's.
pub(super) async fn work(
    rollout: &Rollout<'_>,
    app: &App,
    live: &Live,
    images: &Images,
) -> Result<Work, Error> {
    let mut work = rollout.work(live, images);
    let owned = app.engine.owned().await?;
    work.stale.limit_to_owned(&owned);
    Ok(work)
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

/// What applying an app's stack means. Services that do not come up get their
/// old specs back; credentials go along where there are any, so that every node
/// can pull from a private registry.
pub(super) fn rollout<'a>(
    context: &'a Context,
    app: &'a App,
    options: &DeployOptions,
) -> Rollout<'a> {
    Rollout {
        engine: &*app.engine,
        stack: &app.stack,
        progress: &*context.progress,
        docker: &context.docker,
        auth: SendAuth::WhereKnown,
        policy: Policy {
            images: ResolveImage::Kept,
            prune: Prune::All,
            force: options.force,
            jobs: Jobs::Keep,
            secrets: Marks::Content,
        },
        limit: timeout(&app.stack, options.timeout),
        on_failure: OnFailure::GoBack { known_good: app.lock.recipe.is_some() },
        subject: subject(app),
    }
}

fn subject(app: &App) -> Subject {
    Subject::App(app.entry.name.to_string())
}

/// Agreed once is agreed, also when the deploy fails later.
fn remember(
    context: &Context,
    app: &mut App,
    agreed: &Agreed,
    reaches: &reach::Reaches,
) -> Result<(), Error> {
    let grants = consent::record(&mut app.lock, agreed);
    let reach = reaching::record(&mut app.lock, reaches);
    if grants || reach {
        context.home.write_lock_file(&app.entry, &app.lock)?;
    }
    Ok(())
}

/// A first deploy comes from nothing; a version that has no name is still one.
fn transition(app: &App, live: &Live) -> Transition {
    let name = |version: Option<&String>, commit: Option<&String>| {
        version.or(commit).cloned().unwrap_or_else(|| UNRELEASED.into())
    };
    let pin = app.lock.recipe.as_ref();
    Transition {
        before: (!live.services.is_empty()).then(|| {
            name(pin.and_then(|p| p.version.as_ref()), pin.and_then(|p| p.commit.as_ref()))
        }),
        after: Some(name(app.checkout.version.as_ref(), app.checkout.commit.as_ref())),
    }
}

fn add_hooks<'a>(plan: &mut Plan, plugins: impl Iterator<Item = &'a str>) {
    for name in plugins {
        plan.changes.push(Change {
            kind: "hook",
            name: name.to_owned(),
            action: "run",
            details: Vec::new(),
        });
    }
}

fn add_warnings(plan: &mut Plan, app: &App, lint: &[String]) {
    plan.warnings.extend_from_slice(lint);
    plan.warnings.extend(app.warnings.iter().map(|w| match &w.position {
        Some(position) => format!("{position}: {}", w.message),
        None => w.message.clone(),
    }));
}
