//! Data that is on one node of the swarm: a deploy names services that swarm could start
//! without it, and does not do so by itself unless it was asked to.

use crate::{
    app::{App, Error},
    engine::{Engine, Kind, Scope},
    home::AppGuard,
    owner::mounted,
    rollout::{live::Live, run::Rollout, work::Work},
};

use super::DeployOptions;

/// What the plan says of the app's data.
///
/// # Errors
/// [`Error::DataLeft`] if the deploy would start a service with an empty volume; not for a
/// dry run, which has no guard and says so, nor for a restore, which brings the data.
pub(super) async fn warnings(
    rollout: &Rollout<'_>,
    app: &App,
    live: &Live,
    work: &Work,
    options: &DeployOptions,
    guard: Option<&AppGuard>,
) -> Result<Vec<String>, Error> {
    let recorded = app.engine.owned().await?.nodes_of_volumes();
    let risks = rollout.data_risks(live, work, recorded).await?;
    let stops = guard.is_some() && !options.leave_data && !options.restoring;
    let moved: Vec<String> =
        risks.iter().filter(|risk| stops && risk.moves()).map(ToString::to_string).collect();
    if !moved.is_empty() {
        return Err(Error::DataLeft { app: app.entry.name.to_string(), moved });
    }
    Ok(risks.iter().map(ToString::to_string).collect())
}

/// Records that the app's data is where its services run now.
///
/// # Errors
/// What the engine says.
pub(super) async fn accept(app: &App) -> Result<(), Error> {
    let services = app.engine.services(Scope::Stack(&app.name)).await?;
    let ids: Vec<String> = services.into_iter().filter_map(|service| service.id).collect();
    let owned = app.engine.owned().await?;
    for (volume, mounted) in mounted(&app.engine.tasks_of(&ids).await?) {
        if let (Some(node), 1) = (mounted.now.first(), mounted.now.len())
            && owned.has_name(Kind::Volume, &volume)
        {
            app.engine.note(Kind::Volume, &volume, node).await?;
        }
    }
    Ok(())
}
