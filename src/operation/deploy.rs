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
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::{
    engine::{Distribution, api},
    home::lock_file::RecipePin,
    plugin::{Hooks, Role, Transition},
    progress::Event,
};

use super::{
    App, Change, Context, DeployOptions, DeployReport, Error, Plan,
    apply::{self, Applied},
    checks,
    converge::{Target, converge},
    error::{Failed, FailedService, Problem},
    hooks::{self, Agreed},
    live::{Live, label},
    record::{self, Record},
    undo,
    work::{Action, Work, images_to_resolve},
};

/// The deadline where neither the operator nor the recipe names one; what
/// recipes write into their timeout label.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
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
pub async fn plan(app: &App, options: &DeployOptions) -> Result<Plan, Error> {
    let live = Live::read(&*app.engine, &app.stack).await?;
    checks::run(app, &live)?;
    let lint = checks::lint(app)?;
    let components = hooks::components(app)?;
    let images = Images::resolve(app, &live).await;
    let mut plan = images.compare(app, &live, options).plan();
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
        return Ok((plan(app, options).await?, false));
    }
    let mut live = Live::read(&*app.engine, &app.stack).await?;
    checks::run(app, &live)?;
    let components = hooks::components(app)?;
    let images = Images::resolve(app, &live).await;
    let mut work = images.compare(app, &live, options);
    let fingerprint = record::fingerprint(app, &components);
    let known = Record::read(context, &app.entry)?;
    let settled = known.is_some_and(|r| r.fingerprint == fingerprint)
        && hooks::wishes(app, &components, &BTreeSet::new()).is_empty();
    let limit = timeout(app, options);
    if work.is_empty() && settled && !options.force {
        // Nothing differs from the last good deploy. That it still runs is
        // looked at all the same.
        if !options.detach {
            wait(context, app, &work, &Applied::default(), limit)
                .await
                .map_err(|services| Error::Failed(failed(app, services)))?;
        }
        let mut plan = work.plan();
        add_warnings(&mut plan, app, &[]);
        return Ok((plan, false));
    }
    step(context, "check".into());
    let lint = checks::lint(app)?;

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
        live = Live::read(&*app.engine, &app.stack).await?;
        work = images.compare(app, &live, options);
    }

    carry_out(context, app, &live, &work, limit, options.detach).await?;
    if options.detach {
        if !plugins.is_empty() {
            warn(context, "after-deploy hooks are not run with --detach; a later deploy runs them");
        }
        return Ok((plan, true));
    }
    if options.restoring {
        plugins.clear();
    }
    finish(context, app, &work, &mut plugins, &transition).await?;

    app.lock.recipe = Some(RecipePin {
        version: app.checkout.version.clone(),
        commit: app.checkout.commit.clone(),
    });
    context.home.write_lock_file(&app.entry, &app.lock)?;
    // Without one, the next deploy runs the hooks that this one left out.
    if !options.restoring {
        Record { fingerprint }.write(context, &app.entry)?;
    }
    if !work.stale.is_empty() {
        step(context, "prune".into());
        apply::prune(&*app.engine, &work.stale, &*context.progress).await;
    }
    Ok((plan, true))
}

/// What the registries say of images that are new. Asked once per deploy: an
/// answer may take seconds to fail to come.
struct Images {
    found: BTreeMap<String, Distribution>,
    warnings: Vec<String>,
}

impl Images {
    async fn resolve(app: &App, live: &Live) -> Self {
        let wanted = images_to_resolve(&app.stack, live);
        let (found, warnings) = apply::resolve_images(&*app.engine, &wanted).await;
        Images { found, warnings }
    }

    fn compare(&self, app: &App, live: &Live, options: &DeployOptions) -> Work {
        let mut work = Work::compute(&app.stack, live, &self.found, options.force);
        work.warnings.extend_from_slice(&self.warnings);
        work
    }
}

/// Sends what differs and waits until it runs; goes back when it does not.
async fn carry_out(
    context: &Context,
    app: &App,
    live: &Live,
    work: &Work,
    limit: Duration,
    detach: bool,
) -> Result<(), Error> {
    let mut applied = Applied::default();
    step(context, "apply".into());
    apply::apply(&*app.engine, work, &app.stack, live, &*context.progress, &mut applied).await?;
    let mut services = std::mem::take(&mut applied.refused);
    if services.is_empty() && !detach {
        step(context, "converge".into());
        if let Err(late) = wait(context, app, work, &applied, limit).await {
            services = late;
        }
    }
    if services.is_empty() {
        return Ok(());
    }
    let failed = failed(app, services);
    if live.services.is_empty() {
        return Err(Error::Failed(failed));
    }
    step(context, "roll back".into());
    match undo::undo(&*app.engine, &applied.sent, limit, &*context.progress).await {
        Ok(()) => Err(Error::RolledBack(failed)),
        Err(undo) => Err(Error::UndoFailed { failed, undo }),
    }
}

/// Waits for what was sent, and looks that the rest runs.
async fn wait(
    context: &Context,
    app: &App,
    work: &Work,
    applied: &Applied,
    limit: Duration,
) -> Result<(), Vec<FailedService>> {
    let mut targets: Vec<Target> = applied
        .sent
        .iter()
        .map(|sent| Target {
            key: sent.key.clone(),
            id: sent.id.clone(),
            spec: sent.spec.clone(),
            changed: true,
        })
        .collect();
    targets.extend(work.services.iter().filter(|s| s.action == Action::Keep).filter_map(|kept| {
        let before = kept.before.as_ref()?;
        Some(Target {
            key: kept.key.clone(),
            id: before.id.clone()?,
            spec: before.spec.clone()?,
            changed: false,
        })
    }));
    converge(&*app.engine, &targets, limit, &*context.progress).await
}

/// The hooks that need running services, and a last look at these.
async fn finish(
    context: &Context,
    app: &App,
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
    if gone.is_empty() { Ok(()) } else { Err(Error::Failed(failed(app, gone))) }
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

/// Option, else the recipe's label on any service, else the default.
pub(crate) fn timeout(app: &App, options: &DeployOptions) -> Duration {
    let key = format!("coop-cloud.{}.timeout", app.name);
    let from_label = || {
        app.stack.services.iter().find_map(|s| {
            let seconds: u64 = label(s.spec.labels.as_ref(), &key)?.trim().parse().ok()?;
            (seconds > 0).then(|| Duration::from_secs(seconds))
        })
    };
    options.timeout.or_else(from_label).unwrap_or(DEFAULT_TIMEOUT)
}

fn failed(app: &App, services: Vec<FailedService>) -> Failed {
    Failed {
        what: format!("the deploy of {}", app.entry.name),
        app: app.entry.name.to_string(),
        services,
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
