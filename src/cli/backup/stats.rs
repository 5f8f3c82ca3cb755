//! `potluck backup stats`

use indicatif::HumanBytes;
use serde::Serialize;

use crate::{
    backup::{self, AppStats, Error, StatsReport},
    cli::{
        arguments::JsonArg,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
        table::Table,
    },
    hint::Hint,
    home::ServerName,
    text::one_line,
};

/// Show how much the repositories hold, and of which apps.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit codes: 3 when some of the repositories cannot be read, 1 when none can.

JSON: a list of {server, repository, stored, uncompressed, apps, error, next}; an app is {app,
server, backups, incomplete, newest, oldest, bytes}. Of a repository that cannot be read, server, error
and next.")]
pub struct Args {
    #[command(flatten)]
    servers: super::ServersArg,

    #[command(flatten)]
    json: JsonArg,
}

/// What a repository holds, or why that is unknown.
#[derive(Serialize)]
struct Row {
    server: String,
    #[serde(flatten)]
    stats: Option<Stats>,
    error: Option<String>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Stats {
    repository: String,
    stored: u64,
    uncompressed: Option<u64>,
    apps: Vec<AppStats>,
}

impl Row {
    fn of(server: &ServerName, done: Result<StatsReport, Error>) -> Self {
        let server = server.to_string();
        match done {
            Ok(StatsReport { repository, stored, uncompressed, apps, .. }) => {
                let stats = Stats { repository, stored, uncompressed, apps };
                Row { server, stats: Some(stats), error: None, next: None }
            }
            Err(error) => {
                let next = error.hint().map(|hint| one_line(&hint));
                Row { server, stats: None, error: Some(one_line(&error.to_string())), next }
            }
        }
    }
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let servers = args.servers.chosen(&home)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = super::options();
    let done = wait_cancelling(&options.cancel, async {
        let work =
            async |server: &ServerName| backup::stats(&operating.context, server, &options).await;
        super::each(&servers, work).await
    })?;
    drop(operating);
    let rows: Vec<Row> = done.into_iter().map(|(server, done)| Row::of(server, done)).collect();
    let bad = rows.iter().filter(|row| row.error.is_some()).count();
    session.report(&rows, &args.json, |rows| {
        for row in rows {
            let Some(stats) = &row.stats else {
                let error = row.error.as_deref().unwrap_or_default();
                session.ui.warn(format_args!("{}: {error}", row.server));
                if let Some(next) = &row.next {
                    session.ui.hint(next);
                }
                continue;
            };
            let Stats { repository, stored, uncompressed, apps } = stats;
            let server = &row.server;
            let before = match uncompressed {
                Some(bytes) => format!(", {} before compression", HumanBytes(*bytes)),
                None => String::new(),
            };
            session.ui.say(format_args!("{server}: {repository}, {}{before}", HumanBytes(*stored)));
            let mut table =
                Table::new(&["APP", "SERVER", "BACKUPS", "INCOMPLETE", "NEWEST", "OLDEST", "SIZE"]);
            let time = |time: Option<jiff::Timestamp>| {
                time.map_or("-".into(), |it| it.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
            };
            for app in apps {
                table.row([
                    app.app.clone(),
                    app.server.clone(),
                    app.backups.to_string(),
                    app.incomplete.to_string(),
                    time(app.newest),
                    time(app.oldest),
                    app.bytes.map_or("-".into(), |bytes| HumanBytes(bytes).to_string()),
                ]);
            }
            table.print(&session.ui)?;
        }
        Ok(())
    })?;
    super::ended(bad, rows.len(), "repositories cannot be read")
}
