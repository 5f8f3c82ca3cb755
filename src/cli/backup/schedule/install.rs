//! `potluck backup schedule install`

use super::{
    places::{self, Kind, Place},
    planned::{Job, Planned, ScheduleArgs},
};
use crate::cli::{
    arguments::JsonArg,
    failure::{Failure, Outcome},
    session::Session,
};

/// Install a schedule, or replace it.
///
/// Writes a timer and a service for systemd and starts the timer, or an entry for cron. They
/// name this program, this folder and this PATH. A time that passes while the machine is off
/// is made up for with systemd, and is not with cron.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup schedule install
  potluck backup schedule install '30 3 * * 1-5' --cron -- --server web1 --jobs 4
  potluck backup schedule install '0 9 * * *' --status

WHEN has lists (1,15), ranges (1-5), steps (*/15), names (mon, jan), or is @daily and the like.
Where both a day of the month and a day of the week are given, either will do.

JSON: {name, kind, when, zone, next, on_calendar, files}; a file is {path, content}, its path
null for your crontab.")]
pub struct Args {
    #[command(flatten)]
    schedule: ScheduleArgs,

    /// Run `backup status --notify`, which also tells of a run that didn't happen
    #[arg(long)]
    status: bool,

    #[command(flatten)]
    json: JsonArg,
}

/// Install a schedule of upgrades, or replace it.
///
/// As `potluck backup schedule install`, for `potluck upgrade run`: run it as often as apps'
/// windows begin, or each hour.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck upgrade schedule install '5 * * * *'
  potluck upgrade schedule install '30 2 * * 1-4' --systemd -- --server web1

JSON: as `potluck backup schedule install` has it.")]
pub struct UpgradeArgs {
    #[command(flatten)]
    schedule: ScheduleArgs,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let job = if args.status { Job::Status } else { Job::Backup };
    install(&args.schedule, job, &args.json, session)
}

pub fn run_upgrade(args: &UpgradeArgs, session: &Session) -> Outcome {
    install(&args.schedule, Job::Upgrade, &args.json, session)
}

fn install(args: &ScheduleArgs, job: Job, json: &JsonArg, session: &Session) -> Outcome {
    let planned = Planned::of(args, job, session)?;
    let home = session.home()?;
    places::require_free(&planned.place, &planned.name, home.root())?;
    if args.into.is_none()
        && let Some(other) = places::installed(None)?
            .into_iter()
            .find(|it| it.mark.name == planned.name && it.place != planned.place)
    {
        let message =
            format!("the schedule {} exists already, as {}", planned.name, other.place.shown());
        let hint = format!("`potluck backup schedule rm {}` removes it", planned.name);
        return Err(Failure::new(message).hint(hint));
    }
    places::write(&planned.place, &planned.name, &planned.files)?;
    session.report_of_texts(&planned, json, |planned| {
        session.ui.say(format_args!("Installed {} as {}.", planned.name, planned.place.shown()));
        planned.say(session);
        if let Place::Timer { manager: Some(places::Manager::User), .. } = planned.place {
            session.ui.hint(
                "your timers stop when you log out, unless you run `loginctl enable-linger` once",
            );
        }
        if planned.kind == Kind::Cron {
            session.ui.hint("cron mails what a run prints, to `MAILTO`; it makes up for no run");
        }
        Ok(())
    })
}
