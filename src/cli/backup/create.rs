//! `potluck backup create`

use std::sync::Arc;

use indicatif::HumanBytes;

use super::WritersArg;
use crate::{
    app,
    backup::Options,
    cli::{
        arguments::{AppArg, GrantArg, JsonArg, LockArg},
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
        ui::counted,
    },
    home::VolumeWriters,
    operation::{self, BackupPlan, PlannedItem},
};

/// Back up an app.
///
/// Saves the volumes and dumps that the recipe names, while the app runs. A
/// backup counts only if every part of it succeeded: if a dump fails, there is no backup.
/// Then it is copied to the repositories that `copies` in server.yml names.
///
/// What a service writes while its volume is read may be saved half. Where that matters and
/// the recipe takes no dump, `--writers pause` pauses the containers of a volume while it is
/// read, for a minute at most, and `--writers stop` stops the services while all volumes are.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: {set, app, repository, items, bytes, seconds, manifest, warnings, copies}; an item is
{name, kind, bytes, seconds, snapshot}, a copy {copy, repository, sets, seconds}.
With --dry-run {app, repository, writers, items}; an item is {name, kind, service, paths,
held}.

Exit code 3 when the backup is complete but its last hook failed, or a copy of it.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    #[command(flatten)]
    grants: GrantArg,

    /// Accept a dump that is much smaller than in the last backup
    ///
    /// For data that was removed on purpose. Without it, a dump that has less than
    /// `smallest-dump` percent of its last size [default: 25] fails the backup.
    #[arg(long)]
    allow_shrink: bool,

    #[command(flatten)]
    writers: WritersArg,

    /// Only show what would be saved, and what is paused or stopped for it
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a backup", &args.lock)?;
    let answers = Answers::new(&session.ui, PlanQuestion::Yes);
    let operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    let options = Options { allow_shrink: args.allow_shrink, ..args.writers.options() };
    if args.dry_run {
        let plan = wait_cancelling(&options.cancel, async {
            let app = app::load_deployed(&operating.context, &entry).await?;
            Ok(operation::plan_backup(&operating.context, &guard, &app, &options).await?)
        });
        let plan = plan.map_err(|failure| answers.ended(failure))?;
        drop(operating);
        return session.report(&plan, &args.json, |plan| show(session, plan));
    }
    let report = wait_cancelling(&options.cancel, async {
        let context = &operating.context;
        let work = async {
            let app = app::load_deployed(context, &entry).await?;
            operation::back_up(context, &guard, &app, &options).await
        };
        Ok(operation::recorded(context, &entry, &options, work).await?)
    })
    .map_err(|failure| answers.ended(failure))?;
    drop(operating);
    session.report(&report, &args.json, |report| {
        session.ui.say(format_args!(
            "Backed up {}: {}, {}, in {:.1} s, to {}{}.",
            report.app,
            counted(report.items.len(), "item"),
            HumanBytes(report.bytes),
            report.seconds,
            report.repository,
            match report.warnings.len() {
                0 => String::new(),
                count => format!(", with {}", counted(count, "warning")),
            }
        ));
        for copy in &report.copies {
            session.ui.say(format_args!(
                "  copied to {} in {:.1} s, {}",
                copy.copy, copy.seconds, copy.repository
            ));
        }
        session.ui.out(&report.set)?;
        Ok(())
    })
}

fn show(session: &Session, plan: &BackupPlan) -> Result<(), Failure> {
    for PlannedItem { name, kind, service, paths, held } in &plan.items {
        let from = service.as_ref().map(|key| format!(", from {key}")).unwrap_or_default();
        let paths = match paths.is_empty() {
            true => String::new(),
            false => format!(", {} of it", paths.join(" and ")),
        };
        let verb = match plan.writers {
            VolumeWriters::Run => "run",
            VolumeWriters::Pause => "paused",
            VolumeWriters::Stop => "stopped",
        };
        let held = match held.is_empty() {
            true => String::new(),
            false => format!(", with {} {verb}", held.join(", ")),
        };
        session.ui.out(format_args!("{kind} {name}{from}{paths}{held}"))?;
    }
    session.ui.say(format_args!(
        "Would save {} and the settings of {} to {}.",
        counted(plan.items.len(), "item"),
        plan.app,
        plan.repository
    ));
    Ok(())
}
