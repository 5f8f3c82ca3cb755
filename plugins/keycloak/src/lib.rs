//! Keycloak as an OpenID provider that apps are connected to: makes, changes and removes their
//! clients in one realm.
//!
//! It runs Keycloak's own `kcadm.sh` in the service, whose verbs are requests to the Admin REST
//! API (Server Administration Guide 26, "Admin CLI"). The recipe's script `/kcadm` signs it in
//! with the secret of a service account, which is in no argument; a client's secret crosses as
//! input and output only. A client that exists is compared and corrected, and keeps its id and
//! secret: fields that an update does not have stay as they are.

mod mail;

use std::time::Duration;

use potluck_sdk::{
    Client, ClientRequest, Command, Commands, Context, Failure, Lifecycle, Result, Spec,
    SsoProvider, Transition, report, services, settings,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// The plugin.
pub struct Keycloak;

/// The `options` in `recipe.yml`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The service that runs Keycloak.
    app: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { app: "app".into() }
    }
}

/// The scope whose claim has a person's groups, and the claim.
const GROUPS: &str = "groups";
/// Each call starts a Java program twice.
const TIME: Duration = Duration::from_secs(120);
const READY_WITHIN: Duration = Duration::from_secs(300);

/// As much of a client as is compared (`ClientRepresentation`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    id: String,
    client_id: String,
    name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Scope {
    id: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Secret {
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Realm {
    realm: String,
}

fn realm() -> Result<String> {
    let realm = settings::get_or("KEYCLOAK_REALM", "main");
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !realm.is_empty() && realm != "master" && realm.chars().all(is_part) {
        true => Ok(realm),
        false => Err(Failure::new(format!("KEYCLOAK_REALM is `{realm}`")).hint(
            "expected letters, digits, `-`, `_` and `.`; `master` is for administrators alone",
        )),
    }
}

/// Runs `kcadm.sh`, with a document as its input where there is one.
fn kcadm(arguments: &[&str], document: Option<&Value>) -> Result<Vec<u8>> {
    let options: Options = potluck_sdk::options()?;
    let command = Command::new(["/kcadm"].iter().chain(arguments).copied()).timeout(TIME);
    let input = document.map(Value::to_string).unwrap_or_default();
    let output = services::feed(&options.app, command, input).context("Keycloak")?;
    if output.truncated {
        return Err(Failure::new("Keycloak answered more than potluck takes in"));
    }
    Ok(output.stdout)
}

fn get<T: DeserializeOwned>(arguments: &[&str]) -> Result<T> {
    let answer = kcadm(&[&["get"], arguments].concat(), None)?;
    serde_json::from_slice(&answer).context("Keycloak answered what is not understood")
}

/// A client by its `clientId`, which Keycloak's query matches whole.
fn find(realm: &str, client: &str) -> Result<Option<Stored>> {
    let query = format!("clientId={client}");
    let found: Vec<Stored> = get(&["clients", "-r", realm, "-q", &query])?;
    Ok(found.into_iter().find(|it| it.client_id == client))
}

fn document(request: &ClientRequest) -> Value {
    let mut document = json!({
        "clientId": request.client,
        "name": request.display_name,
        "enabled": true,
        "protocol": "openid-connect",
        "publicClient": request.public,
        "redirectUris": request.redirect_uris,
        // Only its own pages may call the provider from a browser.
        "webOrigins": ["+"],
        "standardFlowEnabled": true,
        "implicitFlowEnabled": false,
        "directAccessGrantsEnabled": false,
        "serviceAccountsEnabled": false,
        "attributes": {
            // Keycloak separates several by two number signs.
            "post.logout.redirect.uris": request.post_logout_uris.join("##"),
            // Demanded of who has no secret; others may use it.
            "pkce.code.challenge.method": if request.public { "S256" } else { "" },
        },
    });
    if !request.public {
        document["clientAuthenticatorType"] = "client-secret".into();
    }
    if let Some(home) = &request.home_url {
        document["baseUrl"] = home.as_str().into();
    }
    document
}

/// Whether Keycloak has all of a document: objects may have more, lists no other order.
fn has(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().all(|(key, value)| {
            // What is empty is left out of an answer.
            found.get(key).map_or(value == "", |found| has(found, value))
        }),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && wanted.iter().all(|value| found.contains(value))
        }
        (found, wanted) => found == wanted,
    }
}

