//! From which container of an app its provider is looked at.

use std::collections::BTreeSet;

use crate::{
    app::{App, Context, Error},
    engine::{self, Engine, Scope, api},
    home::Connection,
    plugin::Hidden,
    wiring::{Finding, Inside},
};

use super::{change::full_names, look::look_inside};

/// A container that runs.
struct Found {
    node: String,
    container: String,
}

/// What is seen of the provider from the app's own network. An app that does not run, and a
/// server that is only simulated, have none.
///
/// # Errors
/// What the engine says of the app's services.
pub(super) async fn inside(
    context: &Context,
    app: &App,
    connection: &Connection,
    password: Option<&Hidden>,
) -> Result<Vec<Finding>, Error> {
    if app.engine.simulated().is_some() {
        return Ok(Vec::new());
    }
    let Some(found) = container(app, connection).await? else { return Ok(Vec::new()) };
    let settings = context.home.server(&app.entry.server)?.backup.unwrap_or_default();
    Ok(match join(app, &found, settings.helper_image()).await {
        Ok(inside) => look_inside(&inside, &connection.held, password).await,
        Err(error) => {
            let told = format!("it was not looked at from the app's own network: {error}");
            vec![Finding::note("inside", told).hinted(&error)]
        }
    })
}

async fn join(app: &App, found: &Found, image: &str) -> Result<Inside, engine::Error> {
    let beneath = app.engine.beneath();
    let engine = app.engine.of_node(&found.node).await?.unwrap_or(beneath);
    Inside::join(engine, &found.container, image).await
}

/// A running container of the service that the connection is of: one that has its secrets, else
/// its settings, else the first.
async fn container(app: &App, connection: &Connection) -> Result<Option<Found>, Error> {
    let mut services = app.engine.services(Scope::Stack(&app.name)).await?;
    let secrets = full_names(&app.name, connection);
    services.sort_by_key(|service| std::cmp::Reverse(nearness(service, &secrets, connection)));
    for service in services {
        let Some(id) = &service.id else { continue };
        let tasks = app.engine.tasks(id).await?;
        if let Some(found) = tasks.iter().find_map(running) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn nearness(service: &api::Service, secrets: &BTreeSet<String>, connection: &Connection) -> usize {
    let spec = service.spec.as_ref().and_then(|spec| spec.task_template.as_ref());
    let Some(container) = spec.and_then(|template| template.container_spec.as_ref()) else {
        return 0;
    };
    let held = container.secrets.iter().flatten();
    let has_secret = held.filter_map(|it| it.secret_name.as_ref()).any(|it| secrets.contains(it));
    let values: Vec<&String> = connection.settings.values().filter(|it| it.len() > 3).collect();
    let in_env = container.env.iter().flatten().filter(|variable| {
        variable.split_once('=').is_some_and(|(_, value)| values.iter().any(|it| *it == value))
    });
    usize::from(has_secret) * 1000 + in_env.count()
}

fn running(task: &api::Task) -> Option<Found> {
    let status = task.status.as_ref()?;
    let is_running = status.state == Some(api::TaskState::RUNNING);
    let container = status.container_status.as_ref()?.container_id.clone()?;
    let node = task.node_id.clone()?;
    is_running.then_some(Found { node, container })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(env: &[&str], secrets: &[&str]) -> api::Service {
        let secret = |name: &&str| api::TaskSpecContainerSpecSecrets {
            secret_name: Some((*name).to_owned()),
            ..Default::default()
        };
        let container = api::TaskSpecContainerSpec {
            env: Some(env.iter().map(|it| (*it).to_owned()).collect()),
            secrets: Some(secrets.iter().map(secret).collect()),
            ..Default::default()
        };
        let template = api::TaskSpec { container_spec: Some(container), ..Default::default() };
        let spec = api::ServiceSpec { task_template: Some(template), ..Default::default() };
        api::Service { spec: Some(spec), ..Default::default() }
    }

    #[test]
    fn the_service_with_the_secret_is_nearer_than_those_with_settings() {
        let connection: Connection = serde_json::from_value(serde_json::json!({
            "provider": "sso.example.org",
            "since": "2026-11-28T03:00:00Z",
            "held": {"client": {"issuer": "https://sso.example.org", "id": "wiki",
                                "redirect-uris": []}},
            "settings": {"OIDC_ISSUER": "https://sso.example.org"},
        }))
        .unwrap();
        let secrets = BTreeSet::from(["wiki_oidc_secret_v1".to_owned()]);
        let near =
            |env: &[&str], held: &[&str]| nearness(&service(env, held), &secrets, &connection);
        let with_secret = near(&[], &["wiki_oidc_secret_v1"]);
        let with_setting = near(&["ISSUER=https://sso.example.org"], &["wiki_db_v1"]);
        assert!(with_secret > with_setting && with_setting > near(&["A=1", "B"], &[]));
        assert_eq!(near(&[], &[]), 0);
    }
}
