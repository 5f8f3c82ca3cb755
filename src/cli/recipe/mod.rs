//! `potluck recipe`

mod fetch;
mod inspect;
mod lint;
mod ls;
mod port;
mod source;
mod versions;

use clap::Subcommand;

use super::{failure::Outcome, session::Session};

pub use fetch::tell_moved;
pub use source::{examine, look, take_in};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck recipe ls
  potluck recipe lint ./recipes-examples/wordpress"
)]
pub enum Command {
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Fetch(fetch::Args),
    Versions(versions::Args),
    Inspect(inspect::Args),
    Lint(lint::Args),
    Port(port::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Ls(args) => ls::run(args, session),
        Command::Fetch(args) => fetch::run(args, session),
        Command::Versions(args) => versions::run(args, session),
        Command::Inspect(args) => inspect::run(args, session),
        Command::Lint(args) => lint::run(args, session),
        Command::Port(args) => port::run(args, session),
    }
}
