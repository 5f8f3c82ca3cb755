//! `potluck backup key`

mod rotate;

use clap::Subcommand;

use crate::cli::{failure::Outcome, session::Session};

#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub enum Command {
    Rotate(rotate::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Rotate(args) => rotate::run(args, session),
    }
}
