//! `sso-provider`: an app that others can sign in with. In 0.1.0 it has no
//! `rotate`.

use wasmtime::Store;

use crate::plugin::{
    Client, ClientRequest, Error, Hooks,
    bindings::{failures::Failure, sso_types},
    hooks::run,
    host::State,
    roles::versioned::versioned,
};

versioned! {
    ($)
    V0_1: sso_provider_0_1.potluck_recipe_sso_provider,
    V0_4: sso_provider.potluck_recipe0_4_0_sso_provider
}

type Outcome<T> = wasmtime::Result<Result<T, Failure>>;

impl Guest {
    async fn register(
        &self,
        store: &mut Store<State>,
        request: &sso_types::ClientRequest,
    ) -> Outcome<sso_types::Client> {
        either!(self, |role| role.call_register(store, request))
    }

    async fn rotate(
        &self,
        store: &mut Store<State>,
        request: &sso_types::ClientRequest,
    ) -> Outcome<sso_types::Client> {
        match self {
            Guest::V0_1(_) => Ok(Err(no_rotate("client", "secret"))),
            Guest::V0_4(role) => {
                role.potluck_recipe0_4_0_sso_provider().call_rotate(store, request).await
            }
        }
    }

    async fn unregister(&self, store: &mut Store<State>, client: &str) -> Outcome<()> {
        either!(self, |role| role.call_unregister(store, client))
    }
}

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
            role.register(store, &asked)
        });
        let client = self.end(call, outcome)?;
        self.client(call, client, request.public)
    }

    /// Gives a client another secret; what comes back is as that of
    /// [`Hooks::sso_register`].
    pub async fn sso_rotate(&mut self, request: &ClientRequest) -> Result<Client, Error> {
        self.store.data().hold_back();
        let client = self.rotate_client(request).await;
        self.store.data().tell();
        client
    }

    async fn rotate_client(&mut self, request: &ClientRequest) -> Result<Client, Error> {
        let asked = request.into();
        let (call, outcome) = run!(self, SsoProvider "rotate", sso_provider, |role, store| {
            role.rotate(store, &asked)
        });
        let client = self.end(call, outcome)?;
        self.client(call, client, request.public)
    }

    /// Removes a client; succeeds if it does not exist.
    pub async fn sso_unregister(&mut self, client: &str) -> Result<(), Error> {
        let (call, outcome) = run!(self, SsoProvider "unregister", sso_provider, |role, store| {
            role.unregister(store, client)
        });
        self.end(call, outcome)
    }
}

/// What a plugin says whose interface has no such hook.
pub(super) fn no_rotate(what: &str, secret: &str) -> Failure {
    Failure {
        message: format!("it is older than 0.4.0 and cannot give a {what} another {secret}"),
        hint: Some(format!(
            "give the {what} another {secret} at the provider itself, then connect the app again"
        )),
        retryable: false,
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
