//! `potluck backup snapshots`

use indicatif::HumanBytes;

use crate::{
    backup::{self, Listed},
    cli::{
        arguments::{AppArg, JsonArg},
        exit::Exit,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
        table::Table,
    },
};

/// List the backups of an app, newest first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {id, app, time, version, bytes, items, empty, complete, snapshots};
empty are the items without files, snapshots are restic's ids.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Show what interrupted backups left, too; it can't be restored
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = super::options();
    let listed = if args.all { Listed::All } else { Listed::Complete };
    let sets = wait_cancelling(&options.cancel, async {
        Ok(backup::snapshots(&operating.context, &entry, listed, &options).await?)
    })?;
    drop(operating);
    if args.json.json {
        session.ui.json(&sets)?;
        return Ok(Exit::DONE);
    }
    if sets.is_empty() {
        session.ui.say(format_args!("There are no backups of {} yet.", entry.name));
        session.ui.hint(format_args!("`potluck backup create {}` takes one", entry.name));
        return Ok(Exit::DONE);
    }
    let mut table = Table::new(&["BACKUP", "TAKEN", "VERSION", "SIZE", "ITEMS"]);
    for set in sets {
        let size = match set.bytes {
            Some(bytes) => HumanBytes(bytes).to_string(),
            None => "incomplete".into(),
        };
        table.row([
            set.id.to_string(),
            set.begun.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            set.version.unwrap_or_else(|| "-".into()),
            size,
            items(&set.items, &set.empty),
        ]);
    }
    table.print(&session.ui)?;
    Ok(Exit::DONE)
}

/// `dump/db.sql, volume/cache (0 files)`
fn items(all: &[String], empty: &[String]) -> String {
    let shown = all.iter().map(|item| match empty.contains(item) {
        true => format!("{item} (0 files)"),
        false => item.clone(),
    });
    shown.collect::<Vec<_>>().join(", ")
}
