//! `mail-provider`: an app that others can send mail through. In 0.1.0 it has no
//! `rotate`.

use wasmtime::{
    Store,
    component::{Instance, InstancePre},
};

use crate::plugin::{
    Error, Hooks, Relay,
    bindings::{self, failures::Failure, mail_types},
    hooks::run,
    host::State,
    roles::sso_provider::no_rotate,
};

/// The functions of the role, in the version that the component exports.
pub enum Indices {
    V0_1(bindings::mail_provider_0_1::RoleIndices),
    V0_4(bindings::mail_provider::RoleIndices),
}

/// The functions of one instance.
pub enum Guest {
    V0_1(bindings::mail_provider_0_1::Role),
    V0_4(bindings::mail_provider::Role),
}

impl Indices {
    pub fn find(instance: &InstancePre<State>, version: &str) -> wasmtime::Result<Self> {
        Ok(match version {
            "0.1.0" => Indices::V0_1(bindings::mail_provider_0_1::RoleIndices::new(instance)?),
            _ => Indices::V0_4(bindings::mail_provider::RoleIndices::new(instance)?),
        })
    }

    pub fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guest> {
        Ok(match self {
            Indices::V0_1(indices) => Guest::V0_1(indices.load(store, instance)?),
            Indices::V0_4(indices) => Guest::V0_4(indices.load(store, instance)?),
        })
    }
}

/// The same call in either version.
macro_rules! either {
    ($guest:ident, |$role:ident| $call:expr) => {
        match $guest {
            Guest::V0_1(role) => {
                let $role = role.potluck_recipe_mail_provider();
                $call.await
            }
            Guest::V0_4(role) => {
                let $role = role.potluck_recipe0_4_0_mail_provider();
                $call.await
            }
        }
    };
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
