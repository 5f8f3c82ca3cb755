//! Connections of an app: where its people sign in, and through what it sends its mail. Kept
//! in the lock file, without secrets.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ServerName, encryption::Encryption};

/// What an app is connected for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionKind {
    /// Signing in by OpenID Connect.
    Sso,
    /// Sending mail.
    Mail,
}

impl ConnectionKind {
    /// As commands call it.
    pub fn word(self) -> &'static str {
        match self {
            ConnectionKind::Sso => "sso",
            ConnectionKind::Mail => "mail",
        }
    }

    /// For sentences: `sign-on`, `mail`.
    pub fn noun(self) -> &'static str {
        match self {
            ConnectionKind::Sso => "sign-on",
            ConnectionKind::Mail => "mail",
        }
    }
}

impl fmt::Display for ConnectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A connection as it was made last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Connection {
    /// The app that plays the role, or a name in `providers/`.
    pub provider: String,
    /// The server of the app that plays the role; none for a provider outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerName>,
    /// When it was made, or last repaired.
    pub since: Timestamp,
    /// What the provider holds.
    pub held: Held,
    /// The settings that it wrote.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// What these settings were before the app was connected; null for none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<String, Option<String>>,
    /// The secrets that it made, by their names, and their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// The overlays that it switched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<String>,
    /// The overlays that it switched off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays_off: Vec<String>,
    /// Whether the provider may have replaced the secret, which then has to be brought to the
    /// app: a rotation did not finish.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
}

/// What a provider holds for an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    Client(HeldClient),
    Account(HeldAccount),
}

impl Held {
    /// Whether it is another client or account, and not the same one changed.
    pub fn is_another(&self, other: &Held) -> bool {
        match (self, other) {
            (Held::Client(one), Held::Client(other)) => one.id != other.id,
            (Held::Account(one), Held::Account(other)) => one.sender != other.sender,
            _ => true,
        }
    }
}

/// A client that signs people in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeldClient {
    pub issuer: String,
    pub id: String,
    /// What people see when they sign in.
    #[serde(default)]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_url: Option<String>,
    pub redirect_uris: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_uris: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub public: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    /// Where the registration is read and changed (RFC 7592), if it was made so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<String>,
    /// When its secret stops working, if the provider said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_expires: Option<Timestamp>,
    /// Whether somebody entered it at the provider by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
    /// Ids of the keys that the provider signed with when it was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// An account that sends mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeldAccount {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    pub sender: String,
}

/// What an operation on a connection found, until it has ended: what undoing it in this
/// folder needs. It is this machine's own state and does not come from a colleague.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Connecting {
    /// The operation, as its journal names it.
    pub operation: String,
    pub kind: ConnectionKind,
    /// What the settings were that it changes; null for none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<String, Option<String>>,
    /// The settings' file as it was, before it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the provider holds since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// The connection as it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Box<Connection>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::LockFile;

    #[test]
    fn a_connection_reads_as_it_was_written() {
        let account = HeldAccount {
            host: "relay.example.org".into(),
            port: 587,
            encryption: Encryption::StartTls,
            username: Some("wiki".into()),
            sender: "wiki@example.org".into(),
        };
        let client = HeldClient {
            issuer: "https://sso.example.org".into(),
            id: "wiki".into(),
            name: "Wiki".into(),
            home_url: None,
            redirect_uris: vec!["https://wiki.example.org/callback".into()],
            post_logout_uris: Vec::new(),
            scopes: vec!["openid".into()],
            public: false,
            groups_claim: Some("groups".into()),
            registration: None,
            secret_expires: Some("2026-12-28T03:00:00Z".parse().unwrap()),
            by_hand: true,
            keys: vec!["k1".into()],
        };
        let connection = |held: Held| Connection {
            provider: "sso.example.org".into(),
            server: Some("here".parse().unwrap()),
            since: "2026-11-28T03:00:00Z".parse().unwrap(),
            held,
            settings: [("OIDC_ID".to_owned(), "wiki".to_owned())].into(),
            before: [("OIDC_ID".to_owned(), None)].into(),
            secrets: [("oidc_secret".to_owned(), "v1".to_owned())].into(),
            overlays: vec!["compose.oidc.yml".into()],
            overlays_off: vec!["compose.local.yml".into()],
            unsure: true,
        };
        let lock = LockFile {
            connections: [
                (ConnectionKind::Sso, connection(Held::Client(client))),
                (ConnectionKind::Mail, connection(Held::Account(account))),
            ]
            .into(),
            ..LockFile::default()
        };
        let connecting = Connecting {
            operation: "0a".into(),
            kind: ConnectionKind::Sso,
            before: [("COMPOSE_FILE".to_owned(), None)].into(),
            text: Some("A=1\n".into()),
            held: None,
            recorded: lock.connections.get(&ConnectionKind::Mail).cloned().map(Box::new),
        };
        let text = serde_json::json!(connecting).to_string();
        assert_eq!(serde_json::from_str::<Connecting>(&text).unwrap(), connecting, "{text}");
        let text = serde_saphyr::to_string(&lock).unwrap();
        assert_eq!(serde_saphyr::from_str::<LockFile>(&text).unwrap(), lock, "{text}");
    }
}
