//! `potluck recipe ls`

use serde::Serialize;

use crate::cli::{arguments::JsonArg, failure::Outcome, session::Session, table::Table};

/// List the recipes in the operator's folder.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {name, newest, versions}, versions newest first.")]
pub struct Args {
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// The newest release, if there is any.
    newest: Option<String>,
    /// All releases, newest first.
    versions: Vec<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let store = session.recipes()?;
    let mut rows = Vec::new();
    for name in store.list()? {
        let versions = store.versions(&name).unwrap_or_else(|error| {
            // One that is not read keeps nobody from the others.
            session.ui.warn(format_args!("{error}"));
            Vec::new()
        });
        rows.push(Row { name: name.to_string(), newest: versions.first().cloned(), versions });
    }
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say("There are no recipes yet.");
            session.ui.hint("`potluck app new` with a recipe's folder or git URL adds one");
            return Ok(());
        }
        let mut table = Table::new(&["NAME", "NEWEST", "RELEASES"]);
        for row in rows {
            let newest = row.newest.as_deref().unwrap_or("-");
            table.row([row.name.as_str(), newest, &row.versions.len().to_string()]);
        }
        table.print(&session.ui)
    })
}
