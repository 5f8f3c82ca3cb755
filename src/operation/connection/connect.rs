//! Connecting an app, or repairing its connection.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    app::{self, App, Context, Error, version},
    engine::{Engine, Scope},
    home::{
        self, AppEntry, AppGuard, Connection, ConnectionKind, EnvFile, ServerName,
        connection::{Connecting, Held},
    },
    hooks::Guarding,
    operation::{
        behind,
        journal::{self, Journal, stays_unfinished},
        lease::{Lease, leased},
        recover, releases,
    },
    owner::journal::{Connects, Entry, MadeKind, Step, Undo, What},
    plugin::{Changes, Hidden},
    rollout::{Change, ChangeAction, Error as RolloutError, Plan},
    text::line,
    wiring::{
        Finding, Level,
        settings::{Wanted, Way, put},
    },
};

use super::{
    change::{deploy_again, full_names, is_deployed, next_secrets, remove_secrets, store_secrets},
    check::{ConnectionRow, connections},
    client::{Asked, Given, Plugin},
    gift::Gift,
    inside::inside,
    look::look,
    outside::ByHand,
    plan,
    provider::Provider,
    recorded::{connecting, note, record, secrets_of},
    roles, undo,
};

/// How an app is connected.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    pub kind: ConnectionKind,
    /// An app or a name in `providers/`; without it, the one that it is connected to, else
    /// the server's default.
    pub provider: Option<String>,
    /// The server of the app that is the provider, if several servers have one of this name.
    pub provider_server: Option<ServerName>,
    /// The address that mail is sent from.
    pub sender: Option<String>,
    /// The client that somebody made at the provider.
    pub by_hand: Option<ByHand>,
    /// Makes another client than the one that is recorded: it is lost at the provider.
    pub new_client: bool,
    /// Lets the provider give another secret for the same client or account.
    pub rotate: Option<Rotation>,
    /// Shows the plan and changes nothing.
    pub dry_run: bool,
    /// How long services may take.
    pub timeout: Option<Duration>,
}

impl ConnectOptions {
    /// To the provider that an app is connected to, else to the server's default.
    pub fn new(kind: ConnectionKind) -> Self {
        ConnectOptions {
            kind,
            provider: None,
            provider_server: None,
            sender: None,
            by_hand: None,
            new_client: false,
            rotate: None,
            dry_run: false,
            timeout: None,
        }
    }
}

/// How a client or an account gets another secret.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    /// That of a client that somebody made, who has made this one, too.
    pub client_secret: Option<Hidden>,
}

/// What connecting did.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectReport {
    pub app: String,
    pub kind: ConnectionKind,
    pub provider: String,
    pub plan: Plan,
    /// False after a dry run, and if both ends were as they should be.
    pub changed: bool,
    /// Whether the app's services run with it; false for an app that is not deployed.
    pub deployed: bool,
    pub findings: Vec<Finding>,
    pub seconds: f64,
}

pub(super) const SECRETS: &str = "secrets";
pub(super) const SETTINGS: &str = "settings";
pub(super) const SERVICES: &str = "services";
/// What goes is nowhere else: services that had it cannot have it again.
const REPLACED: &str = "remove what was replaced";
pub(super) const RECORD: &str = "record the connection";

/// The step at the provider.
pub(super) fn at(provider: &str) -> String {
    format!("at {provider}")
}

/// What is known before the first step.
pub(super) struct Prepared {
    pub kind: ConnectionKind,
    pub app: App,
    pub plugin: Plugin,
    pub provider: Provider,
    pub asked: Asked,
    pub recorded: Option<Connection>,
    pub by_hand: Option<ByHand>,
    pub new_client: bool,
    pub rotate: bool,
    /// What the plugin showed that it would change.
    pub expected: Changes,
    pub timeout: Option<Duration>,
}

