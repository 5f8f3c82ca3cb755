//! `potluck app env`

mod ls;
mod pull;
mod set;

use clap::Subcommand;

use super::check;
use crate::cli::{failure::Outcome, session::Session};

pub(super) use set::assign;

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck app env ls wiki.example.org
  potluck app env set wiki.example.org LANG=nl
  potluck app env check wiki.example.org
  potluck app env pull wiki.example.org"
)]
pub enum Command {
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Set(set::Args),
    Check(check::Args),
    Pull(pull::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Ls(args) => ls::run(args, session),
        Command::Set(args) => set::run(args, session),
        Command::Check(args) => check::run(args, session),
        Command::Pull(args) => pull::run(args, session),
    }
}
