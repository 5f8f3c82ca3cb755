//! `potluck server`

mod add;
mod check;
mod ls;
mod nodes;
mod provision;
mod prune;
mod rm;

use clap::Subcommand;

use super::{failure::Outcome, session::Session};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck server add --local
  potluck server add swarm.example.org ssh://admin@swarm.example.org
  potluck server ls --status
  potluck server check --all"
)]
pub enum Command {
    Add(add::Args),
    Check(check::Args),
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Nodes(nodes::Args),
    Provision(provision::Args),
    Prune(prune::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Add(args) => add::run(args, session),
        Command::Check(args) => check::run(args, session),
        Command::Ls(args) => ls::run(args, session),
        Command::Nodes(args) => nodes::run(args, session),
        Command::Provision(args) => provision::run(args, session),
        Command::Prune(args) => prune::run(args, session),
        Command::Rm(args) => rm::run(args, session),
    }
}
