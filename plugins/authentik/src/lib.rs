//! authentik as an OpenID provider that apps are connected to. A client is two objects there:
//! a provider, with id, secret and redirect addresses, and an application, by whose slug the
//! issuer is told apart. Both are called like the app's stack.
//!
//! Each request to authentik's API (`/api/v3/`, as its schema of 2026.8.3 has it) is made
//! inside the service by the recipe's script `api.py`, which has the token; clients' secrets
//! cross as input and output only. What exists is compared and corrected, and keeps its id, its
//! secret, and what somebody added to it in authentik: other scopes, another RSA key.

mod api;
mod commands;
mod parts;

use std::time::Duration;

use potluck_sdk::{
    Client, ClientRequest, Context, Failure, Lifecycle, Result, SsoProvider, Transition, report,
    services, settings, tools,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use api::{query, request};
use parts::{Application, Parts, Provider};

/// The plugin.
pub struct Authentik;

/// The `options` in `recipe.yml`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    /// The service that runs authentik's server.
    app: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { app: "app".into() }
    }
}

const READY_WITHIN: Duration = Duration::from_secs(600);
/// authentik's worker makes flows, keys and the token after the server answers.
const LOOKS: u32 = 60;
const PAUSE: &str = "5";
/// authentik's own limit is 255, and its own secrets have 128 characters.
const SECRET_LENGTH: usize = 128;

/// Where apps find the issuer, without a slash at its end.
fn public_url() -> Result<String> {
    let url = settings::require("PUBLIC_URL")?;
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' '])) {
        true => Ok(url),
        false => Err(Failure::new(format!("PUBLIC_URL is `{url}`"))
            .hint("it is written like https://sso.example.org, without a slash at its end")),
    }
}

/// What the provider of this client has to be like. Its name has to be unique in authentik.
fn provider(asked: &ClientRequest, parts: &Parts) -> Value {
    let uris = |uris: &[String], kind: &str| {
        let strict = |uri: &String| json!({"matching_mode": "strict", "url": uri, "redirect_uri_type": kind});
        uris.iter().map(strict).collect::<Vec<_>>()
    };
    let redirects =
        [uris(&asked.redirect_uris, "authorization"), uris(&asked.post_logout_uris, "logout")];
    json!({
        "name": asked.client,
        "client_id": asked.client,
        "client_type": if asked.public { "public" } else { "confidential" },
        // One that is made without them can use none.
        "grant_types": ["authorization_code", "refresh_token"],
        "authorization_flow": parts.authorization_flow,
        "invalidation_flow": parts.invalidation_flow,
        "redirect_uris": redirects.concat(),
        // Not every app asks for more than the token.
        "include_claims_in_id_token": true,
        // `PUBLIC_URL/application/o/SLUG/`.
        "issuer_mode": "per_provider",
    })
}

