//! `mail-client`: an app that sends mail.

use crate::plugin::{Changes, Encryption, Error, Hooks, Relay, bindings::mail_types, hooks::run};

/// The hooks of [`Role::MailClient`](crate::plugin::Role::MailClient).
impl Hooks {
    /// The changes that make the app send through this relay.
    pub async fn mail_connect(&mut self, relay: &Relay) -> Result<Changes, Error> {
        let given = mail_types::Relay::from(relay);
        if let Some(password) = &given.password {
            self.store.data().revealed.remember(password);
        }
        let (call, outcome) = run!(self, MailClient "connect", mail_client, |role, store| {
            role.potluck_recipe_mail_client().call_connect(store, &given)
        });
        let changes = self.end(call, outcome)?;
        self.changes(call, changes)
    }

    /// The changes that undo that.
    pub async fn mail_disconnect(&mut self) -> Result<Changes, Error> {
        let (call, outcome) = run!(self, MailClient "disconnect", mail_client, |role, store| {
            role.potluck_recipe_mail_client().call_disconnect(store)
        });
        let changes = self.end(call, outcome)?;
        self.changes(call, changes)
    }

    /// Sends a message through the app itself.
    pub async fn mail_send_test(&mut self, recipient: &str) -> Result<(), Error> {
        let (call, outcome) = run!(self, MailClient "send-test", mail_client, |role, store| {
            role.potluck_recipe_mail_client().call_send_test(store, recipient)
        });
        self.end(call, outcome)
    }
}

impl From<&Relay> for mail_types::Relay {
    fn from(relay: &Relay) -> Self {
        mail_types::Relay {
            host: relay.host.clone(),
            port: relay.port,
            encryption: match relay.encryption {
                Encryption::None => mail_types::Encryption::None,
                Encryption::StartTls => mail_types::Encryption::Starttls,
                Encryption::Tls => mail_types::Encryption::Tls,
            },
            username: relay.username.clone(),
            password: relay.password.as_ref().map(|password| password.0.to_string()),
            sender: relay.sender.clone(),
        }
    }
}
