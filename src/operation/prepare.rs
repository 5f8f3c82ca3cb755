//! Finds out what a deploy is going to do, before the first step: the one plan
//! that a dry run shows, that the operator agrees to, and that is carried out.
//!
//! A dry run asks nothing and writes nothing; missing consent, and what cannot be known
//! without it, become warnings in its plan. Otherwise both do the same, including plugins'
//! checks and their plans of migrations.

use std::collections::BTreeSet;

use crate::{
    app::{
        App, Component, Context, Error, chaos, checks,
        questions::in_one_line,
        reach, reaching,
        takeover::{self, Asking},
        version,
    },
    engine::Kind,
    home::AppGuard,
    hooks::{
        self,
        consent::{self, Agreed},
    },
    lint::{Finding, Severity, rules},
    plugin::{Hooks, Role, Transition},
    rollout::{
        Change, ChangeAction, ChangeKind, Place, Plan, drivers, external,
        live::Live,
        platforms,
        run::{Images, Rollout, WayBack},
        work::Work,
    },
    secrets,
};

use super::{
    DeployOptions,
    app_rollout::{subject, work},
    behind, connection, data,
    journal::Journal,
    jump,
    migrate::{self, Migrations},
    options::{Domains, Upgrade},
    record::{self, Record},
    releases,
    safety::{self, Safety},
    server,
    unfinished::{history_of, refuse_moved},
};

/// A deploy that is completely prepared.
pub(super) struct Prepared {
    pub plan: Plan,
    pub live: Live,
    pub work: Work,
    pub images: Images,
    /// None if nothing differs from the last successful deploy.
    pub due: Option<Due>,
}

/// What a deploy with changes needs besides.
pub(super) struct Due {
    /// Of the roles `lifecycle` and `migration`, in the order of `recipe.yml`,
    /// started.
    pub plugins: Vec<(String, Hooks)>,
    pub migrations: Migrations,
    pub transition: Transition,
    /// Whether the previous version is restored if the deploy fails.
    pub way_back: WayBack,
    /// Names to claim before anything is made.
    pub missing: Vec<(Kind, String)>,
    /// The inputs of the deploy; recorded if it succeeds.
    pub record: Record,
    /// The backup set of an upgrade.
    pub safety: Option<Box<Safety>>,
    /// Names of the settings that are others than those of the release before.
    pub settings: Vec<String>,
}

