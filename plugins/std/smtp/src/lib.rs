//! `std:smtp`: what an app needs to send mail through a relay, by a map of its
//! settings and secrets.

use std::collections::BTreeMap;

use potluck_sdk::{
    Changes, Command, Encryption, Failure, Lifecycle, MailClient, Relay, Result, Transition,
    services,
};
use serde::Deserialize;
use std_common::map::{Map, Text, Words};

/// The plugin.
pub struct Smtp;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Keys of the app's settings, and what becomes of them.
    settings: BTreeMap<String, Setting>,
    /// Secrets by their key in the compose file.
    secrets: BTreeMap<String, String>,
    /// Compose overlays that are on while the app sends through a relay.
    overlays: Vec<String>,
    /// How the app itself sends a message.
    test: Option<Test>,
}

/// One text, or one for each way that a relay is encrypted.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Setting {
    Always(Text),
    Either(Either),
}

/// A case that is missing is one that the app can't do; `null` removes the key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Either {
    #[serde(default, deserialize_with = "some")]
    none: Option<Option<Text>>,
    #[serde(default, deserialize_with = "some")]
    starttls: Option<Option<Text>>,
    #[serde(default, deserialize_with = "some")]
    tls: Option<Option<Text>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    #[serde(default = "app")]
    service: String,
    /// Program and arguments; `{recipient}` is the address.
    command: Vec<String>,
    user: Option<String>,
}

fn app() -> String {
    "app".into()
}

/// Tells `null` from nothing.
fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<Text>>, D::Error> {
    Option::deserialize(from).map(Some)
}

fn name(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::None => "none",
        Encryption::Starttls => "starttls",
        Encryption::Tls => "tls",
    }
}

impl Options {
    fn read() -> Result<Self> {
        let options: Options = potluck_sdk::options()?;
        if options.settings.is_empty() && options.secrets.is_empty() {
            return Err(Failure::new("neither `settings` nor `secrets` maps anything")
                .hint("such as `settings: {SMTP_HOST: \"{host}\"}`"));
        }
        Ok(options)
    }

    /// The map for one way of encryption.
    fn map(&self, encryption: Encryption) -> Result<Map<'_>> {
        let mut settings = Vec::new();
        for (key, setting) in &self.settings {
            let text = match setting {
                Setting::Always(text) => Some(text),
                Setting::Either(either) => {
                    let case = match encryption {
                        Encryption::None => &either.none,
                        Encryption::Starttls => &either.starttls,
                        Encryption::Tls => &either.tls,
                    };
                    let name = name(encryption);
                    case.as_ref().map(Option::as_ref).ok_or_else(|| {
                        Failure::new(format!(
                            "the app can't send through a relay with the encryption `{name}`"
                        ))
                        .hint(format!("the recipe's option for {key} has no case for it"))
                    })?
                }
            };
            settings.push((key.as_str(), text));
        }
        Ok(Map { settings, secrets: &self.secrets, overlays: &self.overlays })
    }
}

fn words(relay: &Relay) -> Words {
    let (sender_name, sender_domain) =
        relay.sender.rsplit_once('@').unwrap_or((&relay.sender, &relay.host));
    let encoded = |text: &Option<String>| text.as_deref().map(percent_encoded);
    Words::default()
        .open("host", Some(&relay.host))
        .open("port", Some(&relay.port.to_string()))
        .open("encryption", Some(name(relay.encryption)))
        .open("username", relay.username.as_deref())
        .open("sender", Some(&relay.sender))
        .open("sender_name", Some(sender_name))
        .open("sender_domain", Some(sender_domain))
        .open("username_encoded", encoded(&relay.username).as_deref())
        .secret("password", relay.password.as_deref())
        .secret("password_encoded", encoded(&relay.password).as_deref())
}

/// For a part of a URL (RFC 3986, 2.3).
fn percent_encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

impl Lifecycle for Smtp {
    /// The map must make sense for some relay: one like this.
    fn check(_: Transition) -> Result {
        let options = Options::read()?;
        let relay = |encryption| Relay {
            host: "mail.example.org".into(),
            port: 587,
            encryption,
            username: Some("user".into()),
            password: Some("password".into()),
            sender: "app@example.org".into(),
        };
        let all = [Encryption::None, Encryption::Starttls, Encryption::Tls];
        let maps: Vec<_> = all.into_iter().map(|e| (e, options.map(e))).collect();
        if maps.iter().all(|(_, map)| map.is_err()) {
            return Err(Failure::new("the options have no encryption that every setting can do"));
        }
        for (encryption, map) in maps {
            if let Ok(map) = map {
                map.connect(&words(&relay(encryption)))?;
            }
        }
        Ok(())
    }
}

impl MailClient for Smtp {
    fn connect(relay: Relay) -> Result<Changes> {
        Options::read()?.map(relay.encryption)?.connect(&words(&relay))
    }

    fn disconnect() -> Result<Changes> {
        let options = Options::read()?;
        let settings = options.settings.keys().map(|key| (key.as_str(), None)).collect();
        let map = Map { settings, secrets: &options.secrets, overlays: &options.overlays };
        Ok(map.disconnect())
    }

    fn send_test(recipient: String) -> Result {
        let test = Options::read()?.test.ok_or_else(|| {
            Failure::new("the recipe does not say how the app sends a message")
                .hint("its option `test` would hold a command, `[sendmail, \"{recipient}\"]`")
        })?;
        if recipient.starts_with('-') || !recipient.contains('@') {
            return Err(Failure::new(format!("`{recipient}` is no address")));
        }
        let argv = test.command.iter().map(|part| part.replace("{recipient}", &recipient));
        let mut command = Command::new(argv);
        command.user = test.user;
        services::run(&test.service, command)?;
        Ok(())
    }
}

potluck_sdk::export!(Smtp: lifecycle, mail_client);

#[cfg(test)]
mod tests;
