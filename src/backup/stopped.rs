//! Why a backup that needs services failed: some of them run nowhere.

use super::error::Error;
use crate::{
    app::App,
    engine::{Engine, Scope, api},
    rollout::wants_tasks,
};

/// To an error that a stopped service can cause, adds which of the app's services have
/// no replicas.
pub(crate) async fn explain(app: &App, error: Error) -> Error {
    let may_be_why = match &error {
        Error::NotRunning { .. } => true,
        Error::Plugin(error) => error.retryable(),
        _ => false,
    };
    if !may_be_why {
        return error;
    }
    // The failure is known without the answer.
    let Ok(live) = app.engine.services(Scope::Stack(&app.name)).await else { return error };
    let stopped = without_replicas(app, &live);
    if stopped.is_empty() {
        return error;
    }
    Error::Stopped {
        source: Box::new(error),
        app: app.entry.name.to_string(),
        wanted: stopped.iter().any(|(_, wanted)| *wanted),
        services: stopped.into_iter().map(|(service, _)| service).collect(),
    }
}

/// Services of the app that run nowhere, and whether their files want them to run.
fn without_replicas(app: &App, live: &[api::Service]) -> Vec<(String, bool)> {
    let specs = live.iter().filter_map(|service| service.spec.as_ref());
    let stopped: Vec<&api::ServiceSpec> = specs.filter(|spec| !wants_tasks(spec)).collect();
    let own = app.stack.services.iter();
    own.filter(|own| stopped.iter().any(|spec| spec.name == own.spec.name))
        .map(|own| (own.key.clone(), wants_tasks(&own.spec)))
        .collect()
}
