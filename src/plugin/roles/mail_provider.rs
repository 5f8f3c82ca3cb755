//! `mail-provider`: an app that others can send mail through.

use crate::plugin::{Error, Hooks, Relay, hooks::run};

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
            role.potluck_recipe_mail_provider().call_account(store, sender)
        });
        let relay = self.end(call, outcome)?;
        self.relay(call, relay)
    }

    /// Removes the account; succeeds if it does not exist.
    pub async fn mail_close_account(&mut self, sender: &str) -> Result<(), Error> {
        let (call, outcome) = run!(self, MailProvider "close-account", mail_provider, |role, store| {
            role.potluck_recipe_mail_provider().call_close_account(store, sender)
        });
        self.end(call, outcome)
    }
}
