//! `potluck backup schedule show`

use super::planned::{Job, Planned, ScheduleArgs};
use crate::cli::{arguments::JsonArg, failure::Outcome, session::Session};

/// Show what `install` would write, and when it would run.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup schedule show '*/30 8-18 * * mon-fri' --systemd
  potluck backup schedule show '30 3 * * *' --systemd --time-zone Europe/Brussels

JSON: as `backup schedule install --json`.")]
pub struct Args {
    #[command(flatten)]
    schedule: ScheduleArgs,

    /// Run `backup status --notify`, which also tells of a run that didn't happen
    #[arg(long)]
    status: bool,

    #[command(flatten)]
    json: JsonArg,
}

/// Show a schedule of upgrades, and when it runs, without installing it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck upgrade schedule show '5 * * * *'

JSON: as `potluck backup schedule show` has it.")]
pub struct UpgradeArgs {
    #[command(flatten)]
    schedule: ScheduleArgs,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let job = if args.status { Job::Status } else { Job::Backup };
    show(&args.schedule, job, &args.json, session)
}

pub fn run_upgrade(args: &UpgradeArgs, session: &Session) -> Outcome {
    show(&args.schedule, Job::Upgrade, &args.json, session)
}

fn show(args: &ScheduleArgs, job: Job, json: &JsonArg, session: &Session) -> Outcome {
    let planned = Planned::of(args, job, session)?;
    session.report_of_texts(&planned, json, |planned| {
        for file in &planned.files {
            let path = file.path.as_ref().map(|path| path.display().to_string());
            session.ui.say(format_args!("{}:", path.unwrap_or_else(|| "your crontab".into())));
            session.ui.out_lines(&file.content)?;
        }
        planned.say(session);
        Ok(())
    })
}
