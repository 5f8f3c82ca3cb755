//! `potluck app labels`

use super::warn_of;
use crate::{
    app,
    cli::{
        arguments::{AppArg, JsonArg},
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
        table::Table,
    },
    operation::{self, LabelRow},
    recipe::Version,
};

/// Show the labels of an app's services, here and on its server.
///
/// A proxy, a backup bot and abra read them. DEPLOYED is what the server has; where a deploy
/// would change it, HERE says to what. Without a readable recipe only the server's are shown.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app labels wiki.example.org
  potluck app labels wiki.example.org --changed

JSON: a list of {service, label, here, deployed}; null where that side has no such label.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Only labels that a deploy would change
    #[arg(long)]
    changed: bool,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let on_server = super::on_server(session, &home, &entry)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let (mut rows, known) = wait("interrupted", async {
        on_server.engine.readable().await?;
        let app = app::load(&operating.context, &entry, &Version::Newest).await;
        let app = app.map_err(|error| warn_of(session, &error)).ok();
        Ok((operation::labels(&on_server, app.as_ref()).await?, app.is_some()))
    })?;
    drop(operating);
    rows.retain(|row| !args.changed || (known && row.here != row.deployed));
    session.report(&rows, &args.json, |rows| {
        let mut table = Table::new(&["SERVICE", "LABEL", "DEPLOYED", "HERE"]);
        for row in rows {
            let deployed = row.deployed.as_deref().unwrap_or("-");
            table.row([&row.service, &row.label, deployed, here(row, known)]);
        }
        if rows.is_empty() {
            session.ui.say("There are no such labels.");
            return Ok(());
        }
        table.print(&session.ui)
    })
}

/// Empty where it is no other.
fn here(row: &LabelRow, known: bool) -> &str {
    match &row.here {
        _ if !known || row.here == row.deployed => "",
        Some(value) => value,
        None => "-",
    }
}
