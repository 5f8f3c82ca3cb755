//! Commands of plugins in the app's services, whose streams the host carries.

use crate::{
    app::App,
    backup::error::Error,
    engine::{Engine, ExecSession},
    hooks::AppServices,
    plugin::{Command, ServiceError},
};

/// Starts a plugin's command in the newest running task of a service.
pub(crate) async fn session(
    app: &App,
    service: &str,
    command: &Command,
    stdin: bool,
) -> Result<ExecSession, Error> {
    let container = AppServices::of(app).container(service).await.map_err(|e| match e {
        ServiceError::NotRunning(_) => Error::NotRunning { service: service.into() },
        other => Error::BadItem { reason: other.to_string() },
    })?;
    Ok(app.engine.exec(&container.id, &command.exec(stdin)).await?)
}
