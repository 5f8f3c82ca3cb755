//! `potluck recipe reset`

use serde::Serialize;

use super::authoring::WorkArg;
use crate::{
    cli::{arguments::JsonArg, failure::Outcome, prompt, session::Session, ui::clean, ui::counted},
    recipe::author::Difference,
};

/// Drop what is not committed in a recipe's clone.
///
/// Shows it and asks before. Files become what the last commit has, new ones are removed; what
/// git ignores stays.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe reset wiki
  potluck recipe reset wiki --dry-run

Without a terminal, --yes is needed; else the exit code is 6.

JSON: {recipe, commit, files, reset}; a file is {path, how}, which is `changed`, `removed` or
`new`.")]
pub struct Args {
    #[command(flatten)]
    work: WorkArg,

    /// Show what would be dropped and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    commit: String,
    files: Vec<Difference>,
    reset: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let (_, recipe, desk) = args.work.open(session)?;
    let files = desk.differences()?;
    let any = !files.is_empty();
    if any {
        for Difference { path, how } in &files {
            session.ui.say(format_args!("  {how:<8} {}", clean(path)));
        }
        if !args.dry_run {
            let what = counted(files.len(), "file");
            let needs = format!("dropping changes in {what} needs consent");
            let question = format!("Drop these changes of {recipe}?");
            prompt::agree(&session.ui, args.yes, &needs, &question)?;
            desk.reset(&files)?;
        }
    }
    let reset = any && !args.dry_run;
    let commit = desk.head().to_owned();
    let report = Report { recipe: recipe.to_string(), commit, files, reset };
    session.report(&report, &args.json, |_| {
        session.ui.say(match (any, args.dry_run) {
            (false, _) => format!("Everything in {recipe} is committed."),
            (true, true) => "Nothing was changed: this was a dry run.".to_owned(),
            (true, false) => format!("{recipe} is as its last commit has it."),
        });
        Ok(())
    })
}
