//! `potluck recipe`

mod authoring;
mod diff;
mod fetch;
mod inspect;
mod lint;
mod ls;
mod new;
mod port;
mod release;
mod reset;
mod search;
mod source;
mod sync;
mod test;
mod upgrade;
mod versions;

use clap::Subcommand;

use super::{failure::Outcome, session::Session};

pub use authoring::{PersonArg, of_git};
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
    Search(search::Args),
    Versions(versions::Args),
    #[command(visible_alias = "show")]
    Inspect(inspect::Args),
    Lint(lint::Args),
    Test(test::Args),
    New(new::Args),
    Diff(diff::Args),
    Reset(reset::Args),
    Upgrade(upgrade::Args),
    Sync(sync::Args),
    Release(release::Args),
    Port(port::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Ls(args) => ls::run(args, session),
        Command::Fetch(args) => fetch::run(args, session),
        Command::Search(args) => search::run(args, session),
        Command::Versions(args) => versions::run(args, session),
        Command::Inspect(args) => inspect::run(args, session),
        Command::Lint(args) => lint::run(args, session),
        Command::Test(args) => test::run(args, session),
        Command::New(args) => new::run(args, session),
        Command::Diff(args) => diff::run(args, session),
        Command::Reset(args) => reset::run(args, session),
        Command::Upgrade(args) => upgrade::run(args, session),
        Command::Sync(args) => sync::run(args, session),
        Command::Release(args) => release::run(args, session),
        Command::Port(args) => port::run(args, session),
    }
}
