//! A look at what a provider holds, from here, before an app depends on it, and from the app's
//! own network.

use url::Url;

use crate::{
    home::connection::{Held, HeldClient},
    plugin::Hidden,
    wiring::{
        Error, Finding, Inside, Web,
        authorize::{self, Asking},
        discovery::{self, Needs},
        smtp,
    },
};

/// What was seen, and the ids of the keys that the provider signs with.
pub(super) struct Look {
    pub findings: Vec<Finding>,
    pub keys: Vec<String>,
}

/// Looks at what the provider holds; a relay's password is tried, where it is known.
pub(super) async fn look(held: &Held, password: Option<&Hidden>) -> Look {
    match held {
        Held::Client(client) => match Web::new() {
            Ok(web) => at_client(&web, client).await,
            Err(error) => only(silence(&error)),
        },
        Held::Account(account) => only_all(smtp::look(account, password, None).await),
    }
}

/// The same from within an app's network, as far as it is the app that asks and not a person's
/// browser; a client's secret is tried, where it is known.
pub(super) async fn look_inside(
    inside: &Inside,
    held: &Held,
    password: Option<&Hidden>,
) -> Vec<Finding> {
    let findings = match held {
        Held::Client(client) => client_inside(inside, client, password).await,
        Held::Account(account) => smtp::look(account, password, Some(inside)).await,
    };
    findings.into_iter().map(Finding::inside).collect()
}

/// Whether the provider takes the secret that a client has.
pub(super) async fn look_at_secret(client: &HeldClient, secret: &Hidden) -> Option<Finding> {
    let look = async {
        let web = Web::new()?;
        let found = discovery::discover(&web, &client.issuer).await?;
        try_secret(&web, &found.document, client, secret).await
    };
    // What keeps it from being asked is found by who looks at the provider.
    look.await.ok()
}

async fn try_secret(
    web: &Web<'_>,
    document: &discovery::Document,
    client: &HeldClient,
    secret: &Hidden,
) -> Result<Finding, Error> {
    let uri = client.redirect_uris.first().map(String::as_str).unwrap_or_default();
    authorize::secret(web, document, &client.id, uri, &secret.0).await
}

async fn client_inside(
    inside: &Inside,
    client: &HeldClient,
    secret: Option<&Hidden>,
) -> Vec<Finding> {
    let url = match discovery::address(&client.issuer) {
        Ok(url) => url,
        Err(error) => return vec![Finding::bad("issuer", error.to_string())],
    };
    let web = match Web::through(inside, &url) {
        Ok(web) => web,
        Err(error) => return vec![silence(&error)],
    };
    let found = match discovery::discover(&web, &client.issuer).await {
        Ok(found) => found,
        Err(error) if error.is_silence() => return vec![silence(&error)],
        Err(error) => {
            return vec![Finding::bad("issuer", error.to_string()).hinted(&error)];
        }
    };
    let issuer = format!("the issuer is {}", found.document.issuer);
    let mut findings = vec![Finding::good("issuer", issuer)];
    let theirs = found.clocks.map(|(theirs, _)| theirs);
    if let (Some(theirs), Some(ours)) = (theirs, inside.clock().await) {
        findings.push(discovery::clock(Some((theirs, ours)), "the node's"));
    }
    if let Some(host) = url.host_str() {
        findings.extend(discovery::private(&inside.addresses(host).await));
    }
    let is_there = Url::parse(&found.document.jwks_uri).is_ok_and(|it| it.origin() == url.origin());
    findings.push(match is_there {
        true => discovery::keys(&web, &found.document, &client.keys).await.1,
        false => Finding::note("keys", "its keys are at another place, which was not asked"),
    });
    if let Some(secret) = secret {
        // One that is at another place is not asked.
        findings.extend(try_secret(&web, &found.document, client, secret).await.ok());
    }
    findings
}

fn only(finding: Finding) -> Look {
    only_all(vec![finding])
}

fn only_all(findings: Vec<Finding>) -> Look {
    Look { findings, keys: Vec::new() }
}

async fn at_client(web: &Web<'_>, client: &HeldClient) -> Look {
    let found = match discovery::discover(web, &client.issuer).await {
        Ok(found) => found,
        Err(error) if error.is_silence() => return only(silence(&error)),
        Err(error) => {
            let finding = Finding::bad("issuer", error.to_string());
            return only(finding.hinted(&error));
        }
    };
    let needs = Needs {
        scopes: &client.scopes,
        public: client.public,
        groups_claim: client.groups_claim.as_deref(),
    };
    let mut findings = discovery::compare(&found, needs);
    findings.extend(discovery::place(&client.issuer));
    let (keys, finding) = discovery::keys(web, &found.document, &client.keys).await;
    findings.push(finding);
    for redirect_uri in &client.redirect_uris {
        let asking = Asking {
            endpoint: &found.document.authorization_endpoint,
            client_id: &client.id,
            redirect_uri,
            scopes: &client.scopes,
            public: client.public,
        };
        match authorize::probe(web, asking).await {
            Ok(found) => {
                for finding in found {
                    if !findings.contains(&finding) {
                        findings.push(finding);
                    }
                }
            }
            Err(error) => findings.push(silence(&error)),
        }
    }
    Look { findings, keys }
}

/// A provider that gives no answer. Here that is not known to be so for the app.
fn silence(error: &Error) -> Finding {
    Finding::bad("reachable", error.to_string()).hinted(error)
}
