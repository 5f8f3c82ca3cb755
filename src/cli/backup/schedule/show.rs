//! `potluck backup schedule show`

use super::planned::{Planned, ScheduleArgs};
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

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let planned = Planned::of(&args.schedule, session)?;
    session.report_of_texts(&planned, &args.json, |planned| {
        for file in &planned.files {
            let path = file.path.as_ref().map(|path| path.display().to_string());
            session.ui.say(format_args!("{}:", path.unwrap_or_else(|| "your crontab".into())));
            session.ui.out_lines(&file.content)?;
        }
        planned.say(session);
        Ok(())
    })
}
