//! Why a service has no log, so that silence is not mistaken for health.

use crate::engine::{Engine, Error, api};

use super::{
    ending::cause,
    ports,
    task::{state_of, unplaced},
    wanted::wants_tasks,
};

/// The beginning of the engine's message if a container cannot start.
const NOT_STARTED: &str = "starting container failed";

/// Drivers whose logs the engine can read back
/// (docs.docker.com, *Configure logging drivers*).
const READABLE: [&str; 3] = ["json-file", "local", "journald"];

/// Why no log of a service is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// Its log driver keeps no log that can be read.
    Driver(String),
    /// None of its tasks was ever started, and swarm's reason.
    NeverStarted(Option<String>),
    /// It wrote nothing.
    Nothing,
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Silence::Driver(driver) => {
                write!(f, "its log driver `{driver}` keeps no log that potluck can read")
            }
            Silence::NeverStarted(Some(why)) => write!(f, "none of its tasks was started: {why}"),
            Silence::NeverStarted(None) => f.write_str("none of its tasks was started"),
            Silence::Nothing => f.write_str("it has written nothing"),
        }
    }
}

/// Why a service (by id) has no log.
///
/// # Errors
/// What the engine says.
pub async fn silence(engine: &dyn Engine, service: &str) -> Result<Silence, Error> {
    let (service, tasks) = futures_util::try_join!(engine.service(service), engine.tasks(service))?;
    Ok(match why(&service, &tasks) {
        Silence::NeverStarted(Some(reason)) => {
            let reason = ports::why_unplaced(engine, &service, &tasks, &reason).await?;
            Silence::NeverStarted(Some(reason))
        }
        silence => silence,
    })
}

/// The log driver of a service, if nothing can be read back from it: the lines that
/// are shown were written by earlier tasks, before the driver was changed.
pub fn unreadable_driver(service: &api::Service) -> Option<&str> {
    let template = service.spec.as_ref().and_then(|spec| spec.task_template.as_ref());
    let driver = template.and_then(|task| task.log_driver.as_ref()?.name.as_deref());
    driver.filter(|name| !name.is_empty() && !READABLE.contains(name))
}

fn why(service: &api::Service, tasks: &[api::Task]) -> Silence {
    if service.spec.as_ref().is_some_and(|spec| !wants_tasks(spec)) && tasks.is_empty() {
        return Silence::NeverStarted(Some("it has 0 replicas".to_owned()));
    }
    if let Some(driver) = unreadable_driver(service) {
        return Silence::Driver(driver.to_owned());
    }
    let started = |task: &api::Task| {
        let state = state_of(task);
        let container = task.status.as_ref().and_then(|s| s.container_status.as_ref());
        let has_one =
            container.is_some_and(|c| c.container_id.as_deref().is_some_and(|id| !id.is_empty()));
        // Docker made its container, and could not start it.
        let error = task.status.as_ref().and_then(|status| status.err.as_deref());
        let failed = error.is_some_and(|error| error.starts_with(NOT_STARTED));
        (has_one && !failed)
            || (api::TaskState::STARTING..=api::TaskState::COMPLETE).contains(&state)
    };
    if tasks.iter().any(started) {
        return Silence::Nothing;
    }
    let never = |task: &api::Task| {
        let error = task.status.as_ref().and_then(|status| status.err.as_deref());
        let refused = error.is_some_and(|error| error.starts_with(NOT_STARTED));
        (refused || state_of(task) == api::TaskState::REJECTED).then(|| cause(task)).flatten()
    };
    let unplaced = tasks.iter().find_map(unplaced).map(str::to_owned);
    Silence::NeverStarted(unplaced.or_else(|| tasks.iter().find_map(never)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn silence_has_its_reason() {
        let task =
            |state: &str, error: &str| json!({"ID": "t", "Status": {"State": state, "Err": error}});
        for (driver, tasks, said) in [
            (
                Some("none"),
                vec![task("running", "")],
                "its log driver `none` keeps no log that potluck can read",
            ),
            (Some("gelf"), vec![], "its log driver `gelf` keeps no log that potluck can read"),
            (Some("local"), vec![task("running", "")], "it has written nothing"),
            (None, vec![task("running", "")], "it has written nothing"),
            (
                None,
                vec![task("failed", "task: non-zero exit (1)")],
                "none of its tasks was started",
            ),
            (None, vec![], "none of its tasks was started"),
            (
                None,
                vec![task("pending", "no suitable node")],
                "none of its tasks was started: no suitable node",
            ),
            (
                None,
                vec![task("rejected", "No such image: x:1")],
                "none of its tasks was started: No such image: x:1",
            ),
            (
                None,
                vec![task(
                    "failed",
                    &format!("{NOT_STARTED}: listen tcp4 0.0.0.0:84: bind: address already in use"),
                )],
                "none of its tasks was started: port 84 of its node is taken by a container or \
                 program outside of the swarm",
            ),
        ] {
            let service = json!({"ID": "s", "Spec": {"TaskTemplate": {
                "LogDriver": driver.map_or(Value::Null, |name| json!({"Name": name})),
            }}});
            let tasks: Vec<api::Task> = serde_json::from_value(json!(tasks)).unwrap();
            let found = why(&serde_json::from_value(service).unwrap(), &tasks);
            assert_eq!(found.to_string(), said, "{driver:?}");
        }
    }
}
