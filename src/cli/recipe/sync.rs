//! `potluck recipe sync`

use serde::Serialize;

use super::authoring::{BumpArg, compose, wanted};
use crate::{
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        session::Session,
        ui::clean,
    },
    home::RecipeName,
    recipe::author::{Desk, set_version, version},
};

/// Write a recipe's next version into its label.
///
/// The label `coop-cloud.${STACK_NAME}.version` of the service `app` says what runs. Only its
/// line in compose.yml is changed, or added; nothing is committed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe sync wiki --minor
  potluck recipe sync wiki 1.3.0+6.4.5

The version is the one given, or that of the newest release with a number raised and the tag of
the image of the service `app` behind it.

JSON: {recipe, file, before, after, written}.")]
pub struct Args {
    /// The recipe
    #[arg(value_name = "RECIPE")]
    recipe: RecipeName,

    /// The version [default: the newest release with a number raised]
    #[arg(value_name = "VERSION", conflicts_with_all = ["major", "minor", "patch"])]
    version: Option<String>,

    #[command(flatten)]
    bump: BumpArg,

    /// Show what would be written and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    file: String,
    /// The version that the label said.
    before: Option<String>,
    after: String,
    written: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let store = session.recipes()?;
    let desk = Desk::open(&store, &args.recipe)?;
    let (file, text) = compose(&desk)?;
    let newest = store.versions(&args.recipe)?.into_iter().next();
    let given = args.version.as_deref();
    let after = wanted(session, given, args.bump.bump(), newest.as_deref(), &text)?;
    let failed = |error| unedited(&file, &error, &after);
    let before = version(&text).map_err(failed)?;
    let differs = before.as_ref() != Some(&after);
    let edited = if differs { set_version(&text, &after).map_err(failed)? } else { text };
    let written = differs && !args.dry_run;
    if written {
        desk.write(&file, &edited)?;
    }
    let report = Report { recipe: args.recipe.to_string(), file, before, after, written };
    session.report(&report, &args.json, |report| {
        let before = report.before.as_deref().unwrap_or("none");
        session.ui.say(match (differs, args.dry_run) {
            (false, _) => format!("The label says {} already.", clean(&report.after)),
            (true, false) => {
                format!("{}: the label says {}, no longer {}.", report.file, clean(&report.after), clean(before))
            }
            (true, true) => format!(
                "{}: the label would say {}, no longer {}. Nothing was changed: this was a dry run.",
                report.file,
                clean(&report.after),
                clean(before)
            ),
        });
        Ok(())
    })
}

/// A file that is not changed, with the line to write by hand.
pub fn unedited(file: &str, error: &crate::recipe::author::Unedited, version: &str) -> Failure {
    Failure::new(format!("{file} was not changed: {error}")).hint(format!(
        "write the label of the service `app` yourself: \
         `coop-cloud.${{STACK_NAME}}.version={version}`"
    ))
}
