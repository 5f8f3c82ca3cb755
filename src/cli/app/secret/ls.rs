//! `potluck app secret ls`

use crate::{
    cli::{
        arguments::{AppArg, JsonArg},
        exit::Exit,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
        table::Table,
    },
    operation,
    recipe::Version,
    secrets,
};

/// List an app's secrets and whether its server has them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {name, version, full_name, generate, created_at, id}. `generate`
says whether `secret generate` would make it; `created_at` and `id` are null when
the server doesn't have it.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let rows = wait("interrupted", async {
        let app = operation::load(&operating.context, &entry, &Version::Newest).await?;
        Ok(secrets::status(app.engine.as_ref(), &super::plans(&app)?).await?)
    })?;
    drop(operating);
    if args.json.json {
        session.ui.json(&rows)?;
        return Ok(Exit::DONE);
    }
    if rows.is_empty() {
        session.ui.say(format_args!("{} needs no secrets.", entry.name));
        return Ok(Exit::DONE);
    }
    let mut table = Table::new(&["NAME", "VERSION", "STATE", "SINCE"]);
    for row in rows {
        let state = match (&row.id, row.generate) {
            (Some(_), _) => "stored",
            (None, true) => "missing",
            (None, false) => "missing, to be inserted",
        };
        let since = row.created_at.as_deref().map_or("-", |time| time.get(..19).unwrap_or(time));
        table.row([row.name.as_str(), &row.version, state, since]);
    }
    table.print(&session.ui)?;
    Ok(Exit::DONE)
}
