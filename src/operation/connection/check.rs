//! A look at connections that changes nothing: whether they are as they were made, and whether
//! people can sign in and mail leaves.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    app::{self, App, Context, Error},
    engine::{Engine, Scope},
    home::{
        AppEntry, Connection, ConnectionKind,
        connection::{Held, HeldAccount},
    },
    hooks::Guarding,
    text::line,
    wiring::{
        Finding, Level,
        dns::{self, Dns},
    },
};

use super::{
    change::full_names,
    client::{Asked, Plugin},
    due::differs,
    inside::inside,
    look::look,
    outside::{Outside, expiry},
    plan,
    provider::{Named, named},
    roles,
};

/// One connection of an app, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionRow {
    pub app: String,
    pub server: String,
    pub provider: String,
    /// The server of a provider that is an app.
    pub provider_server: Option<String>,
    /// When it was made, or last repaired.
    pub since: jiff::Timestamp,
    /// The client's id, or the address that mail is sent from.
    pub id: String,
}

/// What was found at one connection.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    pub app: String,
    pub kind: ConnectionKind,
    pub provider: String,
    /// Whether connecting again would change something.
    pub due: bool,
    /// Whether nothing is bad.
    pub ok: bool,
    pub findings: Vec<Finding>,
}

/// From where a provider is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// From this machine.
    Here,
    /// Also from the app's own network, for which a container is started beside it.
    Both,
}

/// The connections of all apps, as they are recorded; apps whose files cannot be read are
/// returned with the reason.
///
/// # Errors
/// A folder that cannot be read.
pub fn connections(
    context: &Context,
    kind: ConnectionKind,
) -> Result<(Vec<ConnectionRow>, Vec<crate::home::Error>), Error> {
    let mut rows = Vec::new();
    let mut unread = Vec::new();
    for entry in context.home.apps()? {
        let lock = match context.home.lock_file(&entry) {
            Ok(lock) => lock,
            Err(error) => {
                unread.push(error);
                continue;
            }
        };
        let Some(connection) = lock.connections.get(&kind) else { continue };
        rows.push(ConnectionRow {
            app: entry.name.to_string(),
            server: entry.server.to_string(),
            provider: connection.provider.clone(),
            provider_server: connection.server.as_ref().map(ToString::to_string),
            since: connection.since,
            id: match &connection.held {
                Held::Client(client) => client.id.clone(),
                Held::Account(account) => account.sender.clone(),
            },
        });
    }
    Ok((rows, unread))
}

