//! LemonLDAP::NG as a provider that apps are connected to: makes, changes and removes its
//! relying parties.
//!
//! The recipe's image has a script for that, `clients.pl`, which changes LemonLDAP::NG's
//! configuration as `lemonldap-ng-cli` does, under the same lock. Requests and answers go through
//! standard input and output: they hold secrets, and anyone on the server can read arguments.
//! A client keeps its id and secret, also when the provider lost it: the script derives the
//! secret anew. How often a secret was replaced is remembered here, too, for a provider whose
//! data is from before.

mod commands;

use potluck_sdk::{
    Client, ClientRequest, Command, Context, Failure, Lifecycle, Result, SsoProvider, Transition,
    memory, report, services, settings,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// The plugin.
pub struct LemonldapNg;

/// The `options` in `recipe.yml`: what things are called in the compose file.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The service that runs the portal.
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
    client: Credentials,
    done: String,
    generation: u32,
}

/// What an app shows itself by; a public client has no secret.
#[derive(Debug, Deserialize)]
struct Credentials {
    id: String,
    secret: Option<String>,
}

/// What the script answers to a removal.
#[derive(Debug, Deserialize)]
struct Removed {
    done: String,
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
    let script = Command::new(["perl", "clients.pl"]).workdir("/app");
    let output = services::feed(&options.app, script, request.to_string())
        .context("the provider's clients")?;
    if output.truncated {
        return Err(Failure::new("the provider answered more than potluck takes in"));
    }
    serde_json::from_slice(&output.stdout).context("the provider answered what is not understood")
}

impl Lifecycle for LemonldapNg {
    fn check(_: Transition) -> Result {
        potluck_sdk::options::<Options>()?;
        let issuer = settings::require("ISSUER")?;
        let host = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' '])) {
            return Err(Failure::new(format!("`{issuer}` can't be an issuer here")).hint(
                "ISSUER is written like https://sso.example.org, without a slash at its end",
            ));
        }
        for (key, words) in [("PKCE", ["optional", "required"]), ("CONSENT", ["ask", "implied"])] {
            let value = settings::get(key).filter(|value| !value.is_empty());
            if let Some(value) = value
                && !words.contains(&value.as_str())
            {
                // The portal would take it for the first.
                return Err(Failure::new(format!("{key} is `{value}`"))
                    .hint(format!("it is `{}` or `{}`", words[0], words[1])));
            }
        }
        Ok(())
    }
}

/// The client as it is asked for; `rotate` gives it another secret.
fn client(action: &str, request: &ClientRequest) -> Result<Client> {
    let mut asked = json!({"action": action, "client": {
        "id": request.client,
        "name": request.display_name,
        "home": request.home_url,
        "redirect_uris": request.redirect_uris,
        "post_logout_uris": request.post_logout_uris,
        "scopes": request.scopes,
        "public": request.public,
    }});
    if let Some(known) = generation(&request.client)? {
        asked["generation"] = known.into();
    }
    let answer: Registered = ask(&asked)?;
    if answer.client.id != request.client {
        return Err(Failure::new(format!(
            "the provider answered with the client {} instead of {}",
            answer.client.id, request.client
        )));
    }
    remember(&request.client, answer.generation);
    report::info(format!("the client {} is {} at {}", request.client, answer.done, answer.issuer));
    Ok(Client {
        issuer: answer.issuer,
        client_id: answer.client.id,
        client_secret: answer.client.secret,
        groups_claim: request
            .scopes
            .iter()
            .any(|scope| scope == "groups")
            .then(|| "groups".to_owned()),
    })
}

impl SsoProvider for LemonldapNg {
    fn register(request: ClientRequest) -> Result<Client> {
        client("register", &request)
    }

    fn unregister(client: String) -> Result {
        let answer: Removed = ask(&json!({"action": "remove", "id": client}))?;
        remember(&client, answer.generation);
        report::info(format!("the client {client} is {}", answer.done));
        Ok(())
    }

    fn rotate(request: ClientRequest) -> Result<Client> {
        client("rotate", &request)
    }
}

potluck_sdk::export!(LemonldapNg: lifecycle, sso_provider, commands);

#[cfg(test)]
mod tests;