/// Connects an app to a provider, or repairs the connection: what is as it should be is
/// kept, ids and secrets included. A rotation is the same with another secret.
///
/// # Errors
/// [`Error::NotConnected`], [`Error::NoRotation`] and [`Error::NoSecret`] of a rotation;
/// [`Error::NoRole`], [`Error::NoProvider`], [`Error::ByHand`], [`Error::NotUsable`],
/// [`Error::OtherChanges`], [`Error::Declined`], those of a deploy; what was changed is undone
/// then, at the provider, too.
pub async fn connect(
    context: &Context,
    guard: &AppGuard,
    options: &ConnectOptions,
) -> Result<ConnectReport, Error> {
    let began = Instant::now();
    if !options.dry_run {
        undo::leftover(context, guard).await?;
    }
    let mut prepared = Box::pin(prepare(context, guard, options)).await?;
    let deployed = is_deployed(&prepared.app).await?;
    let plan = show(&prepared, deployed).await?;
    let name = prepared.provider.name().to_owned();
    let report = |plan: Plan, changed: bool, findings: Vec<Finding>| ConnectReport {
        app: guard.app().name.to_string(),
        kind: options.kind,
        provider: name.clone(),
        plan,
        changed,
        deployed,
        findings,
        seconds: began.elapsed().as_secs_f64(),
    };
    if options.dry_run {
        return Ok(report(plan, false, Vec::new()));
    }
    if !context.consent.plan(&plan) {
        return Err(Error::Declined { app: guard.app().name.to_string() });
    }
    prepared.app.engine.require().await?;
    let engine = Arc::clone(&prepared.app.engine);
    let doing = match prepared.rotate {
        true => format!("another secret from {name}"),
        false => format!("a connection to {name}"),
    };
    let done = leased(context, &engine, guard, &doing, async |lease: &Lease| {
        if deployed {
            // Before anything is made or replaced that a deploy would not bring.
            behind::require_known(context, &prepared.app).await?;
        }
        let entry = entry(context, lease, &prepared).await?;
        let journal = Journal::begin(&prepared.app.engine, lease, entry).await?;
        run(context, guard, &mut prepared, journal).await
    })
    .await?;
    Ok(report(plan, done.changed, done.findings))
}

async fn prepare(
    context: &Context,
    guard: &AppGuard,
    options: &ConnectOptions,
) -> Result<Prepared, Error> {
    let entry = guard.app();
    let kind = options.kind;
    let app = app::load_deployed(context, entry).await?;
    let recorded = app.lock.connections.get(&kind).cloned();
    let default = || -> Result<Option<String>, Error> {
        Ok(context.home.server(&entry.server)?.providers.get(&kind).cloned())
    };
    let (name, server) = match (&options.provider, &recorded) {
        (Some(name), _) => (name.clone(), options.provider_server.clone()),
        (None, Some(recorded)) => (recorded.provider.clone(), recorded.server.clone()),
        (None, None) if options.rotate.is_some() => {
            return Err(Error::NotConnected { app: entry.name.to_string(), kind });
        }
        (None, None) => match default()? {
            Some(name) => (name, None),
            None => return Err(Error::NoProvider { server: entry.server.to_string(), kind }),
        },
    };
    let provider = Provider::find(context, kind, &name, server.as_ref(), entry).await?;
    let by_hand = match &options.rotate {
        Some(rotation) => rotated_by_hand(entry, kind, &provider, recorded.as_ref(), rotation)?,
        None => options.by_hand.clone(),
    };
    let guarding = Guarding::Held(guard);
    let mut plugin = Plugin::start(context, &app, kind, roles(kind).0, guarding).await?;
    let sender = match kind {
        ConnectionKind::Sso => None,
        ConnectionKind::Mail => Some(sender(options, recorded.as_ref(), entry.name.as_str())),
    };
    let asked = plugin.asks(sender.as_deref()).await?;
    require_own(context, &app, &asked)?;
    require_no_others(context, entry, &provider, &asked)?;
    if by_hand.is_some() && matches!(provider, Provider::App(_)) {
        return Err(Error::NotByHand { provider: name });
    }
    let new_client = options.new_client;
    let rotate = options.rotate.is_some();
    if rotate && matches!(&asked, Asked::Client(request) if request.public) {
        return Err(Error::NoSecret { app: entry.name.to_string() });
    }
    // Of another provider, nothing that is recorded tells what this one gives.
    let same = recorded.as_ref().filter(|it| provider.is_of(it) && !new_client);
    let mut expected = plan::expected(&asked, &provider, same);
    if let (Given::Client(client), Some(by_hand)) = (&mut expected, &by_hand) {
        client.client_id.clone_from(&by_hand.client_id);
    }
    let expected = plugin.connect(&expected).await?;
    let timeout = options.timeout;
    Ok(Prepared {
        kind,
        app,
        plugin,
        provider,
        asked,
        recorded,
        by_hand,
        new_client,
        rotate,
        expected,
        timeout,
    })
}

/// The recorded client with the secret that somebody made for it. Fails where there is nothing
/// that another secret could be given for, or nobody who gives it.
fn rotated_by_hand(
    entry: &AppEntry,
    kind: ConnectionKind,
    provider: &Provider,
    recorded: Option<&Connection>,
    rotation: &Rotation,
) -> Result<Option<ByHand>, Error> {
    let not = || Error::NotConnected { app: entry.name.to_string(), kind };
    let recorded = recorded.filter(|it| provider.is_of(it)).ok_or_else(not)?;
    let by_hand = match (&recorded.held, &rotation.client_secret) {
        (Held::Client(held), Some(secret)) => {
            Some(ByHand { client_id: held.id.clone(), client_secret: Some(secret.clone()) })
        }
        _ => None,
    };
    provider.require_rotates(&recorded.held, by_hand.as_ref())?;
    Ok(by_hand)
}

