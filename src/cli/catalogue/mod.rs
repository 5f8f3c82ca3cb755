//! `potluck catalogue`

mod generate;
mod sync;

use clap::Subcommand;

use super::{failure::Outcome, session::Session};
use crate::{
    home::{Home, RecipeName},
    recipe::Store,
};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck catalogue generate
  potluck catalogue sync https://git.example.org/org/recipes-catalogue.git"
)]
pub enum Command {
    Generate(generate::Args),
    Sync(sync::Args),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Generate(args) => generate::run(args, session),
        Command::Sync(args) => sync::run(args, session),
    }
}

/// The list in the folder `catalogue`, as abra has it.
const LIST: &str = "recipes.json";

/// The folder of the catalogue, as a place of a clone.
fn place(home: &Home) -> Result<(Store, RecipeName), super::failure::Failure> {
    Ok((Store::new(home.root()).offline(home.is_offline()), RecipeName::new("catalogue")?))
}
