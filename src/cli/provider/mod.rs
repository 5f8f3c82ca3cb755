//! `potluck provider`

mod add;
mod ls;
mod rm;

use clap::Subcommand;

use super::{failure::Outcome, session::Session};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck provider add house --issuer https://sso.example.org
  potluck provider add post --relay smtp.example.org:587 --username wiki --password-file secret
  potluck provider ls"
)]
pub enum Command {
    Add(add::Args),
    Ls(ls::Args),
    Rm(rm::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Add(args) => add::run(args, session),
        Command::Ls(args) => ls::run(args, session),
        Command::Rm(args) => rm::run(args, session),
    }
}
