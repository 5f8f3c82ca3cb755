//! `potluck app resume`

use std::sync::Arc;

use serde::Serialize;

use super::unfinished;
use crate::{
    cli::{
        arguments::{AppArg, GrantArg, IdentityArg, JsonArg, LockArg},
        backup,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
    },
    operation::{self, Resumed},
};

/// Finish an operation on an app that did not end.
///
/// A deploy, undeploy, removal, backup, restore, rebuild, move, rotation of secrets or connection whose
/// process was killed, or lost its server, is unfinished, and other commands that would change the app say so. This
/// continues where it stopped, on any machine: steps that were done are not done again, and
/// programs that it started in services are waited for. If it fails
/// now, what it changed is undone, as far as that is possible, and it is unfinished no
/// longer.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app resume wiki.example.org
  potluck app resume wiki.example.org --yes

The settings and the recipe in this folder must be those that it was begun with.

JSON: {app, operation, what, told}; `what` is deploy, upgrade, rollback, undeploy, remove,
restart, backup, restore, rebuild, move, rotate, connect or disconnect.")]
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
    identity: IdentityArg,

    #[command(flatten)]
    grants: GrantArg,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
pub(super) struct Report {
    pub app: String,
    pub operation: String,
    pub what: crate::owner::journal::What,
    pub told: String,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "the resumption of an operation", &args.lock)?;
    let on_server = super::on_server(session, &home, &entry)?;
    let answers = Answers::new(&session.ui, PlanQuestion::Yes).restarting(args.restart_tasks);
    let mut operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    if let Some(path) = &args.identity.identity {
        operating.context.identity = Some(path.clone());
    }
    let options = backup::options();
    let (found, resumed) = wait_cancelling(&options.cancel, async {
        let found = operation::unfinished(&on_server).await?;
        unfinished::show(session, &found);
        let ahead = &found.steps[found.step.unwrap_or_default()..];
        unfinished::list(session, "To be done:", ahead.iter());
        unfinished::agree(session, args.yes, &format!("Finish {}?", found.told))?;
        let work = operation::resume(&operating.context, &guard, &options);
        let resumed = tokio::select! {
            resumed = work => resumed?,
            () = options.cancel.cancelled() => {
                return Err(Failure::interrupted("interrupted: the operation is still unfinished"));
            }
        };
        Ok((found, resumed))
    })
    .map_err(|failure| answers.ended(failure))?;
    drop(operating);
    if matches!(resumed, Resumed::Removed) {
        home.remove_app(&entry)?;
    }
    let report =
        Report { app: found.app, operation: found.operation, what: found.what, told: found.told };
    session.report(&report, &args.json, |report| {
        session.ui.say(format_args!("Finished {}.", report.told));
        Ok(())
    })
}
