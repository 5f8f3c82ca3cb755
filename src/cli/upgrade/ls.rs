//! `potluck upgrade ls`

use serde::Serialize;

use super::due::{Looking, look, settings};
use crate::{
    cli::{
        arguments::JsonArg, failure::Outcome, session::Session, side_by_side::select, table::Table,
    },
    home::{
        ServerName,
        upgrades::{Policy, Window},
    },
};

/// List which apps are upgraded by themselves, and what they would be upgraded to.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {app, server, policy, window, before, after, outcome, error}; the outcome is `due`,
`newest`, `left` (its policy is none), `not-deployed`, `failed-before` (that version failed, and
is not tried again by itself) or `failed` (it is not well, or cannot be looked at).")]
pub struct Args {
    /// Only on this server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Listed {
    app: String,
    server: String,
    policy: Policy,
    window: Option<Window>,
    before: Option<String>,
    after: Option<String>,
    outcome: &'static str,
    error: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let settings = settings(session, &home)?;
    let apps = select(&home, &[], args.server.as_ref())?.apps;
    let looking = Looking { in_window: false, again: false };
    let listed: Vec<Listed> = look(session, &home, &settings, apps, looking)?
        .into_iter()
        .map(|it| Listed {
            outcome: if it.due.is_some() { "due" } else { it.row.outcome },
            app: it.row.app,
            server: it.row.server,
            policy: it.policy,
            window: it.window,
            before: it.row.before,
            after: it.row.after,
            error: it.row.error,
        })
        .collect();
    session.report(&listed, &args.json, |listed| {
        let mut table = Table::new(&["APP", "SERVER", "POLICY", "WINDOW", "FROM", "TO", "STATE"]);
        for it in listed {
            let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
            table.row([
                it.app.clone(),
                it.server.clone(),
                it.policy.to_string(),
                it.window.as_ref().map(ToString::to_string).unwrap_or_default(),
                or_dash(&it.before),
                or_dash(&it.after),
                it.outcome.to_owned(),
            ]);
        }
        table.print(&session.ui)?;
        for it in listed {
            if let Some(error) = &it.error {
                session.ui.warn(format_args!("{}: {error}", it.app));
            }
        }
        Ok(())
    })
}
