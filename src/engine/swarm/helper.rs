//! Helper containers through bollard; see [`crate::engine::helper`].
//!
//! The order is that of `docker run`: create, attach, start. `StdinOnce` makes the engine
//! close the container's input when the attached connection ends, for whatever reason.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use bollard::{errors::Error as Bollard, query_parameters as query};
use futures_util::StreamExt;

use super::{
    SwarmEngine,
    call::{self, About, Verb, checked},
    filter,
};
use crate::engine::{
    Error, FoundHelper, Helper, HelperNetwork, HelperSpec, Kind, api,
    helper::{HELPER_LABEL, LIMITS},
};

/// How long fetching the image may take: some 40 MB over a slow line.
const FETCH: Duration = Duration::from_secs(600);

pub(super) async fn start(engine: &SwarmEngine, spec: &HelperSpec) -> Result<Helper, Error> {
    ensure_image(engine, &spec.image).await?;
    let name = checked(Kind::Container, &spec.name)?;
    let about = || About::new(Verb::Create, Kind::Container, name);
    let options = query::CreateContainerOptionsBuilder::new().name(name).build();
    let created = engine.docker.create_container(Some(options), body(spec));
    let id = engine.call(about(), created).await?.id;
    let started = async {
        let options = query::AttachContainerOptionsBuilder::new().stream(true).stdin(true).build();
        let attached = engine.docker.attach_container(&id, Some(options));
        let attached = engine.call(about(), attached).await?;
        let starting = engine.docker.start_container(&id, None);
        engine.call(about(), starting).await?;
        Ok(attached)
    };
    match started.await {
        Ok(attached) => {
            // Both halves: the connection ends with the last of them.
            let lifeline = Mutex::new((attached.input, attached.output));
            Ok(Helper { id, lifeline: Box::new(lifeline) })
        }
        Err(error) => {
            // It never ran, so nothing removes it by itself.
            let _ = end(engine, &id).await;
            Err(error)
        }
    }
}

pub(super) async fn end(engine: &SwarmEngine, id: &str) -> Result<(), Error> {
    let about = About::new(Verb::Remove, Kind::Container, id);
    let options = query::RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    let id = checked(Kind::Container, id)?;
    match engine.call(about, engine.docker.remove_container(id, Some(options))).await {
        Err(error) if error.is_not_found() => Ok(()),
        // The engine removes it already.
        Err(Error::Refused { message, .. }) if message.contains("already in progress") => Ok(()),
        done => done,
    }
}

pub(super) async fn all(engine: &SwarmEngine) -> Result<Vec<FoundHelper>, Error> {
    let filters = filter("label", HELPER_LABEL.to_owned());
    let options = query::ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let about = About::list(Kind::Container);
    let found = engine.call(about, engine.docker.list_containers(Some(options))).await?;
    let known = |found: api::ContainerSummary| {
        let labels = found.labels.unwrap_or_default().into_iter().collect();
        Some(FoundHelper { id: found.id?, labels })
    };
    Ok(found.into_iter().filter_map(known).collect())
}

/// Fetches the image where the engine does not have it.
async fn ensure_image(engine: &SwarmEngine, image: &str) -> Result<(), Error> {
    let about = || About::new(Verb::Inspect, Kind::Image, image);
    let image = call::checked_image(image)?;
    match engine.call(about(), engine.docker.inspect_image(image)).await {
        Err(error) if error.is_not_found() => {}
        known => return known.map(drop),
    }
    let options = query::CreateImageOptionsBuilder::new().from_image(image).build();
    let mut pulling = engine.docker.create_image(Some(options), None, None);
    let fetched = async {
        while let Some(said) = pulling.next().await {
            said?;
        }
        Ok::<_, Bollard>(())
    };
    let fetched = tokio::time::timeout(FETCH, fetched).await;
    let reason = match fetched {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not fetched within {} s", FETCH.as_secs()),
    };
    Err(Error::NoHelperImage { image: image.to_owned(), endpoint: engine.endpoint.clone(), reason })
}

fn body(spec: &HelperSpec) -> api::ContainerCreateBody {
    let HelperSpec { name, image, labels, script, mounts, memory_folder, .. } = spec;
    let in_memory = (!memory_folder.is_empty())
        .then(|| HashMap::from([(memory_folder.clone(), LIMITS.to_owned())]));
    let (network, own) = match &spec.network {
        HelperNetwork::None => ("none".to_owned(), true),
        HelperNetwork::Bridge => ("bridge".to_owned(), true),
        HelperNetwork::Of(container) => (format!("container:{container}"), false),
    };
    let host = api::HostConfig {
        auto_remove: Some(true),
        mounts: Some(mounts.clone()),
        tmpfs: in_memory,
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(spec.capabilities.clone()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        network_mode: Some(network),
        memory: Some(spec.memory),
        pids_limit: Some(spec.processes),
        log_config: Some(api::HostConfigLogConfig { typ: Some("none".into()), config: None }),
        ..Default::default()
    };
    api::ContainerCreateBody {
        // With the network goes the host name.
        hostname: own.then(|| name.clone()),
        image: Some(image.clone()),
        labels: Some(labels.clone().into_iter().collect()),
        entrypoint: Some(vec!["/bin/sh".into(), "-c".into(), script.clone()]),
        cmd: Some(Vec::new()),
        user: Some("0:0".into()),
        // An image's own health check has nothing to say here.
        healthcheck: Some(api::HealthConfig {
            test: Some(vec!["NONE".into()]),
            ..Default::default()
        }),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(false),
        attach_stderr: Some(false),
        tty: Some(false),
        host_config: Some(host),
        ..Default::default()
    }
}
