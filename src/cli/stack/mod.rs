//! `potluck stack`

mod config;
mod deploy;
mod files;
mod lint;
mod ls;
mod ps;
mod rm;
mod services;
mod target;

use clap::Subcommand;

pub use services::replicas;

use super::{failure::Outcome, session::Session};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck stack config -c compose.yml -c compose.override.yml
  potluck stack lint -c compose.yml
  potluck stack deploy -c compose.yml blog
  potluck stack services blog
  potluck stack rm blog

The engine is the one that docker would use; --host, --context and --server name
another one."
)]
pub enum Command {
    Config(config::Args),
    Lint(lint::Args),
    Deploy(deploy::Args),
    Services(services::Args),
    Ps(ps::Args),
    Ls(ls::Args),
    Rm(rm::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Config(args) => config::run(args, session),
        Command::Lint(args) => lint::run(args, session),
        Command::Deploy(args) => deploy::run(args, session),
        Command::Services(args) => services::run(args, session),
        Command::Ps(args) => ps::run(args, session),
        Command::Ls(args) => ls::run(args, session),
        Command::Rm(args) => rm::run(args, session),
    }
}