/// Makes or corrects the client, and returns its id in the API.
fn bring(realm: &str, request: &ClientRequest) -> Result<String> {
    let wanted = document(request);
    let id = match find(realm, &request.client)? {
        None => {
            kcadm(&["create", "clients", "-r", realm, "-f", "-"], Some(&wanted))?;
            report::info(format!("the client {} is created", request.client));
            let made = find(realm, &request.client)?;
            made.ok_or_else(|| Failure::new("Keycloak did not keep the client"))?.id
        }
        Some(Stored { id, .. }) => {
            let place = format!("clients/{id}");
            let found: Value = get(&[&place, "-r", realm])?;
            if !has(&found, &wanted) {
                kcadm(&["update", &place, "-r", realm, "-f", "-"], Some(&wanted))?;
                report::info(format!("the client {} is corrected", request.client));
            }
            id
        }
    };
    allow(realm, &id, &request.scopes)?;
    Ok(id)
}

/// Lets the client ask for these scopes. That for groups is made in a realm that has none.
fn allow(realm: &str, id: &str, scopes: &[String]) -> Result {
    let of = |kind: &str| -> Result<Vec<Scope>> {
        get(&[&format!("clients/{id}/{kind}-client-scopes"), "-r", realm])
    };
    let mut allowed = of("default")?;
    allowed.extend(of("optional")?);
    // `openid` makes it a request of OpenID Connect, and is no scope of Keycloak's.
    let is_missing =
        |scope: &&String| *scope != "openid" && !allowed.iter().any(|it| it.name == **scope);
    let missing: Vec<&String> = scopes.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut known: Vec<Scope> = get(&["client-scopes", "-r", realm])?;
    if missing.iter().any(|scope| *scope == GROUPS) && !known.iter().any(|it| it.name == GROUPS) {
        kcadm(&["create", "client-scopes", "-r", realm, "-f", "-"], Some(&groups()))?;
        report::info(format!("the realm {realm} has the scope `{GROUPS}` now"));
        known = get(&["client-scopes", "-r", realm])?;
    }
    for scope in missing {
        let Some(Scope { id: scope_id, .. }) = known.iter().find(|it| it.name == *scope) else {
            return Err(Failure::new(format!("the realm {realm} has no scope `{scope}`"))
                .hint("make it in the realm, under \"Client scopes\""));
        };
        let place = format!("clients/{id}/optional-client-scopes/{scope_id}");
        kcadm(&["update", &place, "-r", realm], None)?;
    }
    Ok(())
}

/// The scope whose claim has the names of a person's groups, without the paths above them.
fn groups() -> Value {
    json!({
        "name": GROUPS,
        "protocol": "openid-connect",
        "attributes": {"include.in.token.scope": "true"},
        "protocolMappers": [{
            "name": GROUPS,
            "protocol": "openid-connect",
            "protocolMapper": "oidc-group-membership-mapper",
            "config": {
                "claim.name": GROUPS,
                "full.path": "false",
                "id.token.claim": "true",
                "access.token.claim": "true",
                "userinfo.token.claim": "true",
                "introspection.token.claim": "true",
            },
        }],
    })
}

/// What the app is told of its client.
fn told(realm: &str, id: &str, request: &ClientRequest) -> Result<Client> {
    let secret = match request.public {
        true => None,
        false => {
            let secret: Secret = get(&[&format!("clients/{id}/client-secret"), "-r", realm])?;
            let no = || Failure::new("Keycloak shows no secret of the client");
            Some(secret.value.ok_or_else(no)?)
        }
    };
    let url = settings::require("PUBLIC_URL")?;
    Ok(Client {
        issuer: format!("{url}/realms/{realm}"),
        client_id: request.client.clone(),
        client_secret: secret,
        groups_claim: request.scopes.iter().any(|it| it == GROUPS).then(|| GROUPS.to_owned()),
    })
}

