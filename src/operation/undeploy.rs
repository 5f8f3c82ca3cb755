//! Removes an app from its swarm, and everything that is left of it.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    app::{App, Context, Error, Leaving, OnServer},
    engine::{Engine, Error as EngineError, Kind, Scope, label},
    home::AppGuard,
    hooks::{self, consent},
    owner::{
        KIND_LABEL,
        journal::{Entry, Outcome, Step, Undo, What},
    },
    plugin::Role,
    rollout::{
        live::by_name,
        removal::{Doomed, Wait, gone, jobs},
        work::contents::CONTENT_LABEL,
    },
    secrets::{self, SecretPlan, StoredSecret},
};

use super::{
    journal::{self, Journal, in_one_line},
    lease::{Lease, leased},
    record::Record,
    releases,
    unfinished::note,
};

/// Swarm removes the containers of a service that is gone within seconds.
pub(super) const VOLUME_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(250);

/// Removes the stack's services, networks and configs; volumes and secrets are kept. The
/// plugins' `before-remove` runs first; if it fails, that is only a warning, because the
/// app is to be removed.
///
/// # Errors
/// [`Error::NothingToUndeploy`], tasks or networks that do not end within `timeout`.
pub async fn undeploy(
    context: &Context,
    guard: &AppGuard,
    leaving: &Leaving,
    timeout: Duration,
) -> Result<(), Error> {
    let engine = leaving.engine();
    leased(context, engine, guard, "an undeploy", async |lease: &Lease| {
        let OnServer { entry, stack, .. } = &leaving.on_server;
        let scope = Scope::Stack(stack);
        let (services, networks, configs) = futures_util::try_join!(
            engine.services(scope),
            engine.networks(scope),
            engine.configs(scope),
        )?;
        if services.is_empty() && networks.is_empty() && configs.is_empty() {
            return Err(Error::NothingToUndeploy { app: entry.name.to_string() });
        }
        let begins = Entry {
            steps: vec![Step::new(BEFORE_REMOVE, Undo::Nothing), Step::new(TAKE_OFF, Undo::Never)],
            ..journal::entry_of(lease, &entry.name, What::Undeploy)
        };
        let journal = Journal::begin(engine, lease, begins).await?;
        finish_undeploy(context, leaving, journal, timeout).await
    })
    .await
}

/// The plugins' last hook.
const BEFORE_REMOVE: &str = "before-remove";
const TAKE_OFF: &str = "remove services, networks and configs";

/// Goes the steps of an undeploy that are still to be gone.
///
/// # Errors
/// As [`undeploy`].
pub(super) async fn finish_undeploy(
    context: &Context,
    leaving: &Leaving,
    journal: Journal,
    timeout: Duration,
) -> Result<(), Error> {
    let done = say_goodbye_and_take_off(context, leaving, &journal, timeout).await;
    journal.conclude(context, done, Error::of_engine, |_| true).await
}

async fn say_goodbye_and_take_off(
    context: &Context,
    leaving: &Leaving,
    journal: &Journal,
    timeout: Duration,
) -> Result<(), Error> {
    let services = leaving.engine().services(Scope::Stack(&leaving.on_server.stack)).await?;
    Record::remove(context, &leaving.on_server.entry)?;
    if let (false, Some(app)) = (services.is_empty(), &leaving.app)
        && !journal.was_done(BEFORE_REMOVE)
    {
        journal.step(BEFORE_REMOVE).await?;
        before_remove(context, app).await;
    }
    journal.step(TAKE_OFF).await?;
    take_off(context, leaving, timeout).await
}

/// Removes the stack's services, networks and configs, and the releases that need them.
///
/// # Errors
/// What the engine says, and tasks or networks that do not end within `timeout`.
pub(super) async fn take_off(
    context: &Context,
    leaving: &Leaving,
    timeout: Duration,
) -> Result<(), Error> {
    let engine = leaving.engine();
    let scope = Scope::Stack(&leaving.on_server.stack);
    let (services, networks, configs, secrets) = futures_util::try_join!(
        engine.services(scope),
        engine.networks(scope),
        engine.configs(scope),
        engine.secrets(scope),
    )?;
    Record::remove(context, &leaving.on_server.entry)?;
    let of_files = |name: &String| {
        leaving.app.as_ref().is_some_and(|app| app.stack.secrets.contains_key(name))
    };
    let configs = configs.into_iter().filter(|config| {
        let labels = config.spec.as_ref().and_then(|spec| spec.labels.as_ref());
        label(labels, KIND_LABEL).is_none()
    });
    let secrets = secrets.into_iter().filter(|secret| {
        let Some(spec) = &secret.spec else { return false };
        label(spec.labels.as_ref(), CONTENT_LABEL).is_some()
            || spec.name.as_ref().is_some_and(of_files)
    });
    let doomed = Doomed {
        jobs: jobs(&services),
        services: by_name(services).into_iter().filter_map(|(n, s)| Some((n, s.id?))).collect(),
        configs: configs.filter_map(|c| c.id).collect(),
        secrets: secrets.filter_map(|s| s.id).collect(),
        networks: networks.into_iter().filter_map(|n| Some((n.name?, n.id?))).collect(),
    };
    let removed = doomed.remove(engine, &*context.progress, Wait::ForTasks, timeout).await;
    // What they need to come back is gone.
    releases::forget(engine, None).await?;
    // Also of what could not be removed whole.
    let settled = engine.settle().await;
    removed?;
    Ok(settled?)
}