/// The keys of `wanted` that `found` has otherwise. Lists are compared without their order.
fn differing(found: &Value, wanted: &Value) -> Map<String, Value> {
    let same = |found: &Value, wanted: &Value| match (found, wanted) {
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && wanted.iter().all(|it| found.contains(it))
        }
        (found, wanted) => found == wanted,
    };
    let wanted = wanted.as_object().into_iter().flatten();
    wanted
        .filter(|(key, value)| !same(&found[key.as_str()], value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Makes or corrects both objects; `secret` replaces that of the client.
fn bring(asked: &ClientRequest, secret: Option<String>) -> Result<Provider> {
    let client = &asked.client;
    let found: Option<Value> = parts::provider(client)?;
    let parts = Parts::find()?;
    let mappings = parts::scopes(&asked.scopes)?;
    let mut wanted = provider(asked, &parts);
    let stored = match found {
        None => {
            wanted["signing_key"] = parts.signing_key.as_str().into();
            wanted["property_mappings"] = parts::mapped(&[], &mappings).into();
            let secret = secret.unwrap_or_else(|| tools::random_password(SECRET_LENGTH));
            wanted["client_secret"] = secret.into();
            let made = request("POST", "/providers/oauth2/", Some(&wanted))?;
            report::info(format!("the client {client} is created"));
            made
        }
        Some(found) => {
            let known = Provider::read(&found)?;
            // Of somebody else's making, if it is one that apps can verify.
            let key = known.signing_key.as_ref().filter(|it| parts.rsa_keys.contains(it));
            wanted["signing_key"] = key.unwrap_or(&parts.signing_key).as_str().into();
            wanted["property_mappings"] = parts::mapped(&known.property_mappings, &mappings).into();
            let mut changes = differing(&found, &wanted);
            let corrected = !changes.is_empty();
            if let Some(secret) = &secret {
                changes.insert("client_secret".into(), secret.as_str().into());
            }
            if changes.is_empty() {
                found
            } else {
                let place = format!("/providers/oauth2/{}/", known.pk);
                let stored = request("PATCH", &place, Some(&changes.into()))?;
                if corrected {
                    report::info(format!("the client {client} is corrected"));
                }
                if secret.is_some() {
                    report::info(format!("the client {client} has another secret"));
                }
                stored
            }
        }
    };
    let stored = Provider::read(&stored)?;
    if stored.client_id != *client {
        return Err(Failure::new(format!(
            "authentik answered with the client {} instead of {client}",
            stored.client_id
        )));
    }
    list(asked, stored.pk)?;
    Ok(stored)
}

/// The application of the provider: what people see, and what gives the issuer its name.
fn list(asked: &ClientRequest, provider: u64) -> Result {
    let slug = &asked.client;
    let mut wanted = json!({"name": asked.display_name, "provider": provider});
    if let Some(home) = &asked.home_url {
        wanted["meta_launch_url"] = home.as_str().into();
    }
    let Some(found) = parts::application(slug)? else {
        wanted["slug"] = slug.as_str().into();
        request("POST", "/core/applications/", Some(&wanted))?;
        return Ok(());
    };
    let known: Application =
        Application::deserialize(&found).context("authentik's application is not understood")?;
    if known.provider.is_some_and(|it| it != provider) {
        return Err(Failure::new(format!("the application `{slug}` has another provider"))
            .hint("rename one of them in authentik: it belongs to no connected app"));
    }
    let changes = differing(&found, &wanted);
    if !changes.is_empty() {
        request("PATCH", &format!("/core/applications/{slug}/"), Some(&changes.into()))?;
        report::info(format!("the application {slug} is corrected"));
    }
    Ok(())
}

/// What the app is told of its client.
fn told(asked: &ClientRequest, stored: Provider) -> Result<Client> {
    let secret = match asked.public {
        true => None,
        false => {
            let secret = stored.client_secret.filter(|it| !it.is_empty());
            Some(secret.context("authentik shows no secret of the client")?)
        }
    };
    Ok(Client {
        // The slash belongs to it.
        issuer: format!("{}/application/o/{}/", public_url()?, asked.client),
        client_id: stored.client_id,
        client_secret: secret,
        groups_claim: asked
            .scopes
            .iter()
            .any(|it| it == parts::GROUPS)
            .then(|| parts::GROUPS.to_owned()),
    })
}

impl Lifecycle for Authentik {
    fn check(_: Transition) -> Result {
        potluck_sdk::options::<Options>()?;
        parts::email_verified()?;
        public_url()?;
        Ok(())
    }

    /// The first one waits until apps can be connected. Later ones have what was made then, and
    /// people can sign in without it.
    fn after_deploy(to: Transition) -> Result {
        if to.before.is_some() {
            return Ok(());
        }
        let options: Options = potluck_sdk::options()?;
        services::wait_ready(&options.app, READY_WITHIN).context("authentik")?;
        let mut looked = Parts::find();
        for _ in 1..LOOKS {
            if looked.is_ok() {
                break;
            }
            services::run(&options.app, ["sleep", PAUSE])?;
            looked = Parts::find();
        }
        looked.map(|_| ())
    }
}

impl SsoProvider for Authentik {
    fn register(asked: ClientRequest) -> Result<Client> {
        let stored = bring(&asked, None)?;
        told(&asked, stored)
    }

    fn unregister(client: String) -> Result {
        let Some(found) = parts::provider(&client)? else {
            report::info(format!("the client {client} is gone already"));
            return Ok(());
        };
        let pk = Provider::read(&found)?.pk;
        // Before the provider, by which it is known to be ours.
        if let Some(application) = parts::application(&client)?
            && application["provider"] == json!(pk)
        {
            request("DELETE", &format!("/core/applications/{client}/"), None)?;
        }
        request("DELETE", &format!("/providers/oauth2/{pk}/"), None)?;
        report::info(format!("the client {client} is removed"));
        Ok(())
    }

    fn rotate(asked: ClientRequest) -> Result<Client> {
        let stored = bring(&asked, Some(tools::random_password(SECRET_LENGTH)))?;
        told(&asked, stored)
    }
}

potluck_sdk::export!(Authentik: lifecycle, sso_provider, commands);

/// All objects of a kind, page by page; authentik gives no more than 100 at once.
pub(crate) fn all(path: &str, search: &[(&str, &str)]) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut page = 1;
    loop {
        let number = page.to_string();
        let mut search = search.to_vec();
        search.extend([("page", number.as_str()), ("page_size", "100")]);
        let mut answer = request("GET", &format!("{path}?{}", query(&search)), None)?;
        let Value::Array(found) = answer["results"].take() else {
            return Err(Failure::new(format!("authentik's answer to {path} is not understood")));
        };
        all.extend(found);
        // Zero after the last one.
        match answer["pagination"]["next"].as_f64() {
            Some(next) if next > f64::from(page) => page += 1,
            _ => return Ok(all),
        }
    }
}

#[cfg(test)]
mod tests;
