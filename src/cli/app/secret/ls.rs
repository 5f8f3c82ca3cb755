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
    home::AppEntry,
    recipe::Version,
    secrets::SecretVersion,
};

/// List an app's secrets: all versions, which are in use, and who can read them.
///
/// The version that the settings ask for comes first, then others that the server
/// still has. `potluck app secret rm APP NAME VERSION` removes one that no service uses.
/// READABLE BY lists the people who can read the encrypted copy in the folder; `-` means
/// that no copy is kept.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {name, version, full_name, current, generate, created_at, id, used_by,
problem, kept, readers, rotate_because_of}. `current` says whether the settings ask for this version, `generate` whether
`secret generate` would make it; `created_at` and `id` are null if the server doesn't
have it; `used_by` lists services; `problem` says why the settings are not enough to
make it, or is null. `kept` says whether an encrypted copy is kept, `readers` who can
read it (null if the file does not say); `rotate_because_of` lists people who were
removed since and could read it.")]
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
        super::versions(&home, &app).await
    })?;
    drop(operating);
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say(format_args!("{} needs no secrets.", entry.name));
            return Ok(());
        }
        let mut table =
            Table::new(&["NAME", "VERSION", "STATE", "USED BY", "SINCE", "READABLE BY"]);
        for row in rows {
            let state = match (&row.problem, &row.id) {
                (Some(problem), _) => problem,
                (None, Some(_)) if row.current => "stored",
                (None, Some(_)) => "stored, not in the settings",
                (None, None) if row.kept => "missing, to be restored",
                (None, None) if row.generate => "missing",
                (None, None) => "missing, to be inserted",
            };
            let since = row.created_at.as_deref().map_or_else(|| "-".into(), when);
            let used_by = if row.used_by.is_empty() { "-".into() } else { row.used_by.join(", ") };
            let version = if row.version.is_empty() { "-" } else { &row.version };
            let readers = readers(row);
            table.row([row.name.as_str(), version, state, &used_by, &since, &readers]);
        }
        table.print(&session.ui)?;
        tell_due(session, &entry, rows);
        Ok(())
    })
}

fn readers(row: &SecretVersion) -> String {
    match &row.readers {
        _ if !row.kept => "-".into(),
        None => "unknown".into(),
        Some(names) if names.is_empty() => "nobody: the file is damaged".into(),
        Some(names) => names.join(", "),
    }
}

/// Says which secrets a person who was removed may know.
fn tell_due(session: &Session, entry: &AppEntry, rows: &[SecretVersion]) {
    for row in rows.iter().filter(|row| row.current && !row.rotate_because_of.is_empty()) {
        let people = row.rotate_because_of.join(", ");
        session.ui.warn(format_args!("{} could be read by {people}, who was removed", row.name));
        session.ui.hint(format_args!(
            "run `potluck app secret rotate {} {}`, then deploy",
            entry.name, row.name
        ));
    }
}
