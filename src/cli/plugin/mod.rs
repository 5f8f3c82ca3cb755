//! `potluck plugin`

pub(super) mod build;
mod grants;
mod inspect;
mod ls;
mod new;
mod revoke;
mod run;
mod test;

use clap::Subcommand;

use super::{failure::Outcome, session::Session};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck plugin inspect wordpress
  potluck plugin inspect ./plugins/wordpress.wasm --json
  potluck plugin inspect std:postgres
  potluck plugin test plugins/wiki"
)]
pub enum Command {
    Inspect(inspect::Args),
    New(new::Args),
    Build(build::Args),
    Grants(grants::Args),
    Revoke(revoke::Args),
    Ls(ls::Args),
    Test(test::Args),
    Run(run::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Inspect(args) => inspect::run(args, session),
        Command::New(args) => new::run(args, session),
        Command::Build(args) => build::run(args, session),
        Command::Grants(args) => grants::run(args, session),
        Command::Revoke(args) => revoke::run(args, session),
        Command::Ls(args) => ls::run(args, session),
        Command::Test(args) => test::run(args, session),
        Command::Run(args) => run::run(args, session),
    }
}
