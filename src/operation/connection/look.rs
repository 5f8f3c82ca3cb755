//! A look at what a provider holds, from here: before an app depends on it, and in a check.

use crate::{
    hint::Hint,
    home::connection::{Held, HeldClient},
    plugin::Hidden,
    wiring::{
        Error, Finding, Web,
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
        Held::Account(account) => only_all(smtp::look(account, password).await),
    }
}

fn only(finding: Finding) -> Look {
    only_all(vec![finding])
}

fn only_all(findings: Vec<Finding>) -> Look {
    Look { findings, keys: Vec::new() }
}

async fn at_client(web: &Web, client: &HeldClient) -> Look {
    let found = match discovery::discover(web, &client.issuer).await {
        Ok(found) => found,
        Err(error) if error.is_silence() => return only(silence(&error)),
        Err(error) => {
            let finding = Finding::bad("issuer", error.to_string());
            return only(with_hint(finding, &error));
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
    with_hint(Finding::bad("reachable", error.to_string()), error)
}

fn with_hint(finding: Finding, error: &Error) -> Finding {
    match error.hint() {
        Some(hint) => finding.fix(hint),
        None => finding,
    }
}
