//! Whether an app's domains lead to its server, and whether what answers there has a
//! certificate for them.
//!
//! Nothing is said where nothing can be known: of reserved names, and of a server without an
//! address of the internet (this machine, a simulated one, one in a private network).

use std::{collections::BTreeSet, net::IpAddr};

use futures_util::future::join_all;

use crate::{
    app::{self, App, Context},
    compose::StackService,
    engine::{Engine, Scope, host_of},
    home::{AppEntry, EnvFile},
    lint::{self, rules},
    recipe::Version,
    wiring::{Dns, Finding, Level, domain},
};

use super::addresses;

/// Domains of one app that are looked up.
const MOST: usize = 20;

/// The domains by which people reach an app, without reserved ones: those in its rules for a
/// reverse proxy, else the one in its settings.
fn domains(services: &[StackService], env: &EnvFile) -> Vec<String> {
    let mut found: BTreeSet<String> = app::routed(services.iter().map(|service| &service.spec));
    if found.is_empty() {
        found.extend(env.get("DOMAIN").map(|domain| domain.trim().to_lowercase()));
    }
    found.into_iter().filter(|name| domain::is_public(name)).take(MOST).collect()
}

/// The server's addresses on the internet: those of its endpoint's host, and of its nodes.
async fn of_server(app: &App, endpoint: &str) -> Vec<IpAddr> {
    let nodes = async {
        let nodes = app.engine.nodes().await.unwrap_or_default();
        let addresses = nodes.into_iter().filter_map(|node| node.status?.addr?.parse().ok());
        addresses.filter(|address| addresses::is_public(*address)).collect::<Vec<IpAddr>>()
    };
    let host = async {
        match host_of(endpoint) {
            Some(host) => addresses::public(&host).await,
            None => Vec::new(),
        }
    };
    let (mut all, of_nodes) = tokio::join!(host, nodes);
    all.extend(of_nodes.into_iter().filter(|it| !all.contains(it)).collect::<Vec<_>>());
    all
}

/// What the name servers say of an app's domains, where there is anything to say.
pub(in crate::operation) async fn leads(context: &Context, app: &App) -> Vec<Finding> {
    let domains = domains(&app.stack.services, &app.env);
    if domains.is_empty() || context.home.is_offline() || app.engine.simulated().is_some() {
        return Vec::new();
    }
    let Ok(endpoint) = context.home.endpoint(&app.entry.server) else { return Vec::new() };
    let server = of_server(app, &endpoint).await;
    if server.is_empty() {
        return Vec::new();
    }
    match Dns::new() {
        Ok(dns) => join_all(domains.iter().map(|name| domain::leads(&dns, name, &server))).await,
        Err(reason) => {
            let told = format!("this machine has no name server: {reason}");
            vec![Finding::note("domain", told).fix("look into /etc/resolv.conf")]
        }
    }
}

/// The same as warnings of a plan.
pub(in crate::operation) async fn warnings(context: &Context, app: &App) -> Vec<String> {
    let odd = leads(context, app).await.into_iter().filter(|it| it.level != Level::Good);
    odd.map(|finding| finding.told().into_owned()).collect()
}

/// Where an app's domains lead, and, if it is deployed, whether there is a certificate for
/// them; what is as it should be is left out, and so is an app that cannot be loaded.
pub async fn look_at_domains(
    context: &Context,
    entry: &AppEntry,
    version: &Version,
) -> Vec<lint::Finding> {
    let Ok(app) = app::load(context, entry, version).await else { return Vec::new() };
    let found = leads(context, &app).await;
    if found.is_empty() {
        return Vec::new();
    }
    let services = app.engine.services(Scope::Stack(&app.name)).await.unwrap_or_default();
    let certificates = match services.is_empty() {
        true => Vec::new(),
        false => {
            let names = domains(&app.stack.services, &app.env);
            let seen = join_all(names.iter().map(|name| domain::certificate(name))).await;
            seen.into_iter().map(|certificate| certificate.finding).collect()
        }
    };
    found.into_iter().chain(certificates).filter_map(finding).collect()
}

/// As `app check` shows it.
fn finding(seen: Finding) -> Option<lint::Finding> {
    let rule = match (seen.level, seen.check) {
        (Level::Good, _) => return None,
        (_, "certificate") => &rules::CERTIFICATE_ODD,
        _ => &rules::DOMAIN_ELSEWHERE,
    };
    let finding = lint::Finding::new(rule, seen.message);
    Some(match seen.fix {
        Some(fix) => finding.fix(fix),
        None => finding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_domain_is_not_looked_up() {
        for (settings, expected) in [
            ("DOMAIN=wiki.coop.org\n", &["wiki.coop.org"][..]),
            ("DOMAIN=Wiki.Coop.org\n", &["wiki.coop.org"]),
            ("DOMAIN=wiki.example.org\n", &[]),
            ("DOMAIN=localhost\n", &[]),
            ("DOMAIN=\n", &[]),
            ("OTHER=wiki.coop.org\n", &[]),
        ] {
            let env = EnvFile::parse("x.env", settings).unwrap();
            assert_eq!(domains(&[], &env), expected, "{settings}");
        }
    }

    #[test]
    fn only_what_is_odd_becomes_a_finding_of_an_app() {
        assert_eq!(finding(Finding::good("domain", "x")), None);
        let found = finding(Finding::bad("certificate", "x").fix("y")).unwrap();
        assert_eq!((found.code, found.fix.as_deref()), ("certificate-odd", Some("y")));
        assert_eq!(finding(Finding::note("domain", "x")).unwrap().code, "domain-elsewhere");
    }
}
