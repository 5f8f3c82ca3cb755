//! `potluck backup check`

use serde::Serialize;

use crate::{
    backup::{self, CheckReport, Error, Part, Parts, Reading},
    cli::{
        arguments::JsonArg,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
    },
    hint::Hint,
    home::ServerName,
};

/// Check the repositories that hold backups.
///
/// Without options, checks that everything that backups refer to exists. `--read-data N` also
/// reads the next of N parts of the data: after N runs, all of it was read. A part that is
/// damaged is read again by the next run. The result is recorded for monitors, with the time
/// of the last success.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup check
  potluck backup check --server swarm.example.org --read-data 30
  potluck backup check wiki.example.org --subset 3/7

JSON: a list of {server, repository, read, covered_since, seconds, ok, error}.")]
pub struct Args {
    #[command(flatten)]
    servers: super::ServersArg,

    /// Read the next of so many parts of the data
    #[arg(long, value_name = "N", conflicts_with = "subset")]
    read_data: Option<Parts>,

    /// Read this part of the data
    #[arg(long, value_name = "N/T")]
    subset: Option<Part>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    report: CheckReport,
    ok: bool,
    error: Option<String>,
}

fn row(session: &Session, server: &ServerName, done: Result<CheckReport, Error>) -> Row {
    let error = match done {
        Ok(report) => return Row { report, ok: true, error: None },
        Err(error) => error,
    };
    if let Some(hint) = error.hint() {
        session.ui.hint(hint);
    }
    let report = CheckReport {
        server: server.to_string(),
        repository: String::new(),
        read: None,
        covered_since: None,
        seconds: 0.0,
    };
    Row { report, ok: false, error: Some(error.to_string()) }
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let servers = args.servers.chosen(&home)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = super::options();
    let reading = match (args.read_data, args.subset) {
        (Some(parts), _) => Reading::Rolling(parts),
        (None, Some(part)) => Reading::Part(part),
        (None, None) => Reading::Structure,
    };
    let checked = super::each(&servers, async |server| {
        backup::check(&operating.context, server, reading, &options).await
    });
    let checked = wait_cancelling(&options.cancel, checked)?;
    let row = |(server, done)| row(session, server, done);
    let rows: Vec<Row> = checked.into_iter().map(row).collect();
    drop(operating);
    let bad = rows.iter().filter(|row| !row.ok).count();
    let all = rows.len();
    session.report(&rows, &args.json, |rows| {
        for Row { report, error, .. } in rows {
            if let Some(error) = error {
                session.ui.warn(format_args!("{}: {error}", report.server));
                continue;
            }
            let read = match &report.read {
                Some(part) => format!(", and read part {part} of its data"),
                None => String::new(),
            };
            let covered = match &report.covered_since {
                Some(since) => {
                    format!("; all of it was read since {}", since.strftime("%Y-%m-%d %H:%M UTC"))
                }
                None => String::new(),
            };
            session.ui.say(format_args!(
                "Checked {}{read} in {:.1} s: no errors{covered}.",
                report.repository, report.seconds
            ));
        }
        Ok(())
    })?;
    super::ended(bad, all, "repositories failed the check")
}
