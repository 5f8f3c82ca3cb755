//! Providers that are no apps: dynamic registration (RFC 7591 and 7592), clients that
//! somebody makes by hand, and plain relays.
//!
//! A registration access token is worth the client: it is kept with the app's secrets,
//! encrypted, before anything else is done with the answer that has it.

use std::{fs::File, os::unix::fs::PermissionsExt, path::Path};

use zeroize::Zeroizing;

use crate::{
    app::{App, Context, Error},
    bounded,
    home::{
        AppEntry, Connection, ConnectionKind, ProviderName, ProviderSettings, StackName,
        connection::{Held, HeldClient},
        encryption::Encryption,
        provider::{Registration, RelaySettings, SsoSettings},
    },
    plugin::{Client, ClientRequest, Hidden, Relay},
    secrets::{
        self, Keeper,
        escrow::{self, Folder, Identity, Stem},
    },
    wiring::{
        Web, discovery,
        registration::{self, Management, Registered},
    },
};

use super::{
    client::{Asked, Given},
    gift::{Gift, held_account, held_client},
};

/// What the kept registration access token is called beside the app's secrets.
const TOKEN: &str = "sso-registration_token";
/// Bytes of a file with a password or a token.
const LONGEST: u64 = 16 * 1024;

/// A client that somebody made at a provider.
#[derive(Debug, Clone)]
pub struct ByHand {
    pub client_id: String,
    /// None for one without a secret.
    pub client_secret: Option<Hidden>,
}

/// A provider of `providers/`.
pub(super) struct Outside {
    pub name: ProviderName,
    settings: ProviderSettings,
}

impl Outside {
    /// # Errors
    /// [`Error::NotOfKind`]; a file that cannot be read.
    pub fn load(
        context: &Context,
        kind: ConnectionKind,
        name: ProviderName,
    ) -> Result<Self, Error> {
        let settings = context.home.provider(&name)?;
        let fits = match kind {
            ConnectionKind::Sso => settings.sso.is_some(),
            ConnectionKind::Mail => settings.mail.is_some(),
        };
        match fits {
            true => Ok(Outside { name, settings }),
            false => Err(Error::NotOfKind { provider: name.to_string(), kind }),
        }
    }

    pub fn issuer(&self) -> Option<&str> {
        self.settings.sso.as_ref().map(|sso| sso.issuer.as_str())
    }

    pub fn relay(&self) -> Option<&RelaySettings> {
        self.settings.mail.as_ref()
    }

    /// As [`super::provider::Provider::give`].
    pub async fn give(
        &self,
        context: &Context,
        client: &App,
        asked: &Asked,
        recorded: Option<&Connection>,
        by_hand: Option<&ByHand>,
    ) -> Result<Gift, Error> {
        match (asked, &self.settings.sso, &self.settings.mail) {
            (Asked::Client(request), Some(sso), _) => {
                let recorded = recorded.and_then(|recorded| match &recorded.held {
                    Held::Client(held) => Some((held, &recorded.secrets)),
                    Held::Account(_) => None,
                });
                match (by_hand, sso.registration) {
                    (None, Registration::Dynamic) => {
                        let held = recorded.map(|(held, _)| held);
                        self.registered(context, client, sso, request, held).await
                    }
                    (by_hand, _) => {
                        let client_of = match by_hand {
                            Some(by_hand) => by_hand.clone(),
                            None => self.remembered(context, client, request, recorded)?,
                        };
                        Ok(entered(sso, request, client_of))
                    }
                }
            }
            (Asked::Account(sender), _, Some(mail)) => plain(mail, sender),
            (Asked::Client(_), ..) => {
                Err(Error::NotOfKind { provider: self.name.to_string(), kind: ConnectionKind::Sso })
            }
            (Asked::Account(_), ..) => Err(Error::NotOfKind {
                provider: self.name.to_string(),
                kind: ConnectionKind::Mail,
            }),
        }
    }

    /// The client that was made by hand, as it was recorded; its secret from the kept copy.
    fn remembered(
        &self,
        context: &Context,
        client: &App,
        request: &ClientRequest,
        recorded: Option<(&HeldClient, &std::collections::BTreeMap<String, String>)>,
    ) -> Result<ByHand, Error> {
        let to_enter = || Error::ByHand {
            app: client.entry.name.to_string(),
            provider: self.name.to_string(),
            enter: enter(request),
        };
        let (held, secrets) = recorded.filter(|(held, _)| held.by_hand).ok_or_else(to_enter)?;
        let client_secret = match (held.public, secrets.iter().next()) {
            (true, _) => None,
            (false, None) => return Err(to_enter()),
            (false, Some((name, version))) => {
                let stem = Stem::new(&format!("{name}_{version}")).map_err(secrets::Error::from)?;
                Some(Hidden(open(context, client, &stem)?))
            }
        };
        Ok(ByHand { client_id: held.id.clone(), client_secret })
    }

