//! `potluck plugin ls`

use serde::Serialize;

use crate::{
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        session::Session,
        table::Table,
    },
    recipe::{Error, Standard, standard},
};

/// List the plugins that come with potluck.
///
/// A recipe uses one by its name, `component: std:postgres`, with options and
/// grants like any other plugin. docs/std-plugins.md describes them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {component, about, size}; `size` is null for one that this
potluck was built without.")]
pub struct Args {
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    /// As `recipe.yml` names it.
    component: String,
    about: &'static str,
    /// Bytes.
    size: Option<usize>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let rows = standard::ALL.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    session.report(&rows, &args.json, |rows| {
        let mut table = Table::new(&["COMPONENT", "WHAT IT IS FOR"]);
        for row in rows {
            table.row([row.component.as_str(), row.about]);
        }
        table.print(&session.ui)?;
        if rows.iter().any(|row| row.size.is_none()) {
            session.ui.warn(
                "this potluck was built without some of them; `plugin inspect` says how \
                 to build it with them",
            );
        }
        Ok(())
    })
}

fn row(standard: &Standard) -> Result<Row, Failure> {
    let size = match standard.component() {
        Ok(component) => Some(component.len()),
        Err(Error::NotBuilt { .. }) => None,
        Err(other) => return Err(other.into()),
    };
    Ok(Row { component: standard.to_string(), about: standard.about, size })
}
