//! `potluck backup rm`

use serde::Serialize;

use crate::{
    cli::{
        arguments::{AppArg, JsonArg},
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait_cancelling},
    },
    operation::{self, Removing},
};

/// Remove one backup, also an incomplete one.
///
/// Not one that is held or in use, and the newest complete one only with --force. The space
/// is freed by `potluck backup prune`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: {app, set}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The backup, or the beginning of its name
    #[arg(value_name = "BACKUP")]
    backup: String,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    /// Also the newest complete backup
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    from: super::FromArg,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    app: String,
    set: String,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = args.from.options(super::options());
    let set = wait_cancelling(&options.cancel, async {
        let remove = async |dry_run| {
            let removing = Removing { dry_run, force: args.force };
            let context = &operating.context;
            operation::remove_set(context, &entry, &args.backup, &options, removing).await
        };
        let set = remove(true).await?;
        if !args.yes {
            operating.pause();
            if !session.ui.is_interactive() {
                let message = format!("removing {set} of {} needs your consent", entry.name);
                return Err(Failure::consent(message).hint("pass `--yes`"));
            }
            let question = format!("Remove {set} of {} for good?", entry.name);
            if !prompt::confirm(&session.ui, &question, prompt::Enter::No)? {
                return Err(Failure::interrupted("nothing was changed"));
            }
        }
        Ok(remove(false).await?)
    })?;
    drop(operating);
    let report = Report { app: entry.name.to_string(), set: set.to_string() };
    session.report(&report, &args.json, |report| {
        session.ui.say(format_args!("Removed {} of {}.", report.set, report.app));
        Ok(())
    })
}
