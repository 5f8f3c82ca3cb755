//! What operators ask for by hand.

use potluck_sdk::{Commands, Failure, Result, Spec};
use serde::Deserialize;
use serde_json::json;

use crate::{LemonldapNg, ask};

#[derive(Debug, Deserialize)]
struct Listed {
    clients: Vec<Party>,
}

/// As much of a relying party as is shown.
#[derive(Debug, Deserialize)]
struct Party {
    id: String,
    name: Option<String>,
    redirect_uris: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Done {}

impl Commands for LemonldapNg {
    fn specs() -> Vec<Spec> {
        vec![
            Spec::new("list-clients", "List the apps that can sign people in"),
            Spec::new("rotate-key", "Sign with a new key; the last one counts no more"),
        ]
    }

    fn run(name: String, arguments: Vec<String>) -> Result<String> {
        match (name.as_str(), &arguments[..]) {
            ("list-clients", []) => {
                let listed: Listed = ask(&json!({"action": "list"}))?;
                let line = |party: &Party| {
                    let name = party.name.as_deref().unwrap_or_default();
                    format!("{}\t{name}\t{}", party.id, party.redirect_uris.join(" "))
                };
                Ok(listed.clients.iter().map(line).collect::<Vec<_>>().join("\n"))
            }
            ("rotate-key", []) => {
                ask::<Done>(&json!({"action": "rotate-key"}))?;
                Ok("tokens are signed with a new key now; apps fail until they ask for it".into())
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
