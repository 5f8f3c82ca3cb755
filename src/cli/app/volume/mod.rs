//! `potluck app volume`

mod ls;
mod rm;

use clap::Subcommand;

use crate::cli::{failure::Outcome, session::Session};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck app volume ls wiki.example.org
  potluck app volume rm wiki.example.org cache"
)]
pub enum Command {
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Ls(args) => ls::run(args, session),
        Command::Rm(args) => rm::run(args, session),
    }
}
