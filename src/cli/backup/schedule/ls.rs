//! `potluck backup schedule ls`

use std::path::PathBuf;

use serde::Serialize;

use super::{
    places::{Kind, installed},
    planned::next,
};
use crate::{
    backup::schedule::Expression,
    cli::{arguments::JsonArg, failure::Outcome, session::Session, table::Table},
};

/// List the schedules that are installed on this machine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {name, kind, when, zone, next, runs, folder, place}; `next` is null where WHEN
cannot be read any more.")]
pub struct Args {
    /// Those in this folder
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: Kind,
    when: String,
    zone: String,
    next: Option<String>,
    /// The command.
    runs: String,
    folder: String,
    place: String,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let rows: Vec<Row> = installed(args.into.as_deref())?
        .into_iter()
        .map(|it| {
            let expression = Expression::parse(&it.mark.expression);
            let next = expression
                .and_then(|expression| next(&expression, &it.mark.zone, 1, it.place.kind()));
            Row {
                next: next.ok().and_then(|times| times.into_iter().next()),
                kind: it.place.kind(),
                place: it.place.shown(),
                name: it.mark.name,
                when: it.mark.expression,
                zone: it.mark.zone,
                runs: it.mark.command,
                folder: it.mark.folder,
            }
        })
        .collect();
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say("There are no schedules yet.");
            session.ui.hint(
                "`potluck backup schedule install '30 3 * * *'` installs one, `potluck upgrade \
                 schedule install '0 4 * * *'` one of upgrades",
            );
            return Ok(());
        }
        let mut table = Table::new(&["NAME", "WHEN", "ZONE", "NEXT", "RUNS", "FOLDER", "PLACE"]);
        for row in rows {
            table.row([
                row.name.clone(),
                row.when.clone(),
                row.zone.clone(),
                row.next.clone().unwrap_or_else(|| "unknown".into()),
                row.runs.clone(),
                row.folder.clone(),
                row.place.clone(),
            ]);
        }
        table.print(&session.ui)
    })
}
