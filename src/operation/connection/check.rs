//! A look at connections that changes nothing: whether they are as they were made, and whether
//! people can sign in and mail leaves.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    app::{self, App, Context, Error},
    engine::{Engine, Scope},
    home::{
        AppEntry, Connection, ConnectionKind, EnvFile,
        connection::{Held, HeldAccount},
    },
    hooks::{Guarding, read_secret},
    operation::{releases, unfinished::look as operation_on},
    plugin::{Changes, Hidden},
    secrets,
    text::line,
    wiring::{
        Finding, Level,
        dns::{self, Dns},
        settings::Way,
    },
};

use super::{
    change::{full_names, is_deployed},
    client::{Asked, Plugin},
    due::{differs, of_connection},
    inside::inside,
    look::{look, look_at_secret},
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
    findings.extend(unfinished(&app).await?);
    if connection.unsure {
        let told = "a rotation did not finish: the provider may have another secret";
        findings.push(Finding::bad("secret", told));
    }
    findings.extend(of_what_runs(&app, &connection).await?);
    let (found, secret) = of_app(context, &app, &connection, kind).await?;
    findings.extend(found);
    findings.extend(of_provider(context, &app, &connection, kind).await?);
    for finding in &mut findings {
        finding.fix.get_or_insert_with(|| connect.clone());
    }
    let of_ends = findings.iter().any(|it| it.level == Level::Bad);
    findings.extend(expiry(entry, &connection.held, jiff::Timestamp::now()));
    let secret = match secret.filter(|_| places == Places::Both) {
        Some(name) => secret_of(&app, &connection, &name).await?,
        None => None,
    };
    let mut password = match &connection.held {
        Held::Account(_) => secret.as_ref().map(|it| Hidden(it.0.clone())).or_else(|| {
            let named = named(context, &connection.provider, connection.server.as_ref(), entry);
            match named.ok()? {
                Named::Outside(name) => Outside::load(context, kind, name).ok()?.password(),
                Named::App(_) => None,
            }
        }),
        Held::Client(_) => None,
    };
    let mut seen = look(&connection.held, password.as_ref()).await.findings;
    if let (Held::Client(client), Some(secret)) = (&connection.held, secret) {
        let tried = look_at_secret(client, &secret).await;
        // Once is enough, unless only the app reaches it.
        password = tried.is_none().then_some(secret);
        seen.extend(tried);
    }
    if let Held::Account(account) = &connection.held {
        findings.extend(records(context, &app, &connection, account).await);
    }
    if places == Places::Both {
        let within = inside(context, &app, &connection, password.as_ref()).await?;
        let is_silent = |it: &Finding| it.check == "reachable" && it.level == Level::Bad;
        // It is the app that has to reach it: a relay of the swarm's own network, say.
        if within.iter().any(|it| it.check != "inside") && !within.iter().any(is_silent) {
            for finding in seen.iter_mut().filter(|it| is_silent(it)) {
                finding.level = Level::Note;
            }
        }
        seen.extend(within);
    }
    findings.extend(seen.into_iter().map(|it| with_fix(it, &connect)));
    // What only the provider's own settings mend is no difference between the two ends.
    let due = of_ends || findings.iter().any(is_unknown);
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

/// That an operation on the app did not end.
async fn unfinished(app: &App) -> Result<Option<Finding>, Error> {
    let Some(kept) = operation_on(&app.engine).await? else { return Ok(None) };
    let name = &app.entry.name;
    let told = format!("the {} of {name} that was begun did not end", kept.entry.what);
    let fix =
        format!("`potluck app resume {name}` finishes it, `potluck app abort {name}` undoes it");
    Ok(Some(Finding::bad("unfinished", told).fix(fix)))
}

/// Whether the app runs with the settings of the connection: another release may have been
/// brought back, or somebody edited them and did not deploy.
async fn of_what_runs(app: &App, connection: &Connection) -> Result<Option<Finding>, Error> {
    if !is_deployed(app).await? {
        return Ok(None);
    }
    let others = releases::all(&app.engine).await?.changed_settings(app);
    let others = of_connection(connection, others);
    Ok((!others.is_empty()).then(|| {
        let told = format!("the app runs with other values of {}", line(&others.join(", ")));
        Finding::bad("deployed", told)
            .fix(format!("`potluck app deploy {}` brings what the settings say", app.entry.name))
    }))
}

/// Whether the provider does not know what the app has.
fn is_unknown(finding: &Finding) -> bool {
    matches!(finding.check, "client" | "redirect" | "account") && finding.level == Level::Bad
}

fn with_fix(mut finding: Finding, connect: &str) -> Finding {
    if is_unknown(&finding) {
        finding.fix = Some(connect.to_owned());
    }
    finding
}

/// The secret of this name that the app has of the connection, as one of its containers shows
/// it; none where it has none, or none of them runs or shows it.
async fn secret_of(
    app: &App,
    connection: &Connection,
    name: &str,
) -> Result<Option<Hidden>, Error> {
    let Some(version) = connection.secrets.get(name) else { return Ok(None) };
    let survey = secrets::survey(&app.stack, &app.env, &app.sources);
    let rows = secrets::versions(app.engine.as_ref(), &app.entry.name, &app.name, &survey).await?;
    let Some(row) = rows.iter().find(|row| row.name == name && row.version == *version) else {
        return Ok(None);
    };
    let read = read_secret(app.engine.as_ref(), row).await?.ok();
    let text = read.and_then(|value| String::from_utf8(value.to_vec()).ok());
    Ok(text.map(Hidden::from))
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

/// Whether the app is as the connection made it, and the name of the secret that the provider
/// gave, if it has one.
async fn of_app(
    context: &Context,
    app: &App,
    connection: &Connection,
    kind: ConnectionKind,
) -> Result<(Vec<Finding>, Option<String>), Error> {
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
            return Ok((findings, None));
        }
        Err(error) => return Err(error),
    };
    let changes = plugin.connect(&plan::as_recorded(&connection.held)).await?;
    findings.extend(of_map(&changes, &app.env, connection)?);
    let is_it = |(_, value): &&(String, Hidden)| *value.0 == *plan::SECRET;
    let secret = changes.secrets.iter().find(is_it).map(|(name, _)| name.clone());
    if let (ConnectionKind::Sso, Held::Client(held)) = (kind, &connection.held)
        && let Asked::Client(request) = plugin.asks(None).await?
    {
        let sides = [
            (&request.redirect_uris, &held.redirect_uris, "returns people"),
            (&request.post_logout_uris, &held.post_logout_uris, "sends people who sign out"),
        ];
        for (now, before, does) in sides {
            for uri in now.iter().filter(|it| !before.contains(it)) {
                let told =
                    format!("the app now {does} to {}, which the provider was not told", line(uri));
                findings.push(Finding::bad("request", told));
            }
            for uri in before.iter().filter(|it| !now.contains(it)) {
                let told = format!(
                    "the app no longer {does} to {}, which the provider still accepts",
                    line(uri)
                );
                findings.push(Finding::bad("request", told));
            }
        }
        if request.scopes != held.scopes || request.public != held.public {
            findings.push(Finding::bad("request", "the app asks for other scopes than it did"));
        }
    }
    Ok((findings, secret))
}

/// What the recipe makes of the same client or account now, which may be of another version than
/// when the app was connected.
fn of_map(
    changes: &Changes,
    env: &EnvFile,
    connection: &Connection,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    // As connecting again would have it; what was edited by hand is said elsewhere.
    let wanted = plan::wanted(env, changes, Some(connection), Way::On)?;
    for (overlays, known, way) in [
        (&wanted.overlays_on, &connection.overlays, "on"),
        (&wanted.overlays_off, &connection.overlays_off, "off"),
    ] {
        for overlay in overlays.iter().filter(|it| !known.contains(it)) {
            let told = format!("the recipe now switches {} {way}", line(overlay));
            findings.push(Finding::bad("overlay", told));
        }
    }
    // Versions of secrets are kept by who stores these.
    let written = |key: &String| {
        let written = changes.settings.iter().any(|(it, value)| it == key && value.is_some());
        written || key.starts_with("SECRET_")
    };
    for key in connection.settings.keys().filter(|key| !written(key)) {
        let told = format!("the recipe no longer writes {}", line(key));
        findings.push(Finding::bad("setting", told));
    }
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
