//! `potluck app volume ls`

use crate::{
    app,
    cli::{
        arguments::{AppArg, JsonArg},
        failure::Outcome,
        session::{Session, wait},
        table::Table,
    },
};

/// Show the volumes of an app.
///
/// Those that are recorded as the app's, also after it was undeployed. A volume is on one node
/// of the swarm.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {volume, name, driver, node, services, mounts}; `volume` as in the compose file,
`name` the engine's; `driver` is null where it is on another node, `node` where that is not
recorded; a mount is {service, path, read_only}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let on_server = super::super::on_server(session, &home, &entry)?;
    let rows = wait("interrupted", async { Ok(app::volumes(&on_server).await?) })?;
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say(format_args!("{} has no volumes on {}.", entry.name, entry.server));
            return Ok(());
        }
        let mut table = Table::new(&["VOLUME", "NAME", "DRIVER", "NODE", "SERVICES"]);
        for row in rows {
            let or_dash = |text: &Option<String>| text.as_deref().unwrap_or("-").to_owned();
            table.row([
                row.volume.as_str(),
                &row.name,
                &or_dash(&row.driver),
                &or_dash(&row.node),
                &row.services.join(", "),
            ]);
        }
        table.print(&session.ui)
    })
}
