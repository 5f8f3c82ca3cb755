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
    home::{CopyName, ServerName},
};

/// Free the space of removed backups.
///
/// Locks the repository against backups meanwhile. Run it seldom: once a week is enough. Copies
/// are pruned, too, but for those that take additions only.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {server, copy, repository, freed, seconds, outcome, error}, its outcome
`pruned`, `append-only`, `refused-by-store` or `failed`; `copy` is null for the server's own
repository.")]
pub struct Args {
    #[command(flatten)]
    server: super::ServersArg,

    #[command(flatten)]
    places: super::PlacesArg,

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

fn row(
    session: &Session,
    (server, copy): &(ServerName, Option<CopyName>),
    done: Result<PruneReport, Error>,
) -> Row {
    let (outcome, error) = match done {
        Ok(report) => return Row { report, outcome: "pruned", error: None },
        Err(error @ Error::AppendOnly { .. }) => ("append-only", error),
        Err(error @ Error::Refused { .. }) => ("refused-by-store", error),
        Err(error) => ("failed", error),
    };
    if outcome != "append-only"
        && let Some(hint) = error.hint()
    {
        session.ui.hint(hint);
    }
    let report = PruneReport {
        server: server.to_string(),
        copy: copy.as_ref().map(ToString::to_string),
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
    let places = args.places.of_all(&home, &servers)?;
    let pruned = super::each(&places, async |(server, copy)| {
        backup::prune(&operating.context, server, &options.of(copy.as_ref())).await
    });
    let pruned = wait_cancelling(&options.cancel, pruned)?;
    let row = |(place, done)| row(session, place, done);
    let rows: Vec<Row> = pruned.into_iter().map(row).collect();
    drop(operating);
    // What is not to be pruned from here fails nothing, unless it was named.
    let is_bad = |row: &&Row| {
        row.error.is_some() && (row.outcome != "append-only" || args.places.from.is_some())
    };
    let bad = rows.iter().filter(is_bad).count();
    let all = rows.len();
    session.report(&rows, &args.json, |rows| {
        for Row { report, error, outcome } in rows {
            let at = super::place(&report.server, report.copy.as_deref());
            match error {
                Some(error) if *outcome == "append-only" => {
                    session.ui.say(format_args!("{at}: {error}"));
                }
                Some(error) => session.ui.warn(format_args!("{at}: {error}")),
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
