//! `potluck backup`

mod create;
mod restore;
mod run;
mod schedule;
mod snapshots;
mod status;

use clap::Subcommand;

use super::{deferred::Deferred, failure::Outcome, session::Session};
use crate::backup::{HANDED_ON, Options};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck backup create wiki.example.org
  potluck backup snapshots wiki.example.org
  potluck backup restore wiki.example.org
  potluck backup run
  potluck backup status
  potluck backup schedule install '30 3 * * *'"
)]
pub enum Command {
    Create(create::Args),
    Snapshots(snapshots::Args),
    Restore(restore::Args),
    Run(run::Args),
    Status(status::Args),
    /// Have all apps backed up regularly, by systemd or cron.
    ///
    /// A schedule is a systemd timer with its service, or an entry for cron, that runs
    /// `potluck backup run`, or `potluck backup status --notify`.
    #[command(subcommand)]
    Schedule(Deferred<schedule::Command>),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Create(args) => create::run(args, session),
        Command::Snapshots(args) => snapshots::run(args, session),
        Command::Restore(args) => restore::run(args, session),
        Command::Run(args) => run::run(args, session),
        Command::Status(args) => status::run(args, session),
        Command::Schedule(Deferred(command)) => schedule::run(command, session),
    }
}

/// The variables of our environment that restic may see.
pub(in crate::cli) fn options() -> Options {
    let environment =
        HANDED_ON.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect();
    Options { environment, ..Options::default() }
}
