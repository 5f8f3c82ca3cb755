//! `potluck server ls`

use serde::Serialize;

use crate::cli::{
    arguments::JsonArg,
    failure::{Failure, Outcome},
    session::{Session, connect, wait},
    table::Table,
};

/// List the servers.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {name, endpoint, apps} and, with --status, {status, version}.")]
pub struct Args {
    /// Ask each server whether it answers
    #[arg(long)]
    status: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// None when its settings can't be read.
    endpoint: Option<String>,
    /// How many apps it has in the operator's folder.
    apps: usize,
    /// `ready`, or why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// Of its Docker engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let apps = home.apps()?;
    let mut rows = Vec::new();
    for name in home.servers()? {
        // One file that can't be read hides no other server.
        let endpoint = match home.endpoint(&name) {
            Ok(endpoint) => Some(endpoint),
            Err(error) => {
                session.ui.warn(error);
                None
            }
        };
        let mut row = Row {
            apps: apps.iter().filter(|app| app.server == name).count(),
            name: name.to_string(),
            endpoint: endpoint.clone(),
            status: None,
            version: None,
        };
        if args.status && endpoint.is_none() {
            row.status = Some("its settings can't be read".into());
        }
        if let Some(endpoint) = endpoint.filter(|_| args.status) {
            let answer = wait("interrupted", async {
                Ok(match connect(&home, &endpoint, &name) {
                    Ok(engine) => engine.manager().await.map_err(Failure::from),
                    Err(failure) => Err(failure),
                })
            })?;
            match answer {
                Ok(manager) => {
                    row.status = Some("ready".into());
                    row.version = Some(manager.version);
                }
                Err(failure) => row.status = failure.message,
            }
        }
        rows.push(row);
    }
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say("There are no servers yet.");
            session.ui.hint("`potluck server add --local` adds this machine");
            return Ok(());
        }
        let mut titles = vec!["NAME", "ENDPOINT", "APPS"];
        if args.status {
            titles.extend(["DOCKER", "STATUS"]);
        }
        let mut table = Table::new(&titles);
        for row in rows {
            let apps = row.apps.to_string();
            let mut cells = vec![row.name.as_str(), row.endpoint.as_deref().unwrap_or("-"), &apps];
            if args.status {
                cells.push(row.version.as_deref().unwrap_or("-"));
                cells.push(row.status.as_deref().unwrap_or_default());
            }
            table.row(cells);
        }
        table.print(&session.ui)
    })
}
