//! `potluck backup snapshots`

use indicatif::HumanBytes;

use crate::{
    backup::{self, Listed, SetSummary},
    cli::{
        arguments::{AppArg, JsonArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
        table::Table,
        ui::{clean, counted},
    },
};

/// List the backups of an app, newest first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {id, app, server, time, version, bytes, items, empty, complete, warnings,
remove, snapshots}; `empty` lists the items without files, `warnings` is the number of
warnings while it was taken, `remove` is the command that removes an incomplete one,
`snapshots` are restic's ids.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Show what interrupted backups left, too; it can't be restored
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    from: super::FromArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = args.from.options(super::options());
    let listed = if args.all { Listed::All } else { Listed::Complete };
    let found = wait_cancelling(&options.cancel, async {
        Ok(backup::snapshots(&operating.context, &entry, Listed::All, &options).await?)
    })?;
    drop(operating);
    let servers = found.servers();
    let backup::Sets { sets, unreadable, .. } = found;
    let (complete, broken): (Vec<_>, Vec<_>) = sets.iter().partition(|set| set.complete);
    let sets = if listed == Listed::All { sets.iter().collect() } else { complete };
    let reported = session.report(&sets, &args.json, |sets| {
        if sets.is_empty() && unreadable.is_some() {
            session.ui.say(format_args!("No backup of {} can be read.", entry.name));
        } else if sets.is_empty() && !servers.is_empty() {
            let server = args.from.taken.of_server.as_ref().unwrap_or(&entry.server);
            session.ui.say(format_args!("There are no backups of {} of {server}.", entry.name));
        } else if sets.is_empty() {
            session.ui.say(format_args!("There are no backups of {} yet.", entry.name));
            session.ui.hint(format_args!("`potluck backup create {}` takes one", entry.name));
        } else {
            print(session, sets)?;
        }
        match listed {
            _ if broken.is_empty() => {}
            // Whether they are complete is unknown.
            _ if unreadable.is_some() => session.ui.hint(format_args!(
                "{} of {} may look incomplete because of files that cannot be read{}",
                counted(broken.len(), "backup"),
                entry.name,
                match listed {
                    Listed::All => String::new(),
                    Listed::Complete =>
                        format!(": `potluck backup snapshots {} --all` lists them", entry.name),
                }
            )),
            Listed::Complete => session.ui.hint(format_args!(
                "{} did not finish, or {} still being taken: `potluck backup snapshots {} \
             --all` lists them",
                counted(broken.len(), "backup"),
                if broken.len() == 1 { "is" } else { "are" },
                entry.name
            )),
            Listed::All => {
                for set in broken {
                    if let Some(remove) = &set.remove {
                        session.ui.hint(format_args!(
                            "unless {} is still being taken, `{remove}` removes it",
                            set.id
                        ));
                    }
                }
            }
        }
        Ok(())
    })?;
    if !args.json.json {
        for server in &servers {
            let (app, server) = (&entry.name, clean(server));
            session.ui.hint(format_args!(
                "the repository has backups that were taken of {app} on the server {server}: \
                 `potluck backup snapshots {app} --of-server {server}` lists them"
            ));
        }
    }
    let Some(unreadable) = &unreadable else { return Ok(reported) };
    session.ui.warn(format_args!(
        "{unreadable}: backups of {} may be missing from this list, or look incomplete",
        entry.name
    ));
    session.ui.hint(unreadable.hint());
    Ok(Exit::FAILED)
}

fn print(session: &Session, sets: &[&SetSummary]) -> Result<(), Failure> {
    let mut table = Table::new(&["BACKUP", "TAKEN", "VERSION", "SIZE", "ITEMS"]);
    for set in sets {
        let size = match set.bytes {
            Some(bytes) => HumanBytes(bytes).to_string(),
            None => "incomplete".into(),
        };
        table.row([
            set.id.to_string(),
            set.begun.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            set.version.clone().unwrap_or_else(|| "-".into()),
            size,
            items(set),
        ]);
    }
    table.print(&session.ui)?;
    Ok(())
}

/// `dump/db.sql, volume/cache (0 files); 2 warnings`
fn items(set: &SetSummary) -> String {
    let shown = set.items.iter().map(|item| match set.empty.contains(item) {
        true => format!("{item} (0 files)"),
        false => item.clone(),
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    match set.warnings {
        0 => shown,
        count => format!("{shown}; {}", counted(count, "warning")),
    }
}
