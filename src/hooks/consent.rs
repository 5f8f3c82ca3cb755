//! Consent for an app's plugins: which grants they ask for that were not agreed
//! to yet, who agrees, and where consent is recorded. The rules are those of
//! [`crate::plugin::grants`].

use std::collections::BTreeSet;

use crate::{
    app::{
        App, Component, Context, Error,
        names::{UNRELEASED, short},
        questions::{Ambiguous, ReachWish, Wish},
    },
    home::{
        self, AppGuard, GivenGrant, Grant, LockFile,
        lock_file::{PluginPin, RecipePin},
    },
    plugin::grants::{self, Claims, Decision, Known},
    recipe::ComponentRef,
    rollout::{Change, ChangeAction, ChangeKind},
    secrets,
};

/// What consent adds to the lock file.
pub(crate) type Agreed = Vec<(String, PluginPin)>;

/// What each plugin asks for beyond its grants; `flags` are grants on the
/// command line. The rules are in [`grants::decide`].
pub(crate) fn wishes(app: &App, components: &[Component], flags: &[GivenGrant]) -> Vec<Wish> {
    let claims = claims(app, components);
    let wish = |component: &Component| {
        let name = &component.entry.name;
        let asking = Asking::of(app, component);
        match grants::decide(asking.request()) {
            Decision::Granted(_) => None,
            Decision::Ask(question)
                if question.answered_by(&grants::beforehand(flags, name, &claims)) =>
            {
                None
            }
            Decision::Ask(question) => Some(Wish {
                plugin: name.clone(),
                question,
                sha256: component.sha256.clone(),
                version: version(app),
                is_implied: !app.checkout.manifest.plugins.iter().any(|p| p.name == *name),
                agreed: asking.agreed.cloned(),
                held: asking.held.map(str::to_owned),
                component: asking.identity,
            }),
        }
    };
    components.iter().filter_map(wish).collect()
}

/// Which plugins ask for what, or have it: a flag may still be meant for a
/// plugin that the recipe has renamed.
fn claims<'a>(app: &'a App, components: &'a [Component]) -> Claims<'a> {
    let mut claims = Claims::new();
    for component in components {
        for grant in &component.entry.grants {
            claims.entry(grant.clone()).or_default().insert(&component.entry.name);
        }
    }
    for (name, agreed) in &app.lock.plugins {
        for grant in agreed.given() {
            claims.entry(grant).or_default().insert(name);
        }
    }
    claims
}

/// What the rules look at, for one plugin of an app.
struct Asking<'a> {
    wanted: BTreeSet<Grant>,
    identity: String,
    digest: &'a str,
    agreed: Option<&'a PluginPin>,
    held: Option<&'a str>,
}

impl<'a> Asking<'a> {
    fn of(app: &'a App, component: &'a Component) -> Self {
        Asking {
            wanted: component.entry.grants.iter().cloned().collect(),
            identity: component.entry.component.to_string(),
            digest: &component.sha256,
            agreed: app.lock.plugins.get(&component.entry.name),
            held: held(app, component),
        }
    }

    fn request(&self) -> grants::Request<'_> {
        grants::Request {
            wanted: &self.wanted,
            component: &self.identity,
            digest: self.digest,
            agreed: self.agreed,
            held: self.held,
        }
    }
}

fn version(app: &App) -> String {
    let (version, commit) = (&app.checkout.version, &app.checkout.commit);
    version.clone().or(commit.as_deref().map(short)).unwrap_or_else(|| UNRELEASED.into())
}

/// Components that differ from those agreed to, as lines of a plan: also if
/// a new version of the recipe, or a recipe without versions, needs no consent.
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
            kind: ChangeKind::Plugin,
            name: component.entry.name.clone(),
            action: ChangeAction::Update,
            details,
        })
    };
    components.iter().filter_map(change).collect()
}

