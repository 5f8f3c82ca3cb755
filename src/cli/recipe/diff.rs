//! `potluck recipe diff`

use serde::Serialize;

use super::authoring::WorkArg;
use crate::{
    cli::{arguments::JsonArg, failure::Outcome, session::Session},
    recipe::author::Difference,
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
    #[command(flatten)]
    work: WorkArg,

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
    let (_, recipe, desk) = args.work.open(session)?;
    let report = Report {
        recipe: recipe.to_string(),
        commit: desk.head().to_owned(),
        files: desk.differences()?,
        patch: desk.patch()?,
    };
    session.report_of_texts(&report, &args.json, |report| {
        if report.files.is_empty() {
            session.ui.say(format_args!("Everything in {recipe} is committed."));
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