/// Fails where an app wants people to be sent to another app or to a host that nobody named, or
/// mail to be sent from what is not an address.
fn require_own(context: &Context, app: &App, asked: &Asked) -> Result<(), Error> {
    let request = match asked {
        Asked::Client(request) => request,
        Asked::Account(sender) if sender.parse::<lettre::Address>().is_ok() => return Ok(()),
        Asked::Account(sender) => return Err(Error::NotASender { sender: sender.clone() }),
    };
    let name = app.entry.name.to_string();
    let apps = context.home.apps()?;
    for uri in request.redirect_uris.iter().chain(&request.post_logout_uris) {
        // What cannot be read is refused by the provider; an app on a telephone has no host.
        let Ok(url) = url::Url::parse(uri) else { continue };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::NobodysAddress { app: name, address: uri.clone() });
        }
        let Some(host) = url.host_str().map(|host| host.trim_end_matches('.')) else { continue };
        let other = apps.iter().find(|app| app.name.as_str() == host);
        if let Some(other) = other.filter(|other| other.name != app.entry.name) {
            let other = other.name.to_string();
            return Err(Error::OthersAddress { app: name, address: uri.clone(), other });
        }
        if host != app.entry.name.as_str() && !is_typed(app, host) {
            return Err(Error::NobodysAddress { app: name, address: uri.clone() });
        }
    }
    Ok(())
}

/// Whether the operator wrote this host into the app's settings: a value of the recipe's sample,
/// or one that a plugin wrote, is nobody's word.
fn is_typed(app: &App, host: &str) -> bool {
    let untyped = app::not_typed(app.env.values());
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let names = |value: &str| {
        value.match_indices(host).any(|(at, _)| {
            let before = value[..at].chars().next_back();
            let after = value[at + host.len()..].chars().next();
            // A port may follow.
            !before.is_some_and(is_host) && !after.is_some_and(|c| c != ':' && is_host(c))
        })
    };
    app.env.values().into_iter().any(|(key, value)| {
        let is_nobodys =
            app.lock.sample.get(&key).is_some_and(|known| untyped.get(&key) == Some(known));
        !is_nobodys && names(&value)
    })
}

/// Fails where the account at a relay that is an app is another app's already: what closes it or
/// gives it another password would do so to both.
fn require_no_others(
    context: &Context,
    entry: &AppEntry,
    provider: &Provider,
    asked: &Asked,
) -> Result<(), Error> {
    let (Provider::App(_), Asked::Account(sender)) = (provider, asked) else { return Ok(()) };
    let (rows, unread) = connections(context, ConnectionKind::Mail)?;
    for error in unread {
        context.progress.warn(format!("whose account it is was not compared: {error}"));
    }
    let is_other = |row: &&ConnectionRow| {
        let is_there = row.provider == provider.name()
            && row.provider_server.as_deref() == provider.server().map(ServerName::as_str);
        let is_self = row.app == entry.name.as_str() && row.server == entry.server.as_str();
        is_there && !is_self && row.id.eq_ignore_ascii_case(sender)
    };
    match rows.iter().find(is_other) {
        Some(other) => {
            Err(Error::OthersSender { sender: sender.clone(), other: other.app.clone() })
        }
        None => Ok(()),
    }
}

/// The address that an app sends from: what is asked for, what it is, or the app's name at the
/// domain above it.
fn sender(options: &ConnectOptions, recorded: Option<&Connection>, app: &str) -> String {
    let known = recorded.and_then(|recorded| match &recorded.held {
        Held::Account(account) => Some(account.sender.clone()),
        Held::Client(_) => None,
    });
    options.sender.clone().or(known).unwrap_or_else(|| usual_sender(app))
}

/// `wiki@example.org` for `wiki.example.org`, and `example@example.org` for the domain itself.
fn usual_sender(app: &str) -> String {
    let (name, above) = app.split_once('.').unwrap_or((app, app));
    let domain = if above.contains('.') { above } else { app };
    format!("{name}@{domain}")
}

