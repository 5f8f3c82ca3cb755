//! Looks at a server: its engine, its swarm, its machine, and what of it can be reached.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    engine::{self, Engine, Error, host_of},
    home::{Home, ServerName},
    text::line,
    wiring::{Finding, Level},
};

use super::{cluster, engine as machine, ports, room};

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What the engine says, and which ports of its host are open.
    All,
    /// Only what the engine says.
    Engine,
}

/// What was found at a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerReport {
    pub server: String,
    pub endpoint: String,
    /// Whether nothing is bad.
    pub ok: bool,
    /// The worst first.
    pub findings: Vec<Finding>,
}

/// Containers whose log is looked at.
const LOGS: usize = 20;

/// Looks at a server over one connection. Changes nothing; where the disk can only be seen
/// from within, a helper container runs for a moment, if its image exists there.
///
/// # Errors
/// The server's settings cannot be read; its engine does not answer.
pub async fn check(
    home: &Home,
    server: &ServerName,
    scope: Scope,
) -> Result<ServerReport, crate::app::Error> {
    let endpoint = home.endpoint(server)?;
    let settings = home.server(server)?;
    let engine =
        engine::connect(&endpoint, settings.nodes.clone(), &home.state(), server.as_str())?;
    let image = settings.backup.clone().unwrap_or_default().helper_image().to_owned();
    let outside = async {
        match (scope, host_of(&endpoint)) {
            (Scope::All, Some(host)) => ports::look(&host).await,
            _ => Vec::new(),
        }
    };
    let shared = settings.shared_networks();
    let inside = look(&engine, server, &shared, &image);
    let (inside, outside) = tokio::join!(inside, outside);
    let mut findings = inside?;
    findings.extend(outside);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let ok = findings.iter().all(|finding| finding.level != Level::Bad);
    Ok(ServerReport { server: server.to_string(), endpoint, ok, findings })
}

/// What the engine says, of its swarm and of each node that it reaches.
async fn look(
    engine: &Arc<dyn Engine>,
    server: &ServerName,
    networks: &[String],
    image: &str,
) -> Result<Vec<Finding>, Error> {
    let before = Timestamp::now();
    let Some(info) = engine.info().await? else {
        // A server that is only simulated has no machine.
        let manager = engine.manager().await?;
        let told = format!("{} answers ({})", line(&manager.node_name), line(&manager.version));
        let mut findings = vec![Finding::good("engine", told)];
        findings.extend(cluster::networks(&engine.networks(engine::Scope::All).await?, networks));
        return Ok(findings);
    };
    let clock = (before, Timestamp::now());
    let mut findings = machine::judge(&info, clock);
    let membership = cluster::membership(&info);
    let leads = membership.level == Level::Good;
    findings.push(membership);
    let mut others = Vec::new();
    if leads {
        let (of_swarm, nodes) = swarm(engine, networks).await?;
        findings.extend(of_swarm);
        others = nodes;
    }
    findings.extend(node(&**engine, &info, image, None).await?);
    for (id, name) in others {
        findings.extend(other(engine, &id, &name, (server, image)).await);
    }
    Ok(findings)
}

/// What concerns the swarm, and its nodes that are ready, by id and name.
async fn swarm(
    engine: &Arc<dyn Engine>,
    networks: &[String],
) -> Result<(Vec<Finding>, Vec<(String, String)>), Error> {
    let nodes = match engine.nodes().await {
        Ok(nodes) => nodes,
        // A manager that is cut off from the others answers only this.
        Err(Error::Refused { message, .. }) => {
            return Ok((vec![cluster::leaderless(&message)], Vec::new()));
        }
        Err(error) => return Err(error),
    };
    let mut findings = cluster::nodes(&nodes);
    findings.extend(cluster::networks(&engine.networks(engine::Scope::All).await?, networks));
    if let Some(swarm) = engine.swarm().await? {
        findings.extend(cluster::authority(&swarm, Timestamp::now()));
    }
    let own = engine.node_id().await?;
    let ready = cluster::ready(&nodes).into_iter().filter(|(id, _)| *id != own).collect();
    Ok((findings, ready))
}

/// Another node, where its endpoint is known: what its own engine says of it.
async fn other(
    engine: &Arc<dyn Engine>,
    id: &str,
    name: &str,
    (server, image): (&ServerName, &str),
) -> Vec<Finding> {
    let looking = async {
        let Some(there) = engine.of_node(id).await? else { return Ok(Vec::new()) };
        let before = Timestamp::now();
        let Some(info) = there.info().await? else { return Ok(Vec::new()) };
        let mut findings = machine::judge(&info, (before, Timestamp::now()));
        findings.extend(node(&*there, &info, image, Some(engine)).await?);
        Ok::<_, Error>(findings)
    };
    let name = line(name);
    match looking.await {
        Ok(mut findings) => {
            for finding in &mut findings {
                finding.message = format!("{name}: {}", finding.message);
            }
            findings
        }
        Err(Error::NoEndpoint { .. }) => {
            let told = format!("the machine of the node {name} was not looked at");
            vec![Finding::note("engine", told).fix(format!(
                "`potluck server nodes {server} --offer` finds out how it is reached"
            ))]
        }
        Err(error) => {
            let told = format!("the engine of the node {name} does not answer: {error}");
            vec![Finding::bad("engine", line(&told)).hinted(&error)]
        }
    }
}

/// What concerns the machine of one node.
async fn node(
    engine: &dyn Engine,
    info: &engine::api::SystemInfo,
    image: &str,
    manager: Option<&Arc<dyn Engine>>,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let mut kept = Vec::new();
    let running = engine.local_containers().await?.into_iter().filter(|it| it.running);
    for container in running.take(LOGS) {
        // It may have ended in between.
        if let Ok(Some(log)) = engine.log_keeping(&container.id).await {
            kept.push((container.name, log));
        }
    }
    findings.extend(machine::logs(&kept));
    let seen = room::look(engine, info, image).await;
    let of_services = match manager {
        Some(manager) => manager.services(engine::Scope::All).await?,
        None => engine.services(engine::Scope::All).await.unwrap_or_default(),
    };
    findings.extend(room::judge(&seen, cluster::has_virtual_addresses(&of_services)));
    Ok(findings)
}
