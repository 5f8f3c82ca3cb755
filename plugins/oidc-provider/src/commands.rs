//! What operators ask for by hand.

use std::time::Duration;

use potluck_sdk::{Commands, Context, Failure, Result, Spec, services};
use serde::Deserialize;
use serde_json::json;

use crate::{Done, OidcProvider, Options, Stored, ask};

const READY_WITHIN: Duration = Duration::from_secs(120);

#[derive(Debug, Deserialize)]
struct Listed {
    clients: Vec<Stored>,
}

impl Commands for OidcProvider {
    fn specs() -> Vec<Spec> {
        vec![
            Spec::new("list-clients", "List the apps that can sign people in"),
            Spec::new("rotate-key", "Sign with a new key; apps may need an hour to learn it"),
        ]
    }

    fn run(name: String, arguments: Vec<String>) -> Result<String> {
        match (name.as_str(), &arguments[..]) {
            ("list-clients", []) => {
                let listed: Listed = ask(&json!({"action": "list"}))?;
                let line = |client: &Stored| {
                    let name = client.client_name.as_deref().unwrap_or_default();
                    format!("{}\t{name}\t{}", client.client_id, client.redirect_uris.join(" "))
                };
                Ok(listed.clients.iter().map(line).collect::<Vec<_>>().join("\n"))
            }
            ("rotate-key", []) => {
                ask::<Done>(&json!({"action": "rotate-key"}))?;
                let options: Options = potluck_sdk::options()?;
                services::restart(&options.app, READY_WITHIN).context("the provider's restart")?;
                Ok("tokens are signed with a new key now; the last one stays valid".into())
            }
            (known, _) if Self::specs().iter().any(|spec| spec.name == known) => {
                Err(Failure::new(format!("`{known}` has too few or too many arguments"))
                    .hint("`potluck app cmd APP` lists the commands and what they take"))
            }
            (unknown, _) => Err(Failure::new(format!("there is no command `{unknown}`"))
                .hint("`potluck app cmd APP` lists the commands")),
        }
    }
}
