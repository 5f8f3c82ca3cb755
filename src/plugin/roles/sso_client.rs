//! `sso-client`: an app that signs its people in through another.

use crate::plugin::{
    Changes, Client, ClientRequest, Error, Hooks, bindings::sso_types, hooks::run,
};

/// The hooks of [`Role::SsoClient`](crate::plugin::Role::SsoClient).
impl Hooks {
    /// What this app needs of a provider. The client is the app's own.
    pub async fn sso_request(&mut self) -> Result<ClientRequest, Error> {
        let (call, outcome) = run!(self, SsoClient "request", sso_client, |role, store| {
            role.potluck_recipe_sso_client().call_request(store)
        });
        let request = self.end(call, outcome)?;
        self.client_request(call, request)
    }

    /// The changes that make the app use this client.
    pub async fn sso_connect(&mut self, client: &Client) -> Result<Changes, Error> {
        let secret = client.client_secret.as_ref().map(|secret| secret.0.to_string());
        if let Some(secret) = &secret {
            self.store.data().revealed.remember(secret);
        }
        let given = sso_types::Client {
            issuer: client.issuer.clone(),
            client_id: client.client_id.clone(),
            client_secret: secret,
            groups_claim: client.groups_claim.clone(),
        };
        let (call, outcome) = run!(self, SsoClient "connect", sso_client, |role, store| {
            role.potluck_recipe_sso_client().call_connect(store, &given)
        });
        let changes = self.end(call, outcome)?;
        self.changes(call, changes)
    }

    /// The changes that undo that.
    pub async fn sso_disconnect(&mut self) -> Result<Changes, Error> {
        let (call, outcome) = run!(self, SsoClient "disconnect", sso_client, |role, store| {
            role.potluck_recipe_sso_client().call_disconnect(store)
        });
        let changes = self.end(call, outcome)?;
        self.changes(call, changes)
    }
}
