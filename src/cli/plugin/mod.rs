//! `potluck plugin`

mod grants;
mod inspect;
mod revoke;

use clap::Subcommand;

use super::{failure::Outcome, session::Session};

/// Look at the plugins that recipes bring along, and at what they may do.
///
/// A plugin is a WebAssembly component that plays one or more roles: it takes
/// part in deploys, decides what a backup holds, or offers commands. It reaches
/// nothing that you didn't grant.
#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck plugin inspect wordpress
  potluck plugin inspect ./plugins/wordpress.wasm --json"
)]
pub enum Command {
    Inspect(inspect::Args),
    Grants(grants::Args),
    Revoke(revoke::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Inspect(args) => inspect::run(args, session),
        Command::Grants(args) => grants::run(args, session),
        Command::Revoke(args) => revoke::run(args, session),
    }
}
