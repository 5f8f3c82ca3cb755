//! `potluck log`

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    arguments::{JsonArg, duration},
    exit::Exit,
    failure::{Failure, Outcome},
    fleet::{self, What},
    session::Session,
    side_by_side::{Selection, matches, select_if_any},
    table::Table,
};
use crate::{
    home::ServerName,
    owner::{history::Line, journal::Outcome as JournalOutcome},
};

/// Show what was done to all apps, oldest first.
///
/// Each operation that changed something, by whomever and from whichever machine: the servers
/// keep the last fifty of each app, and the last fifty that removed one. `potluck app history` says more of one app.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck log --since 24h
  potluck log --failed --since 7d
  potluck log wiki.example.org '*.test.example.org' --last 20

Exit code 3 means that a server did not answer, or that something cannot be read.

JSON: {operations, unread}; an operation is {app, server} and what `potluck app history` has of
it, {operation, what, user, host, began, ended, before, after, set, settings, migrated, detached, chaos,
outcome, step, error, by}; `unread` is a list of {server, app, error}, its app null for a whole
server.")]
pub struct Args {
    /// Only these apps, by domain, or a pattern with `*`
    #[arg(value_name = "APP")]
    apps: Vec<String>,

    /// Only on this server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    /// Only what ended so long ago at most, 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    since: Option<Duration>,

    /// Only so many, the last ones
    #[arg(long, value_name = "NUMBER")]
    last: Option<usize>,

    /// Only what failed or was aborted
    #[arg(long)]
    failed: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    app: String,
    server: String,
    #[serde(flatten)]
    line: Line,
}

/// What could not be read.
#[derive(Serialize)]
struct Unread {
    server: String,
    app: Option<String>,
    error: String,
}

#[derive(Serialize)]
struct Report {
    operations: Vec<Row>,
    unread: Vec<Unread>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let Selection { apps, unknown } = select_if_any(&home, &args.apps, args.server.as_ref())?;
    // Of an app that is gone, nothing here says where it was.
    let servers = match (&args.server, args.apps.is_empty() || !unknown.is_empty()) {
        (Some(server), _) => vec![server.clone()],
        (None, true) => home.servers()?,
        (None, false) => Vec::new(),
    };
    let seen = fleet::look(&home, apps.iter(), servers, What::HistoryAlone)?;
    let mut report = Report { operations: Vec::new(), unread: Vec::new() };
    for (server, said) in &seen.0 {
        let removals = match said {
            Ok(said) => said.removals.clone(),
            Err(failure) => Err(failure.message.clone().unwrap_or_default()),
        };
        let server = server.to_string();
        match removals {
            Ok(lines) => report.operations.extend(lines.into_iter().filter_map(|mut line| {
                let app = line.app.take()?;
                let is_asked = args.apps.is_empty() || args.apps.iter().any(|it| matches(it, &app));
                is_asked.then(|| Row { app, server: server.clone(), line })
            })),
            Err(error) => report.unread.push(Unread { server, app: None, error }),
        }
    }
    let is_known = |name: &&String| report.operations.iter().any(|row| matches(name, &row.app));
    if let Some(name) = unknown.iter().find(|name| !is_known(name)) {
        return Err(Failure::new(format!("no app is called `{name}`, and none that was removed"))
            .hint("`potluck app ls` lists the apps"));
    }
    for entry in &apps {
        let Some(found) = seen.app(&home, entry) else { continue };
        let (app, server) = (entry.name.to_string(), entry.server.to_string());
        match &found.history {
            Ok(lines) => report.operations.extend(lines.iter().map(|line| Row {
                app: app.clone(),
                server: server.clone(),
                line: line.clone(),
            })),
            Err(error) => {
                report.unread.push(Unread { server, app: Some(app), error: error.clone() });
            }
        }
    }
    let from = args.since.map(|since| Timestamp::now() - since);
    report.operations.retain(|row| {
        from.is_none_or(|from| row.line.ended >= from)
            && (!args.failed || row.line.outcome != JournalOutcome::Done)
    });
    report.operations.sort_by(|a, b| (a.line.ended, &a.app).cmp(&(b.line.ended, &b.app)));
    if let Some(last) = args.last {
        report.operations.drain(..report.operations.len().saturating_sub(last));
    }
    session.report(&report, &args.json, |report| {
        for Unread { server, app, error } in &report.unread {
            session.ui.warn(format_args!("{}: {error}", app.as_ref().unwrap_or(server)));
        }
        if report.operations.is_empty() {
            session.ui.say("There is nothing to show.");
            return Ok(());
        }
        let mut table = Table::new(&["WHEN", "APP", "WHAT", "VERSION", "WHO", "TOOK", "RESULT"]);
        for Row { app, line, .. } in &report.operations {
            let [_, when, what, about, who, took, result] = line.row();
            let error = line.error.as_deref().map(|error| format!(": {error}"));
            let result = format!("{result}{}", error.unwrap_or_default());
            table.row([when, app.clone(), what, about, who, took, result]);
        }
        table.print(&session.ui)
    })?;
    Ok(if report.unread.is_empty() { Exit::DONE } else { Exit::PARTLY })
}