/// Checks the grants on the command line: one that no plugin asks for is a mistake, and is
/// reported before anything runs; with a suggestion if its plugin, service or secret does
/// not exist.
pub(crate) fn check_flags(
    context: &Context,
    app: &App,
    components: &[Component],
) -> Result<(), Error> {
    let asks = |component: &Component, given: &GivenGrant| {
        let named = given.plugin.as_ref().is_none_or(|name| name.as_str() == component.entry.name);
        named && component.entry.grants.contains(&given.grant)
    };
    // What is asked for may be a secret of an overlay that is off yet.
    let unasked = |given: &&GivenGrant| !components.iter().any(|c| asks(c, given));
    let Some(given) = context.grants.iter().find(unasked) else { return Ok(()) };
    let GivenGrant { plugin, grant } = given;
    let asked: BTreeSet<String> = components
        .iter()
        .flat_map(|c| {
            c.entry.grants.iter().map(|grant| named(plugin.as_ref().map(|_| &c.entry.name), grant))
        })
        .collect();
    let known = Known {
        services: app.stack.services.iter().map(|service| service.key.clone()).collect(),
        secrets: secrets::wanted(&app.stack, &app.env, &app.sources)?
            .into_iter()
            .map(|plan| plan.name)
            .collect(),
    };
    let (reason, nearest) = match (grants::validate(grant, &known), plugin) {
        (Err(unknown), _) => {
            let nearest = unknown.nearest.as_ref();
            let nearest = nearest.map(|name| format!("{}: {name}", grant.capability()));
            (unknown.to_string(), nearest.map(|grant| named(plugin.as_ref(), &grant)))
        }
        (Ok(()), plugin) => {
            let elsewhere = components.iter().find(|c| c.entry.grants.contains(grant));
            // Another plugin that asks for just this is more like it than any name.
            let nearest = match elsewhere {
                Some(other) => Some(named(Some(&other.entry.name), grant)),
                None => crate::hint::nearest(&given.to_string(), &asked).cloned(),
            };
            let reason = match plugin {
                None => "no plugin of the recipe asks for it".into(),
                Some(name) if components.iter().any(|c| c.entry.name == name.as_str()) => {
                    format!("`{name}` does not ask for it")
                }
                Some(name) => format!("the recipe has no plugin `{name}`"),
            };
            (reason, nearest)
        }
    };
    Err(Error::BadGrant { grant: Box::new(given.clone()), reason, nearest })
}

/// Checks the grants on the command line, for an operation that does a lot
/// before it starts its plugins.
///
/// # Errors
/// [`Error::BadGrant`], missing components.
pub fn check_grants(context: &Context, app: &App) -> Result<(), Error> {
    if let Some(given) = context.reaches.first() {
        return Err(Error::BadReach {
            reach: Box::new(given.clone()),
            reason: "what services reach is agreed to with `potluck app deploy`".into(),
            nearest: None,
        });
    }
    check_flags(context, app, &app.components()?)
}

/// A grant's text with its plugin's name, if it has one.
fn named(plugin: Option<&impl std::fmt::Display>, grant: &impl std::fmt::Display) -> String {
    match plugin {
        Some(plugin) => format!("{plugin} {grant}"),
        None => grant.to_string(),
    }
}

/// A standard plugin changes with potluck, not with the recipe: it came with a
/// potluck that the operator installed.
fn standard(component: &Component) -> bool {
    matches!(component.entry.component, ComponentRef::Standard(_))
}

/// The digest that was agreed to with the loaded recipe, not with the one that
/// was deployed last, because a deploy may fail after consent.
fn held<'a>(app: &'a App, component: &Component) -> Option<&'a str> {
    let agreed = app.lock.plugins.get(&component.entry.name).filter(|_| !standard(component))?;
    grants::held(agreed, last(app, agreed), &pin(app))
}