/// Finds out what a deploy has to do, and asks for missing consent; without a guard
/// it asks nothing and writes nothing. One that is resumed has something to do in any case,
/// and its versions are those of its journal.
///
/// # Errors
/// What the checks find, [`Error::NeedsConsent`] and its like.
pub(super) async fn prepare(
    context: &Context,
    rollout: &Rollout<'_>,
    guard: Option<&AppGuard>,
    app: &mut App,
    options: &DeployOptions,
    resumed: Option<&Journal>,
) -> Result<Prepared, Error> {
    let reserved = external::reserved(&app.stack);
    if !reserved.is_empty() {
        // Nothing was asked of the server yet: what it lacks is said along.
        let live = rollout.live().await.ok();
        none_of(reserved, app, live.as_ref(), options)?;
    }
    let asking = match guard {
        None => Asking::Shown,
        Some(_) => Asking::Asked { agreed: options.takeover },
    };
    // What it left is nobody's to take over.
    refuse_moved(&app.engine, app.entry.name.as_str()).await?;
    let drivers = drivers::missing(&*app.engine, &app.stack).await?;
    // Side by side: what belongs to the app nearly always needs no question.
    let early = {
        let (standing, live) = futures_util::join!(app.engine.standing(), rollout.live());
        if let Ok(live) = &live {
            // Known before a question is asked that would be for nothing.
            let found = [missing(app, live), drivers.clone()].concat();
            none_of(found, app, Some(live), options)?;
        }
        if standing?.is_settled() { Some(live?) } else { None }
    };
    // A restore brings the data of that version along; one that is resumed was asked about.
    let asks = guard.is_some() && !options.restoring && resumed.is_none();
    if asks && !options.downgrade {
        version::allow(context, app)?;
    }
    let mut takeovers = takeover::enter(context, app, asking).await?;
    let mut live = match early {
        Some(live) => live,
        None => {
            let live = rollout.live().await?;
            let found = [missing(app, &live), drivers].concat();
            none_of(found, app, Some(&live), options)?;
            live
        }
    };
    if options.upgrade.is_some() && live.services.is_empty() && resumed.is_none() {
        return Err(Error::NotDeployed { app: app.entry.name.to_string() });
    }
    let components = app.components()?;
    // With the data come the plugins of the release's recipe, which a release has not.
    let replays_alone = options.restoring && app.replays.is_some();
    if options.data.is_none() && !replays_alone {
        consent::check_flags(context, app, &components)?;
    }
    let images = rollout.images(&live).await?;
    let mut work = work(rollout, app, &live, &images).await?;
    none_of(platforms::missing(&*app.engine, &work).await?, app, Some(&live), options)?;
    let fingerprint = record::fingerprint(app, &components);
    let own_reach = reaching::of_specs(context, app, &live)?;
    let known = Record::read(context, &app.entry)?;
    let settled = known.is_some_and(|r| r.fingerprint == fingerprint)
        && consent::wishes(app, &components, &[]).is_empty()
        && reach::missing(&own_reach, &app.lock.reach).is_empty();
    if work.is_empty() && settled && !options.force && resumed.is_none() {
        if !context.reaches.is_empty() {
            // A mistake is an error even if no consent is needed.
            reaching::check_flags(context, app, &reaching::of_app(context, app, &live).await?)?;
        }
        let mut plan = work.plan();
        plan.warnings.splice(0..0, takeovers);
        plan.warnings.extend(chaos::warning(context, app));
        plan.warnings.extend(half_restored(app, options));
        add_warnings(&mut plan, app, &[]);
        reaching::show(&mut plan, &app.lock, &own_reach);
        return Ok(Prepared { plan, live, work, images, due: None });
    }
    context.progress.step("check");
    // A release has no files.
    let mut lint = Vec::new();
    if app.replays.is_none() {
        let found = checks::lint(app, options.strictness);
        external::fit(&subject(app), found.stopping)?;
        lint = found.warnings;
    }
    lint.extend(unplanned(app, &live));
    let reviewed = takeover::review(context, app, &work, asking).await?;
    if reviewed.took {
        live = rollout.live().await?;
        work = super::app_rollout::work(rollout, app, &live, &images).await?;
    }
    takeovers.extend(reviewed.warning);
    let known = releases::all(&app.engine).await?;
    let settings = known.changed_settings(app);
    let behind = behind::look(context, app, &known, &settings, options, asks)?;
    // What a colleague deployed is what there is to change.
    let adopted = match resumed.is_none() && !options.restoring {
        true => known.adopt(app),
        false => None,
    };
    if adopted.is_some() && asks && !options.downgrade {
        version::allow(context, app)?;
    }
    if resumed.is_none() {
        version::unmoved(context, app, &options.version)?;
    }
    let version = version::change(app)?;
    // Known before a question is asked that would be for nothing.
    let data = data::warnings(rollout, app, &live, &work, options, guard).await?;

    let changed_components = consent::changed_components(app, &components);
    let reaches = reaching::of_app(context, app, &live).await?;
    reaching::check_flags(context, app, &reaches)?;
    let mut plan = work.plan();
    plan.changes.splice(0..0, version);
    plan.changes.extend(changed_components);
    plan.warnings.splice(0..0, takeovers);
    plan.warnings.extend(chaos::warning(context, app));
    plan.warnings.extend(behind);
    plan.reach = reaching::rows(&app.lock, &reaches);
    let (agreed, open): (Vec<_>, Vec<_>) = match guard {
        Some(guard) => {
            agree(context, guard, app, options, &components, &reaches)?;
            (components.iter().collect(), Vec::new())
        }
        None => {
            let open = not_agreed(context, app, &components, &reaches);
            plan.warnings.extend(open.warnings);
            components.iter().partition(|c| !open.plugins.contains(&c.entry.name))
        }
    };

    let roles = &[Role::Lifecycle, Role::Migration];
    let mut plugins = hooks::start_components(context, app, agreed.into_iter(), roles).await?;
    let transition = match resumed.map(Journal::entry) {
        Some(entry) => Transition { before: entry.before, after: entry.after },
        None => version::transition(app, &live),
    };
    // What it looks for need not be true in the middle.
    let checked = if resumed.is_some() { None } else { Some(Role::Lifecycle) };
    for (name, plugin) in plugins.iter_mut().filter(|(_, p)| checked.is_some_and(|r| p.plays(r))) {
        context.progress.step(format!("{name}: check"));
        plugin.check(&transition).await?;
    }
    if let Some(upgrade) = &app.lock.upgrade {
        let history = history_of(&*app.engine.beneath(), &app.name).await?;
        if history.is_some_and(|history| migrate::is_gone(upgrade, &history.lines)) {
            app.lock.upgrade = None;
        }
    }
    let migrations = if options.restoring {
        // The data that comes back is of the version that it was taken with.
        Migrations::default()
    } else {
        Migrations::plan(context, &app.lock, &mut plugins, &transition, resumed).await?
    };
    if options.detach && !migrations.is_empty() {
        let after = transition.after.unwrap_or_default();
        return Err(Error::DetachedMigration { after });
    }

    // Where a plugin migrates, it may know how; data that comes back is of its own version.
    let jumps = match options.restoring || options.data.is_some() || resumed.is_some() {
        true => Vec::new(),
        false => jump::jumps(&work),
    };
    if guard.is_some() && migrations.is_empty() && !jumps.is_empty() {
        return Err(Error::DatabaseJump { app: app.entry.name.to_string(), jumps });
    }
    plan.warnings.extend(jumps.into_iter().map(|jump| format!("{jump}: it may refuse its files")));

    // Of one that is resumed, what ran before is in its journal alone.
    let way_back = match resumed {
        Some(_) => WayBack::Closed,
        // What ran before cannot use the data that comes back.
        None if options.data.is_some() => WayBack::Closed,
        None => rollout.way_back(&live).await?,
    };
    let mut safety = None;
    // A colleague upgraded it already.
    let is_there = adopted.is_some() && work.is_empty() && transition.before == transition.after;
    if let Some(Upgrade { backup: Some(backup) }) = &options.upgrade
        && !live.services.is_empty()
        && !is_there
    {
        match resumed {
            Some(journal) => {
                let began = journal.entry();
                safety = Safety::again(context, &app.entry, &app.engine, &began, backup).await?;
            }
            None => {
                let on = (&app.entry, &app.engine);
                match Box::pin(safety::prepare(context, guard, on, adopted.as_ref(), backup))
                    .await?
                {
                    safety::Wanted::Set(set) => safety = Some(set),
                    safety::Wanted::Nothing(warning) => plan.warnings.extend(warning),
                }
            }
        }
    }
    if let Some(Upgrade { backup: None }) = &options.upgrade
        && !is_there
    {
        let told = "no backup is taken before the upgrade (--no-backup): data that is migrated \
                    cannot come back";
        plan.warnings.insert(0, told.into());
    }
    plan.changes.splice(0..0, safety.as_ref().map(|safety| safety.change()));
    // What it is a part of says what becomes of a failure.
    if !work.is_empty() && options.release_of.is_none() {
        plan.on_failure = Some(match options.detach {
            true => unwatched(app, version::way_back(app), &live, way_back),
            false => on_failure(way_back, &migrations, safety.is_some()),
        });
    }
    plan.warnings.extend(rollout.shared_ports(&work).await?);
    plan.warnings.extend(data);
    let unstarted = unstarted(&open)?;
    add_hooks(&mut plan, app, &plugins, &unstarted);
    plan.changes.extend(migrations.changes());
    plan.warnings.extend(half_restored(app, options));
    plan.warnings.extend(connection::due(app));
    if options.domains == Domains::LookedUp {
        plan.warnings.extend(server::domain_warnings(context, app).await);
    }
    plan.warnings.extend(migrations.warnings(&app.lock, &transition, safety.is_some()));
    plan.warnings.extend(unknown_migrations(&plugins, &unstarted, &transition));
    add_warnings(&mut plan, app, &lint);
    let due = Due {
        safety,
        settings,
        plugins,
        migrations,
        transition,
        way_back,
        missing: reviewed.missing,
        record: Record { fingerprint, services: Vec::new() },
    };
    Ok(Prepared { plan, live, work, images, due: Some(due) })
}

