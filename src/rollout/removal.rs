//! Removes services, and what they used, from a swarm.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    engine::{
        Engine, Error as EngineError,
        api::{self, TaskState},
        if_there,
    },
    progress::{Event, Sink},
};

use super::{
    Error,
    send::apply,
    state::wanted::{is_job, without_tasks},
};

/// Swarm removes the containers of a service that is gone within seconds.
const CONTAINER_PATIENCE: Duration = Duration::from_secs(20);
/// How soon swarm ends the tasks of a job.
const JOB_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(250);

/// What is to go from the swarm.
pub(crate) struct Doomed {
    /// Names and ids.
    pub services: Vec<(String, String)>,
    /// Ids of those of them that are jobs.
    pub jobs: Vec<String>,
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
        // Swarm lets a running job continue without its service. Who does not wait gets
        // what docker does.
        let stopped = if wait == Wait::ForTasks { &self.jobs[..] } else { &[] };
        for id in stopped {
            stop_job(engine, id, deadline).await?;
        }
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
            wait_containers_gone(engine, &self.services, progress).await?;
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

/// Ids of the services that are jobs.
pub(crate) fn jobs(services: &[api::Service]) -> Vec<String> {
    let jobs = services.iter().filter(|service| service.spec.as_ref().is_some_and(is_job));
    jobs.filter_map(|job| job.id.clone()).collect()
}

/// Makes swarm end the tasks of a job, and waits until it has begun.
async fn stop_job(engine: &dyn Engine, id: &str, deadline: Instant) -> Result<(), Error> {
    let live = match engine.service(id).await {
        Ok(live) => live,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut spec = live.spec.clone().unwrap_or_default();
    without_tasks(&mut spec);
    match engine.update_service(id, apply::version_of(&live), spec, None).await {
        // Somebody else changes it: it goes as it is.
        Ok(()) | Err(EngineError::OutOfSequence { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let deadline = deadline.min(Instant::now() + JOB_PATIENCE);
    let goes_on = |task: &api::Task| task.desired_state.is_some_and(|s| s <= TaskState::COMPLETE);
    while engine.tasks(id).await?.iter().any(goes_on) && Instant::now() < deadline {
        sleep(POLL).await;
    }
    Ok(())
}

/// Containers that have ended hold their volumes until swarm removes them; who
/// removes a volume by hand next should not be told that it is in use. Errors
/// of this are ignored.
async fn wait_containers_gone(
    engine: &dyn Engine,
    services: &[(String, String)],
    progress: &dyn Sink,
) -> Result<(), Error> {
    let deadline = Instant::now() + CONTAINER_PATIENCE;
    for (name, _) in services {
        while engine.has_containers(name).await? {
            if Instant::now() >= deadline {
                progress.warn(format!(
                    "swarm left ended containers of `{name}` behind, which hold its volumes: \
                     `docker container prune` on its nodes removes them"
                ));
                break;
            }
            sleep(POLL).await;
        }
    }
    Ok(())
}

/// Somebody else may have removed it at the same time.
pub(crate) fn gone(result: Result<(), EngineError>) -> Result<(), Error> {
    if_there(result)?;
    Ok(())
}
