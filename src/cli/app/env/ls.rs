//! `potluck app env ls`

use serde::Serialize;

use crate::cli::{
    arguments::{AppArg, JsonArg},
    failure::Outcome,
    session::Session,
    table::Table,
};

/// Show the settings of an app.
///
/// In the order of the file, as they are understood: without quotes and comments, names of
/// other settings replaced by their values.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "JSON: a list of {key, value}, in the order of the file.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    key: String,
    value: String,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let values = home.env(&entry)?.values();
    let rows: Vec<Row> = values.into_iter().map(|(key, value)| Row { key, value }).collect();
    session.report(&rows, &args.json, |rows| {
        let mut table = Table::new(&["KEY", "VALUE"]);
        for row in rows {
            table.row([row.key.as_str(), &row.value]);
        }
        table.print(&session.ui)
    })
}