/// What the app needs from its server and does not exist there.
fn missing(app: &App, live: &Live) -> Vec<Finding> {
    // The reason is only looked up if a secret is missing.
    let survey = match external::has_all_secrets(&app.stack, live) {
        true => secrets::Survey::default(),
        false => secrets::survey(&app.stack, &app.env, &app.sources),
    };
    let App { entry, checkout, stack, engine, .. } = app;
    let place = Place::of(&**engine);
    checks::missing(&entry.name, checkout, stack, &survey, &app.kept, (live, &place))
}

/// Fails where the app needs something of its server that is neither its own nor a secret: a
/// network of others, a config.
///
/// # Errors
/// All of it, and what the engine says.
pub(super) async fn require_others(app: &App) -> Result<(), Error> {
    let live = Live::read(&*app.engine, &app.stack).await?;
    let mut found = missing(app, &live);
    found.retain(|finding| finding.code != rules::SECRET_MISSING.code);
    match found.is_empty() {
        true => Ok(()),
        false => Ok(external::fit(&subject(app), found)?),
    }
}

/// Errors in the settings of secrets that exist nevertheless.
fn unplanned(app: &App, live: &Live) -> Vec<String> {
    let survey = secrets::survey(&app.stack, &app.env, &app.sources);
    let found = checks::all_unplanned(&app.entry.name, &app.checkout, &survey, Some(live));
    let warnings = found.into_iter().filter(|finding| finding.severity == Severity::Warning);
    warnings.map(|finding| finding.to_string()).collect()
}

