//! The app's end of a connection: what its plugin asks for, and what it makes of what it gets.

use crate::{
    app::{App, Context, Error},
    home::{ConnectionKind, StackName, connection::Held},
    hooks::{self, Guarding},
    plugin::{Changes, Client, ClientRequest, Hidden, Hooks, Relay, Role},
};

/// What an app asks of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Client(ClientRequest),
    /// The address that it sends from.
    Account(String),
}

/// What a provider gives.
#[derive(Debug, Clone)]
pub(super) enum Given {
    Client(Client),
    Account(Relay),
}

impl Given {
    /// The password of a relay's account.
    pub fn password(&self) -> Option<&Hidden> {
        match self {
            Given::Client(_) => None,
            Given::Account(relay) => relay.password.as_ref(),
        }
    }
}

impl Asked {
    /// What a provider was asked for, as it is recorded.
    pub fn recorded(stack: &StackName, held: &Held) -> Self {
        match held {
            Held::Account(account) => Asked::Account(account.sender.clone()),
            Held::Client(client) => Asked::Client(ClientRequest {
                client: stack.to_string(),
                display_name: client.name.clone(),
                home_url: client.home_url.clone(),
                redirect_uris: client.redirect_uris.clone(),
                post_logout_uris: client.post_logout_uris.clone(),
                scopes: client.scopes.clone(),
                public: client.public,
            }),
        }
    }
}

/// The plugin that plays a role for an app.
pub(super) struct Plugin {
    pub name: String,
    pub hooks: Hooks,
}

impl Plugin {
    /// Starts it; asks for consent where there is none yet.
    ///
    /// # Errors
    /// [`Error::NoRole`], and those of [`hooks::start`].
    pub async fn start(
        context: &Context,
        app: &App,
        kind: ConnectionKind,
        role: Role,
        guarding: Guarding<'_>,
    ) -> Result<Self, Error> {
        let started = hooks::start(context, app, role, guarding).await?;
        let first = started.into_iter().next();
        first.map(|(name, hooks)| Plugin { name, hooks }).ok_or_else(|| Error::NoRole {
            app: app.entry.name.to_string(),
            recipe: app.checkout.recipe.to_string(),
            kind,
            role,
        })
    }

    /// What the app needs; an account is asked for by its sender.
    ///
    /// # Errors
    /// The plugin's.
    pub async fn asks(&mut self, sender: Option<&str>) -> Result<Asked, Error> {
        match sender {
            Some(sender) => Ok(Asked::Account(sender.to_owned())),
            None => Ok(Asked::Client(self.hooks.sso_request().await?)),
        }
    }

    /// What the app makes of what it gets.
    ///
    /// # Errors
    /// The plugin's.
    pub async fn connect(&mut self, given: &Given) -> Result<Changes, Error> {
        Ok(match given {
            Given::Client(client) => self.hooks.sso_connect(client).await?,
            Given::Account(relay) => self.hooks.mail_connect(relay).await?,
        })
    }

    /// What undoes that.
    ///
    /// # Errors
    /// The plugin's.
    pub async fn disconnect(&mut self, kind: ConnectionKind) -> Result<Changes, Error> {
        Ok(match kind {
            ConnectionKind::Sso => self.hooks.sso_disconnect().await?,
            ConnectionKind::Mail => self.hooks.mail_disconnect().await?,
        })
    }
}
