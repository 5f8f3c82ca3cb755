//! `potluck recipe diff`

use serde::Serialize;

use crate::{
    cli::{arguments::JsonArg, failure::Outcome, session::Session},
    home::RecipeName,
    recipe::author::{Desk, Difference},
    text,
};

/// Show what is not committed in a recipe's clone.
///
/// Files that git does not ignore, compared with the last commit. Nothing of it is deployed,
/// except by `app deploy --chaos` and from a linked folder.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe diff wiki

JSON: {recipe, commit, files, patch}; a file is {path, how}, which is `changed`, `removed` or
`new`.")]
pub struct Args {
    /// The recipe
    #[arg(value_name = "RECIPE")]
    recipe: RecipeName,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    /// The commit that the files were changed from.
    commit: String,
    files: Vec<Difference>,
    patch: String,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let desk = Desk::open(&session.recipes()?, &args.recipe)?;
    let report = Report {
        recipe: args.recipe.to_string(),
        commit: desk.head().to_owned(),
        files: desk.differences()?,
        patch: desk.patch()?,
    };
    session.report_of_texts(&report, &args.json, |report| {
        if report.files.is_empty() {
            session.ui.say(format_args!("Everything in {} is committed.", args.recipe));
        }
        show(session, &report.patch)
    })
}

/// A patch, cleaned line by line.
///
/// # Errors
/// As [`crate::cli::ui::Ui::out`].
pub fn show(session: &Session, patch: &str) -> Result<(), crate::cli::failure::Failure> {
    for line in patch.lines() {
        session.ui.out(text::line(line))?;
    }
    Ok(())
}
