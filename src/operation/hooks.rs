//! Starting an app's plugins: components from the recipe and from potluck
//! itself, grants that were agreed to, and surroundings confined to the app's
//! own stack.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use sha2::{Digest, Sha256};

use crate::{
    home::{
        self, Grant, LockFile,
        lock_file::{PluginLock, RecipePin},
    },
    plugin::{
        Facts, Hooks, Limits, Machine, Plugin, Role, Surroundings,
        grants::{self, Decision, Known, Reason},
    },
    progress::Event,
    recipe::{self, ComponentRef, PluginEntry},
    secrets,
};

use super::{
    App, Change, Context, Error,
    access::{AppFiles, AppMemory, AppSecrets},
    backupbot,
    deploy::UNRELEASED,
    error::{Wish, short},
    services::AppServices,
};

/// A plugin's component, checked against its pin.
#[derive(Debug)]
pub(crate) struct Component {
    pub entry: PluginEntry,
    pub bytes: Cow<'static, [u8]>,
    /// 64 hex digits.
    pub sha256: String,
}

/// Reads the recipe's components, in the order of `recipe.yml`; after them the
/// one that speaks for `backupbot.*` labels, where they are all there is.
pub(crate) fn components(app: &App) -> Result<Vec<Component>, Error> {
    let listed = app.checkout.manifest.plugins.iter();
    let mut components = listed.map(|entry| read(app, entry)).collect::<Result<Vec<_>, _>>()?;
    if let Some(entry) = backupbot::implied(&app.stack, &components) {
        match read(app, &entry) {
            // A deploy does not need it: see `start`.
            Err(Error::Recipe(recipe::Error::NotBuilt { .. })) => {}
            component => components.push(component?),
        }
    }
    Ok(components)
}

fn read(app: &App, entry: &PluginEntry) -> Result<Component, Error> {
    let mut entry = entry.clone();
    backupbot::add_labels(&mut entry, &app.stack);
    let bytes = app.checkout.component(&entry.component)?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    if let Some(pinned) = &entry.sha256
        && !pinned.eq_ignore_ascii_case(&sha256)
    {
        return Err(Error::PluginPin { plugin: entry.name, pinned: pinned.clone(), found: sha256 });
    }
    Ok(Component { entry, bytes, sha256 })
}

/// What is to be written into the lock file after consent was given.
pub(crate) type Agreed = Vec<(String, PluginLock)>;

/// What each plugin asks for beyond what it was given; `flags` are grants given
/// on the command line. The rules are [`grants::decide`]'s.
pub(crate) fn wishes(app: &App, components: &[Component], flags: &BTreeSet<Grant>) -> Vec<Wish> {
    let wish = |component: &Component| {
        let name = &component.entry.name;
        let agreed = app.lock.plugins.get(name);
        let identity = component.entry.component.to_string();
        let wanted = wanted(component);
        let decision = grants::decide(grants::Request {
            wanted: &wanted,
            component: &identity,
            digest: &component.sha256,
            agreed,
            same_version: !standard(component) && agreed.is_some_and(|a| same_version(app, a)),
        });
        match decision {
            Decision::Granted(_) => None,
            Decision::Ask(question) if question.answered_by(flags) => None,
            Decision::Ask(question) => Some(Wish {
                plugin: name.clone(),
                before: match question.reason {
                    Reason::Replaced => BTreeSet::new(),
                    _ => given(&app.lock, name),
                },
                grants: wanted.into_iter().collect(),
                reason: question.reason,
                component: identity,
                sha256: component.sha256.clone(),
                version: version(app),
                agreed: agreed.cloned(),
            }),
        }
    };
    components.iter().filter_map(wish).collect()
}

fn wanted(component: &Component) -> BTreeSet<Grant> {
    component.entry.grants.iter().cloned().collect()
}

fn version(app: &App) -> String {
    let (version, commit) = (&app.checkout.version, &app.checkout.commit);
    version.clone().or(commit.as_deref().map(short)).unwrap_or_else(|| UNRELEASED.into())
}

