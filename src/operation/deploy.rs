//! Deploying an app, as a list of steps known before it starts:
//!
//! check → plugins and grants → hooks `check` → plan → `before-deploy` →
//! networks, secrets, configs, services → converge → `after-deploy` → verify →
//! lock file → prune.
//!
//! Nothing on the swarm changes before the plan was agreed to, and nothing is
//! removed before the new state has proved itself. When services do not come
//! to run, those that ran before get their old spec back ([`super::undo`]); on
//! a first deploy they are left as they are, to be looked at.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    engine::api,
    home::lock_file::RecipePin,
    plugin::{Hooks, Role, Transition},
    progress::Event,
};

use super::{
    App, Change, Context, DeployOptions, DeployReport, Error, Plan,
    auths::SendAuth,
    checks,
    contents::Marks,
    converge::{Target, converge},
    error::{FailedService, Problem, Subject},
    hooks::{self, Agreed},
    live::Live,
    record::{self, Record},
    rollout::{OnFailure, Rollout, timeout},
    work::{Jobs, Policy, Prune, ResolveImage, Work},
};

/// Services ran a moment ago; a hook may have restarted one.
const VERIFY_PATIENCE: Duration = Duration::from_secs(60);

/// Brings the swarm to what the app's recipe and settings ask for, and proves
/// that it runs.
///
/// # Errors
/// [`Error::RolledBack`] when it failed and the previous version is back,
/// [`Error::Failed`] when nothing ran before, [`Error::NeedsConsent`],
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
    let rollout = rollout(context, app, options);
    let live = rollout.live().await?;
    checks::external(&app.stack, &rollout.subject, &live)?;
    let lint = checks::lint(app, options.strictness)?;
    let components = hooks::components(app)?;
    hooks::check_flags(app, &components, &options.grants)?;
    let images = rollout.images(&live).await?;
    let mut plan = rollout.work(&live, &images).plan();
    add_hooks(&mut plan, components.iter().map(|c| c.entry.name.as_str()));
    add_warnings(&mut plan, app, &lint);
    for wish in hooks::wishes(app, &components, &options.grants) {
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
    let (mut live, components) = {
        let live = rollout(context, app, options).live().await?;
        checks::external(&app.stack, &subject(app), &live)?;
        let components = hooks::components(app)?;
        hooks::check_flags(app, &components, &options.grants)?;
        (live, components)
    };
    let images = rollout(context, app, options).images(&live).await?;
    let mut work = rollout(context, app, options).work(&live, &images);
    let fingerprint = record::fingerprint(app, &components);
    let known = Record::read(context, &app.entry)?;
    let settled = known.is_some_and(|r| r.fingerprint == fingerprint)
        && hooks::wishes(app, &components, &BTreeSet::new()).is_empty();
    if work.is_empty() && settled && !options.force {
        // Nothing differs from the last good deploy. That it still runs is
        // looked at all the same.
        if !options.detach {
            rollout(context, app, options).check_running(&work).await?;
        }
        let mut plan = work.plan();
        add_warnings(&mut plan, app, &[]);
        return Ok((plan, false));
    }
    step(context, "check".into());
    let lint = checks::lint(app, options.strictness)?;

    let agreed = hooks::decide(context, app, &components, &options.grants)?;
    remember_grants(context, app, &agreed)?;
    let mut plugins = hooks::start_components(context, app, &components, Role::Lifecycle).await?;
    let transition = transition(app, &live);
    for (name, plugin) in &mut plugins {
        step(context, format!("{name}: check"));
        plugin.check(&transition).await?;
    }

    let mut plan = work.plan();
    add_hooks(&mut plan, plugins.iter().map(|(name, _)| name.as_str()));
    add_warnings(&mut plan, app, &lint);
    if !context.consent.plan(&plan) {
        return Err(Error::Declined { app: app.entry.name.to_string() });
    }

    for (name, plugin) in &mut plugins {
        step(context, format!("{name}: before-deploy"));
        plugin.before_deploy(&transition).await?;
    }
    if !plugins.is_empty() {
        // Hooks may have made secrets or restarted services.
        live = rollout(context, app, options).live().await?;
        work = rollout(context, app, options).work(&live, &images);
    }

    rollout(context, app, options).carry_out(&live, &work, options.detach).await?;
    if options.detach {
        if !plugins.is_empty() {
            warn(context, "after-deploy hooks are not run with --detach; a later deploy runs them");
        }
        return Ok((plan, true));
    }
    if options.restoring {
        plugins.clear();
    }
    finish(context, app, options, &work, &mut plugins, &transition).await?;

    app.lock.recipe = Some(RecipePin {
        version: app.checkout.version.clone(),
        commit: app.checkout.commit.clone(),
    });
    context.home.write_lock_file(&app.entry, &app.lock)?;
    // Without one, the next deploy runs the hooks that this one left out.
    if !options.restoring {
        Record { fingerprint }.write(context, &app.entry)?;
    }
    rollout(context, app, options).prune(&work).await;
    Ok((plan, true))
}