impl Lifecycle for Keycloak {
    fn check(_: Transition) -> Result {
        potluck_sdk::options::<Options>()?;
        mail::check(&realm()?)?;
        let url = settings::require("PUBLIC_URL")?;
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        match host.is_some_and(|host| !host.is_empty() && !host.ends_with('/')) {
            true => Ok(()),
            false => Err(Failure::new(format!("PUBLIC_URL is `{url}`"))
                .hint("it is written like https://sso.example.org, without a slash at its end")),
        }
    }

    /// The realm of the apps, apart from that of the administrators, and its mail.
    fn after_deploy(_: Transition) -> Result {
        let options: Options = potluck_sdk::options()?;
        services::wait_ready(&options.app, READY_WITHIN).context("Keycloak")?;
        let realm = realm()?;
        let known: Vec<Realm> = get(&["realms", "--fields", "realm"])?;
        if known.iter().all(|it| it.realm != realm) {
            let made = json!({"realm": realm, "enabled": true});
            kcadm(&["create", "realms", "-f", "-"], Some(&made))?;
            report::info(format!("the realm {realm} is created"));
        }
        mail::bring(&realm)
    }
}

impl SsoProvider for Keycloak {
    fn register(request: ClientRequest) -> Result<Client> {
        let realm = realm()?;
        let id = bring(&realm, &request)?;
        told(&realm, &id, &request)
    }

    fn unregister(client: String) -> Result {
        let realm = realm()?;
        match find(&realm, &client)? {
            None => report::info(format!("the client {client} is gone already")),
            Some(Stored { id, .. }) => {
                kcadm(&["delete", &format!("clients/{id}"), "-r", &realm], None)?;
                report::info(format!("the client {client} is removed"));
            }
        }
        Ok(())
    }

    fn rotate(request: ClientRequest) -> Result<Client> {
        let realm = realm()?;
        let id = bring(&realm, &request)?;
        // `POST` makes another one.
        let place = format!("clients/{id}/client-secret");
        kcadm(&["create", &place, "-r", &realm], None)?;
        report::info(format!("the client {} has another secret", request.client));
        told(&realm, &id, &request)
    }
}

impl Commands for Keycloak {
    fn specs() -> Vec<Spec> {
        vec![Spec::new("list-clients", "List the apps that can sign people in")]
    }

    fn run(name: String, arguments: Vec<String>) -> Result<String> {
        match (name.as_str(), arguments.as_slice()) {
            ("list-clients", []) => {
                let realm = realm()?;
                let fields = "id,clientId,name,redirectUris";
                let mut all: Vec<Stored> = get(&["clients", "-r", &realm, "--fields", fields])?;
                all.sort_by(|a, b| a.client_id.cmp(&b.client_id));
                let line = |it: &Stored| {
                    let name = it.name.as_deref().unwrap_or_default();
                    format!("{}\t{name}\t{}", it.client_id, it.redirect_uris.join(" "))
                };
                Ok(all.iter().map(line).collect::<Vec<_>>().join("\n"))
            }
            ("list-clients", _) => Err(Failure::new("`list-clients` takes no arguments")),
            _ => Err(Failure::new(format!("there is no command `{name}`"))
                .hint("`potluck app cmd APP` lists the commands")),
        }
    }
}

potluck_sdk::export!(Keycloak: lifecycle, sso_provider, commands);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_what_is_wanted_is_left_alone() {
        let wanted = json!({"a": 1, "list": ["x", "y"], "attributes": {"p": "S256", "none": ""}});
        let more = json!({"a": 1, "b": 2, "list": ["y", "x"], "attributes": {"p": "S256", "q": 1}});
        assert!(has(&more, &wanted));
        for other in [
            json!({"a": 2, "list": ["x", "y"], "attributes": {"p": "S256"}}),
            json!({"a": 1, "list": ["x"], "attributes": {"p": "S256"}}),
            json!({"a": 1, "list": ["x", "y", "z"], "attributes": {"p": "S256"}}),
            json!({"a": 1, "list": ["x", "y"], "attributes": {}}),
        ] {
            assert!(!has(&other, &wanted), "{other}");
        }
    }
}
