//! Taking an app off the swarm, and removing what is left of it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    engine::{Engine, Error as EngineError, Kind, Scope},
    plugin::Role,
    progress::{Event, Sink},
    secrets::{self, SecretPlan, StoredSecret},
};

use super::{
    App, Context, Error, Leaving, OnServer, apply,
    components::components,
    consent,
    contents::CONTENT_LABEL,
    hooks,
    live::{by_name, label},
    owner::KIND_LABEL,
    record::Record,
};

/// Swarm removes the containers of a service that is gone within seconds.
const VOLUME_PATIENCE: Duration = Duration::from_secs(60);
const CONTAINER_PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(250);

/// Removes the stack's services, networks and configs; volumes and secrets
/// stay. The plugins' `before-remove` runs first; should it fail, that is a
/// warning, as the app is to go.
///
/// # Errors
/// [`Error::NothingToUndeploy`], tasks or networks that do not end within `timeout`.
pub async fn undeploy(
    context: &Context,
    leaving: &Leaving,
    timeout: Duration,
) -> Result<(), Error> {
    let engine = leaving.engine();
    let OnServer { entry, stack, .. } = &leaving.on_server;
    let scope = Scope::Stack(stack);
    let (services, networks, configs, secrets) = futures_util::try_join!(
        engine.services(scope),
        engine.networks(scope),
        engine.configs(scope),
        engine.secrets(scope),
    )?;
    if services.is_empty() && networks.is_empty() && configs.is_empty() {
        return Err(Error::NothingToUndeploy { app: entry.name.to_string() });
    }
    Record::remove(context, entry)?;
    if let (false, Some(app)) = (services.is_empty(), &leaving.app) {
        before_remove(context, app).await;
    }
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
        services: by_name(services).into_iter().filter_map(|(n, s)| Some((n, s.id?))).collect(),
        configs: configs.filter_map(|c| c.id).collect(),
        secrets: secrets.filter_map(|s| s.id).collect(),
        networks: networks.into_iter().filter_map(|n| Some((n.name?, n.id?))).collect(),
    };
    let removed = doomed.remove(engine, &*context.progress, Wait::ForTasks, timeout).await;
    // Also of what could not be removed whole.
    let settled = engine.settle().await;
    removed?;
    Ok(settled?)
}

/// What is to go from the swarm.
pub(crate) struct Doomed {
    /// Names and ids.
    pub services: Vec<(String, String)>,
    pub configs: Vec<String>,
    pub secrets: Vec<String>,
    /// Names and ids.
    pub networks: Vec<(String, String)>,
}

/// Whether containers may still run when the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    ForTasks,
    No,
}

impl Doomed {
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
            && self.configs.is_empty()
            && self.secrets.is_empty()
            && self.networks.is_empty()
    }

    /// Removes services first, then what they used.
    ///
    /// # Errors
    /// Tasks or networks that do not end within `timeout`, and what the engine
    /// says.
    pub async fn remove(
        &self,
        engine: &dyn Engine,
        progress: &dyn Sink,
        wait: Wait,
        timeout: Duration,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        // The reverse of how they are listed: what was named last often needs
        // what was named first.
        for (name, id) in self.services.iter().rev() {
            gone(engine.remove_service(id).await)?;
            progress.event(Event::Service { service: name.clone(), state: "removed".into() });
        }
        if wait == Wait::ForTasks {
            progress.step("wait for tasks to end");
            let left = deadline.saturating_duration_since(Instant::now());
            apply::wait_tasks_gone(engine, &self.services, left).await?;
            wait_containers_gone(engine, &self.services).await?;
        }
        for id in &self.configs {
            gone(engine.remove_config(id).await)?;
        }
        for id in &self.secrets {
            gone(engine.remove_secret(id).await)?;
        }
        for (name, id) in &self.networks {
            apply::remove_network(engine, name, id, deadline).await?;
        }
        Ok(())
    }
}

/// Containers that have ended hold their volumes until swarm removes them; who
/// removes a volume by hand next should not be told that it is in use. It is
/// not worth failing for.
async fn wait_containers_gone(
    engine: &dyn Engine,
    services: &[(String, String)],
) -> Result<(), Error> {
    let deadline = Instant::now() + CONTAINER_PATIENCE;
    for (name, _) in services {
        while engine.has_containers(name).await? && Instant::now() < deadline {
            sleep(POLL).await;
        }
    }
    Ok(())
}

/// Somebody else may have removed it at the same time.
fn gone(result: Result<(), EngineError>) -> Result<(), Error> {
    match result {
        Err(error) if !error.is_not_found() => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Only for plugins that were agreed to: removing an app asks for no grants.
async fn before_remove(context: &Context, app: &App) {
    let warn = |message: String| context.progress.warn(message);
    let run = async {
        let components = components(app)?;
        let wishes = consent::wishes(app, &components, &[]);
        let (refused, agreed): (Vec<_>, Vec<_>) = components
            .into_iter()
            .partition(|component| wishes.iter().any(|w| w.plugin == component.entry.name));
        for component in refused {
            let name = &component.entry.name;
            match context.runtime.load(name, &component.bytes).await {
                Ok(plugin) if !plugin.roles().contains(&Role::Lifecycle) => {}
                Ok(_) => warn(format!(
                    "before-remove of `{name}` was not run: it is not agreed to, see `potluck \
                     plugin grants {}`",
                    app.entry.name
                )),
                Err(error) => warn(error.to_string()),
            }
        }
        let roles = &[Role::Lifecycle];
        for (name, mut plugin) in hooks::start_components(context, app, &agreed, roles).await? {
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

/// Removes what is left of an undeployed app on its server: secrets, volumes.
/// There is no way back.
///
/// # Errors
/// [`Error::StillDeployed`], and what the engine says; then some may be gone.
pub async fn remove(context: &Context, leaving: &Leaving) -> Result<(), Error> {
    let engine = leaving.engine();
    let leftovers = leftovers(leaving).await?;
    Record::remove(context, &leaving.on_server.entry)?;
    for secret in stored(leaving).await? {
        secrets::remove_stored(engine, &secret).await?;
    }
    if planned(leaving).is_none() {
        say_unknown(context, leaving).await?;
    }
    let deadline = Instant::now() + VOLUME_PATIENCE;
    for volume in &leftovers.volumes {
        remove_volume(engine, volume, deadline).await?;
    }
    Ok(engine.release().await?)
}

/// Containers that have ended hold their volumes until swarm has removed them.
async fn remove_volume(engine: &dyn Engine, name: &str, deadline: Instant) -> Result<(), Error> {
    loop {
        match engine.remove_volume(name).await {
            Err(EngineError::Refused { .. }) if Instant::now() < deadline => sleep(POLL).await,
            result => return gone(result),
        }
    }
}

/// The app's secrets: those that say so, and those that its recipe uses or, where
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

/// The secrets that the recipe uses; none where that cannot be told.
fn planned(leaving: &Leaving) -> Option<Vec<SecretPlan>> {
    let app = leaving.app.as_ref()?;
    secrets::wanted(&app.stack, &app.env, &app.sources).ok()
}

/// Names secrets that may be the app's and that only its recipe could tell.
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
            "without its recipe it is not known whose these secrets are, so they stay: {}",
            names.join(", ")
        ));
    }
    Ok(())
}
