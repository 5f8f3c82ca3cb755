//! What must be on the swarm before a deploy begins; pure. Docker finds these
//! out service by service, half-way through.

use std::collections::BTreeSet;

use crate::{
    compose::Stack,
    lint::{Finding, Strictness, blocking, rules},
    recipe,
};

use super::{
    App, Error, diff::PREDEFINED_NETWORKS, error::Subject, live::Live, owner, place::Place,
};

/// That everything is there which the stack takes from the swarm.
pub(crate) fn external(
    stack: &Stack,
    subject: &Subject,
    live: &Live,
    place: &Place,
) -> Result<(), Error> {
    let present: BTreeSet<&str> =
        live.secrets.iter().filter_map(|s| s.spec.as_ref()?.name.as_deref()).collect();
    let missing = absent(&stack.external_secrets, &present);
    if !missing.is_empty() {
        return Err(Error::MissingSecrets {
            subject: subject.clone(),
            names: missing,
            place: place.clone(),
        });
    }
    let present: BTreeSet<&str> =
        live.configs.iter().filter_map(|c| c.spec.as_ref()?.name.as_deref()).collect();
    let missing = absent(&stack.external_configs, &present);
    if !missing.is_empty() {
        return Err(Error::MissingConfigs {
            subject: subject.clone(),
            names: missing,
            place: place.clone(),
        });
    }
    stack.external_networks.iter().try_for_each(|name| network(name, live, place))
}

/// That the recipe sets no name or label by which docker or potluck tells whose
/// an object is.
pub(crate) fn reserved(app: &App) -> Result<(), Error> {
    let found = owner::reserved(&app.stack);
    if found.is_empty() { Ok(()) } else { Err(Error::Reserved(found)) }
}

/// Findings about a recipe's sample settings and its conventions. They matter
/// to whoever makes a new app of it; this app has settings of its own, its
/// compose files were read with these, and what docker or abra deploys must
/// deploy here.
const ABOUT_NEW_APPS: &[&str] = &[
    rules::SAMPLE_MISSING.code,
    rules::SAMPLE_INVALID.code,
    rules::SAMPLE_ODD.code,
    rules::SAMPLE_WITHOUT_TYPE.code,
    rules::COMPOSE_INVALID.code,
    rules::COMPOSE_UNREADABLE.code,
    rules::NO_APP_SERVICE.code,
    rules::SECRET_WITHOUT_KEY.code,
];

/// What is wrong with the recipe itself and with the files as this app reads
/// them; returns what is an error and does not stop a deploy.
pub(crate) fn lint(app: &App, strictness: Strictness) -> Result<Vec<String>, Error> {
    let (about_new_apps, mut findings): (Vec<Finding>, Vec<Finding>) =
        recipe::lint::lint(&app.checkout)
            .into_iter()
            // This app's own files are looked at with its settings.
            .filter(|finding| !rules::is_of_compose(finding.code))
            .partition(|finding| ABOUT_NEW_APPS.contains(&finding.code));
    findings.extend(app.findings.iter().cloned());
    findings.sort();
    let stopping = blocking(&findings, strictness);
    if !stopping.is_empty() {
        return Err(Error::Lint(stopping.iter().map(|finding| format!("  {finding}")).collect()));
    }
    Ok(blocking(&about_new_apps, Strictness::Errors).iter().map(ToString::to_string).collect())
}

fn absent(wanted: &[String], present: &BTreeSet<&str>) -> Vec<String> {
    wanted.iter().filter(|name| !present.contains(name.as_str())).cloned().collect()
}

fn network(name: &str, live: &Live, place: &Place) -> Result<(), Error> {
    if PREDEFINED_NETWORKS.contains(&name) {
        return Ok(());
    }
    let mut scopes = live
        .networks
        .iter()
        .filter(|n| n.name.as_deref() == Some(name))
        .map(|n| n.scope.as_deref());
    let reason = match (scopes.clone().next(), scopes.any(|s| s == Some("swarm"))) {
        (_, true) => return Ok(()),
        (Some(_), false) => "exists on one node only: services need one of the whole swarm",
        (None, false) => "does not exist",
    };
    Err(Error::BadNetwork { network: name.to_owned(), reason: reason.into(), place: place.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::api;

    #[test]
    fn an_external_network_must_span_the_swarm() {
        let live = |scope: &str| Live {
            networks: vec![api::Network {
                name: Some("proxy".into()),
                scope: Some(scope.into()),
                ..Default::default()
            }],
            ..Default::default()
        };
        assert!(network("proxy", &live("swarm"), &Place::Docker).is_ok());
        assert!(network("host", &Live::default(), &Place::Docker).is_ok());
        let local = network("proxy", &live("local"), &Place::Docker).unwrap_err().to_string();
        assert!(local.contains("one node only"), "{local}");
        let none = network("proxy", &Live::default(), &Place::Docker).unwrap_err().to_string();
        assert!(none.contains("does not exist"), "{none}");
    }
}
