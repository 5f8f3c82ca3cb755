//! Networks, secrets and configs: created before any service is sent, and removed
//! again if one of them, or every service, is refused.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    engine::{self, Engine, Kind, Scope, api},
    progress::Sink,
};

use crate::rollout::{
    Error,
    diff::Names,
    live::{Ids, Live},
    work::Work,
};

/// Swarm removes a network once its last task is gone from every node.
pub(crate) const NETWORK_PATIENCE: Duration = Duration::from_secs(60);
pub(in crate::rollout) const POLL: Duration = Duration::from_millis(250);

/// The objects that services refer to, and which of them this deploy created.
#[derive(Debug, Default)]
pub(in crate::rollout) struct Made {
    pub ids: Ids,
    pub names: Names,
    new: Vec<(Kind, String, String)>,
}

impl Made {
    /// Creates what is missing. If something is refused, what was created before is
    /// removed again, because half a stack is of no use.
    ///
    /// # Errors
    /// What the engine refuses.
    pub async fn make(
        engine: &dyn Engine,
        work: &Work,
        live: &Live,
        progress: &dyn Sink,
    ) -> Result<Self, Error> {
        let mut made = Made { ids: live.ids(), names: live.names(), new: Vec::new() };
        match made.all(engine, work).await {
            Ok(()) => Ok(made),
            Err(error) => {
                made.unmake(engine, progress).await;
                Err(error)
            }
        }
    }

    async fn all(&mut self, engine: &dyn Engine, work: &Work) -> Result<(), Error> {
        for request in &work.networks {
            let (id, is_new) = create_network(engine, request).await?;
            let name = request.name.clone();
            self.ids.networks.insert(name.clone(), id.clone());
            self.names.networks.insert(id.clone(), name.clone());
            if is_new {
                self.new.push((Kind::Network, name, id));
            }
        }
        for spec in &work.secrets {
            let name = spec.name.clone().unwrap_or_default();
            let id = engine.create_secret(spec.clone()).await?;
            self.ids.secrets.insert(name.clone(), id.clone());
            self.new.push((Kind::Secret, name, id));
        }
        for spec in &work.configs {
            let name = spec.name.clone().unwrap_or_default();
            let id = engine.create_config(spec.clone()).await?;
            self.ids.configs.insert(name.clone(), id.clone());
            self.names.configs.insert(id.clone(), name.clone());
            self.new.push((Kind::Config, name, id));
        }
        Ok(())
    }

    /// Removes what this deploy created, newest first. The deploy has failed by then,
    /// so what cannot be removed is a warning.
    pub async fn unmake(self, engine: &dyn Engine, progress: &dyn Sink) {
        for (kind, name, id) in self.new.into_iter().rev() {
            let removed = match kind {
                Kind::Network => engine.remove_network(&id).await,
                Kind::Secret => engine.remove_secret(&id).await,
                _ => engine.remove_config(&id).await,
            };
            if let Err(error) = removed
                && !error.is_not_found()
            {
                progress.warn(format!(
                    "the {kind} `{name}`, made for the deploy that failed, could not be removed: \
                     {error}"
                ));
            }
        }
    }
}

/// Creates a network, waiting for one of that name which is being removed; whether
/// it is a new one.
async fn create_network(
    engine: &dyn Engine,
    request: &api::NetworkCreateRequest,
) -> Result<(String, bool), Error> {
    let deadline = Instant::now() + NETWORK_PATIENCE;
    loop {
        match engine.create_network(request.clone()).await {
            Ok(id) => return Ok((id, true)),
            Err(engine::Error::Exists { .. }) => {
                // Somebody made it at the same moment, or it is still there.
                if let Ok(found) = engine.network(&request.name).await
                    && let Some(id) = found.id
                {
                    return Ok((id, false));
                }
            }
            Err(error) => return Err(error.into()),
        }
        wait_for_removal(request, deadline).await?;
    }
}

/// Replaces a network that is being removed, once it is gone; or finds the one
/// that was created meanwhile for another service of the stack.
pub(in crate::rollout) async fn replace_network(
    engine: &dyn Engine,
    request: &api::NetworkCreateRequest,
    gone: &str,
) -> Result<String, Error> {
    let deadline = Instant::now() + NETWORK_PATIENCE;
    loop {
        let listed = engine.networks(Scope::All).await?;
        let named = listed.iter().filter(|network| {
            network.name.as_ref() == Some(&request.name)
                && network.scope.as_deref() == Some("swarm")
        });
        let ids: Vec<&str> = named.filter_map(|network| network.id.as_deref()).collect();
        if let Some(other) = ids.iter().find(|id| **id != gone) {
            return Ok((*other).to_owned());
        }
        if ids.is_empty() {
            match engine.create_network(request.clone()).await {
                Ok(id) => return Ok(id),
                // Another service came first.
                Err(engine::Error::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        wait_for_removal(request, deadline).await?;
    }
}

async fn wait_for_removal(
    request: &api::NetworkCreateRequest,
    deadline: Instant,
) -> Result<(), Error> {
    if Instant::now() >= deadline {
        return Err(Error::TimedOut {
            what: format!("the removal of the old network `{}`", request.name),
            limit: NETWORK_PATIENCE,
        });
    }
    sleep(POLL).await;
    Ok(())
}
