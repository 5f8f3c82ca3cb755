//! `potluck log`

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    arguments::{JsonArg, duration},
    exit::Exit,
    failure::Outcome,
    fleet::{self, What},
    session::Session,
    side_by_side::select_any,
    table::Table,
};
use crate::{
    home::ServerName,
    owner::{history::Line, journal::Outcome as JournalOutcome},
};

/// Show what was done to all apps, oldest first.
///
/// Each operation that changed something, by whomever and from whichever machine: the servers
/// keep the last fifty of each app. `potluck app history` says more of one app.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck log --since 24h
  potluck log --failed --since 7d
  potluck log wiki.example.org '*.test.example.org' --last 20

Exit code 3 means that a server did not answer, or that something cannot be read.

JSON: {operations, unread}; an operation is {app, server} and what `potluck app history` has of
it, {operation, what, user, host, began, ended, before, after, set, settings, migrated, detached,
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
    let apps = select_any(&home, &args.apps, args.server.as_ref())?;
    let seen = fleet::look(&home, apps.iter(), [], What::HistoryAlone)?;
    let mut report = Report { operations: Vec::new(), unread: Vec::new() };
    for (server, said) in &seen.0 {
        if let Err(failure) = said {
            let error = failure.message.clone().unwrap_or_default();
            report.unread.push(Unread { server: server.to_string(), app: None, error });
        }
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