/// Only for plugins that were agreed to: removing an app does not ask for grants.
async fn before_remove(context: &Context, app: &App) {
    let warn = |message: String| context.progress.warn(message);
    let run = async {
        let components = app.components()?;
        let wishes = consent::wishes(app, &components, &[]);
        let (refused, agreed): (Vec<_>, Vec<_>) = components
            .iter()
            .filter(|component| match component.roles() {
                Ok(roles) => roles.contains(&Role::Lifecycle),
                Err(error) => {
                    warn(error.to_string());
                    false
                }
            })
            .partition(|component| wishes.iter().any(|w| w.plugin == component.entry.name));
        for component in refused {
            warn(format!(
                "before-remove of `{}` was not run: its grants are not agreed to, see `potluck \
                 plugin \
                 grants {}`",
                component.entry.name, app.entry.name
            ));
        }
        let (agreed, roles) = (agreed.into_iter(), &[Role::Lifecycle]);
        for (name, mut plugin) in hooks::start_components(context, app, agreed, roles).await? {
            context.progress.step(format!("{name}: before-remove"));
            plugin.before_remove().await?;
        }
        Ok::<(), Error>(())
    };
    if let Err(error) = run.await {
        warn(error.to_string());
    }
}

/// What [`remove`] removes from the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Leftovers {
    pub secrets: Vec<String>,
    /// On the node that the server's endpoint speaks for.
    pub volumes: Vec<String>,
}

/// What is left of an undeployed app on its server.
///
/// # Errors
/// [`Error::StillDeployed`], and what the engine says.
pub async fn leftovers(leaving: &Leaving) -> Result<Leftovers, Error> {
    let engine = leaving.engine();
    let OnServer { entry, stack, .. } = &leaving.on_server;
    let (services, volumes) =
        futures_util::try_join!(engine.services(Scope::Stack(stack)), engine.volumes(Scope::All),)?;
    if !services.is_empty() {
        return Err(Error::StillDeployed { app: entry.name.to_string() });
    }
    let owned = engine.owned().await?;
    let secrets = stored(leaving).await?.into_iter().map(|s| s.full_name).collect();
    let volumes = volumes
        .into_iter()
        .map(|volume| volume.name)
        .filter(|name| owned.has_name(Kind::Volume, name))
        .collect();
    Ok(Leftovers { secrets, volumes })
}

/// Removes what is left of an undeployed app on its server: secrets, and volumes but those
/// that it `keeps`. There is no way back.
///
/// # Errors
/// [`Error::StillDeployed`], and what the engine says; then some may be removed already.
pub async fn remove(
    context: &Context,
    guard: &AppGuard,
    leaving: &Leaving,
    keeps: &[String],
) -> Result<(), Error> {
    let engine = leaving.engine();
    leased(context, engine, guard, "a removal", async |lease: &Lease| {
        leftovers(leaving).await?;
        let begins = Entry {
            steps: removal_steps().into(),
            keeps: keeps.to_vec(),
            ..journal::entry_of(lease, &leaving.on_server.entry.name, What::Remove)
        };
        let journal = Journal::begin(engine, lease, begins).await?;
        finish_removal(context, leaving, journal).await
    })
    .await
}

const SECRETS: &str = "remove secrets";
const VOLUMES: &str = "remove volumes";

/// Those of [`clear`].
pub(super) fn removal_steps() -> [Step; 2] {
    [SECRETS, VOLUMES].map(|name| Step::new(name, Undo::Never))
}

/// Goes the steps of a removal that are still to be gone; nothing of the app is left then,
/// its history included.
///
/// # Errors
/// As [`remove`].
pub(super) async fn finish_removal(
    context: &Context,
    leaving: &Leaving,
    journal: Journal,
) -> Result<(), Error> {
    let keeps = journal.entry().keeps.into_iter().collect();
    match clear(context, leaving, &journal, &keeps).await {
        Ok(()) => journal.end_for_good(context, Outcome::Done).await,
        failed => journal.conclude(context, failed, Error::of_engine, |_| true).await,
    }
}

