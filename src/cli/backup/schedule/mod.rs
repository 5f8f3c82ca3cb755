//! `potluck backup schedule`
//!
//! [`planned`] makes a schedule's files from the arguments, [`places`] knows where they are.

mod install;
mod ls;
mod places;
mod planned;
mod rm;
mod show;

use clap::Subcommand;

use crate::cli::{failure::Outcome, session::Session};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck backup schedule show '30 3 * * *'
  potluck backup schedule install '30 3 * * *' --jitter 15m
  potluck backup schedule install '0 9 * * *' --status
  potluck backup schedule ls
  potluck backup schedule rm potluck-backup"
)]
pub enum Command {
    Install(install::Args),
    Ls(ls::Args),
    Rm(rm::Args),
    Show(show::Args),
}

/// Schedules of upgrades: the same, for another command.
#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck upgrade schedule install '5 * * * *'
  potluck upgrade schedule ls
  potluck upgrade schedule rm potluck-upgrade"
)]
pub enum UpgradeCommand {
    Install(install::UpgradeArgs),
    Ls(ls::Args),
    Rm(rm::Args),
    Show(show::UpgradeArgs),
}

pub fn run_upgrade(command: &UpgradeCommand, session: &Session) -> Outcome {
    match command {
        UpgradeCommand::Install(args) => install::run_upgrade(args, session),
        UpgradeCommand::Ls(args) => ls::run(args, session),
        UpgradeCommand::Rm(args) => rm::run(args, session),
        UpgradeCommand::Show(args) => show::run_upgrade(args, session),
    }
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Install(args) => install::run(args, session),
        Command::Ls(args) => ls::run(args, session),
        Command::Rm(args) => rm::run(args, session),
        Command::Show(args) => show::run(args, session),
    }
}
