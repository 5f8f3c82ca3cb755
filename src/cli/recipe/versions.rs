//! `potluck recipe versions`

use std::{collections::BTreeMap, mem::take};

use serde::Serialize;

use super::source::here;
use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        session::Session,
        table::Table,
    },
    home::RecipeName,
    recipe::{Signed, Store, Version, lint::sample_stacks},
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

Exit codes: 1 where no version can be read, 3 where some cannot.

Where the folder says who may sign versions (`recipe-signers`), SIGNED BY says who did, and a
version without that is refused by every command that would use it.

JSON: a list of {version, images, notes, error, signed, unsigned}; `images` is an object from
service to image, `notes` the release notes or null; `error` is null, or why it cannot be read;
`signed` is {by, key} or null, `unsigned` null or why the version is refused.")]
pub struct Args {
    /// The recipe, by its name or by its address
    #[arg(value_name = "RECIPE")]
    recipe: String,

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
    signed: Option<Signed>,
    /// Why no command uses it.
    unsigned: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let (store, recipe) = here(session, &args.recipe)?;
    let mut versions = store.versions(&recipe)?;
    versions.truncate(args.last.unwrap_or(usize::MAX));
    let rows: Vec<Row> =
        versions.into_iter().map(|version| row(session, &store, &recipe, version)).collect();
    session.report_of_texts(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say(format_args!("{recipe} has no releases."));
            return Ok(());
        }
        // Where nothing is checked, there is nothing to say.
        let checked = rows.iter().any(|row| row.signed.is_some() || row.unsigned.is_some());
        let mut titles = vec!["VERSION", "SERVICE", "IMAGE"];
        titles.extend(checked.then_some("SIGNED BY"));
        let mut table = Table::new(&titles);
        for row in rows {
            let signer = match (&row.signed, &row.unsigned) {
                (Some(signed), _) => signed.by.clone(),
                (None, Some(why)) => format!("refused: {why}"),
                (None, None) => "-".to_owned(),
            };
            let (mut first, mut signer) = (row.version.as_str(), signer.as_str());
            let none = [("-".to_owned(), "-".to_owned())];
            let images: Vec<_> = match row.images.is_empty() {
                true => none.iter().map(|(service, image)| (service, image)).collect(),
                false => row.images.iter().collect(),
            };
            for (service, image) in images {
                let mut cells = vec![take(&mut first), service, image];
                cells.extend(checked.then(|| take(&mut signer)));
                table.row(cells);
            }
        }
        table.print(&session.ui)
    })?;
    Ok(match rows.iter().filter(|row| row.error.is_some()).count() {
        0 => Exit::DONE,
        all if all == rows.len() => Exit::FAILED,
        _ => Exit::PARTLY,
    })
}

/// A version that cannot be read keeps nobody from the others.
fn row(session: &Session, store: &Store, recipe: &RecipeName, version: String) -> Row {
    let none = Row {
        version,
        images: BTreeMap::new(),
        notes: None,
        error: None,
        signed: None,
        unsigned: None,
    };
    match read(store, recipe, &none.version) {
        Ok(Read { images, notes, signed, unsigned }) => {
            Row { images, notes, signed, unsigned, ..none }
        }
        Err(failure) => {
            session.ui.fail(&failure);
            Row { error: failure.message, ..none }
        }
    }
}

/// What was found in one version.
struct Read {
    images: BTreeMap<String, String>,
    notes: Option<String>,
    signed: Option<Signed>,
    unsigned: Option<String>,
}

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
    let unsigned = checkout.unsigned().map(|unsigned| unsigned.why.to_string());
    let signed = checkout.signed.clone();
    Ok(Read { images, notes: checkout.release_notes(version)?, signed, unsigned })
}
