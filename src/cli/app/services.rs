//! `potluck app services`

use crate::{
    app,
    cli::{
        arguments::{AppArg, JsonArg},
        failure::Outcome,
        session::{Session, wait},
        table::Table,
    },
    rollout,
};

/// Show an app's services, and what swarm calls them.
///
/// `potluck app ps` shows how their tasks do. Exit code 1 when the app is not deployed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {service, name, id, mode, running, desired, completed, image,
ports}; `name` is swarm's; `completed` is null for a service that is not a job.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let on_server = super::on_server(session, &home, &entry)?;
    let rows = wait("interrupted", async {
        let engine = on_server.engine.readable().await?;
        Ok(rollout::stack_services(engine, &on_server.stack).await?)
    })?;
    if rows.is_empty() {
        return Err(app::Error::NotDeployed { app: entry.name.to_string() }.into());
    }
    session.report(&rows, &args.json, |rows| {
        let mut table = Table::new(&["SERVICE", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"]);
        for row in rows {
            table.row([
                &row.service,
                &row.name,
                row.mode,
                &crate::cli::stack::replicas(row),
                row.image.split('@').next().unwrap_or_default(),
                &row.ports.join(", "),
            ]);
        }
        table.print(&session.ui)
    })
}