async fn show(prepared: &Prepared, deployed: bool) -> Result<Plan, Error> {
    let Prepared { kind, app, provider, asked, recorded, expected, .. } = prepared;
    let name = provider.name();
    let wanted = plan::wanted(&app.env, expected, recorded.as_ref(), Way::On)?;
    let mut changes = Vec::new();
    let same = recorded.as_ref().filter(|it| provider.is_of(it) && !prepared.new_client);
    changes.extend(match prepared.rotate {
        true => Some(plan::another_secret(name, asked, same)),
        false => plan::at_provider(name, asked, same, provider.told()),
    });
    let anew = prepared.rotate || lacks_secret(app, recorded.as_ref()).await?;
    changes.extend(plan::of_secrets(expected, recorded.as_ref(), anew));
    changes.extend(plan::in_settings(&wanted, name));
    let mut warnings = Vec::new();
    if deployed && !changes.is_empty() {
        changes.push(plan::deploys());
    }
    if deployed {
        warnings.extend(edited(app).await?);
    }
    if prepared.rotate {
        warnings.push(plan::until_deployed(*kind).into());
    }
    // At a provider outside, another client takes the place of the recorded one.
    let other = recorded.as_ref().filter(|it| provider.is_of(it) && it.server.is_none());
    let other = other.and_then(|it| match (&it.held, &prepared.by_hand) {
        (Held::Client(held), Some(by_hand)) if held.id != by_hand.client_id => Some(held),
        (Held::Client(held), None) if prepared.new_client => Some(held),
        _ => None,
    });
    if let Some(held) = other.filter(|held| held.registration.is_some()) {
        changes.push(Change {
            kind: plan::held_by_provider(*kind),
            name: format!("at {name}"),
            action: ChangeAction::Remove,
            details: vec![format!("the client before, `{}`", line(&held.id))],
        });
    }
    if prepared.new_client || other.is_some() {
        warnings
            .push("people who signed in with the client before may get a second account".into());
    }
    if let Some(other) = recorded.as_ref().filter(|it| !provider.is_of(it)) {
        changes.push(Change {
            kind: plan::held_by_provider(*kind),
            name: format!("at {}", other.provider),
            action: ChangeAction::Remove,
            details: vec!["the connection before".into()],
        });
        if *kind == ConnectionKind::Sso {
            warnings.push(
                "at another provider people are others: each may get a second account".into(),
            );
        }
    }
    if recorded.is_none() {
        warnings.extend(plan::way_in(*kind, app.entry.name.as_str()));
    }
    if !deployed {
        warnings.push(format!("{} is not deployed: its first deploy uses it", app.entry.name));
    }
    let on_failure = match prepared.rotate {
        true => {
            "the settings and services return to what they are now; the provider keeps the other \
             secret if it gave one, which connecting the app once more brings to it"
        }
        false => {
            "the settings and services return to what they are now, and what was made at the \
             provider goes"
        }
    };
    let on_failure = (!changes.is_empty()).then(|| on_failure.to_owned());
    Ok(Plan { changes, warnings, reach: Vec::new(), on_failure })
}

/// Whether a secret of the connection is not on the swarm, or may be an old one.
async fn lacks_secret(app: &App, recorded: Option<&Connection>) -> Result<bool, Error> {
    let Some(recorded) = recorded else { return Ok(false) };
    let stored = app.engine.secrets(Scope::All).await?;
    let stored: BTreeSet<String> = stored.into_iter().filter_map(|it| it.spec?.name).collect();
    Ok(recorded.unsure || !full_names(&app.name, recorded).is_subset(&stored))
}

/// Edits of the settings that were not deployed yet, which the deploy brings along.
pub(super) async fn edited(app: &App) -> Result<Option<String>, Error> {
    let edited = releases::all(&app.engine).await?.changed_settings(app);
    Ok((!edited.is_empty()).then(|| {
        format!(
            "settings that were edited since the last deploy are deployed along: {}",
            edited.join(", ")
        )
    }))
}

async fn entry(context: &Context, lease: &Lease, prepared: &Prepared) -> Result<Entry, Error> {
    let Prepared { kind, app, provider, asked, recorded, rotate, expected, .. } = prepared;
    let wanted = plan::wanted(&app.env, expected, recorded.as_ref(), Way::On)?;
    let secrets = next_secrets(context, app, &wanted.env, expected).await?;
    let new = recorded.as_ref().is_none_or(|it| !provider.is_of(it));
    let connects = provider.connects(*kind, new, *rotate);
    let at_provider = if *rotate { Undo::Connecting } else { Undo::Provider };
    let mut steps = vec![
        Step::new(at(provider.name()), at_provider),
        Step::new(SECRETS, Undo::Secrets),
        Step::new(SETTINGS, Undo::Settings),
        Step::new(SERVICES, Undo::Services),
    ];
    if recorded.is_some() {
        steps.push(Step::new(REPLACED, Undo::Never));
    }
    steps.push(Step::new(RECORD, Undo::Nothing));
    Ok(Entry {
        recipe: app.checkout.recipe.to_string(),
        steps,
        connection: Some(Connects {
            sender: match asked {
                Asked::Account(sender) => Some(sender.clone()),
                Asked::Client(_) => None,
            },
            new_client: prepared.new_client,
            ..connects
        }),
        made: secrets.into_iter().map(|name| (MadeKind::Secret, name)).collect(),
        ..of_services(lease, app, What::Connect).await?
    })
}

