//! What must be right before a deploy begins; pure. Docker finds these out service
//! by service, half-way through. `app check` finds the same.

use std::collections::BTreeSet;

use crate::{
    compose::Stack,
    engine::api,
    home::AppName,
    lint::{Finding, Strictness, blocking, rules},
    recipe::{self, Checkout},
    secrets::{self, Survey},
};

use super::{
    App, Error, diff::PREDEFINED_NETWORKS, error::Subject, live::Live, owner, place::Place,
};

/// Of whom the secrets are that a stack takes from the swarm.
pub(crate) enum Keeper<'a> {
    /// Of the app: potluck makes them.
    App { name: &'a AppName, checkout: &'a Checkout, survey: &'a Survey },
    /// Of the operator.
    Operator,
}

/// What the stack takes from the swarm and is not there.
pub(crate) fn external(
    stack: &Stack,
    keeper: &Keeper<'_>,
    live: &Live,
    place: &Place,
) -> Vec<Finding> {
    let mut findings = missing_secrets(stack, keeper, live, place);
    let present = live.configs.iter().filter_map(|c| c.spec.as_ref()?.name.as_deref()).collect();
    findings.extend(absent(&stack.external_configs, &present).into_iter().map(|name| {
        let fix = place.config(name);
        let message = "the external config does not exist on the server";
        Finding::new(&rules::CONFIG_MISSING, message).path(format!("config {name}")).fix(fix)
    }));
    findings.extend(stack.external_networks.iter().filter_map(|name| network(name, live, place)));
    let all = stack.external_networks.iter().chain(stack.networks.keys());
    findings.extend(all.filter_map(|name| ingress(name, live)));
    findings
}

/// The network of published ports takes no services.
fn ingress(name: &str, live: &Live) -> Option<Finding> {
    let is_it = |network: &&api::Network| {
        network.name.as_deref() == Some(name) && network.ingress == Some(true)
    };
    live.networks.iter().find(is_it)?;
    let message = "it is the swarm's own network for published ports, which takes no services";
    let fix = "publish the port (`ports`), or name another network";
    Some(Finding::new(&rules::SWARM_REFUSES, message).path(format!("network {name}")).fix(fix))
}

/// Secrets that are not on the swarm; with the reason, where the settings are why
/// they cannot be.
fn missing_secrets(stack: &Stack, keeper: &Keeper<'_>, live: &Live, place: &Place) -> Vec<Finding> {
    let present = live.secrets.iter().filter_map(|s| s.spec.as_ref()?.name.as_deref()).collect();
    let missing = absent(&stack.external_secrets, &present);
    missing.into_iter().map(|name| missing_secret(name, keeper, place)).collect()
}

fn missing_secret(full_name: &str, keeper: &Keeper<'_>, place: &Place) -> Finding {
    if let Keeper::App { name: app, checkout, survey } = keeper {
        if let Some(secret) = survey.unplanned.get(full_name) {
            return unplanned(app, checkout, &secret.error);
        }
        if let Some(plan) = survey.plans.iter().find(|plan| plan.full_name == full_name) {
            let command = if plan.generate {
                format!("potluck app secret generate {app}")
            } else {
                format!("potluck app secret insert {app} {}", plan.name)
            };
            return Finding::new(&rules::SECRET_MISSING, "not on the server")
                .path(format!("secret {}", plan.name))
                .fix(format!("run `{command}`"));
        }
    }
    let message = "the external secret does not exist on the server";
    Finding::new(&rules::SECRET_MISSING, message)
        .path(format!("secret {full_name}"))
        .fix(place.secret(full_name))
}

/// Why a secret cannot be planned for, as a finding about the settings.
pub(crate) fn unplanned(app: &AppName, checkout: &Checkout, error: &secrets::Error) -> Finding {
    let secrets::Error::NoVersion { name, key } = error else {
        let finding = Finding::new(&rules::SECRET_SETTING_INVALID, error.to_string());
        return match crate::hint::Hint::hint(error) {
            Some(hint) => finding.fix(hint),
            None => finding,
        };
    };
    let sample = checkout.sample().ok().flatten().unwrap_or_default();
    let line = sample_line(&sample, key).unwrap_or_else(|| format!("{key}=v1"));
    let message =
        format!("missing or empty in the settings: the name of the secret `{name}` ends in it");
    Finding::new(&rules::SECRET_VERSION_MISSING, message)
        .path(key)
        .fix(format!("add the line `{line}` to the settings (`potluck app config {app}`)"))
}

