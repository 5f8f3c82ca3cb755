//! The provider's end of a connection: an app that plays the role, or one outside.

use crate::{
    app::{self, App, Context, Error},
    home::{
        self, AppEntry, AppGuard, AppName, Connection, ConnectionKind, ProviderName, ServerName,
        connection::Held,
    },
    hooks::Guarding,
    operation::{claim, lease::leased},
    owner::journal::Connects,
    wiring::Web,
};

use super::{
    client::{Asked, Plugin},
    gift::Gift,
    outside::{ByHand, Outside},
    roles,
};

/// Where people sign in, or through what mail is sent.
pub(super) enum Provider {
    App(Box<Playing>),
    Outside(Box<Outside>),
}

/// An app that plays the role. It is this operation's for as long as this exists.
pub(super) struct Playing {
    app: App,
    guard: AppGuard,
    kind: ConnectionKind,
    /// Its plugins' grants are its own, not those of the command line.
    context: Context,
}

/// Who is meant by a name.
pub(super) enum Named {
    App(AppEntry),
    Outside(ProviderName),
}

/// The app or the provider outside that has a name. Of two apps, that on the client's server.
///
/// # Errors
/// [`home::Error::UnknownProvider`], [`Error::OwnProvider`].
pub(super) fn named(
    context: &Context,
    name: &str,
    server: Option<&ServerName>,
    client: &AppEntry,
) -> Result<Named, Error> {
    let mut apps = context.home.apps()?;
    apps.retain(|app| app.name.as_str() == name);
    apps.retain(|app| server.is_none_or(|server| app.server == *server));
    let wanted = server.unwrap_or(&client.server);
    let place = apps.iter().position(|app| app.server == *wanted).unwrap_or(0);
    if let Some(app) = apps.into_iter().nth(place) {
        return match app == *client {
            true => Err(Error::OwnProvider { app: name.to_owned() }),
            false => Ok(Named::App(app)),
        };
    }
    let unknown = |_| home::Error::UnknownProvider { provider: name.to_owned(), nearest: None };
    if let Some(server) = server {
        let provider = format!("{name} on {server}");
        return Err(home::Error::UnknownProvider { provider, nearest: None }.into());
    }
    let outside = ProviderName::new(name).map_err(unknown)?;
    context.home.provider(&outside)?;
    Ok(Named::Outside(outside))
}