/// What undoing the deploy of a connection needs.
pub(super) async fn of_services(lease: &Lease, app: &App, what: What) -> Result<Entry, Error> {
    let live = app.engine.services(Scope::Stack(&app.name)).await?;
    let version = version::pinned(app).name().cloned();
    Ok(Entry {
        services: recover::services(live.iter()),
        ran: !live.is_empty() && app.lock.begun.is_none() && app.lock.recipe.is_some(),
        marks: Some(crate::owner::journal::Marks::of(&app.lock)),
        before: version.clone().filter(|_| !live.is_empty()),
        after: version,
        pin: Some(version::pinned(app)),
        ..journal::entry_of(lease, &app.entry.name, what)
    })
}

/// What connecting came to.
pub(super) struct Done {
    pub changed: bool,
    pub findings: Vec<Finding>,
}

/// Goes the steps; what fails is undone.
///
/// # Errors
/// As [`connect`].
pub(super) async fn run(
    context: &Context,
    guard: &AppGuard,
    prepared: &mut Prepared,
    journal: Journal,
) -> Result<Done, Error> {
    let client = prepared.app.entry.name.clone();
    let done = {
        let Prepared {
            kind,
            app,
            plugin,
            provider,
            asked,
            recorded,
            by_hand,
            new_client,
            rotate,
            expected,
            timeout,
        } = &mut *prepared;
        let provider = &*provider;
        let app = &*app;
        let mut work = Work { context, guard, app, journal: &journal };
        let ends = Ends {
            kind: *kind,
            app,
            plugin,
            provider,
            asked,
            recorded: recorded.as_ref(),
            by_hand: by_hand.as_ref(),
            new_client: *new_client,
            rotate: *rotate,
            expected,
            timeout: *timeout,
        };
        let forward = async || {
            let done = work.forward(ends).await;
            match done {
                Err(error)
                    if !error.of_engine().is_some_and(stays_unfinished)
                        && !journal.is_past_return() =>
                {
                    Err(work.back(error, provider).await)
                }
                done => done.map_err(|error| (error, false)),
            }
        };
        let mut outcome = None;
        let led = provider
            .leased(context, &client, async || {
                outcome = Some(forward().await);
                Ok(())
            })
            .await;
        match (outcome, led) {
            (Some(outcome), _) => outcome,
            (None, Err(error)) => Err((error, true)),
            (None, Ok(())) => Err((Error::Declined { app: client.to_string() }, true)),
        }
    };
    let undone = done.as_ref().err().is_some_and(|(_, undone)| *undone);
    let done = done.map_err(|(error, _)| error);
    journal.conclude(context, done, Error::of_engine, |_| undone).await
}

/// Both ends, for one run.
struct Ends<'a> {
    kind: ConnectionKind,
    app: &'a App,
    plugin: &'a mut Plugin,
    provider: &'a Provider,
    asked: &'a Asked,
    recorded: Option<&'a Connection>,
    by_hand: Option<&'a ByHand>,
    new_client: bool,
    rotate: bool,
    expected: &'a Changes,
    timeout: Option<Duration>,
}

/// Whether the app was connected to the provider before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Before,
    Not,
}

struct Work<'a> {
    context: &'a Context,
    guard: &'a AppGuard,
    app: &'a App,
    journal: &'a Journal,
}