/// Components that are others than those agreed to, as lines of a plan: also
/// where a new version of the recipe, or one without versions, needs no consent.
pub(crate) fn changed_components(app: &App, components: &[Component]) -> Vec<Change> {
    let change = |component: &Component| {
        let agreed = app.lock.plugins.get(&component.entry.name)?;
        if agreed.sha256 == component.sha256 {
            return None;
        }
        let mut details =
            vec![format!("component: {} → {}", short(&agreed.sha256), short(&component.sha256))];
        let now = component.entry.component.to_string();
        details.extend(
            agreed
                .component
                .as_ref()
                .filter(|c| **c != now)
                .map(|c| format!("source: {c} → {now}")),
        );
        Some(Change {
            kind: "plugin",
            name: component.entry.name.clone(),
            action: "update",
            details,
        })
    };
    components.iter().filter_map(change).collect()
}

/// Looks at grants given on the command line: one that no plugin asks for is a
/// mistake, and is said before anything runs; with the name that was meant where
/// its service or secret is not there.
pub(crate) fn check_flags(
    app: &App,
    components: &[Component],
    flags: &BTreeSet<Grant>,
) -> Result<(), Error> {
    let asked: BTreeSet<String> =
        components.iter().flat_map(|c| &c.entry.grants).map(Grant::to_string).collect();
    // What is asked for may be a secret of an overlay that is off yet.
    let Some(grant) = flags.iter().find(|grant| !asked.contains(&grant.to_string())) else {
        return Ok(());
    };
    let known = Known {
        services: app.stack.services.iter().map(|service| service.key.clone()).collect(),
        secrets: secrets::wanted(&app.stack, &app.env, &app.sources)?
            .into_iter()
            .map(|plan| plan.name)
            .collect(),
    };
    let (reason, nearest) = match grants::validate(grant, &known) {
        Err(unknown) => {
            let nearest = unknown.nearest.as_ref();
            let nearest = nearest.map(|name| format!("{}: {name}", grant.capability()));
            (unknown.to_string(), nearest)
        }
        Ok(()) => {
            let nearest = crate::home::error::nearest(&grant.to_string(), &asked).cloned();
            ("no plugin of the recipe asks for it".into(), nearest)
        }
    };
    Err(Error::BadGrant { grant: grant.clone(), reason, nearest })
}

/// What one plugin of an app asks for and has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginGrants {
    pub plugin: String,
    /// Of the component that the recipe has now, 64 hex digits.
    pub sha256: String,
    /// Of the component that was agreed to.
    pub agreed_sha256: Option<String>,
    pub asked: BTreeSet<Grant>,
    pub given: BTreeSet<Grant>,
    /// Whether it would run as it is, or be asked about first.
    pub agreed: bool,
    /// Whether the component changed although the recipe's version did not.
    pub changed_in_place: bool,
}

impl PluginGrants {
    /// What it can use now: nothing before all it asks for is agreed to.
    pub fn effective(&self) -> BTreeSet<Grant> {
        match self.agreed {
            true => self.asked.intersection(&self.given).cloned().collect(),
            false => BTreeSet::new(),
        }
    }
}

/// What the app's plugins ask for and have, in the order of `recipe.yml`, and
/// then those that only the lock file still knows.
///
/// # Errors
/// Components that are not there or not those that `recipe.yml` pins.
pub fn plugin_grants(app: &App) -> Result<Vec<PluginGrants>, Error> {
    let components = components(app)?;
    let wishes = wishes(app, &components, &BTreeSet::new());
    let agreed_sha256 = |plugin: &str| app.lock.plugins.get(plugin).map(|l| l.sha256.clone());
    let mut all: Vec<PluginGrants> = components
        .iter()
        .map(|component| {
            let name = &component.entry.name;
            let wish = wishes.iter().find(|wish| wish.plugin == *name);
            PluginGrants {
                plugin: name.clone(),
                sha256: component.sha256.clone(),
                agreed_sha256: agreed_sha256(name),
                asked: component.entry.grants.iter().cloned().collect(),
                given: given(&app.lock, name),
                agreed: wish.is_none(),
                changed_in_place: wish.is_some_and(|w| w.reason == Reason::ChangedInPlace),
            }
        })
        .collect();
    for (name, lock) in &app.lock.plugins {
        if !components.iter().any(|component| component.entry.name == *name) {
            all.push(PluginGrants {
                plugin: name.clone(),
                sha256: lock.sha256.clone(),
                agreed_sha256: Some(lock.sha256.clone()),
                asked: BTreeSet::new(),
                given: given(&app.lock, name),
                agreed: true,
                changed_in_place: false,
            });
        }
    }
    Ok(all)
}