impl Provider {
    /// Finds it, and claims an app for this process.
    ///
    /// # Errors
    /// As [`named`]; [`Error::NotOfKind`]; an app that cannot be loaded or claimed.
    pub async fn find(
        context: &Context,
        kind: ConnectionKind,
        name: &str,
        server: Option<&ServerName>,
        client: &AppEntry,
    ) -> Result<Self, Error> {
        match named(context, name, server, client)? {
            Named::Outside(name) => Outside::load(context, kind, name)
                .map(|outside| Provider::Outside(Box::new(outside))),
            Named::App(entry) => {
                let doing = format!("a connection of {}", client.name);
                let guard = claim(&context.home, &entry, &doing, context.lock_wait).await?;
                let app = app::load_deployed(context, &entry).await?;
                let context = context.for_another()?;
                let role = roles(kind).1;
                let plays = |component: &app::Component| {
                    component.roles().is_ok_and(|roles| roles.contains(&role))
                };
                if !app.components()?.iter().any(plays) {
                    return Err(Error::NotOfKind { provider: entry.name.to_string(), kind });
                }
                Ok(Provider::App(Box::new(Playing { app, guard, kind, context })))
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Provider::App(playing) => playing.app.entry.name.as_str(),
            Provider::Outside(outside) => outside.name.as_str(),
        }
    }

    /// The server of an app.
    pub fn server(&self) -> Option<&ServerName> {
        match self {
            Provider::App(playing) => Some(&playing.app.entry.server),
            Provider::Outside(_) => None,
        }
    }

    /// Whether a connection is to it.
    pub fn is_of(&self, connection: &Connection) -> bool {
        connection.provider == self.name() && connection.server.as_ref() == self.server()
    }

    /// What a person has to know before it is asked: where a token of this folder goes.
    pub fn told(&self) -> Vec<String> {
        match self {
            Provider::App(_) => Vec::new(),
            Provider::Outside(outside) => outside.told(),
        }
    }

    /// Whether its part can be removed later, as far as that is known before.
    ///
    /// # Errors
    /// A token that cannot be read.
    pub fn require_removable(
        &self,
        context: &Context,
        client: &AppEntry,
        held: &Held,
    ) -> Result<(), Error> {
        match self {
            Provider::App(_) => Ok(()),
            Provider::Outside(outside) => outside.require_removable(context, client, held),
        }
    }

    /// Its end of the connection, for a journal.
    pub fn connects(&self, kind: ConnectionKind, new: bool, rotates: bool) -> Connects {
        let (provider, server) = (self.name().to_owned(), self.server().cloned());
        Connects { kind, provider, server, new, rotates, sender: None, new_client: false }
    }

    /// What is known of a client before it is made: its issuer.
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Provider::App(_) => None,
            Provider::Outside(outside) => outside.issuer(),
        }
    }

    /// The relay that it gives, as far as that is known before.
    pub fn relay(&self) -> Option<&home::provider::RelaySettings> {
        match self {
            Provider::App(_) => None,
            Provider::Outside(outside) => outside.relay(),
        }
    }

    /// Does something while it is this operation's, also on its server.
    ///
    /// # Errors
    /// What the work ends with; [`Error::Taken`], [`Error::Unfinished`].
    pub async fn leased<T>(
        &self,
        context: &Context,
        client: &AppName,
        work: impl AsyncFnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self {
            Provider::Outside(_) => work().await,
            Provider::App(playing) => {
                let doing = format!("a connection of {client}");
                playing.app.engine.require().await?;
                let engine = &playing.app.engine;
                leased(context, engine, &playing.guard, &doing, async |_| work().await).await
            }
        }
    }

    /// Makes what the app asks for, or finds and corrects it: `known` is what it gave before.
    ///
    /// # Errors
    /// The plugin's, and what a provider outside says.
    pub async fn give(
        &self,
        context: &Context,
        client: &App,
        asked: &Asked,
        known: Option<&Held>,
        by_hand: Option<&ByHand>,
    ) -> Result<Gift, Error> {
        let playing = match self {
            Provider::Outside(outside) => {
                return outside.give(context, client, asked, known, by_hand).await;
            }
            Provider::App(playing) => playing,
        };
        let hooks = &mut playing.start().await?.hooks;
        Ok(match asked {
            Asked::Client(request) => Gift::client(hooks.sso_register(request).await?, request),
            Asked::Account(sender) => Gift::account(hooks.mail_account(sender).await?),
        })
    }

    /// Fails where it is known beforehand that it gives no other secret.
    ///
    /// # Errors
    /// [`Error::NoRotation`].
    pub fn require_rotates(&self, held: &Held, by_hand: Option<&ByHand>) -> Result<(), Error> {
        match self {
            Provider::App(_) => Ok(()),
            Provider::Outside(outside) => outside.require_rotates(held, by_hand),
        }
    }

    /// Gives another secret for what it holds, which goes on being the same client or account.
    ///
    /// # Errors
    /// As [`Provider::give`].
    pub async fn rotate(
        &self,
        context: &Context,
        client: &App,
        asked: &Asked,
        known: Option<&Held>,
        by_hand: Option<&ByHand>,
    ) -> Result<Gift, Error> {
        let Provider::App(playing) = self else {
            // The other secret is what the command line says.
            return self.give(context, client, asked, known, by_hand).await;
        };
        let hooks = &mut playing.start().await?.hooks;
        Ok(match asked {
            Asked::Client(request) => Gift::client(hooks.sso_rotate(request).await?, request),
            Asked::Account(sender) => Gift::account(hooks.mail_rotate(sender).await?),
        })
    }

    /// Removes what it holds for an app; what is gone already is fine.
    ///
    /// # Errors
    /// As [`Provider::give`].
    pub async fn take_back(
        &self,
        context: &Context,
        client: &AppEntry,
        stack: &home::StackName,
        held: &Held,
    ) -> Result<(), Error> {
        let playing = match self {
            Provider::Outside(outside) => {
                return outside.take_back(context, client, stack, held, &Web::new()?).await;
            }
            Provider::App(playing) => playing,
        };
        match held {
            Held::Client(_) => self.take_back_client(stack).await,
            Held::Account(account) => {
                let mut plugin = playing.start().await?;
                Ok(plugin.hooks.mail_close_account(&account.sender).await?)
            }
        }
    }

    /// Removes the client of a stack at an app that plays the role; nothing more has to be
    /// known of it.
    ///
    /// # Errors
    /// The plugin's.
    pub async fn take_back_client(&self, stack: &home::StackName) -> Result<(), Error> {
        match self {
            Provider::Outside(_) => Ok(()),
            Provider::App(playing) => {
                let mut plugin = playing.start().await?;
                Ok(plugin.hooks.sso_unregister(stack.as_str()).await?)
            }
        }
    }
}

impl Playing {
    async fn start(&self) -> Result<Plugin, Error> {
        let role = roles(self.kind).1;
        Plugin::start(&self.context, &self.app, self.kind, role, Guarding::Held(&self.guard)).await
    }
}