impl Work<'_> {
    async fn forward(&mut self, ends: Ends<'_>) -> Result<Done, Error> {
        let Work { context, guard, journal, .. } = *self;
        let Ends { kind, app, provider, asked, recorded, .. } = ends;
        let same = recorded.filter(|it| provider.is_of(it) && !ends.new_client);
        // What a killed process was given is not asked for again.
        let operation = journal.entry().operation;
        let begun = connecting(context, guard.app())?.filter(|it| it.operation == operation);
        let was = begun.as_ref().map(|it| it.before.clone()).unwrap_or_default();
        let begun = begun.and_then(|it| it.held);
        self.note(|connecting| connecting.recorded = recorded.cloned().map(Box::new), kind)?;

        let step = at(provider.name());
        journal.step(&step).await?;
        context.progress.step(step);
        let known = begun.as_ref().or(same.map(|it| &it.held));
        if let Some(known) = same.filter(|_| ends.rotate && begun.is_none()) {
            // Before the old secret is gone, without which nobody can be let in meanwhile.
            let seen = look(&known.held, None).await;
            self.require_usable(&seen.findings, app, provider.name(), Known::Not)?;
        }
        let Gift { given, held, warnings } = match ends.rotate && begun.is_none() {
            true => provider.rotate(context, app, asked, known, ends.by_hand).await?,
            false => provider.give(context, app, asked, known, ends.by_hand).await?,
        };
        self.note(|connecting| connecting.held = Some(held.clone()), kind)?;
        for warning in warnings {
            context.progress.warn(warning);
        }
        let held = remembering(held, same);
        let seen = look(&held, given.password()).await;
        let mut findings = seen.findings;
        let held = with_keys(held, seen.keys);
        let known = if same.is_some() { Known::Before } else { Known::Not };
        self.require_usable(&findings, app, provider.name(), known)?;

        let changes = ends.plugin.connect(&given).await?;
        // Of a relay that is an app's and new, not even the encryption is known before.
        let moved = another_issuer(provider, same.map(|it| &it.held), &held);
        let all_known =
            moved.is_none() && matches!(asked, Asked::Client(_)) || provider.relay().is_some();
        if let Some(issuer) = moved {
            let name = provider.name();
            context.progress.warn(format!("{name} has another issuer than before: {issuer}"));
        }
        if let Some(what) = plan::beyond(ends.expected, &changes, &app.env, all_known) {
            let (app, plugin) = (app.entry.name.to_string(), ends.plugin.name.clone());
            return Err(Error::OtherChanges { app, plugin, what });
        }
        // Read anew: somebody may have edited them meanwhile.
        let env = context.home.env(guard.app())?;
        let wanted = plan::wanted(&env, &changes, recorded, Way::On)?;
        // What a killed process has written already was not there before.
        let mut found = env.clone();
        for (key, value) in &was {
            put(&mut found, key, value.as_deref()).map_err(home::Error::from)?;
        }
        let from_found = plan::wanted(&found, &changes, recorded, Way::On)?;
        journal.step(SECRETS).await?;
        context.progress.step(SECRETS);
        let stored = store_secrets(context, app, wanted.env.clone(), &changes).await?;

        let changed = differences(&env, &stored.env, &wanted);
        let before = changed.iter().map(|(key, (before, _))| (key.clone(), before.clone()));
        let before: BTreeMap<String, Option<String>> = before.collect();
        let text = env.to_text();
        self.note(
            |connecting| {
                for (key, value) in before.clone() {
                    connecting.before.entry(key).or_insert(value);
                }
                connecting.text.get_or_insert(text);
            },
            kind,
        )?;
        journal.step(SETTINGS).await?;
        if stored.env != env {
            self.not_typed(&changes)?;
            context.home.write_env(guard.app(), &stored.env)?;
        }
        let mut is_changed = !changed.is_empty() || stored.is_new;
        journal.step(SERVICES).await?;
        if is_deployed(app).await? {
            let report = deploy_again(context, guard, app, journal, ends.timeout).await?;
            is_changed |= report.changed;
        }

        let connection = Connection {
            provider: provider.name().to_owned(),
            server: provider.server().cloned(),
            since: Timestamp::now(),
            held,
            before: before_of(&changes, &stored.settings, &found, recorded),
            settings: settings_of(&changes).chain(stored.settings).collect(),
            secrets: stored.versions,
            overlays: overlays_of(&changes, &from_found, recorded),
            overlays_off: overlays_off_of(&changes, &from_found, recorded),
            unsure: false,
        };
        let is_as_before =
            recorded.is_some_and(|it| Connection { since: it.since, ..connection.clone() } == *it);
        is_changed |= !is_as_before;
        // Before the record, which a run that finishes this one compares with.
        if let Some(recorded) = recorded
            && journal.has_step(REPLACED)
        {
            journal.step(REPLACED).await?;
            self.leave((app, provider), kind, recorded, &connection).await;
        }
        self.drop_unknown(&connection).await?;
        journal.step(RECORD).await?;
        self.record(kind, Some(connection.clone()))?;
        // It was deployed, so that what follows is no reason to go back.
        match inside(context, app, &connection, given.password()).await {
            Ok(seen) => findings.extend(seen),
            Err(error) => context
                .progress
                .warn(format!("it was not looked at from the app's own network: {error}")),
        }
        findings.retain(|finding| finding.level != Level::Good);
        Ok(Done { changed: is_changed, findings })
    }

    /// Removes what a process on another machine stored before it died: its value is known
    /// there only, so that another one was made.
    async fn drop_unknown(&self, now: &Connection) -> Result<(), Error> {
        let Work { context, app, journal, .. } = *self;
        if !journal.is_resumed() {
            return Ok(());
        }
        let used = full_names(&app.name, now);
        let made = secrets_of(&journal.entry()).into_iter();
        let unused = made.filter(|name| !used.contains(name)).collect();
        remove_secrets(context, &app.entry, &app.engine, &unused).await
    }

    /// What is left of the connection before: old versions of secrets, and what another
    /// provider holds. The new one is made, so what fails here is a warning.
    async fn leave(
        &self,
        (app, provider): (&App, &Provider),
        kind: ConnectionKind,
        before: &Connection,
        now: &Connection,
    ) {
        let Work { context, .. } = *self;
        let mut replaced = before.clone();
        // A secret that it does not ask for any more may be somebody's only copy.
        replaced
            .secrets
            .retain(|name, version| now.secrets.get(name).is_some_and(|now| now != version));
        let old = full_names(&app.name, &replaced);
        if let Err(error) = remove_secrets(context, &app.entry, &app.engine, &old).await {
            context.progress.warn(format!("old secrets are left: {error}"));
        }
        let is_there = before.provider == now.provider && before.server == now.server;
        // An app that plays the role has one client for each stack.
        let moved = before.held.is_another(&now.held)
            && (kind == ConnectionKind::Mail || matches!(provider, Provider::Outside(_)));
        if is_there && !moved {
            return;
        }
        if is_there {
            let (entry, stack) = (&app.entry, &app.name);
            let closed = provider.take_back(context, entry, stack, &before.held).await;
            if let Err(error) = closed {
                let left = match &before.held {
                    Held::Account(_) => "the account before".to_owned(),
                    Held::Client(client) => {
                        format!("the client `{}` at {}", line(&client.id), provider.name())
                    }
                };
                context.progress.warn(format!("{left} is left: {error}"));
            }
            return;
        }
        let removed = async {
            let server = before.server.as_ref();
            let provider =
                Provider::find(context, kind, &before.provider, server, &app.entry).await?;
            let (entry, stack) = (&app.entry, &app.name);
            provider
                .leased(context, &app.entry.name, async || {
                    provider.take_back(context, entry, stack, &before.held).await
                })
                .await
        };
        if let Err(error) = removed.await {
            let provider = &before.provider;
            context.progress.warn(format!("{provider} still holds what it made: {error}"));
        }
    }

    /// Fails where people could not sign in, so that nobody is locked out. A provider that is
    /// not reached from here may be reached by the app; and where the app was connected before,
    /// only what it was given now is a reason to stop: the rest is so already.
    fn require_usable(
        &self,
        seen: &[Finding],
        app: &App,
        provider: &str,
        known: Known,
    ) -> Result<(), Error> {
        let of_given = ["client", "redirect", "scopes", "account", "sender"];
        let is_bad = |it: &&Finding| {
            it.level == Level::Bad
                && it.check != "reachable"
                && (known == Known::Not || of_given.contains(&it.check))
        };
        let found: Vec<String> =
            seen.iter().filter(is_bad).map(|it| it.told().into_owned()).collect();
        if !found.is_empty() {
            let (app, provider) = (app.entry.name.to_string(), provider.to_owned());
            return Err(Error::NotUsable { app, provider, found });
        }
        for finding in seen.iter().filter(|it| it.level == Level::Bad) {
            let told = finding.told();
            self.context.progress.warn(match finding.check {
                "reachable" => format!("it was not looked at from here: {told}"),
                _ => told.into_owned(),
            });
        }
        Ok(())
    }

    /// Undoes what was done; returns the error, and whether all of it is undone.
    async fn back(&self, error: Error, provider: &Provider) -> (Error, bool) {
        let Work { context, guard, journal, .. } = *self;
        let engine = &self.app.engine;
        match undo::files_and_provider(context, guard, engine, journal, provider).await {
            Ok(()) => {
                let is_back = !matches!(error, Error::Rollout(RolloutError::UndoFailed { .. }));
                // What a provider replaced stays so.
                let is_lost = journal.kept().has_begun(Undo::Connecting);
                (error, is_back && !is_lost)
            }
            Err(left) => {
                context.progress.warn(format!("undoing it failed as well: {left}"));
                (error, false)
            }
        }
    }

    /// Records that no operator typed these settings: hosts that they name need a yes.
    fn not_typed(&self, changes: &Changes) -> Result<(), Error> {
        let mut lock = self.context.home.lock_file(self.guard.app())?;
        let before = lock.sample.clone();
        lock.sample.extend(app::not_typed(settings_of(changes)));
        match lock.sample == before {
            true => Ok(()),
            false => Ok(self.context.home.write_lock_file(self.guard, &lock)?),
        }
    }

    /// Writes down what undoing needs, before it is done.
    fn note(
        &self,
        change: impl FnOnce(&mut Connecting),
        kind: ConnectionKind,
    ) -> Result<(), Error> {
        note(self.context, self.guard, self.journal, kind, change)
    }

    fn record(&self, kind: ConnectionKind, connection: Option<Connection>) -> Result<(), Error> {
        record(self.context, self.guard, kind, connection)
    }
}

