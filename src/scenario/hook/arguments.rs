//! Arguments of hooks, as a scenario writes them.

use serde::Deserialize;

use crate::plugin::{Client, ClientRequest, Encryption, Hidden, Relay};

/// What an app needs of a provider, as a scenario writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRequest {
    client: String,
    display_name: String,
    home_url: Option<String>,
    redirect_uris: Vec<String>,
    #[serde(default)]
    post_logout_uris: Vec<String>,
    scopes: Vec<String>,
    #[serde(default)]
    public: bool,
}

/// What a provider gives an app, as a scenario writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenClient {
    issuer: String,
    client_id: String,
    client_secret: Option<String>,
    groups_claim: Option<String>,
}

/// A way to send mail, as a scenario writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRelay {
    host: String,
    port: u16,
    encryption: WrittenEncryption,
    username: Option<String>,
    password: Option<String>,
    sender: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenEncryption {
    None,
    StartTls,
    Tls,
}

impl From<WrittenRequest> for ClientRequest {
    fn from(written: WrittenRequest) -> Self {
        ClientRequest {
            client: written.client,
            display_name: written.display_name,
            home_url: written.home_url,
            redirect_uris: written.redirect_uris,
            post_logout_uris: written.post_logout_uris,
            scopes: written.scopes,
            public: written.public,
        }
    }
}

impl From<WrittenClient> for Client {
    fn from(written: WrittenClient) -> Self {
        Client {
            issuer: written.issuer,
            client_id: written.client_id,
            client_secret: written.client_secret.map(Hidden::from),
            groups_claim: written.groups_claim,
        }
    }
}

impl From<WrittenRelay> for Relay {
    fn from(written: WrittenRelay) -> Self {
        Relay {
            host: written.host,
            port: written.port,
            encryption: match written.encryption {
                WrittenEncryption::None => Encryption::None,
                WrittenEncryption::StartTls => Encryption::StartTls,
                WrittenEncryption::Tls => Encryption::Tls,
            },
            username: written.username,
            password: written.password.map(Hidden::from),
            sender: written.sender,
        }
    }
}
