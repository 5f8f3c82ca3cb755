//! `potluck sso check`, `potluck mail check`

use serde::Serialize;

use crate::{
    app,
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
        side_by_side::select,
        ui::{BOLD, clean, counted},
    },
    hint::Hint,
    home::{AppEntry, ConnectionKind, ServerName},
    operation::{self, CheckReport, Places},
    wiring::Level,
};

use super::change::may_be_connected;

/// Look whether people can sign in.
///
/// Looks at both ends and at what is between: the app's settings, overlays and secrets, the
/// provider's discovery document, issuer, keys, algorithms, clock and certificate, and whether
/// it knows the client and its redirect address, and no other. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck sso check wiki.example.org
  potluck sso check --all --json

Exit code 7 if something is bad. It looks from this machine and from the app's own network:
for that a container of the image for backups (`helper-image` in server.yml) joins it for some
seconds. What it cannot see is which certificates the app itself trusts.

JSON: a list of {app, server, provider, due, ok, findings, error}; `due` is true where
`potluck sso connect` would repair something, a finding {check, level, message, fix, inside}, `error`
why one was not looked at.")]
pub struct SsoArgs {
    #[command(flatten)]
    pub rest: Args,
}

/// Look whether apps can send mail.
///
/// Looks at the app's settings, overlays and secrets, at the relay: whether it answers,
/// encrypts and has a certificate of its name, and at the DNS records of the domain that is
/// sent from (SPF, DMARC, DKIM), with what to add. Sends nothing; `potluck mail test` does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck mail check wiki.example.org
  potluck mail check --all --json

Exit code 7 if something is bad. It looks from this machine and from the app's own network:
for that a container of the image for backups (`helper-image` in server.yml) joins it for some
seconds. What it cannot see is which certificates the app itself trusts.

JSON: a list of {app, server, provider, due, ok, findings, error}; `due` is true where
`potluck mail connect` would repair something, a finding {check, level, message, fix, inside}, `error`
why one was not looked at.")]
pub struct MailArgs {
    #[command(flatten)]
    pub rest: Args,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Apps, by their domains; `*` stands for anything
    #[arg(value_name = "APP", required_unless_present = "all")]
    apps: Vec<String>,

    /// All apps that are connected
    #[arg(long, conflicts_with = "apps")]
    all: bool,

    /// Apps of this server
    #[arg(long, value_name = "NAME")]
    server: Option<ServerName>,

    /// Look from this machine only, and start no container beside the app
    #[arg(long)]
    here: bool,

    /// Show also what is as it should be
    #[arg(long)]
    good: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    app: String,
    server: String,
    provider: Option<String>,
    due: bool,
    ok: bool,
    findings: Vec<crate::wiring::Finding>,
    error: Option<String>,
    #[serde(skip)]
    hint: Option<String>,
}

pub fn run(args: &Args, kind: ConnectionKind, session: &Session) -> Outcome {
    let home = session.home()?;
    let selection = select(&home, &args.apps, args.server.as_ref())?;
    if let Some(unknown) = selection.unknown.first() {
        return Err(
            Failure::new(format!("no app fits `{unknown}`")).hint("`potluck app ls` lists them")
        );
    }
    let mut apps = selection.apps;
    // A pattern means those of its apps that are connected.
    let is_named = |app: &AppEntry| args.apps.iter().any(|name| name == app.name.as_str());
    apps.retain(|app| is_named(app) || may_be_connected(&home, app, kind));
    let places = if args.here { Places::Here } else { Places::Both };
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let rows: Vec<Row> = wait("interrupted: nothing was changed", async {
        let mut rows = Vec::new();
        for entry in &apps {
            operating.context.progress.step(format!("look at {}", entry.name));
            let looked = match operation::check(&operating.context, entry, kind, places).await {
                // Of one app, it is what came of the command.
                Err(error) if apps.len() == 1 && !args.all => return Err(error.into()),
                looked => looked,
            };
            rows.push(row(entry.name.to_string(), entry.server.to_string(), looked));
        }
        Ok(rows)
    })?;
    drop(operating);
    let (bad, all) = (rows.iter().filter(|row| !row.ok).count(), rows.len());
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say(format_args!("No app is connected for {}.", kind.noun()));
        }
        for row in rows {
            show(session, row, args.good)?;
        }
        Ok(())
    })?;
    if bad > 0 {
        session.ui.say(format_args!("{} of {} bad.", bad, counted(all, "connection")));
        return Ok(Exit::DIFFERS);
    }
    Ok(Exit::DONE)
}

fn row(app: String, server: String, looked: Result<CheckReport, app::Error>) -> Row {
    match looked {
        Ok(CheckReport { provider, due, ok, findings, .. }) => {
            let provider = Some(provider);
            Row { app, server, provider, due, ok, findings, error: None, hint: None }
        }
        Err(error) => Row {
            app,
            server,
            provider: None,
            due: false,
            ok: false,
            findings: Vec::new(),
            hint: error.hint(),
            error: Some(error.to_string()),
        },
    }
}

fn show(session: &Session, row: &Row, good: bool) -> Result<(), Failure> {
    if let Some(error) = &row.error {
        session.ui.warn(format_args!("{}: {}", row.app, clean(error)));
        if let Some(hint) = &row.hint {
            session.ui.hint(hint);
        }
        return Ok(());
    }
    let provider = row.provider.as_deref().unwrap_or_default();
    let state = if row.ok { "good" } else { "bad" };
    session.ui.out(format_args!("{BOLD}{}{BOLD:#} at {}: {state}", row.app, clean(provider)))?;
    let shown = row.findings.iter().filter(|it| good || it.level != Level::Good);
    for finding in shown {
        super::show(session, finding)?;
    }
    Ok(())
}