/// Looks at one connection.
///
/// # Errors
/// [`Error::NotConnected`]; an app that cannot be loaded.
pub async fn check(
    context: &Context,
    entry: &AppEntry,
    kind: ConnectionKind,
    places: Places,
) -> Result<CheckReport, Error> {
    let app = app::load_deployed(context, entry).await?;
    let not = || Error::NotConnected { app: entry.name.to_string(), kind };
    let connection = app.lock.connections.get(&kind).cloned().ok_or_else(not)?;
    let connect = format!("`potluck {kind} connect {}` repairs it", entry.name);
    let mut findings = Vec::new();
    findings.extend(of_app(context, &app, &connection, kind).await?);
    findings.extend(of_provider(context, &app, &connection, kind).await?);
    for finding in &mut findings {
        finding.fix.get_or_insert_with(|| connect.clone());
    }
    // What only the provider's own settings mend is no difference between the two ends.
    let due = findings.iter().any(|it| it.level == Level::Bad);
    findings.extend(expiry(entry, &connection.held, jiff::Timestamp::now()));
    let seen = look(&connection.held, None).await;
    let is_unknown =
        |it: &Finding| matches!(it.check, "client" | "redirect") && it.level == Level::Bad;
    let due = due || seen.findings.iter().any(is_unknown);
    findings.extend(seen.findings.into_iter().map(|mut finding| {
        if is_unknown(&finding) {
            finding.fix = Some(connect.clone());
        }
        finding
    }));
    if let Held::Account(account) = &connection.held {
        findings.extend(records(context, &app, &connection, account).await);
    }
    if places == Places::Both {
        findings.extend(inside(context, &app, &connection, None).await?);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    Ok(CheckReport {
        app: entry.name.to_string(),
        kind,
        provider: connection.provider,
        due,
        ok: findings.iter().all(|it| it.level != Level::Bad),
        findings,
    })
}

/// What name servers say of the domain that is sent from.
async fn records(
    context: &Context,
    app: &App,
    connection: &Connection,
    account: &HeldAccount,
) -> Vec<Finding> {
    let selector =
        match named(context, &connection.provider, connection.server.as_ref(), &app.entry) {
            Ok(Named::Outside(name)) => {
                let settings = context.home.provider(&name).ok();
                settings.and_then(|settings| settings.mail?.dkim_selector)
            }
            _ => None,
        };
    match Dns::new() {
        Ok(dns) => dns::look(&dns, account, selector.as_deref()).await,
        Err(reason) => {
            let told = format!("this machine has no name server: {reason}");
            vec![Finding::note("spf", told).fix("look into /etc/resolv.conf")]
        }
    }
}

/// Whether the app is as the connection made it.
async fn of_app(
    context: &Context,
    app: &App,
    connection: &Connection,
    kind: ConnectionKind,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let name = &app.entry.name;
    let differs = differs(&app.env, connection).into_iter();
    findings.extend(differs.map(|told| Finding::bad("setting", told)));
    let secrets = app.engine.secrets(Scope::All).await?;
    let stored: BTreeSet<String> =
        secrets.into_iter().filter_map(|secret| secret.spec?.name).collect();
    for missing in full_names(&app.name, connection).difference(&stored) {
        findings.push(
            Finding::bad("secret", format!("the server lacks the secret {missing}")).fix(format!(
                "`potluck app secret restore {name}` brings its kept copy back, and `potluck \
                 {kind} connect {name}` makes it anew"
            )),
        );
    }
    let role = roles(kind).0;
    let guarding = Guarding::WhileWriting;
    let mut plugin = match Plugin::start(context, app, kind, role, guarding).await {
        Ok(plugin) => plugin,
        Err(error @ (Error::NoRole { .. } | Error::NeedsConsent { .. })) => {
            let told = line(&error.to_string()).into_owned();
            findings.push(Finding::bad("plugin", told).fix(match error {
                Error::NoRole { .. } => "its recipe at this version cannot be connected".to_owned(),
                _ => format!("`potluck app deploy {name}` asks for its consent"),
            }));
            return Ok(findings);
        }
        Err(error) => return Err(error),
    };
    findings.extend(of_map(&mut plugin, connection).await?);
    if let (ConnectionKind::Sso, Held::Client(held)) = (kind, &connection.held)
        && let Asked::Client(request) = plugin.asks(None).await?
    {
        let new = request.redirect_uris.iter().filter(|it| !held.redirect_uris.contains(it));
        for uri in new {
            findings.push(Finding::bad(
                "request",
                format!(
                    "the app now returns people to {}, which the provider was not told",
                    line(uri)
                ),
            ));
        }
        if request.scopes != held.scopes || request.public != held.public {
            findings.push(Finding::bad("request", "the app asks for other scopes than it did"));
        }
    }
    Ok(findings)
}

/// What the recipe makes of the same client or account now, which may be of another version than
/// when the app was connected.
async fn of_map(plugin: &mut Plugin, connection: &Connection) -> Result<Vec<Finding>, Error> {
    let changes = plugin.connect(&plan::as_recorded(&connection.held)).await?;
    let mut findings = Vec::new();
    for (key, value) in
        changes.settings.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)))
    {
        if connection.settings.get(key) != Some(value) {
            let told = format!("the recipe now writes {}={}", line(key), line(value));
            findings.push(Finding::bad("setting", told));
        }
    }
    for (name, _) in changes.secrets.iter().filter(|(it, _)| !connection.secrets.contains_key(it)) {
        let told = format!("the recipe now makes the secret {}, too", line(name));
        findings.push(Finding::bad("secret", told));
    }
    Ok(findings)
}

/// Whether the provider is still there, and what its file says.
async fn of_provider(
    context: &Context,
    app: &App,
    connection: &Connection,
    kind: ConnectionKind,
) -> Result<Vec<Finding>, Error> {
    let (name, server) = (&connection.provider, connection.server.as_ref());
    let entry = match named(context, name, server, &app.entry) {
        Ok(Named::App(entry)) => entry,
        Ok(Named::Outside(name)) => {
            let odd = Outside::load(context, kind, name)?.differs(&connection.held);
            return Ok(odd.into_iter().map(|told| Finding::bad("provider", told)).collect());
        }
        Err(Error::Home(crate::home::Error::UnknownProvider { .. })) => {
            let told = format!("the provider {name} is not in this folder any more");
            let fix = format!(
                "connect {0} to another one, or `potluck {kind} disconnect {0} --leave-provider`",
                app.entry.name
            );
            return Ok(vec![Finding::bad("provider", told).fix(fix)]);
        }
        Err(error) => return Err(error),
    };
    let on_server = match app::OnServer::new(&context.home, &entry) {
        Ok(on_server) => on_server,
        Err(error) => {
            let told = format!("the server of {name} cannot be asked: {error}");
            let fix = format!("`potluck app ps {name}` shows more");
            return Ok(vec![Finding::note("provider", told).fix(fix)]);
        }
    };
    match on_server.engine.services(Scope::Stack(&on_server.stack)).await {
        Ok(services) if services.is_empty() => Ok(vec![
            Finding::bad("provider", format!("the provider {name} is not deployed"))
                .fix(format!("`potluck app deploy {name}`")),
        ]),
        Ok(_) => Ok(Vec::new()),
        Err(error) => Ok(vec![
            Finding::note("provider", format!("the server of {name} does not answer: {error}"))
                .fix(format!("`potluck app ps {name}` shows more")),
        ]),
    }
}
