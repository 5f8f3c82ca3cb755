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
        by_hand: false,
        keys: Vec::new(),
    }
}

/// What is to be recorded of an account.
pub(super) fn held_account(given: &Relay) -> HeldAccount {
    HeldAccount {
        host: given.host.clone(),
        port: given.port,
        encryption: given.encryption,
        username: given.username.clone(),
        sender: given.sender.clone(),
    }
}