/// Removes secrets and volumes, but those that are to stay; nothing of them is the app's then.
///
/// # Errors
/// As [`remove`].
pub(super) async fn clear(
    context: &Context,
    leaving: &Leaving,
    journal: &Journal,
    keeps: &BTreeSet<String>,
) -> Result<(), Error> {
    let engine = leaving.engine();
    let leftovers = leftovers(leaving).await?;
    journal.step(SECRETS).await?;
    Record::remove(context, &leaving.on_server.entry)?;
    for secret in stored(leaving).await? {
        secrets::remove_stored(engine, &secret).await?;
    }
    if planned(leaving).is_none() {
        say_unknown(context, leaving).await?;
    }
    releases::forget(engine, None).await?;
    journal.step(VOLUMES).await?;
    let deadline = Instant::now() + VOLUME_PATIENCE;
    for volume in leftovers.volumes.iter().filter(|volume| !keeps.contains(*volume)) {
        remove_volume(engine, volume, deadline).await?;
    }
    Ok(engine.release().await?)
}

/// Removes some volumes of an undeployed app; what remains of it is as it was. There is no way
/// back, and each is gone as soon as it is removed, so there is nothing to finish.
///
/// # Errors
/// [`Error::StillDeployed`], and what the engine says; then some may be removed already.
pub async fn remove_volumes(
    context: &Context,
    guard: &AppGuard,
    leaving: &Leaving,
    names: &[String],
) -> Result<(), Error> {
    let engine = leaving.engine();
    leased(context, engine, guard, "a removal of volumes", async |lease: &Lease| {
        let left = leftovers(leaving).await?;
        let doomed: Vec<&String> = names.iter().filter(|it| left.volumes.contains(it)).collect();
        let entry = Entry {
            before: Some(doomed.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")),
            ..journal::entry_of(lease, &leaving.on_server.entry.name, What::Volumes)
        };
        let deadline = Instant::now() + VOLUME_PATIENCE;
        let removing = async {
            for volume in doomed {
                remove_volume(engine, volume, deadline).await?;
            }
            Ok(())
        };
        let done: Result<(), Error> = removing.await;
        let (outcome, error) = match &done {
            Ok(()) => (Outcome::Done, None),
            Err(error) => (Outcome::Failed, Some(in_one_line(error))),
        };
        note(context, engine, &entry, outcome, error).await;
        done
    })
    .await
}

/// Containers that have ended hold their volumes until swarm has removed them.
pub(super) async fn remove_volume(
    engine: &dyn Engine,
    name: &str,
    deadline: Instant,
) -> Result<(), Error> {
    loop {
        match engine.remove_volume(name).await {
            Err(EngineError::Refused { .. }) if Instant::now() < deadline => sleep(POLL).await,
            result => return Ok(gone(result)?),
        }
    }
}

/// The app's secrets: those with its label, and those that its recipe uses or, if
/// that cannot be read, that its record names.
async fn stored(leaving: &Leaving) -> Result<Vec<StoredSecret>, Error> {
    let OnServer { entry, stack, .. } = &leaving.on_server;
    let engine = leaving.engine();
    if let Some(plans) = planned(leaving) {
        return Ok(secrets::stored(engine, &entry.name, stack, &plans).await?);
    }
    let owned = engine.owned().await?;
    let recorded = |name: &str| owned.has_name(Kind::Secret, name);
    Ok(secrets::stored_or(engine, &entry.name, recorded).await?)
}

/// The secrets that the recipe uses; none if that is unknown.
fn planned(leaving: &Leaving) -> Option<Vec<SecretPlan>> {
    let app = leaving.app.as_ref()?;
    secrets::wanted(&app.stack, &app.env, &app.sources).ok()
}

/// Warns about secrets that may be the app's; only its recipe could say.
async fn say_unknown(context: &Context, leaving: &Leaving) -> Result<(), Error> {
    let prefix = format!("{}_", leaving.on_server.stack);
    let names: Vec<String> = leaving
        .engine()
        .secrets(Scope::All)
        .await?
        .into_iter()
        .filter_map(|secret| secret.spec?.name)
        .filter(|name| name.starts_with(&prefix))
        .collect();
    if !names.is_empty() {
        context.progress.warn(format!(
            "without the recipe it is unknown which secrets are the app's, so these are kept: {}",
            names.join(", ")
        ));
    }
    Ok(())
}