/// Fails if any of this was found; the error also has everything else that stops
/// the deploy, as far as the live state is known.
fn none_of(
    found: Vec<Finding>,
    app: &App,
    live: Option<&Live>,
    options: &DeployOptions,
) -> Result<(), Error> {
    if found.is_empty() {
        return Ok(());
    }
    let mut all = found;
    all.extend(external::reserved(&app.stack));
    all.extend(checks::lint(app, options.strictness).stopping);
    all.extend(live.map(|live| missing(app, live)).unwrap_or_default());
    // What merely may be wrong is said along, as `app check` does.
    let missing_settings = rules::SETTING_MISSING.code;
    all.extend(app.findings.iter().filter(|f| f.code == missing_settings).cloned());
    checks::without_repeats(&mut all);
    Ok(external::fit(&subject(app), all)?)
}

/// Asks for missing consent, and records it.
fn agree(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    options: &DeployOptions,
    components: &[Component],
    reaches: &reach::Reaches,
) -> Result<(), Error> {
    let mut refused = reaching::wishes(&app.lock, reaches, &context.reaches);
    // A restore brings back what was agreed to, and asks for nothing new.
    refused.retain(|wish| options.restoring || !context.consent.reach(wish));
    let agreed: Agreed = consent::decide(context, app, components, refused)?;
    // Agreed once is agreed, also when the deploy fails later.
    // A release has no plugins: what was agreed to stays for those of the recipe.
    let grants = app.replays.is_none() && consent::record(&mut app.lock, &agreed);
    let reach = reaching::record(&mut app.lock, reaches);
    if grants || reach {
        context.home.write_lock_file(guard, &app.lock)?;
    }
    Ok(())
}

/// What a deploy would ask, as warnings of a dry run.
struct Open {
    /// Plugins that may not run yet.
    plugins: Vec<String>,
    warnings: Vec<String>,
}

fn not_agreed(
    context: &Context,
    app: &App,
    components: &[Component],
    reaches: &reach::Reaches,
) -> Open {
    let wishes = consent::wishes(app, components, &context.grants);
    let reach = reaching::wishes(&app.lock, reaches, &context.reaches);
    let texts = wishes.iter().map(ToString::to_string);
    let texts = texts.chain(reach.iter().map(ToString::to_string));
    Open {
        warnings: texts.map(|text| format!("not agreed to yet: {}", in_one_line(&text))).collect(),
        plugins: wishes.into_iter().map(|wish| wish.plugin).collect(),
    }
}

