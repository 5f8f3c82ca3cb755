//! `potluck catalogue sync`

use serde::Serialize;

use super::{LIST, place};
use crate::{
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        session::Session,
        ui::{clean, counted},
    },
    home::RecipeName,
    recipe::{Error, Store, author::Desk},
};

/// Get the newest catalogue.
///
/// Clones the catalogue's repository into the folder `catalogue`, or brings the clone that is
/// there up to date. What is not committed there, or not published, stops it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck catalogue sync https://git.example.org/org/recipes-catalogue.git
  potluck catalogue sync

JSON: {folder, before, commit, recipes}; `before` is null for a new clone.")]
pub struct Args {
    /// Where the catalogue's repository is; needed the first time
    #[arg(value_name = "URL")]
    url: Option<String>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    folder: String,
    before: Option<String>,
    commit: String,
    /// How many it has.
    recipes: usize,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    if session.offline {
        return Err(Failure::usage("`--offline` and fetching exclude each other"));
    }
    let home = session.home()?;
    let (store, name) = place(&home)?;
    let folder = store.place(&name);
    let mut before = None;
    if folder.exists() {
        let desk = Desk::open(&store, &name).map_err(|error| {
            let folder = folder.display();
            Failure::from(error)
                .hint(format!("{folder} is not a clone: `catalogue generate` made it"))
                .hint(format!("move {folder} away, and `potluck catalogue sync URL` clones one"))
        })?;
        before = Some(desk.head().to_owned());
        match &args.url {
            Some(url) => clone(&store, &name, url)?,
            None => drop(store.update(&name)?),
        }
        Desk::open(&store, &name)?.forward()?;
    } else {
        let Some(url) = &args.url else {
            return Err(Failure::usage("there is no catalogue yet")
                .hint("`potluck catalogue sync URL` clones it"));
        };
        clone(&store, &name, url)?;
    }
    let desk = Desk::open(&store, &name)?;
    let text = desk.text(LIST)?.unwrap_or_else(|| "{}".into());
    let list: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("the catalogue's {LIST} cannot be read: {error}")))?;
    let report = Report {
        folder: folder.display().to_string(),
        before,
        commit: desk.head().to_owned(),
        recipes: list.len(),
    };
    session.report(&report, &args.json, |report| {
        let has = counted(report.recipes, "recipe");
        session.ui.say(match report.before.as_ref() == Some(&report.commit) {
            true => format!("The catalogue is up to date: {has}."),
            false => format!("The catalogue is at {}: {has}.", &report.commit[..8]),
        });
        Ok(())
    })
}

fn clone(store: &Store, name: &RecipeName, url: &str) -> Result<(), Failure> {
    store.add_as(name, url).map_err(|error| match error {
        Error::Source { given, reason } => Failure::usage(format!(
            "`{}` cannot be the source of a catalogue: {reason}",
            clean(&given)
        ))
        .hint("it comes from an `https://`, `ssh://` or `file://` URL, or `user@host:path`"),
        error => error.into(),
    })
}