/// The recipe with which a plugin was agreed to last. The lock file of an older
/// potluck has only the last deploy.
fn last<'a>(app: &'a App, agreed: &'a PluginPin) -> Option<&'a RecipePin> {
    if agreed.component.is_some() { agreed.recipe.as_ref() } else { app.lock.recipe.as_ref() }
}

fn pin(app: &App) -> RecipePin {
    RecipePin {
        version: app.checkout.version.clone(),
        commit: app.checkout.commit.clone(),
        ..RecipePin::default()
    }
}

/// Asks for grants that were given neither earlier nor on the command line.
/// `reach` is what services would reach and what was refused.
///
/// # Errors
/// [`Error::NeedsConsent`] with everything that was not agreed to.
pub(crate) fn decide(
    context: &Context,
    app: &App,
    components: &[Component],
    reach: Vec<ReachWish>,
) -> Result<Agreed, Error> {
    let mut refused = wishes(app, components, &context.grants);
    refused.retain(|wish| !context.consent.grants(wish));
    if !refused.is_empty() || !reach.is_empty() {
        let ambiguous = ambiguous(context, app, components, &refused);
        return Err(Error::NeedsConsent { wishes: refused, reach, ambiguous });
    }
    let agreed = |component: &Component| {
        let asking = Asking::of(app, component);
        let last = asking.agreed.and_then(|agreed| last(app, agreed));
        (component.entry.name.clone(), grants::pin(&asking.request(), last, pin(app)))
    };
    Ok(components.iter().map(agreed).collect())
}

/// Flags without a plugin's name that had no effect because they could be meant for
/// another plugin.
fn ambiguous(
    context: &Context,
    app: &App,
    components: &[Component],
    refused: &[Wish],
) -> Vec<Ambiguous> {
    let claims = claims(app, components);
    let nameless = context.grants.iter().filter(|given| given.plugin.is_none());
    nameless
        .filter(|given| {
            refused.iter().any(|wish| wish.question.missing().any(|g| *g == given.grant))
        })
        .filter_map(|given| {
            let plugins = claims.get(&given.grant).filter(|by| by.len() > 1)?;
            let plugins = plugins.iter().map(|&name| name.to_owned()).collect();
            Some(Ambiguous { grant: given.grant.clone(), plugins })
        })
        .collect()
}

/// How the lock file may be written.
#[derive(Debug, Clone, Copy)]
pub enum Guarding<'a> {
    /// Who calls changes the app.
    Held(&'a AppGuard),
    /// The caller does not change the app, and claims it only while consent is
    /// recorded.
    WhileWriting,
}

/// Asks for missing consent, and records it in the lock file, which is read
/// again then, because an answer may take long.
pub(crate) fn agree(
    context: &Context,
    app: &App,
    components: &[Component],
    guarding: Guarding<'_>,
) -> Result<(), Error> {
    let asked = wishes(app, components, &[]);
    let agreed = decide(context, app, components, Vec::new())?;
    if !record(&mut app.lock.clone(), &agreed) {
        return Ok(());
    }
    let claimed;
    let guard = match guarding {
        Guarding::Held(guard) => guard,
        Guarding::WhileWriting => {
            claimed = match context.home.guard_app(&app.entry, "a change of grants") {
                // What needed no answer can be written down another time.
                Err(home::Error::Locked { .. }) if asked.is_empty() => return Ok(()),
                claimed => claimed?,
            };
            &claimed
        }
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
            let message = format!("the plugin `{name}` changed since last time: {details}");
            context.progress.warn(message);
        }
    }
    Ok(context.home.write_lock_file(guard, &lock)?)
}

/// Records consent in the lock file's model, and returns whether that changed it.
/// Of a plugin that the recipe lacks at this version, only the history is kept.
pub(crate) fn record(lock: &mut LockFile, agreed: &Agreed) -> bool {
    let before = lock.plugins.clone();
    for plugin in lock.plugins.values_mut() {
        plugin.grants.clear();
    }
    lock.plugins.extend(agreed.iter().cloned());
    lock.plugins != before
}