/// Names and roles of plugins that may not run yet.
fn unstarted(components: &[&Component]) -> Result<Vec<(String, BTreeSet<Role>)>, Error> {
    let named = |c: &&Component| Ok((c.entry.name.clone(), c.roles()?));
    components.iter().map(named).collect()
}

/// The hooks that the deploy runs, in the order of `recipe.yml`.
fn add_hooks(
    plan: &mut Plan,
    app: &App,
    plugins: &[(String, Hooks)],
    unstarted: &[(String, BTreeSet<Role>)],
) {
    let started = plugins.iter().filter(|(_, p)| p.plays(Role::Lifecycle)).map(|(name, _)| name);
    let others = unstarted
        .iter()
        .filter(|(_, roles)| roles.contains(&Role::Lifecycle))
        .map(|(name, _)| name);
    let mut names: Vec<&String> = started.chain(others).collect();
    let listed = &app.checkout.manifest.plugins;
    // One that is implied comes after those that are listed.
    names.sort_by_key(|name| {
        listed.iter().position(|entry| entry.name == **name).unwrap_or(listed.len())
    });
    plan.changes.extend(names.into_iter().map(|name| Change {
        kind: ChangeKind::Hook,
        name: name.clone(),
        action: ChangeAction::Run,
        details: Vec::new(),
    }));
}

/// What happens to the services if the deploy fails.
fn on_failure(way_back: WayBack, migrations: &Migrations, has_set: bool) -> String {
    if way_back == WayBack::Closed {
        return "the services that were started are kept, so that you can look into them".into();
    }
    let back = "the services return to what they run now";
    match migrations.first_without_return() {
        Some(step) if has_set => {
            format!("{back}, and after the migration `{step}` the data to that of the backup")
        }
        Some(step) => format!("{back}; after the migration `{step}` the new version stays"),
        None => back.into(),
    }
}

/// What happens to the services if potluck does not wait for them, and how to go back.
fn unwatched(app: &App, command: Option<String>, live: &Live, way_back: WayBack) -> String {
    let name = &app.entry.name;
    let swarm = match way_back == WayBack::Open || live.services.is_empty() {
        true => "swarm does what `failure_action` says",
        false => "the previous version never ran, so swarm does not go back to it",
    };
    let back = match command {
        _ if live.services.is_empty() => format!("`potluck app undeploy {name}` removes them"),
        Some(back) => format!("`{back}` goes back"),
        None => format!(
            "to go back, change the settings or the recipe back and type `potluck app deploy {name}`"
        ),
    };
    format!(
        "potluck does not watch the services (--detach): {swarm}; `potluck app ps {name}` shows \
         how they do; \
         {back}"
    )
}

/// Why the plan has no migration although one may be expected.
fn unknown_migrations(
    plugins: &[(String, Hooks)],
    unstarted: &[(String, BTreeSet<Role>)],
    to: &Transition,
) -> Vec<String> {
    let upgrade = matches!((&to.before, &to.after), (Some(before), Some(after)) if before != after);
    let mut warnings: Vec<String> = unstarted
        .iter()
        .filter(|(_, roles)| upgrade && roles.contains(&Role::Migration))
        .map(|(name, _)| {
            format!("the migrations of `{name}` are not known before its grants are agreed to")
        })
        .collect();
    let migrates = plugins.iter().any(|(_, p)| p.plays(Role::Migration))
        || unstarted.iter().any(|(_, roles)| roles.contains(&Role::Migration));
    if migrates && to.before.is_some() && version::is_unknown(to) {
        warnings.push(
            "no migration is planned, because the recipe has no versions to migrate between: \
             neither releases in git nor the label `coop-cloud.${STACK_NAME}.version`"
                .into(),
        );
    }
    warnings
}

/// The warning if a deploy starts with partly restored data, unless a restore deploys.
fn half_restored(app: &App, options: &DeployOptions) -> Option<String> {
    let told = crate::app::half_restored(&app.entry.name, &app.lock);
    told.filter(|_| !options.restoring)
}

fn add_warnings(plan: &mut Plan, app: &App, lint: &[String]) {
    plan.warnings.extend_from_slice(lint);
    plan.warnings.extend(app.warnings.iter().map(|w| match &w.position {
        Some(position) => format!("{position}: {}", w.message),
        None => w.message.clone(),
    }));
}
