//! `mail-provider`: an app that others can send mail through. In 0.1.0 it has no
//! `rotate`.

use wasmtime::Store;

use crate::plugin::{
    Error, Hooks, Relay,
    bindings::{failures::Failure, mail_types},
    hooks::run,
    host::State,
    roles::{sso_provider::no_rotate, versioned::versioned},
};

versioned! {
    ($)
    V0_1: mail_provider_0_1.potluck_recipe_mail_provider,
    V0_4: mail_provider.potluck_recipe0_4_0_mail_provider
}

type Outcome<T> = wasmtime::Result<Result<T, Failure>>;

impl Guest {
    async fn account(&self, store: &mut Store<State>, sender: &str) -> Outcome<mail_types::Relay> {
        either!(self, |role| role.call_account(store, sender))
    }

    async fn rotate(&self, store: &mut Store<State>, sender: &str) -> Outcome<mail_types::Relay> {
        match self {
            Guest::V0_1(_) => Ok(Err(no_rotate("account", "password"))),
            Guest::V0_4(role) => {
                role.potluck_recipe0_4_0_mail_provider().call_rotate(store, sender).await
            }
        }
    }

    async fn close_account(&self, store: &mut Store<State>, sender: &str) -> Outcome<()> {
        either!(self, |role| role.call_close_account(store, sender))
    }
}

/// The hooks of [`Role::MailProvider`](crate::plugin::Role::MailProvider).
impl Hooks {
    /// An account that may send as this address. What comes back has been
    /// checked.
    pub async fn mail_account(&mut self, sender: &str) -> Result<Relay, Error> {
        self.store.data().hold_back();
        let relay = self.account(sender).await;
        self.store.data().tell();
        relay
    }

    async fn account(&mut self, sender: &str) -> Result<Relay, Error> {
        let (call, outcome) = run!(self, MailProvider "account", mail_provider, |role, store| {
            role.account(store, sender)
        });
        let relay = self.end(call, outcome)?;
        self.relay(call, relay)
    }

    /// Gives an account another password; what comes back is as that of
    /// [`Hooks::mail_account`].
    pub async fn mail_rotate(&mut self, sender: &str) -> Result<Relay, Error> {
        self.store.data().hold_back();
        let relay = self.rotate_account(sender).await;
        self.store.data().tell();
        relay
    }

    async fn rotate_account(&mut self, sender: &str) -> Result<Relay, Error> {
        let (call, outcome) = run!(self, MailProvider "rotate", mail_provider, |role, store| {
            role.rotate(store, sender)
        });
        let relay = self.end(call, outcome)?;
        self.relay(call, relay)
    }

    /// Removes the account; succeeds if it does not exist.
    pub async fn mail_close_account(&mut self, sender: &str) -> Result<(), Error> {
        let (call, outcome) = run!(self, MailProvider "close-account", mail_provider, |role, store| {
            role.close_account(store, sender)
        });
        self.end(call, outcome)
    }
}
