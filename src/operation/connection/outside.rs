//! Providers that are no apps: dynamic registration (RFC 7591 and 7592), clients that
//! somebody makes by hand, and plain relays.
//!
//! A registration access token is worth the client: it is kept with the app's secrets,
//! encrypted, before anything else is done with the answer that has it.

use std::{fs::File, os::unix::fs::PermissionsExt, path::Path};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    app::{App, Context, Error, NoRotation},
    bounded,
    home::{
        AppEntry, ConnectionKind, ProviderName, ProviderSettings, StackName,
        connection::{Held, HeldClient},
        encryption::Encryption,
        provider::{Registration, RelaySettings, SsoSettings},
    },
    plugin::{Client, ClientRequest, Hidden, Relay},
    secrets::{
        self, Keeper,
        escrow::{self, Folder, Identity, Stem},
    },
    text::line,
    wiring::{
        self, Finding, Web, discovery,
        registration::{self, Management, Registered},
    },
};

use super::{
    client::{Asked, Given},
    gift::{Gift, held_client},
};

/// What is kept of a client: its registration access token, and its secret.
const TOKEN: &str = "token";
const SECRET: &str = "secret";
/// What a finding about the end of a secret is called.
const EXPIRY: &str = "secret-expiry";
/// So long before it is said.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
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

    /// What of its file is otherwise than when it was connected to.
    pub fn differs(&self, held: &Held) -> Vec<String> {
        let mut pairs = Vec::new();
        match (held, &self.settings.sso, &self.settings.mail) {
            (Held::Client(held), Some(sso), _) => {
                pairs.push(("issuer", sso.issuer.clone(), held.issuer.clone()));
            }
            (Held::Account(held), _, Some(mail)) => {
                let encryption = mail.encryption.unwrap_or(Encryption::usual(mail.port));
                let user = |name: &Option<String>| name.clone().unwrap_or_default();
                pairs.push(("host", mail.host.clone(), held.host.clone()));
                pairs.push(("port", mail.port.to_string(), held.port.to_string()));
                pairs.push(("encryption", encryption.to_string(), held.encryption.to_string()));
                pairs.push(("username", user(&mail.username), user(&held.username)));
            }
            _ => {}
        }
        let odd = pairs.into_iter().filter(|(_, now, before)| now != before);
        odd.map(|(what, now, before)| {
            format!(
                "the {what} of {} is `{}` now, and was `{}` when the app was connected",
                self.name,
                line(&now),
                line(&before)
            )
        })
        .collect()
    }

    /// Where a token or a password of this folder's files goes, for a plan.
    pub fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        if let Some(sso) = &self.settings.sso
            && let Some(file) = &sso.token_file
        {
            told.push(format!("the token of {} goes to {}", file.display(), sso.issuer));
        }
        if let Some(mail) = &self.settings.mail
            && let Some(file) = &mail.password_file
        {
            told.push(format!("the password of {} goes to {}", file.display(), mail.host));
        }
        told
    }

    /// As [`super::provider::Provider::give`].
    pub async fn give(
        &self,
        context: &Context,
        client: &App,
        asked: &Asked,
        known: Option<&Held>,
        by_hand: Option<&ByHand>,
    ) -> Result<Gift, Error> {
        let not = |kind| Error::NotOfKind { provider: self.name.to_string(), kind };
        match (asked, &self.settings.sso, &self.settings.mail) {
            (Asked::Client(request), Some(sso), _) => {
                let known = match known {
                    Some(Held::Client(held)) => Some(held),
                    _ => None,
                };
                let is_entered = by_hand.is_some() || known.is_some_and(|held| held.by_hand);
                match (sso.registration, known) {
                    (Registration::Dynamic, Some(held))
                        if !is_entered && held.registration.is_none() =>
                    {
                        self.unmanaged(context, client, sso, request, held)
                    }
                    (Registration::Dynamic, known) if !is_entered => {
                        self.registered(context, client, sso, request, known).await
                    }
                    _ => {
                        let entered_there =
                            self.by_hand(context, client, request, known, by_hand)?;
                        Ok(entered(sso, request, entered_there))
                    }
                }
            }
            (Asked::Account(sender), _, Some(mail)) => plain(mail, sender),
            (Asked::Client(_), ..) => Err(not(ConnectionKind::Sso)),
            (Asked::Account(_), ..) => Err(not(ConnectionKind::Mail)),
        }
    }

    /// The client that somebody made. Its secret is kept, so that it need not be given again.
    fn by_hand(
        &self,
        context: &Context,
        client: &App,
        request: &ClientRequest,
        known: Option<&HeldClient>,
        given: Option<&ByHand>,
    ) -> Result<ByHand, Error> {
        let to_enter = || Error::ByHand {
            app: client.entry.name.to_string(),
            provider: self.name.to_string(),
            enter: enter(request),
        };
        let known = known.filter(|held| held.by_hand);
        let client_id = match (given, known) {
            (Some(given), _) => given.client_id.clone(),
            (None, Some(known)) => known.id.clone(),
            (None, None) => return Err(to_enter()),
        };
        if request.public {
            return Ok(ByHand { client_id, client_secret: None });
        }
        if let Some(secret) = given.and_then(|given| given.client_secret.clone()) {
            self.keep(context, client, (SECRET, &client_id), &secret.0)?;
            return Ok(ByHand { client_id, client_secret: Some(secret) });
        }
        // Of another client, the secret that an older version kept is not.
        let is_same = known.is_some_and(|known| known.id == client_id);
        let stem = match is_same {
            true => self.kept(context, &client.entry, (SECRET, &client_id))?,
            false => self.stem((SECRET, &client_id))?,
        };
        let folder = Folder::of(&context.home, &client.entry);
        if !folder.has(&stem).map_err(secrets::Error::from)? {
            return Err(to_enter());
        }
        let secret = open(context, &client.entry, &stem)?;
        Ok(ByHand { client_id, client_secret: Some(Hidden(secret)) })
    }

    /// What is kept of one client beside the app's secrets. Ids are text of the provider's.
    fn stem(&self, (what, client_id): (&str, &str)) -> Result<Stem, Error> {
        let digest = hex::encode(&Sha256::digest(client_id.as_bytes())[..8]);
        self.named(&format!("{what}-{digest}"))
    }

    fn named(&self, what: &str) -> Result<Stem, Error> {
        Ok(Stem::of_provider(self.name.as_str(), what).map_err(secrets::Error::from)?)
    }

    /// Where something of a client is kept. Older versions had one name for all clients of a
    /// provider.
    fn kept(&self, context: &Context, app: &AppEntry, of: (&str, &str)) -> Result<Stem, Error> {
        let (stem, before) = (self.stem(of)?, self.named(of.0)?);
        let folder = Folder::of(&context.home, app);
        let has = |stem| folder.has(stem).map_err(secrets::Error::from);
        Ok(if !has(&stem)? && has(&before)? { before } else { stem })
    }

    /// Keeps something of a client, if there is anybody to keep it for.
    fn keep(
        &self,
        context: &Context,
        client: &App,
        of: (&str, &str),
        value: &str,
    ) -> Result<(), Error> {
        let keeper = keeper(context, &client.entry, &client.name)?;
        let stem = self.stem(of)?;
        // Encrypted once more, it would be another file, and a change for git.
        let is_kept = || open(context, &client.entry, &stem).is_ok_and(|it| *it == value);
        if keeper.keeps() && !is_kept() {
            let kept = keeper.keep(&stem.full_name(&client.name), value.as_bytes());
            kept.map_err(secrets::Error::from)?;
        }
        Ok(())
    }

    /// Keeps what a registration has that is needed later.
    fn keep_all(
        &self,
        context: &Context,
        client: &App,
        registered: &Registered,
    ) -> Result<(), Error> {
        let id = registered.client_id.as_str();
        if let Some(token) = &registered.token {
            self.keep(context, client, (TOKEN, id), token)?;
        }
        if let Some(secret) = &registered.client_secret {
            self.keep(context, client, (SECRET, id), &secret.0)?;
        }
        Ok(())
    }

    /// The secret of a client that the provider does not show any more; none if none is kept.
    fn kept_secret(
        &self,
        context: &Context,
        app: &AppEntry,
        client_id: &str,
    ) -> Result<Option<Hidden>, Error> {
        let stem = self.stem((SECRET, client_id))?;
        match Folder::of(&context.home, app).has(&stem).map_err(secrets::Error::from)? {
            true => open(context, app, &stem).map(|secret| Some(Hidden(secret))),
            false => Ok(None),
        }
    }

    /// Forgets what is kept of a client.
    fn forget(
        &self,
        context: &Context,
        app: &AppEntry,
        stack: &StackName,
        held: &HeldClient,
    ) -> Result<(), Error> {
        let keeper = keeper(context, app, stack)?;
        let of = |what| (what, held.id.as_str());
        // What an older version kept is that of the client that needed it.
        let token = match held.registration {
            Some(_) => self.kept(context, app, of(TOKEN))?,
            None => self.stem(of(TOKEN))?,
        };
        let secret = match held.by_hand {
            true => self.kept(context, app, of(SECRET))?,
            false => self.stem(of(SECRET))?,
        };
        for stem in [token, secret] {
            keeper.forget(&stem.full_name(stack)).map_err(secrets::Error::from)?;
        }
        Ok(())
    }

    /// Whether it makes clients by itself.
    pub fn registers(&self) -> bool {
        self.settings.sso.as_ref().is_some_and(|sso| sso.registration == Registration::Dynamic)
    }

    /// That a client may be there which potluck does not know, because the answer is lost.
    pub fn maybe_made(&self, app: &AppEntry, name: Option<&str>) -> String {
        let called = name.map(|name| format!(" called `{}`", line(name))).unwrap_or_default();
        format!(
            "{} may have made a client{called} for {} that potluck does not know: look there, and \
             remove it",
            self.name, app.name
        )
    }

    /// The client of a provider that makes clients and does not let them be managed (RFC 7591
    /// without RFC 7592): as it was made, with the secret that was kept then.
    fn unmanaged(
        &self,
        context: &Context,
        client: &App,
        sso: &SsoSettings,
        request: &ClientRequest,
        held: &HeldClient,
    ) -> Result<Gift, Error> {
        let cannot = |reason: &str| Error::Unmanaged {
            provider: self.name.to_string(),
            client: held.id.clone(),
            reason: reason.to_owned(),
        };
        if held.issuer != sso.issuer {
            return Err(cannot("it was made by another issuer"));
        }
        if !is_recorded(held, request) || held.public != request.public {
            return Err(cannot(
                "the app asks for other addresses or scopes now, and the provider told no address \
                 to change them at (RFC 7592)",
            ));
        }
        let secret = match request.public {
            true => None,
            false => {
                Some(self.kept_secret(context, &client.entry, &held.id)?.ok_or_else(|| {
                    cannot("no copy of its secret is kept, and the provider does not show it")
                })?)
            }
        };
        let given = given(sso, &held.id, secret);
        let held = HeldClient {
            name: held.name.clone(),
            home_url: held.home_url.clone(),
            secret_expires: held.secret_expires,
            ..held_client(&given, request)
        };
        let (given, held) = (Given::Client(given), Held::Client(held));
        Ok(Gift { given, held, warnings: Vec::new() })
    }

    /// A client by RFC 7591, or the one that there is, corrected by RFC 7592.
    async fn registered(
        &self,
        context: &Context,
        client: &App,
        sso: &SsoSettings,
        request: &ClientRequest,
        known: Option<&HeldClient>,
    ) -> Result<Gift, Error> {
        let keeper = keeper(context, &client.entry, &client.name)?;
        let cannot = |reason: &str| cannot(&client.entry, reason.to_owned());
        if !keeper.keeps() {
            return Err(cannot("nobody is listed for whom its token could be kept"));
        }
        let there = known.and_then(|held| Some((held, held.registration.as_deref()?)));
        let done = match there {
            Some((held, address)) => {
                let done = self.corrected(context, client, sso, request, (held, address)).await?;
                if done.client_secret.is_none() && !request.public {
                    return Err(cannot(
                        "the provider does not show the client's secret, and no copy is kept",
                    ));
                }
                done
            }
            None => self.made(context, client, sso, request).await?,
        };
        let address = done.address.clone().or_else(|| known.and_then(|it| it.registration.clone()));
        let secret = done.client_secret.filter(|_| !request.public);
        let given = given(sso, &done.client_id, secret);
        let held = HeldClient {
            registration: address,
            secret_expires: done.secret_expires,
            ..held_client(&given, request)
        };
        let (given, held) = (Given::Client(given), Held::Client(held));
        Ok(Gift { given, held, warnings: done.differences })
    }

    /// The client that there is, as it is asked for; with its secret, where that is known.
    async fn corrected(
        &self,
        context: &Context,
        client: &App,
        sso: &SsoSettings,
        request: &ClientRequest,
        (held, address): (&HeldClient, &str),
    ) -> Result<Registered, Error> {
        let web = Web::new()?;
        require_at(sso, address, &client.entry)?;
        let stem = self.kept(context, &client.entry, (TOKEN, &held.id))?;
        let token = open(context, &client.entry, &stem)?;
        let of = Management { address, token: &token, client_id: &held.id };
        let lost = |error| match error {
            wiring::Error::Token { .. } => cannot(
                &client.entry,
                "the provider does not accept the client's token, and may have lost the client; \
                 `--new-client` makes another one, with which everyone who signs in may get a \
                 second account"
                    .to_owned(),
            ),
            error => error.into(),
        };
        let mut found = registration::look(&web, of, request).await.map_err(lost)?;
        self.keep_all(context, client, &found)?;
        if found.token.is_some() && stem != self.stem((TOKEN, &held.id))? {
            let keeper = keeper(context, &client.entry, &client.name)?;
            keeper.forget(&stem.full_name(&client.name)).map_err(secrets::Error::from)?;
        }
        if found.client_secret.is_none() && !request.public {
            found.client_secret = self.kept_secret(context, &client.entry, &held.id)?;
        }
        let is_recorded = is_recorded(held, request);
        // What is recorded is what was asked for once: the provider may have come back from a
        // backup since.
        if is_recorded && found.is_as_asked {
            return Ok(found);
        }
        let token = found.token.as_ref().unwrap_or(&token);
        let of = Management { address, token, client_id: &held.id };
        let secret = found.client_secret.clone();
        let mut changed = registration::update(&web, of, secret.as_ref(), request).await?;
        self.keep_all(context, client, &changed)?;
        changed.client_secret = changed.client_secret.or(secret);
        changed.address = changed.address.or(found.address);
        Ok(changed)
    }

    /// A client that is made anew.
    async fn made(
        &self,
        context: &Context,
        client: &App,
        sso: &SsoSettings,
        request: &ClientRequest,
    ) -> Result<Registered, Error> {
        let web = Web::new()?;
        let document = discovery::discover(&web, &sso.issuer).await?.document;
        let endpoint = document.registration()?;
        let initial = sso.token_file.as_deref();
        let initial = initial.map(|path| private("initial access token", path)).transpose()?;
        let made = registration::register(&web, endpoint, initial.as_ref(), request).await;
        let made = made.inspect_err(|error| {
            if error.is_silence() || matches!(error, wiring::Error::Odd { .. }) {
                let name = Some(request.display_name.as_str());
                context.progress.warn(self.maybe_made(&client.entry, name));
            }
        })?;
        let kept = self.keep_all(context, client, &made);
        let managed = match &made.address {
            // Before the app depends on a client that nothing could change or remove.
            Some(address) => require_at(sso, address, &client.entry),
            None => Ok(()),
        };
        let usable = match made.client_secret.is_none() && !request.public {
            true => {
                Err(cannot(&client.entry, "the provider does not show the client's secret".into()))
            }
            false => managed.and(kept),
        };
        if let Err(error) = usable {
            let (entry, stack) = (&client.entry, &client.name);
            let held = HeldClient {
                registration: made.address.clone(),
                ..held_client(&given(sso, &made.client_id, None), request)
            };
            let is_its = match &made.address {
                Some(address) => require_at(sso, address, &client.entry).is_ok(),
                None => false,
            };
            let removed = match (&made.address, &made.token) {
                (Some(address), Some(token)) if is_its => {
                    let of = Management { address, token, client_id: &made.client_id };
                    registration::remove(&web, of).await.is_ok()
                }
                _ => false,
            };
            if !removed {
                context.progress.warn(self.stays(&held));
            }
            self.forget(context, entry, stack, &held)?;
            return Err(error);
        }
        Ok(made)
    }

    /// That a client has to be removed by a person.
    fn stays(&self, held: &HeldClient) -> String {
        let id = line(&held.id);
        format!("the client `{id}` cannot be removed at {} from here: remove it there", self.name)
    }

    /// As [`super::provider::Provider::require_rotates`].
    pub fn require_rotates(&self, held: &Held, by_hand: Option<&ByHand>) -> Result<(), Error> {
        let no = |way| Err(Error::NoRotation { provider: self.name.to_string(), way });
        match held {
            Held::Client(held) if held.by_hand => match by_hand {
                Some(given) if given.client_secret.is_some() => Ok(()),
                _ => no(NoRotation::ByHand),
            },
            Held::Client(_) => no(NoRotation::Registered),
            Held::Account(_) => no(NoRotation::Relay),
        }
    }

    /// As [`super::provider::Provider::require_removable`].
    pub fn require_removable(
        &self,
        context: &Context,
        client: &AppEntry,
        held: &Held,
    ) -> Result<(), Error> {
        match held {
            Held::Client(held) if held.registration.is_some() => {
                open(context, client, &self.kept(context, client, (TOKEN, &held.id))?).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// As [`super::provider::Provider::take_back`].
    pub async fn take_back(
        &self,
        context: &Context,
        client: &AppEntry,
        stack: &StackName,
        held: &Held,
        web: &Web<'_>,
    ) -> Result<(), Error> {
        let (Held::Client(held), Some(sso)) = (held, &self.settings.sso) else { return Ok(()) };
        let Some(address) = &held.registration else {
            context.progress.warn(match held.by_hand {
                true => {
                    let id = line(&held.id);
                    format!("the client `{id}` was made by hand: remove it at {}", self.name)
                }
                false => self.stays(held),
            });
            return self.forget(context, client, stack, held);
        };
        require_at(sso, address, client)?;
        let token = open(context, client, &self.kept(context, client, (TOKEN, &held.id))?)?;
        let of = Management { address, token: &token, client_id: &held.id };
        match registration::remove(web, of).await {
            // Of a client that is gone, too: RFC 7592 has no other answer.
            Err(wiring::Error::Token { .. }) => context.progress.warn(format!(
                "{} does not accept the token of the client `{}`: it is gone there, or has to be \
                 removed by hand",
                self.name, held.id
            )),
            removed => removed?,
        }
        self.forget(context, client, stack, held)
    }
}

fn given(sso: &SsoSettings, client_id: &str, client_secret: Option<Hidden>) -> Client {
    Client {
        issuer: sso.issuer.clone(),
        client_id: client_id.to_owned(),
        client_secret,
        groups_claim: sso.groups_claim.clone(),
    }
}

/// That a client's secret stops working soon, or has.
pub(super) fn expiry(app: &AppEntry, held: &Held, now: Timestamp) -> Option<Finding> {
    let Held::Client(held) = held else { return None };
    let at = held.secret_expires?;
    let finding = match at {
        at if at <= now => Finding::bad(EXPIRY, format!("the client's secret expired at {at}")),
        at if at <= now + SOON => {
            Finding::note(EXPIRY, format!("the client's secret expires at {at}"))
        }
        _ => return None,
    };
    Some(finding.fix(format!(
        "`potluck sso connect {0}` fetches another one, if the provider has made it; else `potluck \
         sso connect {0} --new-client`",
        app.name
    )))
}

/// Whether the provider was asked for just this.
fn is_recorded(held: &HeldClient, request: &ClientRequest) -> bool {
    held.redirect_uris == request.redirect_uris
        && held.post_logout_uris == request.post_logout_uris
        && held.scopes == request.scopes
}

fn keeper(context: &Context, app: &AppEntry, stack: &StackName) -> Result<Keeper, Error> {
    Ok(Keeper::of(&context.home, app, stack).map_err(secrets::Error::from)?)
}

fn cannot(app: &AppEntry, reason: String) -> Error {
    Error::Registration { app: app.name.to_string(), reason }
}

/// Fails where the address of a registration, which a lock file names, is not the provider's:
/// its token would go elsewhere.
fn require_at(sso: &SsoSettings, address: &str, app: &AppEntry) -> Result<(), Error> {
    match discovery::is_of(&sso.issuer, address) {
        true => Ok(()),
        false => Err(cannot(
            app,
            format!("its address {address} is not one of {}, whose token it would get", sso.issuer),
        )),
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
    let secret = by_hand.client_secret.filter(|_| !request.public);
    let given = given(sso, &by_hand.client_id, secret);
    let held = HeldClient { by_hand: true, ..held_client(&given, request) };
    Gift { given: Given::Client(given), held: Held::Client(held), warnings: Vec::new() }
}

impl Outside {
    /// The password of a relay's account, if its file can be read.
    pub fn password(&self) -> Option<Hidden> {
        let path = self.relay()?.password_file.as_deref()?;
        private("password", path).ok().map(Hidden)
    }
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
    Ok(Gift::account(given))
}

/// A kept value of an app.
fn open(context: &Context, app: &AppEntry, stem: &Stem) -> Result<Zeroizing<String>, Error> {
    let told = |error: escrow::Error| cannot(app, error.to_string());
    let path = context.identity.as_deref();
    let path = path.ok_or_else(|| cannot(app, "no key is named that opens kept secrets".into()))?;
    let identity = Identity::read(path, &escrow::nobody).map_err(told)?;
    let value = escrow::open(&Folder::of(&context.home, app), stem, &identity).map_err(told)?;
    let text = std::str::from_utf8(&value);
    let text = text.map_err(|_| cannot(app, format!("`{stem}` is not text")))?;
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
