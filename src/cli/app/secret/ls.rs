//! `potluck app secret ls`

use crate::{
    app,
    cli::{
        arguments::{AppArg, JsonArg},
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
        table::Table,
        when::when,
    },
    recipe::Version,
    secrets,
};

/// List an app's secrets: all versions, and which are in use.
///
/// The version that the settings ask for comes first, then others that the server
/// still has. `potluck app secret rm APP NAME VERSION` removes one that no service uses.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {name, version, full_name, current, generate, created_at, id, used_by,
problem}. `current` says whether the settings ask for this version, `generate` whether
`secret generate` would make it; `created_at` and `id` are null if the server doesn't
have it; `used_by` lists services; `problem` says why the settings are not enough to
make it, or is null.")]
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
        let app = app::load(&operating.context, &entry, &Version::Newest).await?;
        let engine = app.engine.as_ref();
        Ok(secrets::versions(engine, &entry.name, &app.name, &super::survey(&app)).await?)
    })?;
    drop(operating);
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say(format_args!("{} needs no secrets.", entry.name));
            return Ok(());
        }
        let mut table = Table::new(&["NAME", "VERSION", "STATE", "USED BY", "SINCE"]);
        for row in rows {
            let state = match (&row.problem, &row.id) {
                (Some(problem), _) => problem,
                (None, Some(_)) if row.current => "stored",
                (None, Some(_)) => "stored, not in the settings",
                (None, None) if row.generate => "missing",
                (None, None) => "missing, to be inserted",
            };
            let since = row.created_at.as_deref().map_or_else(|| "-".into(), when);
            let used_by = if row.used_by.is_empty() { "-".into() } else { row.used_by.join(", ") };
            let version = if row.version.is_empty() { "-" } else { &row.version };
            table.row([row.name.as_str(), version, state, &used_by, &since]);
        }
        table.print(&session.ui)
    })
}
