//! What a connection changes of the app: its secrets, its settings, its services.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    app::{self, App, Context, Error},
    engine::{Engine, Kind, Scope},
    home::{self, AppEntry, AppGuard, Connection, EnvFile, StackName},
    operation::{DeployOptions, DeployReport, deploy, journal::Journal, options::PartOf},
    owner::{Confined, Wanted},
    plugin::Changes,
    recipe::Version,
    secrets::{self, Keeper, SecretPlan, escrow::next_version},
};

/// The settings with the versions of the secrets in them.
pub(super) struct Stored {
    pub env: EnvFile,
    /// By their names, with their versions.
    pub versions: BTreeMap<String, String>,
    /// The settings that have these.
    pub settings: BTreeMap<String, String>,
    /// Whether a secret was made.
    pub is_new: bool,
}

/// A secret that a plugin asks for, as the recipe has it with these settings.
struct Slot {
    /// The setting with its version.
    key: String,
    /// The versions that the swarm has; first the one that the settings have.
    stored: Vec<SecretPlan>,
    /// The version that would be made.
    next: SecretPlan,
}

async fn slot(context: &Context, app: &App, env: &EnvFile, name: &str) -> Result<Slot, Error> {
    let version = app.checkout.version.clone().or(app.checkout.commit.clone());
    let version = version.map_or(Version::Newest, Version::Named);
    let with = app::load_with(context, &app.entry, &version, env.clone()).await?;
    let survey = || secrets::survey(&with.stack, &with.env, &with.sources);
    let plan = survey().any_version(name)?;
    let no_key = || Error::Secrets(secrets::escrow::Error::NoKey { name: name.to_owned() }.into());
    let key = plan.key.clone().ok_or_else(no_key)?;
    let versions = secrets::versions(&*app.engine, &app.entry.name, &app.name, &survey()).await?;
    // A copy that is kept, of a secret that no server has, may be somebody's last one.
    let prefix = format!("{}_{name}_", app.name);
    let kept = app.kept.iter().filter_map(|full_name| full_name.strip_prefix(&prefix));
    let stored = versions.iter().filter(|row| row.name == *name && row.id.is_some());
    let stored: Vec<&str> = stored.map(|row| row.version.as_str()).collect();
    let taken: BTreeSet<&str> = stored.iter().copied().chain(kept).collect();
    let next = match plan.version.as_str() {
        "" => next_version("v0", &taken),
        here if taken.contains(here) => next_version(here, &taken),
        here => here.to_owned(),
    };
    let next = plan.in_version(&next)?.ok_or_else(no_key)?;
    let stored = stored.into_iter().map(|version| plan.in_version(version));
    let stored = stored.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
    Ok(Slot { key, stored, next })
}

/// Full names of the secrets that may be made.
///
/// # Errors
/// A secret that the recipe does not have, or without a version.
pub(super) async fn next_secrets(
    context: &Context,
    app: &App,
    env: &EnvFile,
    changes: &Changes,
) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for (name, _) in &changes.secrets {
        names.push(slot(context, app, env, name).await?.next.full_name);
    }
    Ok(names)
}

/// Stores the secrets that a plugin asks for. One that the swarm has with this value is kept;
/// another value gets the next version, which the journal has.
///
/// # Errors
/// As [`next_secrets`]; the engine's.
pub(super) async fn store_secrets(
    context: &Context,
    app: &App,
    mut env: EnvFile,
    changes: &Changes,
) -> Result<Stored, Error> {
    let keeper = Keeper::of(&context.home, &app.entry, &app.name).map_err(secrets::Error::from)?;
    let (mut versions, mut settings, mut is_new) = (BTreeMap::new(), BTreeMap::new(), false);
    for (name, value) in &changes.secrets {
        let Slot { key, stored, next } = slot(context, app, &env, name).await?;
        let bytes = value.0.as_bytes();
        let secret = match secrets::with_value(&*app.engine, stored, bytes).await? {
            Some(secret) => secret,
            None => {
                is_new = true;
                make(context, app, &next, bytes, &keeper).await?;
                next
            }
        };
        env.set(&key, &secret.version).map_err(home::Error::from)?;
        settings.insert(key, secret.version.clone());
        versions.insert(name.clone(), secret.version);
    }
    app.engine.settle().await?;
    Ok(Stored { env, versions, settings, is_new })
}

async fn make(
    context: &Context,
    app: &App,
    secret: &SecretPlan,
    value: &[u8],
    keeper: &Keeper,
) -> Result<(), Error> {
    let wanted = Wanted { kind: Kind::Secret, name: secret.full_name.clone(), made_outside: true };
    // Recorded as the app's before it exists: a crash leaves nothing without an owner.
    let review = app.engine.review(&[wanted]).await?;
    app.engine.claim(&review.missing).await?;
    secrets::insert_recognisable(&*app.engine, &app.entry.name, secret, value, keeper).await?;
    if !keeper.keeps() {
        let name = &secret.name;
        context.progress.warn(format!("{name}: {}", secrets::escrow::NOT_KEPT));
    }
    Ok(())
}

/// Whether the app's services are on its server.
///
/// # Errors
/// What the engine says.
pub(super) async fn is_deployed(app: &App) -> Result<bool, Error> {
    Ok(!app.engine.services(Scope::Stack(&app.name)).await?.is_empty())
}

/// Deploys the app with the settings as they are now, as a part of this operation.
///
/// # Errors
/// Those of a deploy; what ran before runs again then.
pub(super) async fn deploy_again(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    journal: &Journal,
    timeout: Option<Duration>,
) -> Result<DeployReport, Error> {
    let agreed = context.having_agreed()?;
    let mut fresh = app::load_deployed(&agreed, &app.entry).await?;
    fresh.engine = Arc::clone(&app.engine);
    let options = DeployOptions {
        timeout,
        release_of: Some(PartOf(Box::new(journal.entry()))),
        // Who began it was asked.
        overwrite: !journal.is_resumed(),
        ..DeployOptions::default()
    };
    Box::pin(deploy(&agreed, guard, &mut fresh, &options)).await
}

/// Removes secrets that nothing uses any more, and their copies.
///
/// # Errors
/// What the engine says; one that is used stays, with a warning.
pub(super) async fn remove_secrets(
    context: &Context,
    app: &AppEntry,
    engine: &Confined,
    full_names: &BTreeSet<String>,
) -> Result<(), Error> {
    if full_names.is_empty() {
        return Ok(());
    }
    let keeper = Keeper::of(&context.home, app, engine.stack()).map_err(secrets::Error::from)?;
    let stored = secrets::stored_or(engine, &app.name, |_| false).await?;
    for secret in stored.iter().filter(|secret| full_names.contains(&secret.full_name)) {
        match secrets::remove_stored(engine, secret).await {
            Ok(()) => keeper.forget(&secret.full_name).map_err(secrets::Error::from)?,
            Err(error @ secrets::Error::InUse { .. }) => context.progress.warn(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(engine.settle().await?)
}

/// Full names of a connection's secrets. Who removes them looks first which of them the app's
/// plugin may make: a lock file may name any.
pub(super) fn full_names(stack: &StackName, connection: &Connection) -> BTreeSet<String> {
    let full = |(name, version): (&String, &String)| format!("{stack}_{name}_{version}");
    connection.secrets.iter().map(full).collect()
}
