//! An OpenID provider that apps are connected to: makes, changes and removes their
//! clients.
//!
//! The recipe's image has a script for that, `clients.mjs`, which the provider's own
//! library checks each client with. Requests and answers go through standard input and
//! output: they hold secrets, and anyone on the server can read arguments. A client keeps
//! its id and secret, also when the provider lost it: the script derives both anew. How often
//! a secret was replaced is remembered here, too, for a provider whose data is from before.

mod commands;

use potluck_sdk::{
    Client, ClientRequest, Command, Context, Failure, Lifecycle, Result, SsoProvider, Transition,
    memory, report, services, settings,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// The plugin.
pub struct OidcProvider;

/// The `options` in `recipe.yml`: what things are called in the compose file.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The service that runs the provider.
    app: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { app: "app".into() }
    }
}

/// What the script answers to a registration.
#[derive(Debug, Deserialize)]
struct Registered {
    issuer: String,
    client: Stored,
    done: String,
    #[serde(default)]
    generation: u32,
}

/// As much of a client as is needed here.
#[derive(Debug, Deserialize)]
pub(crate) struct Stored {
    pub(crate) client_id: String,
    client_secret: Option<String>,
    pub(crate) client_name: Option<String>,
    #[serde(default)]
    pub(crate) redirect_uris: Vec<String>,
}

/// What the script answers to everything else.
#[derive(Debug, Deserialize)]
pub(crate) struct Done {
    done: String,
    #[serde(default)]
    generation: u32,
}

/// How often the client's secret was replaced, as far as this machine knows; none where that
/// never happened.
fn generation(client: &str) -> Result<Option<u32>> {
    let known = memory::get(&format!("generation of {client}"))?;
    Ok(known.and_then(|known| known.parse().ok()))
}

/// Without it a client comes back with an earlier secret, which its app is then given.
fn remember(client: &str, generation: u32) {
    if generation == 0 {
        return;
    }
    let kept = memory::set(&format!("generation of {client}"), &generation.to_string());
    if let Err(error) = kept {
        report::warn(format!("it is not remembered that {client} has another secret: {error}"));
    }
}

/// Runs the script with a request, and reads its answer.
pub(crate) fn ask<T: DeserializeOwned>(request: &Value) -> Result<T> {
    let options: Options = potluck_sdk::options()?;
    let script = Command::new(["node", "clients.mjs"]).workdir("/app");
    let output = services::feed(&options.app, script, request.to_string())
        .context("the provider's clients")?;
    if output.truncated {
        return Err(Failure::new("the provider answered more than potluck takes in"));
    }
    serde_json::from_slice(&output.stdout).context("the provider answered what is not understood")
}

/// The names of RFC 7591.
fn metadata(request: &ClientRequest) -> Value {
    let offline = request.scopes.iter().any(|scope| scope == "offline_access");
    let grants: &[_] =
        if offline { &["authorization_code", "refresh_token"] } else { &["authorization_code"] };
    let web = |uri: &String| uri.starts_with("https://") || uri.starts_with("http://");
    let mut metadata = json!({
        "client_id": request.client,
        "client_name": request.display_name,
        "redirect_uris": request.redirect_uris,
        "post_logout_redirect_uris": request.post_logout_uris,
        "scope": request.scopes.join(" "),
        "grant_types": grants,
        "response_types": ["code"],
        "token_endpoint_auth_method": if request.public { "none" } else { "client_secret_basic" },
        "application_type": if request.redirect_uris.iter().all(web) { "web" } else { "native" },
    });
    if let Some(home) = &request.home_url {
        metadata["client_uri"] = home.as_str().into();
    }
    metadata
}

impl Lifecycle for OidcProvider {
    fn check(_: Transition) -> Result {
        potluck_sdk::options::<Options>()?;
        let issuer = settings::require("ISSUER")?;
        let host = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' '])) {
            return Err(Failure::new(format!("`{issuer}` can't be an issuer here")).hint(
                "ISSUER is written like https://sso.example.org, without a slash at its end",
            ));
        }
        Ok(())
    }
}

/// The client as it is asked for; `rotate` gives it another secret.
fn client(action: &str, request: &ClientRequest) -> Result<Client> {
    let mut asked = json!({"action": action, "client": metadata(request)});
    if let Some(known) = generation(&request.client)? {
        asked["generation"] = known.into();
    }
    let answer: Registered = ask(&asked)?;
    if answer.client.client_id != request.client {
        return Err(Failure::new(format!(
            "the provider answered with the client {} instead of {}",
            answer.client.client_id, request.client
        )));
    }
    remember(&request.client, answer.generation);
    report::info(format!("the client {} is {} at {}", request.client, answer.done, answer.issuer));
    Ok(Client {
        issuer: answer.issuer,
        client_id: answer.client.client_id,
        client_secret: answer.client.client_secret,
        groups_claim: request
            .scopes
            .iter()
            .any(|scope| scope == "groups")
            .then(|| "groups".to_owned()),
    })
}

impl SsoProvider for OidcProvider {
    fn register(request: ClientRequest) -> Result<Client> {
        client("register", &request)
    }

    fn unregister(client: String) -> Result {
        let answer: Done = ask(&json!({"action": "remove", "client_id": client}))?;
        remember(&client, answer.generation);
        report::info(format!("the client {client} is {}", answer.done));
        Ok(())
    }

    fn rotate(request: ClientRequest) -> Result<Client> {
        client("rotate", &request)
    }
}
potluck_sdk::export!(OidcProvider: lifecycle, sso_provider, commands);

#[cfg(test)]
mod tests;