    /// A client by RFC 7591, or the one that there is, corrected by RFC 7592.
    async fn registered(
        &self,
        context: &Context,
        client: &App,
        sso: &SsoSettings,
        request: &ClientRequest,
        held: Option<&HeldClient>,
    ) -> Result<Gift, Error> {
        let web = Web::new()?;
        let keeper =
            Keeper::of(&context.home, &client.entry, &client.name).map_err(secrets::Error::from)?;
        let cannot = |reason: &str| Error::Registration {
            app: client.entry.name.to_string(),
            reason: reason.to_owned(),
        };
        if !keeper.keeps() {
            return Err(cannot("nobody is listed for whom its token could be kept"));
        }
        let stem = token_stem()?;
        let known = held.and_then(|held| Some((held, held.registration.as_deref()?)));
        let keep = |registered: &Registered| match &registered.token {
            None => Ok(()),
            Some(token) => {
                let kept = keeper.keep(&stem.full_name(&client.name), token.as_bytes());
                kept.map_err(secrets::Error::from)
            }
        };
        let done = match known {
            Some((held, address)) => {
                let token = open(context, client, &stem)?;
                let of = Management { address, token: &token, client_id: &held.id };
                let found = registration::look(&web, of, request).await?;
                keep(&found)?;
                let is_same = held.redirect_uris == request.redirect_uris
                    && held.post_logout_uris == request.post_logout_uris
                    && held.scopes == request.scopes;
                match is_same {
                    true => found,
                    false => {
                        let token = found.token.as_ref().unwrap_or(&token);
                        let of = Management { address, token, client_id: &held.id };
                        let secret = found.client_secret.clone();
                        let mut changed =
                            registration::update(&web, of, secret.as_ref(), request).await?;
                        keep(&changed)?;
                        changed.client_secret = changed.client_secret.or(secret);
                        changed
                    }
                }
            }
            None => {
                let document = discovery::discover(&web, &sso.issuer).await?.document;
                let endpoint = document.registration_endpoint.ok_or_else(|| {
                    crate::wiring::Error::NoRegistration { issuer: sso.issuer.clone() }
                })?;
                let initial = sso.token_file.as_deref();
                let initial =
                    initial.map(|path| private("initial access token", path)).transpose()?;
                let made =
                    registration::register(&web, &endpoint, initial.as_ref(), request).await?;
                keep(&made)?;
                made
            }
        };
        if done.client_secret.is_none() && !request.public {
            return Err(cannot("the provider does not show the client's secret any more"));
        }
        let address = done.address.clone().or_else(|| held.and_then(|it| it.registration.clone()));
        let given = Client {
            issuer: sso.issuer.clone(),
            client_id: done.client_id.clone(),
            client_secret: done.client_secret.filter(|_| !request.public),
            groups_claim: sso.groups_claim.clone(),
        };
        let held = HeldClient { registration: address, ..held_client(&given, request) };
        let gift = Gift {
            given: Given::Client(given),
            held: Held::Client(held),
            warnings: done.differences,
        };
        Ok(gift)
    }

    /// As [`super::provider::Provider::take_back`].
    pub async fn take_back(
        &self,
        context: &Context,
        client: &AppEntry,
        stack: &StackName,
        held: &Held,
        web: &Web,
    ) -> Result<(), Error> {
        let Held::Client(held) = held else { return Ok(()) };
        let Some(address) = &held.registration else {
            context.progress.warn(format!(
                "the client `{}` was made by hand: remove it at {}",
                held.id, self.name
            ));
            return Ok(());
        };
        let stem = token_stem()?;
        let token = open_of(context, client, &stem)?;
        let of = Management { address, token: &token, client_id: &held.id };
        registration::remove(web, of).await?;
        let keeper = Keeper::of(&context.home, client, stack).map_err(secrets::Error::from)?;
        Ok(keeper.forget(&stem.full_name(stack)).map_err(secrets::Error::from)?)
    }
}

