//! Taking services, and what they used, off a swarm.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    engine::{Engine, Error as EngineError},
    progress::{Event, Sink},
};

use super::{Error, apply};

/// Swarm removes the containers of a service that is gone within seconds.
const CONTAINER_PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(250);

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
pub(crate) fn gone(result: Result<(), EngineError>) -> Result<(), Error> {
    match result {
        Err(error) if !error.is_not_found() => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
