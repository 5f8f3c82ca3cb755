//! What operators ask for by hand.

use potluck_sdk::{Commands, Failure, Result, Spec};
use serde_json::Value;

use crate::{Authentik, all};

impl Commands for Authentik {
    fn specs() -> Vec<Spec> {
        vec![Spec::new("list-clients", "List the OAuth2 providers: apps that can sign people in")]
    }

    fn run(name: String, arguments: Vec<String>) -> Result<String> {
        match (name.as_str(), arguments.as_slice()) {
            ("list-clients", []) => {
                let found = all("/providers/oauth2/", &[])?;
                let mut lines: Vec<String> = found.iter().map(line).collect();
                lines.sort();
                Ok(lines.join("\n"))
            }
            ("list-clients", _) => Err(Failure::new("`list-clients` takes no arguments")),
            _ => Err(Failure::new(format!("there is no command `{name}`"))
                .hint("`potluck app cmd APP` lists the commands")),
        }
    }
}

/// Id, the application's name, redirect addresses.
fn line(provider: &Value) -> String {
    let text = |key: &str| provider[key].as_str().unwrap_or_default();
    let uris = provider["redirect_uris"].as_array().into_iter().flatten();
    let uris: Vec<&str> = uris
        .filter(|it| it["redirect_uri_type"] != "logout")
        .filter_map(|it| it["url"].as_str())
        .collect();
    format!("{}\t{}\t{}", text("client_id"), text("assigned_application_name"), uris.join(" "))
}
