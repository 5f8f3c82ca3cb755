//! `potluck recipe versions`

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        session::Session,
        table::Table,
    },
    home::RecipeName,
    recipe::{Store, Version, lint::sample_stacks},
};

/// Show the versions of a recipe, and the images of each.
///
/// Newest first, as its copy here has them: `potluck recipe fetch` gets newer ones. The images
/// are those of its services with the settings of its sample.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe versions wordpress
  potluck recipe versions wordpress --last 1

JSON: a list of {version, images, notes, error}; `images` is an object from service to image,
`notes` the release notes or null; `error` is null, or why it cannot be read.")]
pub struct Args {
    /// The recipe
    #[arg(value_name = "RECIPE")]
    recipe: RecipeName,

    /// Only so many of the newest
    #[arg(long, value_name = "N")]
    last: Option<usize>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    version: String,
    images: BTreeMap<String, String>,
    notes: Option<String>,
    error: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let store = session.recipes()?;
    let mut versions = store.versions(&args.recipe)?;
    versions.truncate(args.last.unwrap_or(usize::MAX));
    let rows: Vec<Row> =
        versions.into_iter().map(|version| row(session, &store, &args.recipe, version)).collect();
    session.report_of_texts(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say(format_args!("{} has no releases.", args.recipe));
            return Ok(());
        }
        let mut table = Table::new(&["VERSION", "SERVICE", "IMAGE"]);
        for row in rows {
            let mut first = row.version.as_str();
            for (service, image) in &row.images {
                table.row([std::mem::take(&mut first), service, image]);
            }
            if row.images.is_empty() {
                table.row([first, "-", "-"]);
            }
        }
        table.print(&session.ui)
    })
}

/// A version that cannot be read keeps nobody from the others.
fn row(session: &Session, store: &Store, recipe: &RecipeName, version: String) -> Row {
    match read(store, recipe, &version) {
        Ok((images, notes)) => Row { version, images, notes, error: None },
        Err(failure) => {
            session.ui.fail(&failure);
            let error = failure.message;
            Row { version, images: BTreeMap::new(), notes: None, error }
        }
    }
}

type Read = (BTreeMap<String, String>, Option<String>);

fn read(store: &Store, recipe: &RecipeName, version: &str) -> Result<Read, Failure> {
    let checkout = store.examine(recipe, &Version::Named(version.to_owned()))?;
    let base = sample_stacks(&checkout).into_iter().find(|(overlay, _)| overlay.is_none());
    let services = base.map(|(_, stack)| stack.services).unwrap_or_default();
    let images = services
        .into_iter()
        .filter_map(|service| {
            let task = service.spec.task_template?;
            Some((service.key, task.container_spec?.image?))
        })
        .collect();
    Ok((images, checkout.release_notes(version)?))
}
