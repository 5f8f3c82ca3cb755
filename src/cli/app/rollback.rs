//! `potluck app rollback`

use std::{sync::Arc, time::Duration};

use super::deploy::{INTERRUPTED, interrupted, told};
use crate::{
    cli::{
        arguments::{AppArg, GrantArg, JsonArg, LockArg, duration},
        backup,
        failure::Outcome,
        grants::{Answers, PlanQuestion, show_plan},
        session::{Session, wait},
    },
    operation::{self, Data, DeployOptions, Target},
};

/// Go back to what an app ran before, without its recipe.
///
/// Each deploy that changed something is recorded on the server as a release, the last ten
/// of an app. This brings one back as it was: images by their digests, settings, labels,
/// secrets and configs. If its services don't start, those that run now return.
///
/// Data doesn't go back by itself. Where it was migrated since, the old version may be
/// unable to read it, or damage it: then this stops. With --data, the data of the backup
/// that was taken before that upgrade comes back as well; this needs the recipe.
///
/// The settings in this folder are kept, except the version that they pin: look at
/// `potluck app plan` before the next deploy. Plugins are not called.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app rollback wiki.example.org
  potluck app rollback wiki.example.org r14 --dry-run
  potluck app rollback wiki.example.org 1.3.0+6.4.5
  potluck app rollback wiki.example.org r14 --data

`potluck app history` lists the releases.

JSON: as `app deploy --json`.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// The release, r14, or the newest of a version [default: the one before]
    #[arg(value_name = "RELEASE")]
    release: Option<String>,

    /// Bring the data of that time back, too, from the backup that was taken right after it;
    /// what was written since is lost
    #[arg(long, conflicts_with = "keep_data")]
    data: bool,

    /// Leave the data as it was migrated since, whatever the old version does with it
    #[arg(long)]
    keep_data: bool,

    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Don't ask whether to carry the plan out
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    grants: GrantArg,

    /// How long to wait for the services, 90s or 5m
    ///
    /// [default: the release's timeout label, else 5m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let target = args.release.as_deref().map(Target::parse).unwrap_or_default();
    let restoring = backup::options();
    let data = match (args.keep_data, args.data) {
        (true, _) => Data::Keep,
        (false, true) => Data::Back(restoring),
        (false, false) => Data::Unsaid,
    };
    let options = DeployOptions { timeout: args.timeout, ..DeployOptions::default() };
    let on_server = super::on_server(session, &home, &entry)?;
    let question = if args.yes || args.dry_run { PlanQuestion::Yes } else { PlanQuestion::Ask };
    let answers = Answers::new(&session.ui, question);
    let operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    let guard = match args.dry_run {
        true => None,
        false => Some(session.guard(&home, &entry, "a rollback", &args.lock)?),
    };
    let report = wait(INTERRUPTED, async {
        let context = &operating.context;
        let way = operation::find_release(context, &on_server, &target).await?;
        session.ui.say(format_args!("{} goes back to {}.", entry.name, way.release));
        Ok(match &guard {
            Some(guard) => operation::roll_back(context, guard, way, data, &options).await?,
            None => operation::plan_rollback(context, way, data, &options).await?,
        })
    })
    .map_err(|failure| answers.ended(failure))
    .map_err(|failure| interrupted(failure, &answers, &entry))?;
    if args.dry_run {
        show_plan(&session.ui, &report.plan);
    }
    session.report(&report, &args.json, |report| {
        session.ui.say(told(report, args.dry_run, false));
        Ok(())
    })
}
