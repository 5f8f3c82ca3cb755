//! `potluck backup prune`

use serde::Serialize;

use crate::{
    backup::{self, Error, PruneReport},
    cli::{
        arguments::JsonArg,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
    },
    hint::Hint,
    home::ServerName,
};

/// Free the space of removed backups.
///
/// Locks the repository against backups meanwhile. Run it seldom: once a week is enough.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {server, repository, freed, seconds, outcome, error}, its outcome `pruned`,
`refused-by-store` or `failed`.")]
pub struct Args {
    #[command(flatten)]
    server: super::ServersArg,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    report: PruneReport,
    outcome: &'static str,
    error: Option<String>,
}

fn row(session: &Session, server: &ServerName, done: Result<PruneReport, Error>) -> Row {
    let (outcome, error) = match done {
        Ok(report) => return Row { report, outcome: "pruned", error: None },
        Err(error @ Error::Refused { .. }) => ("refused-by-store", error),
        Err(error) => ("failed", error),
    };
    if let Some(hint) = error.hint() {
        session.ui.hint(hint);
    }
    let report = PruneReport {
        server: server.to_string(),
        repository: String::new(),
        freed: None,
        seconds: 0.0,
    };
    Row { report, outcome, error: Some(error.to_string()) }
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let servers = args.server.chosen(&home)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = super::options();
    let pruned = super::each(&servers, async |server| {
        backup::prune(&operating.context, server, &options).await
    });
    let pruned = wait_cancelling(&options.cancel, pruned)?;
    let row = |(server, done)| row(session, server, done);
    let rows: Vec<Row> = pruned.into_iter().map(row).collect();
    drop(operating);
    let bad = rows.iter().filter(|row| row.error.is_some()).count();
    let all = rows.len();
    session.report(&rows, &args.json, |rows| {
        for Row { report, error, .. } in rows {
            match error {
                Some(error) => session.ui.warn(format_args!("{}: {error}", report.server)),
                None => session.ui.say(format_args!(
                    "Pruned {} in {:.1} s{}.",
                    report.repository,
                    report.seconds,
                    match &report.freed {
                        Some(freed) => format!(": {freed} freed"),
                        None => String::new(),
                    }
                )),
            }
        }
        Ok(())
    })?;
    super::ended(bad, all, "repositories were not pruned")
}
