//! `potluck recipe new`

use std::path::PathBuf;

use serde::Serialize;

use super::authoring::{PersonArg, of_git};
use crate::{
    cli::{arguments::JsonArg, failure::Outcome, session::Session},
    home::RecipeName,
    recipe::author::begin,
    scaffold,
};

/// Create a recipe.
///
/// Creates a git repository in the operator's folder, with a web server that deploys as it is,
/// behind Traefik or on a port: change it into what you want to package.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe new wiki
  potluck recipe new wiki -N 'Anna Example' -e anna@example.org
  potluck recipe new wiki --output ~/src/wiki

JSON: {recipe, folder, commit, files}; files are paths in the folder.")]
pub struct Args {
    /// What the recipe is called
    #[arg(value_name = "NAME")]
    name: RecipeName,

    #[command(flatten)]
    person: PersonArg,

    /// The folder to create [default: the recipe's in the operator's folder]
    #[arg(long, short = 'O', value_name = "FOLDER")]
    output: Option<PathBuf>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    folder: String,
    commit: String,
    /// Paths in the folder.
    files: Vec<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let store = session.recipes()?;
    let folder = args.output.clone().unwrap_or_else(|| store.place(&args.name));
    let files = scaffold::recipe(args.name.as_str());
    files.write(&folder)?;
    let commit = begin(&folder, &args.person.person()).map_err(|error| {
        // It was made by this command, whole; without its history it is no recipe yet.
        let _ = std::fs::remove_dir_all(&folder);
        of_git(error)
    })?;
    let report = Report {
        recipe: args.name.to_string(),
        folder: folder.display().to_string(),
        commit,
        files: files.0.into_keys().collect(),
    };
    let named = match &args.output {
        Some(folder) => folder.display().to_string(),
        None => args.name.to_string(),
    };
    session.report(&report, &args.json, |report| {
        session.ui.say(format_args!("Wrote {}. Next:", report.folder));
        for (command, does) in [
            (format!("potluck recipe lint {named}"), "look for mistakes"),
            (format!("potluck app new {named}"), "set up an app of it"),
            (format!("potluck recipe release {named} --minor"), "make its first release"),
        ] {
            session.ui.say(format_args!("  {command:<40}   {does}"));
        }
        Ok(())
    })
}