/// What somebody enters at a provider.
pub(super) fn enter(request: &ClientRequest) -> Vec<String> {
    let mut lines = vec![format!("name: {}", request.display_name)];
    lines.extend(request.redirect_uris.iter().map(|it| format!("redirect address: {it}")));
    lines.extend(
        request.post_logout_uris.iter().map(|it| format!("address after signing out: {it}")),
    );
    lines.push(format!("scopes: {}", request.scopes.join(" ")));
    lines.push("flow: authorization code".into());
    lines.push(match request.public {
        true => "a public client, with PKCE (S256)".into(),
        false => "a client with a secret, by `client_secret_basic`".to_owned(),
    });
    lines
}

fn entered(sso: &SsoSettings, request: &ClientRequest, by_hand: ByHand) -> Gift {
    let given = Client {
        issuer: sso.issuer.clone(),
        client_id: by_hand.client_id,
        client_secret: by_hand.client_secret.filter(|_| !request.public),
        groups_claim: sso.groups_claim.clone(),
    };
    let held = HeldClient { by_hand: true, ..held_client(&given, request) };
    Gift { given: Given::Client(given), held: Held::Client(held), warnings: Vec::new() }
}

fn plain(mail: &RelaySettings, sender: &str) -> Result<Gift, Error> {
    let password = mail.password_file.as_deref();
    let password = password.map(|path| private("password", path)).transpose()?;
    let given = Relay {
        host: mail.host.clone(),
        port: mail.port,
        encryption: mail.encryption.unwrap_or(Encryption::usual(mail.port)),
        username: mail.username.clone(),
        password: password.map(Hidden),
        sender: sender.to_owned(),
    };
    let held = Held::Account(held_account(&given));
    Ok(Gift { given: Given::Account(given), held, warnings: Vec::new() })
}

fn token_stem() -> Result<Stem, Error> {
    Ok(Stem::new(TOKEN).map_err(secrets::Error::from)?)
}

fn open(context: &Context, client: &App, stem: &Stem) -> Result<Zeroizing<String>, Error> {
    open_of(context, &client.entry, stem)
}

/// A kept value of an app.
fn open_of(context: &Context, app: &AppEntry, stem: &Stem) -> Result<Zeroizing<String>, Error> {
    let cannot = |reason: String| Error::Registration { app: app.name.to_string(), reason };
    let told = |error: escrow::Error| cannot(error.to_string());
    let path = context.identity.as_deref();
    let path = path.ok_or_else(|| cannot("no key is named that opens kept secrets".into()))?;
    let identity = Identity::read(path, &escrow::nobody).map_err(told)?;
    let value = escrow::open(&Folder::of(&context.home, app), stem, &identity).map_err(told)?;
    let text = std::str::from_utf8(&value).map_err(|_| cannot(format!("`{stem}` is not text")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The secret of a client that somebody made, from a file that only its owner can read.
///
/// # Errors
/// [`Error::PrivateFile`].
pub fn client_secret(path: &Path) -> Result<Hidden, Error> {
    private("client's secret", path).map(Hidden)
}

/// A secret in a file that only its owner can read, without the line's end.
fn private(what: &'static str, path: &Path) -> Result<Zeroizing<String>, Error> {
    let bad =
        |reason: String| Error::PrivateFile { what, path: path.display().to_string(), reason };
    let file = File::open(path).map_err(|error| bad(error.to_string()))?;
    let mode = file.metadata().map_err(|error| bad(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(bad("others can read it".into()));
    }
    let bytes = bounded::read(file, LONGEST).map_err(|error| bad(error.to_string()))?;
    let bytes = Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("it is not text".into()))?;
    let text = text.trim_end_matches(['\n', '\r']);
    match text.is_empty() || text.contains(|c: char| c.is_control()) {
        true => Err(bad("it is not one line of text".into())),
        false => Ok(Zeroizing::new(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (text, mode, read) in [
            ("t0ken\n", 0o600, Ok("t0ken")),
            ("t0ken", 0o400, Ok("t0ken")),
            ("t0ken\n", 0o644, Err("others can read it")),
            ("\n", 0o600, Err("not one line")),
            ("a\nb\n", 0o600, Err("not one line")),
        ] {
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            match (private("token", &path), read) {
                (Ok(found), Ok(read)) => assert_eq!(found.as_str(), read),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{text:?} {mode:o}: {found:?}"),
            }
        }
        assert!(private("token", &folder.path().join("missing")).is_err());
    }
}