/// The line that a sample has for a key, with what it says beside it; one that is
/// commented out, too.
fn sample_line(sample: &str, key: &str) -> Option<String> {
    sample.lines().find_map(|line| {
        let line = line.trim().trim_start_matches(['#', ' ']);
        let value = line.strip_prefix(key)?.strip_prefix('=')?;
        let begins = value.trim_start_matches(['"', '\'']).trim_start();
        (!begins.is_empty() && !begins.starts_with('#')).then(|| line.to_owned())
    })
}

/// Names and labels by which docker or potluck tells whose an object is.
pub(crate) fn reserved(stack: &Stack) -> Vec<Finding> {
    let found = owner::reserved(stack).into_iter();
    found
        .map(|what| {
            let message = format!("{what}: only docker and potluck may set it");
            Finding::new(&rules::NAME_RESERVED, message)
        })
        .collect()
}

/// What a recipe sets of that with its sample's settings.
pub fn reserved_findings(checkout: &Checkout) -> Vec<Finding> {
    let stacks = recipe::lint::sample_stacks(checkout);
    let mut found: Vec<Finding> =
        stacks.iter().flat_map(|(_, stack)| self::reserved(stack)).collect();
    found.sort();
    found.dedup();
    found
}

/// That nothing stops the deploy; where something does, all that does is said.
///
/// # Errors
/// [`Error::Unfit`].
pub(crate) fn fit(subject: &Subject, mut findings: Vec<Finding>) -> Result<(), Error> {
    if findings.is_empty() {
        return Ok(());
    }
    findings.sort();
    findings.dedup();
    Err(Error::Unfit { subject: subject.clone(), findings })
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

/// What is wrong with an app's recipe and with its files as the app reads them.
#[derive(Debug, Default)]
pub(crate) struct Linted {
    /// What stops a deploy.
    pub stopping: Vec<Finding>,
    /// What does not, and is said in its plan.
    pub warnings: Vec<String>,
}

/// Looks at the recipe itself, and at the files as this app reads them.
pub(crate) fn lint(app: &App, strictness: Strictness) -> Linted {
    let (about_new_apps, mut findings): (Vec<Finding>, Vec<Finding>) =
        recipe::lint::lint(&app.checkout)
            .into_iter()
            // This app's own files are looked at with its settings.
            .filter(|finding| !rules::is_of_compose(finding.code))
            .partition(|finding| ABOUT_NEW_APPS.contains(&finding.code));
    findings.extend(app.findings.iter().cloned());
    findings.sort();
    let said = blocking(&about_new_apps, Strictness::Errors).into_iter();
    let said = said.chain(findings.iter().filter(|finding| recipe::lint::is_said_always(finding)));
    Linted {
        warnings: said.map(ToString::to_string).collect(),
        stopping: blocking(&findings, strictness).into_iter().cloned().collect(),
    }
}

fn absent<'a>(wanted: &'a [String], present: &BTreeSet<&str>) -> Vec<&'a str> {
    wanted.iter().map(String::as_str).filter(|name| !present.contains(name)).collect()
}

fn network(name: &str, live: &Live, place: &Place) -> Option<Finding> {
    if PREDEFINED_NETWORKS.contains(&name) {
        return None;
    }
    let mut scopes = live
        .networks
        .iter()
        .filter(|n| n.name.as_deref() == Some(name))
        .map(|n| n.scope.as_deref());
    let message = match (scopes.clone().next(), scopes.any(|s| s == Some("swarm"))) {
        (_, true) => return None,
        (Some(_), false) => {
            "the external network exists on one node only: services need one of the whole swarm"
        }
        (None, false) => "the external network does not exist on the server",
    };
    let finding = Finding::new(&rules::NETWORK_MISSING, message);
    Some(finding.path(format!("network {name}")).fix(place.network(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(network("proxy", &live("swarm"), &Place::Docker), None);
        assert_eq!(network("host", &Live::default(), &Place::Docker), None);
        let local = network("proxy", &live("local"), &Place::Docker).unwrap().to_string();
        assert!(local.contains("one node only"), "{local}");
        let none = network("proxy", &Live::default(), &Place::Docker).unwrap().to_string();
        assert!(none.contains("does not exist"), "{none}");
    }

    #[test]
    fn the_line_to_add_is_the_sample_s() {
        let sample = "# SECRET_A_VERSION=v2 # length=32\nSECRET_B_VERSION=\nXSECRET_C_VERSION=v1\n";
        let line = sample_line(sample, "SECRET_A_VERSION");
        assert_eq!(line.as_deref(), Some("SECRET_A_VERSION=v2 # length=32"));
        for key in ["SECRET_B_VERSION", "SECRET_C_VERSION", "SECRET_D_VERSION"] {
            assert_eq!(sample_line(sample, key), None, "{key}");
        }
    }
}