/// A standard plugin changes with potluck, not with the recipe: whoever brought
/// a new potluck here brought it.
fn standard(component: &Component) -> bool {
    matches!(component.entry.component, ComponentRef::Standard(_))
}

/// Whether the recipe is the one with which the plugin was agreed to: not the one
/// that was deployed last, as a deploy may fail after consent. A folder without
/// versions is being worked on: its components may change.
fn same_version(app: &App, agreed: &PluginLock) -> bool {
    // A lock file of a potluck that wrote neither down has only the last deploy.
    let pin = if agreed.component.is_some() { &agreed.recipe } else { &app.lock.recipe };
    let Some(pin) = pin else { return false };
    let (version, commit) = (&app.checkout.version, &app.checkout.commit);
    (version.is_some() && *version == pin.version) || (commit.is_some() && *commit == pin.commit)
}

fn given(lock: &LockFile, plugin: &str) -> BTreeSet<Grant> {
    // A line that is no grant gives nothing.
    let texts = lock.plugins.get(plugin).into_iter().flat_map(|l| &l.grants);
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// Asks for what was not given yet. `flags` are grants given on the command line;
/// none where the command has no `--grant`.
///
/// # Errors
/// [`Error::NeedsConsent`] with everything that was not agreed to.
pub(crate) fn decide(
    context: &Context,
    app: &App,
    components: &[Component],
    flags: Option<&BTreeSet<Grant>>,
) -> Result<Agreed, Error> {
    let mut refused = wishes(app, components, flags.unwrap_or(&BTreeSet::new()));
    refused.retain(|wish| !context.consent.grants(wish));
    if !refused.is_empty() {
        return Err(Error::NeedsConsent {
            app: app.entry.name.to_string(),
            wishes: refused,
            by_flag: flags.is_some(),
        });
    }
    let (version, commit) = (&app.checkout.version, &app.checkout.commit);
    let agreed = |component: &Component| {
        let request = grants::Request {
            wanted: &wanted(component),
            component: &component.entry.component.to_string(),
            digest: &component.sha256,
            agreed: None,
            same_version: false,
        };
        let recipe = RecipePin { version: version.clone(), commit: commit.clone() };
        (component.entry.name.clone(), grants::lock(&request, recipe))
    };
    Ok(components.iter().map(agreed).collect())
}

/// Whether who calls holds the app's lock ([`home::Home::lock_app`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppLocked {
    Yes,
    /// It is taken while consent is written down.
    No,
}

/// Starts the plugins that play a role, in the order of `recipe.yml`, asking
/// for consent where there is none yet (and then writing it to the lock file).
///
/// # Errors
/// [`Error::NeedsConsent`], [`Error::GrantsChanged`], components that are not there
/// or do not load.
pub async fn start(
    context: &Context,
    app: &App,
    role: Role,
    locked: AppLocked,
) -> Result<Vec<(String, Hooks)>, Error> {
    let components = components(app)?;
    if role == Role::Backup
        && let Some(missing) = backupbot::implied(&app.stack, &components)
    {
        app.checkout.component(&missing.component)?;
    }
    if components.is_empty() {
        return Ok(Vec::new());
    }
    agree(context, app, &components, locked)?;
    start_components(context, app, &components, &[role]).await
}

/// One plugin of an app by its name, and what it would be started with; asks for
/// consent as [`start`] does. None when the recipe has no such plugin.
///
/// # Errors
/// As [`start`].
pub async fn prepare(
    context: &Context,
    app: &App,
    plugin: &str,
) -> Result<Option<(Plugin, Surroundings)>, Error> {
    let components = components(app)?;
    let Some(component) = components.iter().find(|c| c.entry.name == plugin) else {
        return Ok(None);
    };
    agree(context, app, &components, AppLocked::No)?;
    let plugin = context.runtime.load(plugin, &component.bytes).await?;
    let surroundings = surroundings(context, app, component, &plugin)?;
    Ok(Some((plugin, surroundings)))
}

