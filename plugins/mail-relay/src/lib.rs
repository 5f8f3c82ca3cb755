//! The plugin of `recipes-examples/mail-relay`: an account for each address that apps send
//! from.
//!
//! Accounts are kept by the script `accounts` of the recipe, on the relay's volume. An
//! account that exists is found with the password that it has, so connecting an app again
//! changes nothing. A password crosses from the script to the host as its output, and is in
//! no argument and no line of a log.

use std::time::Duration;

use potluck_sdk::{
    Command, Commands, Context, Encryption, Failure, Lifecycle, MailProvider, Relay, Result, Spec,
    Transition, services, settings,
};
use serde::Deserialize;

/// The plugin.
pub struct MailRelay;

/// The `options` in `recipe.yml`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The service that runs the relay.
    service: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { service: "app".into() }
    }
}

/// Time for a relay that was just started.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// With which the script refuses an address, in words for people.
const REFUSED: i32 = 3;

/// How apps connect, and where.
fn encryption() -> Result<(Encryption, u16)> {
    match settings::get_or("ENCRYPTION", "starttls").as_str() {
        "" | "starttls" => Ok((Encryption::Starttls, 587)),
        "tls" => Ok((Encryption::Tls, 465)),
        other => Err(Failure::new(format!("the setting ENCRYPTION is `{other}`"))
            .hint("expected `starttls`, on port 587, or `tls`, on port 465")),
    }
}

/// Accounts and senders have one spelling.
fn address(sender: &str) -> Result<String> {
    let sender = sender.trim().to_ascii_lowercase();
    match sender.split_once('@') {
        Some((name, domain))
            if !name.is_empty()
                && !name.starts_with('-')
                && domain.contains('.')
                && !sender.chars().any(|c| c.is_whitespace() || c.is_control()) =>
        {
            Ok(sender)
        }
        _ => Err(Failure::new(format!("`{sender}` is not an address that an account can have"))
            .hint("expected an address such as `wiki@example.org`")),
    }
}

/// Runs the recipe's script `accounts`, and returns what it prints.
fn accounts(arguments: &[&str]) -> Result<String> {
    let options: Options = potluck_sdk::options()?;
    let command = ["accounts"].iter().chain(arguments).copied();
    let command = Command::new(command).timeout(READY_WITHIN);
    let output = services::attempt(&options.service, &command, "").context("the relay")?;
    match output.exit_code {
        0 => Ok(output.text().into_owned()),
        REFUSED => Err(Failure::new(output.error_text())),
        code => Err(Failure::new(format!(
            "the relay's script `accounts` failed with exit code {code}: {}",
            output.error_text()
        ))),
    }
}

impl Lifecycle for MailRelay {
    fn check(_: Transition) -> Result {
        potluck_sdk::options::<Options>()?;
        settings::require("DOMAIN")?;
        encryption()?;
        for (one, other) in [("TLS_CERTIFICATE", "TLS_KEY"), ("TLS_KEY", "TLS_CERTIFICATE")] {
            if set(one) && !set(other) {
                return Err(Failure::new(format!("{one} is set, and {other} is not"))
                    .hint("set both, or none: then the relay makes its own certificate"));
            }
        }
        if set("RELAYHOST_USER") && !set("RELAYHOST") {
            return Err(Failure::new("RELAYHOST_USER is set, and RELAYHOST is not"));
        }
        Ok(())
    }
}

fn set(key: &str) -> bool {
    settings::get(key).is_some_and(|value| !value.trim().is_empty())
}

/// The account of an address, as the script `accounts` gives it.
fn account(action: &str, sender: &str) -> Result<Relay> {
    let sender = address(sender)?;
    let (encryption, port) = encryption()?;
    let host = settings::require("DOMAIN")?;
    let options: Options = potluck_sdk::options()?;
    services::wait_ready(&options.service, READY_WITHIN).context("the relay")?;
    let password = accounts(&[action, &sender])?;
    if password.is_empty() || password.contains(char::is_whitespace) {
        return Err(Failure::new("the relay's script `accounts` printed no password"));
    }
    Ok(Relay {
        host,
        port,
        encryption,
        username: Some(sender.clone()),
        password: Some(password),
        sender,
    })
}

impl MailProvider for MailRelay {
    fn account(sender: String) -> Result<Relay> {
        account("add", &sender)
    }

    fn close_account(sender: String) -> Result {
        accounts(&["remove", &address(&sender)?])?;
        Ok(())
    }

    fn rotate(sender: String) -> Result<Relay> {
        account("renew", &sender)
    }
}

impl Commands for MailRelay {
    fn specs() -> Vec<Spec> {
        vec![
            Spec::new("list-accounts", "List the addresses that apps can send from"),
            Spec::new("authority", "Print the certificate that vouches for the relay's own"),
        ]
    }

    fn run(name: String, arguments: Vec<String>) -> Result<String> {
        match (name.as_str(), arguments.as_slice()) {
            ("list-accounts", []) => accounts(&["list"]),
            ("authority", []) => authority(),
            ("list-accounts" | "authority", _) => {
                Err(Failure::new(format!("`{name}` takes no arguments")))
            }
            _ => Err(Failure::new(format!("there is no command `{name}`"))
                .hint("`potluck app cmd APP` lists the commands")),
        }
    }
}

/// What an app has to trust that no system trusts by itself.
fn authority() -> Result<String> {
    if set("TLS_CERTIFICATE") {
        return Err(Failure::new("the relay's certificate comes from outside")
            .hint("whoever made it, such as Let's Encrypt, vouches for it"));
    }
    let options: Options = potluck_sdk::options()?;
    let output = services::run(&options.service, ["cat", "/data/tls/ca.pem"])?;
    Ok(output.text().into_owned())
}

potluck_sdk::export!(MailRelay: lifecycle, mail_provider, commands);

#[cfg(test)]
mod tests;