/// The issuer of a provider that is an app and has moved: only it can say so, as when the app
/// was connected first.
fn another_issuer(provider: &Provider, before: Option<&Held>, now: &Held) -> Option<String> {
    match (provider, before, now) {
        (Provider::App(_), Some(Held::Client(before)), Held::Client(now)) => {
            (before.issuer != now.issuer).then(|| line(&now.issuer).into_owned())
        }
        _ => None,
    }
}

/// The keys of the last look, until the next one.
fn remembering(held: Held, recorded: Option<&Connection>) -> Held {
    match (held, recorded.map(|it| &it.held)) {
        (Held::Client(mut client), Some(Held::Client(before))) => {
            client.keys.clone_from(&before.keys);
            Held::Client(client)
        }
        (held, _) => held,
    }
}

fn with_keys(held: Held, keys: Vec<String>) -> Held {
    match held {
        Held::Client(mut client) => {
            if !keys.is_empty() {
                client.keys = keys;
            }
            Held::Client(client)
        }
        held => held,
    }
}

/// The settings that differ, versions of secrets included.
fn differences(
    before: &EnvFile,
    after: &EnvFile,
    wanted: &Wanted,
) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let keys = after.values().into_iter().chain(before.values()).map(|(key, _)| key);
    let keys: BTreeSet<String> = keys.chain(wanted.changed.keys().cloned()).collect();
    let of = |env: &EnvFile, key: &str| env.get(key).map(str::to_owned);
    let pairs = keys.into_iter().map(|key| {
        let pair = (of(before, &key), of(after, &key));
        (key, pair)
    });
    pairs.filter(|(_, (before, after))| before != after).collect()
}

