//! What a provider gives, and what is recorded of it.

use crate::{
    home::connection::{Held, HeldAccount, HeldClient},
    plugin::{Client, ClientRequest, Relay},
};

use super::client::Given;

/// What a provider gave, and what is to be recorded of it.
#[derive(Debug)]
pub(super) struct Gift {
    pub given: Given,
    pub held: Held,
    /// What it did otherwise than it was asked to.
    pub warnings: Vec<String>,
}

impl Gift {
    /// A client that is as it was asked for.
    pub fn client(given: Client, request: &ClientRequest) -> Self {
        let held = Held::Client(held_client(&given, request));
        Gift { given: Given::Client(given), held, warnings: Vec::new() }
    }

    /// An account.
    pub fn account(given: Relay) -> Self {
        let held = Held::Account(held_account(&given));
        Gift { given: Given::Account(given), held, warnings: Vec::new() }
    }
}

/// What is to be recorded of a client.
pub(super) fn held_client(given: &Client, request: &ClientRequest) -> HeldClient {
    let request = request.clone();
    HeldClient {
        issuer: given.issuer.clone(),
        id: given.client_id.clone(),
        name: request.display_name,
        home_url: request.home_url,
        redirect_uris: request.redirect_uris,
        post_logout_uris: request.post_logout_uris,
        scopes: request.scopes,
        public: request.public,
        groups_claim: given.groups_claim.clone(),
        registration: None,
        secret_expires: None,
        by_hand: false,
        keys: Vec::new(),
    }
}

/// What is to be recorded of an account.
fn held_account(given: &Relay) -> HeldAccount {
    HeldAccount {
        host: given.host.clone(),
        port: given.port,
        encryption: given.encryption,
        username: given.username.clone(),
        sender: given.sender.clone(),
    }
}
