//! `potluck recipe fetch`

use serde::Serialize;

use super::take_in;
use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        session::Session,
        shell,
        table::Table,
        ui::clean,
    },
    home::RecipeName,
    recipe::Store,
};

/// Fetch recipes, and newer versions of those that are here.
///
/// A recipe that is not here yet is named by the URL of its git repository or by a folder. A
/// folder that is no git repository is linked, so it has nothing to fetch. A tag that was
/// moved upstream stays what it was here.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe fetch wordpress
  potluck recipe fetch https://git.example.org/org/wiki.git
  potluck recipe fetch --all

Exit code 3 where some of several could not be fetched.

JSON: a list of {recipe, newest, new, moved, error}; `new` are releases that were not here,
newest first, `moved` tags that were moved upstream; `error` is null, or why it failed.")]
pub struct Args {
    /// Recipes: names, URLs or folders
    #[arg(value_name = "RECIPE", required_unless_present = "all", conflicts_with = "all")]
    recipes: Vec<String>,

    /// All recipes that are here
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    recipe: String,
    /// The newest release, if there is any.
    newest: Option<String>,
    new: Vec<String>,
    moved: Vec<String>,
    error: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    if session.offline {
        return Err(Failure::usage("`--offline` and fetching exclude each other"));
    }
    let store = session.recipes()?;
    let wanted = match args.all {
        true => store.list()?.iter().map(ToString::to_string).collect(),
        false => args.recipes.clone(),
    };
    let mut rows = Vec::new();
    for given in &wanted {
        match fetch(session, &store, given) {
            Ok(row) => rows.push(row),
            Err(failure) if wanted.len() == 1 => return Err(failure),
            Err(failure) => {
                session.ui.fail(&failure);
                let error = failure.message.unwrap_or_default();
                let (new, moved) = (Vec::new(), Vec::new());
                let recipe = given.clone();
                let known = RecipeName::new(given).ok().and_then(|it| store.versions(&it).ok());
                let newest = known.and_then(|versions| versions.into_iter().next());
                rows.push(Row { recipe, newest, new, moved, error: Some(error) });
            }
        }
    }
    let failed = rows.iter().filter(|row| row.error.is_some()).count();
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say("There are no recipes yet.");
            return Ok(());
        }
        let mut table = Table::new(&["RECIPE", "NEWEST", "NEW"]);
        for row in rows.iter().filter(|row| row.error.is_none()) {
            let newest = row.newest.as_deref().unwrap_or("-");
            table.row([row.recipe.as_str(), newest, &row.new.join(", ")]);
        }
        table.print(&session.ui)
    })?;
    Ok(match failed {
        0 => Exit::DONE,
        all if all == rows.len() => Exit::FAILED,
        _ => Exit::PARTLY,
    })
}

fn fetch(session: &Session, store: &Store, given: &str) -> Result<Row, Failure> {
    let known = store.list()?;
    // Which one an address or a URL is of shows only afterwards.
    let before: Vec<(&RecipeName, Vec<String>)> = match known.iter().find(|it| it.as_str() == given)
    {
        Some(name) => vec![(name, store.versions(name)?)],
        None => known.iter().map(|it| (it, store.versions(it).unwrap_or_default())).collect(),
    };
    let (recipe, mut added) = take_in(session, given)?;
    added.keep();
    let before = before.into_iter().find(|(name, _)| **name == recipe).map(|(_, tags)| tags);
    let before = before.unwrap_or_default();
    // One that was just cloned is as new as can be.
    let moved = match known.contains(&recipe) {
        true => store.update(&recipe)?,
        false => Vec::new(),
    };
    tell_moved(session, store, &recipe, &moved);
    let versions = store.versions(&recipe)?;
    Ok(Row {
        recipe: recipe.to_string(),
        newest: versions.first().cloned(),
        new: versions.into_iter().filter(|version| !before.contains(version)).collect(),
        moved,
        error: None,
    })
}

/// Warns of tags that are others upstream than here.
pub fn tell_moved(session: &Session, store: &Store, recipe: &RecipeName, moved: &[String]) {
    for tag in moved {
        session.ui.warn(format_args!(
            "the tag {} of `{recipe}` was moved upstream: its version here is kept",
            clean(tag)
        ));
        session.ui.hint(format_args!(
            "ask its maintainers why; `git -C {} tag -d {}` lets the next fetch get theirs",
            shell::path(&store.place(recipe)),
            shell::word(tag)
        ));
    }
}