/// The settings that the connection writes.
fn settings_of(changes: &Changes) -> impl Iterator<Item = (String, String)> {
    let set = |(key, value): &(String, Option<String>)| Some((key.clone(), value.clone()?));
    changes.settings.iter().filter_map(set)
}

/// What these settings were before the app was connected.
fn before_of(
    changes: &Changes,
    versions: &BTreeMap<String, String>,
    env: &EnvFile,
    recorded: Option<&Connection>,
) -> BTreeMap<String, Option<String>> {
    let was = |key: &String| {
        let known = recorded.and_then(|recorded| recorded.before.get(key)).cloned();
        known.unwrap_or_else(|| env.get(key).map(str::to_owned))
    };
    let written = |key: &String| changes.settings.iter().any(|(k, v)| k == key && v.is_some());
    let keys = changes.settings.iter().map(|(key, _)| key).chain(versions.keys());
    let pairs = keys.map(|key| (key.clone(), was(key)));
    // What was not there and is not written needs no word.
    pairs.filter(|(key, was)| was.is_some() || written(key) || versions.contains_key(key)).collect()
}

/// The overlays that the connection switched off.
fn overlays_off_of(
    changes: &Changes,
    wanted: &Wanted,
    recorded: Option<&Connection>,
) -> Vec<String> {
    let is_ours = |overlay: &&String| {
        wanted.overlays_off.contains(overlay)
            || recorded.is_some_and(|recorded| recorded.overlays_off.contains(overlay))
    };
    changes.overlays_off.iter().filter(is_ours).cloned().collect()
}

/// The overlays that the connection switched on: not those that were on before.
fn overlays_of(changes: &Changes, wanted: &Wanted, recorded: Option<&Connection>) -> Vec<String> {
    let is_ours = |overlay: &&String| {
        wanted.overlays_on.contains(overlay)
            || recorded.is_some_and(|recorded| recorded.overlays.contains(overlay))
    };
    changes.overlays_on.iter().filter(is_ours).cloned().collect()
}

/// Finds what connecting found before, for an operation that is resumed.
pub(super) async fn again(
    context: &Context,
    guard: &AppGuard,
    kind: ConnectionKind,
    of: &Connects,
) -> Result<Prepared, Error> {
    let held = connecting(context, guard.app())?.and_then(|it| it.held);
    let by_hand = match held {
        // Its secret was kept before the provider's answer was written down.
        Some(Held::Client(client)) if client.by_hand => {
            Some(ByHand { client_id: client.id, client_secret: None })
        }
        _ => None,
    };
    let options = ConnectOptions {
        provider: Some(of.provider.clone()),
        provider_server: of.server.clone(),
        sender: of.sender.clone(),
        rotate: (of.rotates && by_hand.is_none()).then(Rotation::default),
        by_hand,
        new_client: of.new_client,
        ..ConnectOptions::new(kind)
    };
    prepare(context, guard, &options).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_the_app_at_its_domain() {
        for (app, sender) in [
            ("wiki.example.org", "wiki@example.org"),
            ("a.b.example.org", "a@b.example.org"),
            ("example.org", "example@example.org"),
            ("localhost", "localhost@localhost"),
        ] {
            assert_eq!(usual_sender(app), sender);
        }
    }
}
