//! `potluck app abort`

use std::sync::Arc;

use super::{resume::Report, unfinished};
use crate::{
    cli::{
        arguments::{AppArg, JsonArg, LockArg},
        backup,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
    },
    operation,
    owner::journal::Undo,
};

/// Undo an operation on an app that did not end.
///
/// Services get the specs that they had before it, what was made for it is removed, and
/// plugins are told. Volumes are kept; only a rebuild of an app from a backup, which did not
/// exist before, leaves nothing. It works from any machine, also without the recipe.
/// Once an operation's point of no return is passed (a migration that cannot be undone, the
/// exchange of volumes, the removal of services), it can only be finished, with
/// `potluck app resume`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app abort wiki.example.org
  potluck app abort wiki.example.org --yes

JSON: {app, operation, what, told}; `what` is deploy, upgrade, rollback, undeploy, remove,
restart, backup, restore, rebuild or rotate.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    /// Restart tasks in which programs of the operation still run
    ///
    /// They outlive a potluck that was killed, and no two may run at once: without it, they
    /// are waited for, for ten minutes.
    #[arg(long)]
    restart_tasks: bool,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "the undoing of an operation", &args.lock)?;
    let on_server = super::on_server(session, &home, &entry)?;
    let answers = Answers::new(&session.ui, PlanQuestion::Yes).restarting(args.restart_tasks);
    let operating = session.context(&home, Arc::clone(&answers))?.waiting(&args.lock);
    let options = backup::options();
    let found = wait_cancelling(&options.cancel, async {
        let found = operation::unfinished(&on_server).await?;
        unfinished::show(session, &found);
        if !found.past_return {
            let begun = found.step.map_or(0, |step| step + 1);
            let undone = found.steps[..begun].iter().rev();
            let undone: Vec<_> = undone.filter(|step| step.undo != Undo::Nothing).collect();
            if undone.is_empty() {
                session.ui.say("Nothing has to be undone.");
            } else {
                unfinished::list(session, "To be undone:", undone.into_iter());
            }
            unfinished::agree(session, args.yes, &format!("Undo {}?", found.told))?;
        }
        let work = operation::abort(&operating.context, &guard, &options);
        tokio::select! {
            done = work => done?,
            () = options.cancel.cancelled() => {
                return Err(Failure::interrupted("interrupted: the operation is still unfinished"));
            }
        }
        Ok(found)
    })?;
    drop(operating);
    let report =
        Report { app: found.app, operation: found.operation, what: found.what, told: found.told };
    session.report(&report, &args.json, |report| {
        session.ui.say(format_args!("Undid {}.", report.told));
        Ok(())
    })
}
