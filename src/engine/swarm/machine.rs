//! What is asked of an engine beyond its swarm; see [`crate::engine::machine`].

use std::collections::BTreeMap;

use bollard::query_parameters as query;

use super::{
    SwarmEngine,
    call::{self, About, Verb, checked},
};
use crate::engine::{Error, Kind, LocalContainer, LocalImage, LogKeeping, api};

pub(super) async fn info(engine: &SwarmEngine) -> Result<api::SystemInfo, Error> {
    engine.call(About::list(Kind::Node), engine.docker.info()).await
}

/// None where the engine is no manager.
pub(super) async fn swarm(engine: &SwarmEngine) -> Result<Option<api::Swarm>, Error> {
    match engine.call(About::list(Kind::Node), engine.docker.inspect_swarm()).await {
        Err(Error::NotManager { .. }) => Ok(None),
        found => found.map(Some),
    }
}

pub(super) async fn containers(engine: &SwarmEngine) -> Result<Vec<LocalContainer>, Error> {
    let options = query::ListContainersOptionsBuilder::new().all(true).build();
    let found = engine.docker.list_containers(Some(options));
    let found = engine.call(About::list(Kind::Container), found).await?;
    Ok(found.into_iter().filter_map(container).collect())
}

fn container(found: api::ContainerSummary) -> Option<LocalContainer> {
    use api::ContainerSummaryStateEnum as State;
    let volumes = found.mounts.into_iter().flatten().filter_map(|mount| mount.name);
    let networks = found.network_settings.and_then(|settings| settings.networks);
    let name = found.names.into_iter().flatten().next().unwrap_or_default();
    Some(LocalContainer {
        id: found.id?,
        name: name.trim_start_matches('/').to_owned(),
        image: found.image.unwrap_or_default(),
        image_id: found.image_id.unwrap_or_default(),
        running: found.state == Some(State::RUNNING),
        ended: matches!(found.state, Some(State::EXITED | State::DEAD)),
        labels: found.labels.unwrap_or_default().into_iter().collect(),
        networks: networks.unwrap_or_default().into_keys().collect(),
        volumes: volumes.filter(|name| !name.is_empty()).collect(),
    })
}

pub(super) async fn log_keeping(
    engine: &SwarmEngine,
    container: &str,
) -> Result<Option<LogKeeping>, Error> {
    let about = About::new(Verb::Inspect, Kind::Container, container);
    let id = checked(Kind::Container, container)?;
    let found = engine.call(about, engine.docker.inspect_container(id, None)).await?;
    let kept = found.host_config.and_then(|host| host.log_config);
    Ok(kept.map(|kept| LogKeeping {
        driver: kept.typ.unwrap_or_default(),
        options: kept.config.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
    }))
}

/// Never one that runs.
pub(super) async fn remove_container(engine: &SwarmEngine, id: &str) -> Result<(), Error> {
    let about = About::new(Verb::Remove, Kind::Container, id);
    let options = query::RemoveContainerOptionsBuilder::new().build();
    let id = checked(Kind::Container, id)?;
    engine.call(about, engine.docker.remove_container(id, Some(options))).await
}

pub(super) async fn images(engine: &SwarmEngine) -> Result<Vec<LocalImage>, Error> {
    let options = query::ListImagesOptionsBuilder::new().build();
    let about = About::list(Kind::Image);
    let found = engine.call(about, engine.docker.list_images(Some(options))).await?;
    // Older engines write names for what has none.
    let named = |names: Vec<String>| {
        names.into_iter().filter(|name| !name.starts_with("<none>")).collect::<Vec<_>>()
    };
    let image = |found: api::ImageSummary| LocalImage {
        id: found.id,
        tags: named(found.repo_tags),
        digests: named(found.repo_digests),
        bytes: u64::try_from(found.size).unwrap_or_default(),
    };
    Ok(found.into_iter().map(image).collect())
}

pub(super) async fn has_image(engine: &SwarmEngine, name: &str) -> Result<bool, Error> {
    let about = About::new(Verb::Inspect, Kind::Image, name);
    let name = call::checked_image(name)?;
    match engine.call(about, engine.docker.inspect_image(name)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// By a tag, or by the id of one without tags. Not by force: what a container has stays.
pub(super) async fn remove_image(engine: &SwarmEngine, name: &str) -> Result<(), Error> {
    let about = About::new(Verb::Remove, Kind::Image, name);
    let name = call::checked_image(name)?;
    let options = query::RemoveImageOptionsBuilder::new().build();
    engine.call(about, engine.docker.remove_image(name, Some(options), None)).await.map(drop)
}
