//! `potluck upgrade`: upgrades that nobody types.

mod attempts;
mod due;
mod ls;
pub mod run;

use clap::Subcommand;

use super::{backup::schedule, failure::Outcome, session::Session};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    // abra's `upgrade` is of abra itself.
    after_help = "  tip: potluck does not replace itself: get its newer version as you got this one",
    after_long_help = "\
Examples:
  potluck upgrade ls
  potluck upgrade run --dry-run
  potluck upgrade schedule install '30 2 * * *'

upgrades.yml in the operator's folder says which apps, how far, and when:
  policy: none
  window: mon-thu 02:00-05:00
  apps:
    wiki.example.org: minor
    '*.test.example.org': {policy: minor, window: '00:00-06:00'}

potluck does not replace itself: get its newer version as you got this one."
)]
pub enum Command {
    Ls(ls::Args),
    Run(run::Args),
    /// Run upgrades on a schedule of cron or systemd.
    #[command(subcommand)]
    Schedule(schedule::UpgradeCommand),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Ls(args) => ls::run(args, session),
        Command::Run(args) => run::run(args, session),
        Command::Schedule(command) => schedule::run_upgrade(command, session),
    }
}
