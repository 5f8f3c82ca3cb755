//! `potluck backup check`

use serde::Serialize;

use crate::{
    backup::{
        self, ACCEPTED, CheckReport, Error, Part, Parts, Proof, Reading, append_only::Removal,
    },
    cli::{
        arguments::JsonArg,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
    },
    hint::Hint,
    home::{CopyName, ServerName},
};

/// Check the repositories that hold backups.
///
/// Without options, checks that everything that backups refer to exists. `--read-data N` also
/// reads the next of N parts of the data: after N runs, all of it was read. A part that is
/// damaged is read again by the next run. The result is recorded for monitors, with the time
/// of the last success. Copies are checked, too. Of a repository with `append-only: true` in
/// server.yml it is proven that its store refuses to remove anything, by a try.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup check
  potluck backup check --server swarm.example.org --read-data 30
  potluck backup check wiki.example.org --subset 3/7

JSON: a list of {server, copy, repository, read, covered_since, append_only, seconds, ok,
error}; `copy` is null for the server's own repository, `append_only` is {at, removal, reason}
or null, its removal `refused` (as it should be), `accepted` or `unknown`.")]
pub struct Args {
    #[command(flatten)]
    servers: super::ServersArg,

    #[command(flatten)]
    places: super::PlacesArg,

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

fn row(
    session: &Session,
    (server, copy): &(ServerName, Option<CopyName>),
    done: Result<CheckReport, Error>,
) -> Row {
    let error = match done {
        Ok(report) => {
            let removal = report.append_only.as_ref().map(|proof| proof.removal);
            let error = (removal == Some(Removal::Accepted)).then(|| ACCEPTED.to_owned());
            return Row { report, ok: error.is_none(), error };
        }
        Err(error) => error,
    };
    if let Some(hint) = error.hint() {
        session.ui.hint(hint);
    }
    let report = CheckReport {
        server: server.to_string(),
        copy: copy.as_ref().map(ToString::to_string),
        repository: String::new(),
        read: None,
        covered_since: None,
        append_only: None,
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
    let places = args.places.of_all(&home, &servers)?;
    let checked = super::each(&places, async |(server, copy)| {
        backup::check(&operating.context, server, reading, &options.of(copy.as_ref())).await
    });
    let checked = wait_cancelling(&options.cancel, checked)?;
    let row = |(place, done)| row(session, place, done);
    let rows: Vec<Row> = checked.into_iter().map(row).collect();
    drop(operating);
    let bad = rows.iter().filter(|row| !row.ok).count();
    let all = rows.len();
    session.report(&rows, &args.json, |rows| {
        for Row { report, error, .. } in rows {
            if let Some(error) = error {
                let at = super::place(&report.server, report.copy.as_deref());
                session.ui.warn(format_args!("{at}: {error}"));
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
            match &report.append_only {
                Some(Proof { removal: Removal::Refused, .. }) => {
                    session.ui.say("  append-only: it refused to remove a snapshot.");
                }
                Some(Proof { reason, .. }) => {
                    let reason = reason.as_deref().unwrap_or("the reason is unknown");
                    session.ui.warn(format_args!(
                        "{}: whether it refuses to remove anything is unknown: {reason}",
                        report.repository
                    ));
                }
                None => {}
            }
        }
        Ok(())
    })?;
    super::ended(bad, all, "repositories failed the check")
}
