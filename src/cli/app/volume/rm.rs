//! `potluck app volume rm`

use crate::{
    cli::{
        app::rm::{SavedArg, look, require_saved},
        arguments::{AppArg, LockArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
        ui::clean,
    },
    home::{AppEntry, ServerName, StackName},
    operation,
};

/// Remove volumes of an undeployed app, with their data.
///
/// Refuses while the app is deployed, if no complete and recent backup holds the app's data,
/// or if no backup has one of these volumes. The rest of the app is kept: its settings, its secrets, its other volumes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app volume rm wiki.example.org cache
  potluck app volume rm wiki.example.org --all --yes

Only volumes on the node that the server's address reaches are removed; `potluck app volume ls`
shows where they are. Without a terminal, --yes is needed; else the exit code is 6. It is also 6
without such a backup, at a terminal, too, unless --no-backup is given.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// The volumes, as the compose file or the engine calls them
    #[arg(value_name = "VOLUME", required_unless_present = "all", conflicts_with = "all")]
    volumes: Vec<String>,

    /// All of them
    #[arg(short, long)]
    all: bool,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    saved: SavedArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a removal of volumes", &args.lock)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let context = &operating.context;
    let (leaving, left) =
        wait("interrupted: nothing was changed", async { Ok(look(context, &guard).await?) })?;
    let doomed = chosen(args, &entry, &leaving.on_server.stack, &left.volumes)?;
    if doomed.is_empty() {
        session.ui.say(format_args!("{} has no volumes on {}.", entry.name, entry.server));
        return Ok(Exit::DONE);
    }
    let without = require_saved(&args.saved, session, context, &leaving, &left)?;
    let lost: Vec<_> = doomed.iter().filter(|it| without.contains(it)).cloned().collect();
    if !lost.is_empty() {
        return Err(Failure::consent(format!("no backup has {}", clean(&lost.join(", "))))
            .hint("`--no-backup` removes them anyway"));
    }
    operating.pause();
    agree(args, session, &entry.server, &doomed)?;
    wait("interrupted: some volumes may be removed already", async {
        Ok(operation::remove_volumes(context, &guard, &leaving, &doomed).await?)
    })?;
    drop(operating);
    session.ui.say(format_args!("Removed {}.", clean(&doomed.join(", "))));
    Ok(Exit::DONE)
}

/// Full names of the volumes that the arguments name.
fn chosen(
    args: &Args,
    entry: &AppEntry,
    stack: &StackName,
    there: &[String],
) -> Result<Vec<String>, Failure> {
    if args.all {
        return Ok(there.to_vec());
    }
    let full = |name: &String| {
        let found = there.iter().find(|it| *it == name || **it == format!("{stack}_{name}"));
        found.cloned().ok_or_else(|| {
            Failure::new(format!(
                "{} has no volume `{name}` on the node that the address of {} reaches",
                entry.name, entry.server
            ))
            .hint(format!("`potluck app volume ls {}` lists them", entry.name))
        })
    };
    args.volumes.iter().map(full).collect()
}

fn agree(
    args: &Args,
    session: &Session,
    server: &ServerName,
    doomed: &[String],
) -> Result<(), Failure> {
    let names = doomed.join(", ");
    let what = clean(&names);
    let needs = format!("deleting {what} needs your consent");
    let question = format!("Delete {what} on {server}? There is no way back.");
    prompt::agree(&session.ui, args.yes, &needs, &question)
}
