//! `potluck stack`

mod config;
mod files;

use clap::Subcommand;

use super::{failure::Outcome, session::Session};

/// Work with compose files as docker stack does.
///
/// Any compose file, without a recipe and without settings: variables come from
/// the environment, paths resolve against the first file's folder, as with the
/// docker command of the same name.
#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck stack config -c compose.yml -c compose.override.yml"
)]
pub enum Command {
    Config(config::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Config(args) => config::run(args, session),
    }
}
