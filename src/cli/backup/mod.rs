//! `potluck backup`

mod create;
mod restore;
mod snapshots;

use clap::Subcommand;

use super::{failure::Outcome, session::Session};
use crate::backup::{HANDED_ON, Options};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck backup create wiki.example.org
  potluck backup snapshots wiki.example.org
  potluck backup restore wiki.example.org"
)]
pub enum Command {
    Create(create::Args),
    Snapshots(snapshots::Args),
    Restore(restore::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Create(args) => create::run(args, session),
        Command::Snapshots(args) => snapshots::run(args, session),
        Command::Restore(args) => restore::run(args, session),
    }
}

/// The variables of our environment that restic may see.
pub(in crate::cli) fn options() -> Options {
    let environment =
        HANDED_ON.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect();
    Options { environment, ..Options::default() }
}
