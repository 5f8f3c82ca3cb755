//! Why an app does not run as it should, for anyone who is called at night: each cause in
//! one sentence, what a program wrote, and what to type next.
//!
//! What the services say is [`crate::rollout::state::cause`]'s; here are the app's own causes
//! (what its lock file remembers as unfinished, an operation that has it, what it needs and
//! its server lacks) and the words for both. All of it must work when the recipe, the settings
//! or the lock file cannot be read, so it begins from [`OnServer`].

mod next;
mod own;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    engine::docker_config::DockerConfig,
    hint::Hint,
    home::{AppName, Home, LockFile},
    lint::{Finding, Severity, rules},
    owner::lease,
    recipe::Version,
    rollout::{
        Place,
        state::cause::gather::{self, Diagnosis, Told, diagnose},
    },
    text::line,
};

use super::{
    OnServer,
    survey::{Server, survey_at},
};

/// Why an app does not run as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Causes {
    pub app: String,
    pub stack: String,
    /// Whether there are no causes: everything runs as it should.
    pub ok: bool,
    pub causes: Vec<CauseRow>,
    /// How many services the swarm has of it.
    #[serde(skip)]
    pub services: usize,
}

/// One cause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CauseRow {
    /// The key in the compose file; none for what is about the app.
    pub service: Option<String>,
    /// `exited`, `out-of-memory`, `port-taken` and so on; a code of lint for what is
    /// missing.
    pub cause: String,
    pub message: String,
    /// What belongs to it, one line each: what every node says.
    pub details: Vec<String>,
    /// The last lines that the task wrote.
    pub log: Vec<String>,
    /// What to do about it, with the commands to type.
    pub next: Vec<String>,
}

/// Looks for everything that keeps an app from running. A server that does not answer is one
/// of the causes.
pub async fn causes(
    home: &Home,
    on_server: &OnServer,
    lock: &LockFile,
    docker: &DockerConfig,
) -> Causes {
    let app = &on_server.entry.name;
    let mut rows = Vec::new();
    let mut services = 0;
    match seen(on_server, lock, docker).await {
        Err(error) => {
            rows.extend(own::unfinished(app, lock));
            rows.push(CauseRow {
                cause: rules::SERVER_UNAVAILABLE.code.to_owned(),
                message: line(&error.to_string()).into_owned(),
                next: error.hint().into_iter().collect(),
                ..CauseRow::default()
            });
        }
        Ok(Seen { found, operation, place }) => {
            services = found.len();
            match operation {
                // What is not finished is being done.
                Some(holder) if !holder.is_old => rows.push(own::operation(app, &holder)),
                operation => {
                    rows.extend(own::unfinished(app, lock));
                    rows.extend(operation.map(|holder| own::operation(app, &holder)));
                }
            }
            let set = lock.restoring.as_deref();
            let of_services: Vec<CauseRow> =
                found.iter().flat_map(|it| of_service(app, it, set, &place)).collect();
            if services == 0 || !rows.is_empty() || !of_services.is_empty() {
                let findings =
                    survey_at(home, &on_server.entry, &Version::Newest, Server::Asked).await;
                rows.extend(missing(findings, services));
            }
            if services == 0 {
                rows.push(own::not_deployed(app, &rows));
            }
            rows.extend(of_services);
        }
    }
    Causes {
        app: app.to_string(),
        stack: on_server.stack.to_string(),
        ok: rows.is_empty(),
        causes: rows,
        services,
    }
}

/// What the server says.
struct Seen {
    found: Vec<Diagnosis>,
    operation: Option<own::Holder>,
    place: Place,
}

async fn seen(
    on_server: &OnServer,
    lock: &LockFile,
    docker: &DockerConfig,
) -> Result<Seen, crate::engine::Error> {
    let engine = on_server.engine.readable().await?;
    // Where nothing is recorded, the tasks say what they can.
    let owned = on_server.engine.owned().await.ok();
    let recorded: BTreeMap<String, String> =
        owned.map(|owned| owned.nodes_of_volumes()).unwrap_or_default();
    let context = gather::Context { recorded, resting: &lock.resting, docker: Some(docker) };
    let lease = async {
        match engine.config(&lease::name(&on_server.stack)).await {
            Ok(config) => Ok(lease::Lease::read(&config).ok().map(own::Holder::of)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    };
    let found = diagnose(engine, &on_server.stack, &context);
    let (found, operation) = futures_util::try_join!(found, lease)?;
    Ok(Seen { found, operation, place: Place::of(engine) })
}

fn of_service(app: &AppName, found: &Diagnosis, set: Option<&str>, place: &Place) -> Vec<CauseRow> {
    let Diagnosis { service, causes } = found;
    let row = |Told { cause, log }: &Told| CauseRow {
        service: Some(line(service).into_owned()),
        cause: cause.code().to_owned(),
        message: cause.to_string(),
        details: cause.details(),
        log: log.clone(),
        next: next::next(cause, &next::Of { app, service, set, place }),
    };
    causes.iter().map(row).collect()
}

/// What the app needs and its server lacks; of one without services there, everything that
/// prevents a deploy.
fn missing(findings: Vec<Finding>, services: usize) -> impl Iterator<Item = CauseRow> {
    const LACKING: &[&str] = &[
        rules::SECRET_MISSING.code,
        rules::SECRET_VERSION_MISSING.code,
        rules::CONFIG_MISSING.code,
        rules::NETWORK_MISSING.code,
        rules::DRIVER_MISSING.code,
        rules::OTHER_RECIPE.code,
    ];
    let counts = move |finding: &Finding| {
        finding.severity == Severity::Error && (services == 0 || LACKING.contains(&finding.code))
    };
    findings.into_iter().filter(counts).map(|finding| CauseRow {
        cause: finding.code.to_owned(),
        message: line(&finding.to_string()).into_owned(),
        next: finding.fix.iter().map(|fix| line(fix).into_owned()).collect(),
        ..CauseRow::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_deployed_app_only_what_is_missing_counts() {
        let findings = || {
            let mut old = Finding::new(&rules::SECRET_MISSING, "no longer needed");
            old.severity = Severity::Warning;
            vec![
                Finding::new(&rules::SECRET_MISSING, "not on the server").fix("run `x`"),
                Finding::new(&rules::COMPOSE_INVALID, "not a map"),
                old,
            ]
        };
        let codes = |services| -> Vec<String> {
            missing(findings(), services).map(|row| row.cause).collect()
        };
        assert_eq!(codes(1), ["secret-missing"]);
        assert_eq!(codes(0), ["secret-missing", "compose-invalid"]);
        assert_eq!(missing(findings(), 1).next().unwrap().next, ["run `x`"]);
    }
}