/// Asks for consent where there is none yet, and writes it to the lock file: as
/// it is then, since an answer may take its time.
fn agree(
    context: &Context,
    app: &App,
    components: &[Component],
    locked: AppLocked,
) -> Result<(), Error> {
    let asked = wishes(app, components, &BTreeSet::new());
    let agreed = decide(context, app, components, None)?;
    if !record(&mut app.lock.clone(), &agreed) {
        return Ok(());
    }
    let _lock = match locked {
        AppLocked::Yes => None,
        AppLocked::No => match context.home.lock_app(&app.entry) {
            // What needed no answer can be written down another time.
            Err(home::Error::Locked(_)) if asked.is_empty() => return Ok(()),
            lock => Some(lock?),
        },
    };
    let mut lock = context.home.lock_file(&app.entry)?;
    let same = lock.plugins == app.lock.plugins;
    if !record(&mut lock, &agreed) {
        return Ok(());
    }
    if !same {
        return Err(Error::GrantsChanged { app: app.entry.name.to_string() });
    }
    for changed in changed_components(app, components) {
        let is = |component: &&Component| component.entry.name == changed.name;
        let of_potluck = components.iter().find(is).is_some_and(standard);
        if !of_potluck && !asked.iter().any(|wish| wish.plugin == changed.name) {
            let (name, details) = (&changed.name, changed.details.join(", "));
            let message = format!("the plugin `{name}` is another than last time: {details}");
            context.progress.event(Event::Warning { message });
        }
    }
    Ok(context.home.write_lock_file(&app.entry, &lock)?)
}

/// Writes what was agreed to into the lock file's model; whether that changed it.
pub(crate) fn record(lock: &mut LockFile, agreed: &Agreed) -> bool {
    let before = lock.plugins.clone();
    lock.plugins = agreed.iter().cloned().collect();
    lock.plugins != before
}

/// Starts components that play one of these roles and whose grants, all those
/// they want, are agreed to.
pub(crate) async fn start_components(
    context: &Context,
    app: &App,
    components: &[Component],
    roles: &[Role],
) -> Result<Vec<(String, Hooks)>, Error> {
    let loading = components.iter().map(|c| context.runtime.load(&c.entry.name, &c.bytes));
    let plugins = futures_util::future::try_join_all(loading).await?;
    let mut started = Vec::new();
    for (component, plugin) in components.iter().zip(plugins) {
        if roles.iter().any(|role| plugin.roles().contains(role)) {
            let surroundings = surroundings(context, app, component, &plugin)?;
            started.push((component.entry.name.clone(), plugin.start(surroundings).await?));
        }
    }
    Ok(started)
}

fn surroundings(
    context: &Context,
    app: &App,
    component: &Component,
    plugin: &Plugin,
) -> Result<Surroundings, Error> {
    let entry = &component.entry;
    let limits = Limits::for_roles(plugin.roles())
        .with_raised(&entry.limits)
        .map_err(|e| Error::PluginLimit { plugin: entry.name.clone(), source: e })?;
    Ok(Surroundings {
        facts: Facts {
            app: app.entry.name.to_string(),
            stack: app.name.to_string(),
            recipe: app.checkout.recipe.to_string(),
            version: app.checkout.version.clone(),
            server: app.entry.server.to_string(),
        },
        settings: app.variables.clone().into_iter().collect(),
        options: entry.options.clone(),
        grants: entry.grants.iter().cloned().collect(),
        limits,
        services: Arc::new(AppServices::of(app)),
        secrets: Arc::new(AppSecrets::of(app)?),
        memory: Arc::new(AppMemory::of(context, app, &entry.name)?),
        files: Arc::new(AppFiles(Arc::clone(&app.checkout))),
        progress: Arc::clone(&context.progress),
        outside: Arc::new(Machine),
    })
}
