//! `potluck app secret`

mod generate;
mod insert;
mod ls;
mod rm;

use clap::Subcommand;

use crate::{
    app::App,
    cli::{failure::Outcome, session::Session},
    secrets::{self, Survey},
};

pub use generate::generate_missing;

/// Generate and manage an app's secrets.
///
/// Secrets are stored on the app's server, which hands them to services and
/// never gives them back. The recipe says which secrets an app has; the
/// SECRET_*_VERSION settings say which version each has and how it is made.
#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck app secret generate wiki.example.org
  potluck app secret insert wiki.example.org smtp_password < password.txt
  potluck app secret ls wiki.example.org
  potluck app secret rm wiki.example.org smtp_password v1"
)]
pub enum Command {
    Generate(generate::Args),
    Insert(insert::Args),
    Ls(ls::Args),
    Rm(rm::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Generate(args) => generate::run(args, session),
        Command::Insert(args) => insert::run(args, session),
        Command::Ls(args) => ls::run(args, session),
        Command::Rm(args) => rm::run(args, session),
    }
}

/// The secrets that an app needs, and what is wrong with them.
pub fn survey(app: &App) -> Survey {
    secrets::survey(&app.stack, &app.env, &app.sources)
}
