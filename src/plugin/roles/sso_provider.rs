//! `sso-provider`: an app that others can sign in with.

use crate::plugin::{Client, ClientRequest, Error, Hooks, bindings::sso_types, hooks::run};

/// The hooks of [`Role::SsoProvider`](crate::plugin::Role::SsoProvider).
impl Hooks {
    /// Creates or updates a client. What comes back has been checked, and a
    /// client that is not public has a secret.
    pub async fn sso_register(&mut self, request: &ClientRequest) -> Result<Client, Error> {
        self.store.data().hold_back();
        let client = self.register(request).await;
        self.store.data().tell();
        client
    }

    async fn register(&mut self, request: &ClientRequest) -> Result<Client, Error> {
        let asked = request.into();
        let (call, outcome) = run!(self, SsoProvider "register", sso_provider, |role, store| {
            role.potluck_recipe_sso_provider().call_register(store, &asked)
        });
        let client = self.end(call, outcome)?;
        self.client(call, client, request.public)
    }

    /// Removes a client; succeeds if it does not exist.
    pub async fn sso_unregister(&mut self, client: &str) -> Result<(), Error> {
        let (call, outcome) = run!(self, SsoProvider "unregister", sso_provider, |role, store| {
            role.potluck_recipe_sso_provider().call_unregister(store, client)
        });
        self.end(call, outcome)
    }
}

impl From<&ClientRequest> for sso_types::ClientRequest {
    fn from(request: &ClientRequest) -> Self {
        let ClientRequest {
            client,
            display_name,
            home_url,
            redirect_uris,
            post_logout_uris,
            scopes,
            public,
        } = request.clone();
        sso_types::ClientRequest {
            client,
            display_name,
            home_url,
            redirect_uris,
            post_logout_uris,
            scopes,
            public,
        }
    }
}