/// What applying an app's stack means. Services that do not come up get their
/// old specs back; credentials go along where there are any, so that every node
/// can pull from a private registry.
fn rollout<'a>(context: &'a Context, app: &'a App, options: &DeployOptions) -> Rollout<'a> {
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
        on_failure: OnFailure::GoBack,
        subject: subject(app),
    }
}

fn subject(app: &App) -> Subject {
    Subject::App(app.entry.name.to_string())
}

/// The hooks that need running services, and a last look at these.
async fn finish(
    context: &Context,
    app: &App,
    options: &DeployOptions,
    work: &Work,
    plugins: &mut [(String, Hooks)],
    transition: &Transition,
) -> Result<(), Error> {
    for (name, plugin) in plugins.iter_mut() {
        step(context, format!("{name}: after-deploy"));
        plugin.after_deploy(transition).await?;
    }
    if plugins.is_empty() {
        return Ok(());
    }
    step(context, "verify".into());
    let live: Vec<api::Service> =
        app.engine.services(crate::engine::Scope::Stack(&app.name)).await?;
    let live = super::live::by_name(live);
    let mut targets = Vec::new();
    let mut gone = Vec::new();
    for service in &work.services {
        match live.get(&service.name) {
            Some(found) => targets.push(Target {
                key: service.key.clone(),
                id: found.id.clone().unwrap_or_default(),
                spec: found.spec.clone().unwrap_or_default(),
                changed: false,
            }),
            None => gone.push(FailedService {
                service: service.key.clone(),
                problem: Problem::Gone,
                cause: None,
                log: Vec::new(),
            }),
        }
    }
    let late = converge(&*app.engine, &targets, VERIFY_PATIENCE, &*context.progress).await;
    gone.extend(late.err().into_iter().flatten());
    if gone.is_empty() {
        Ok(())
    } else {
        Err(Error::Failed(rollout(context, app, options).failed(gone)))
    }
}

/// Agreed once is agreed, also when the deploy fails later.
fn remember_grants(context: &Context, app: &mut App, agreed: &Agreed) -> Result<(), Error> {
    if hooks::record(&mut app.lock, agreed) {
        context.home.write_lock_file(&app.entry, &app.lock)?;
    }
    Ok(())
}

/// A first deploy comes from nothing; a version that has no name is still one.
fn transition(app: &App, live: &Live) -> Transition {
    let name = |version: Option<&String>, commit: Option<&String>| {
        version.or(commit).cloned().unwrap_or_else(|| "unreleased".into())
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

fn step(context: &Context, name: String) {
    context.progress.event(Event::Step { name });
}

fn warn(context: &Context, message: &str) {
    context.progress.event(Event::Warning { message: message.to_owned() });
}
