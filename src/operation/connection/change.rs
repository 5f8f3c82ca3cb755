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
    secrets::{self, Keeper, escrow::next_version},
};

/// The settings with the versions of the secrets in them, and what was made.
pub(super) struct Stored {
    pub env: EnvFile,
    /// By their names, with their versions.
    pub versions: BTreeMap<String, String>,
    /// Full names of those that were made.
    pub made: Vec<String>,
}

/// Stores the secrets that a plugin asks for. One that the swarm has with this value stays as
/// it is; another value gets a new version. `making` is told of each before it is made.
///
/// # Errors
/// A secret that the recipe does not have, or without a version; the engine's.
pub(super) async fn store_secrets(
    context: &Context,
    app: &App,
    mut env: EnvFile,
    changes: &Changes,
    mut making: impl FnMut(&str) -> Result<(), Error>,
) -> Result<Stored, Error> {
    let mut stored = Stored { env: env.clone(), versions: BTreeMap::new(), made: Vec::new() };
    if changes.secrets.is_empty() {
        return Ok(stored);
    }
    let keeper = Keeper::of(&context.home, &app.entry, &app.name).map_err(secrets::Error::from)?;
    let is_named = Version::Named;
    let version = app.checkout.version.clone().or(app.checkout.commit.clone());
    let version = version.map_or(Version::Newest, is_named);
    for (name, value) in &changes.secrets {
        let next = app::load_with(context, &app.entry, &version, env.clone()).await?;
        let survey = || secrets::survey(&next.stack, &next.env, &next.sources);
        let plan = survey().any_version(name)?;
        let all = survey();
        let no_key = || Error::Secrets(secrets::escrow::Error::NoKey { name: name.clone() }.into());
        let key = plan.key.clone().ok_or_else(no_key)?;
        let bytes = value.0.as_bytes();
        if !plan.version.is_empty()
            && secrets::has_value(&*app.engine, &plan.full_name, bytes).await? == Some(true)
        {
            stored.versions.insert(name.clone(), plan.version.clone());
            continue;
        }
        let versions = secrets::versions(&*app.engine, &app.entry.name, &app.name, &all).await?;
        // A copy that is kept, of a secret that no server has, may be somebody's last one.
        let prefix = format!("{}_{name}_", app.name);
        let kept = app.kept.iter().filter_map(|full_name| full_name.strip_prefix(&prefix));
        let stored_here = versions.iter().filter(|row| row.name == *name && row.id.is_some());
        let taken: BTreeSet<&str> =
            stored_here.map(|row| row.version.as_str()).chain(kept).collect();
        let version = match plan.version.as_str() {
            "" => next_version("v0", &taken),
            here if taken.contains(here) => next_version(here, &taken),
            here => here.to_owned(),
        };
        let to = plan.in_version(&version)?.ok_or_else(no_key)?;
        let wanted = Wanted { kind: Kind::Secret, name: to.full_name.clone(), made_outside: true };
        let review = app.engine.review(&[wanted]).await?;
        app.engine.claim(&review.missing).await?;
        making(&to.full_name)?;
        secrets::insert_recognisable(&*app.engine, &app.entry.name, &to, bytes, &keeper).await?;
        if !keeper.keeps() {
            context.progress.warn(format!("{name}: {}", secrets::escrow::NOT_KEPT));
        }
        env.set(&key, &to.version).map_err(home::Error::from)?;
        stored.versions.insert(name.clone(), to.version.clone());
        stored.made.push(to.full_name);
    }
    app.engine.settle().await?;
    stored.env = env;
    Ok(stored)
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

/// Full names of a connection's secrets.
pub(super) fn full_names(stack: &StackName, connection: &Connection) -> BTreeSet<String> {
    let full = |(name, version): (&String, &String)| format!("{stack}_{name}_{version}");
    connection.secrets.iter().map(full).collect()
}
