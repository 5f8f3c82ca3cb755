//! `potluck recipe search`

use std::{collections::BTreeSet, io};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    catalogue::{self, KEY, Listed},
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        session::Session,
        table::Table,
        ui::clean,
    },
    hint::nearest,
    home::RecipeName,
    recipe::{
        Error, Store, Version,
        author::{Features, about},
    },
    regular, text,
};

/// Bytes of the list.
const LONGEST: u64 = 64 << 20;
/// Bytes of a description in the table.
const DESCRIPTION: usize = 60;

/// Search the catalogue for recipes.
///
/// Searches names, categories, descriptions and features of the catalogue's recipes (`potluck
/// catalogue sync` gets it) and of those that are here. All words have to be found, in any case.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe search wiki
  potluck recipe search --feature backups --feature sso
  potluck recipe search chat --json

Features are backups, healthcheck, email, sso, tests, and the roles of plugins: lifecycle,
migration, backup, sso-provider, sso-client, mail-provider, mail-client, commands.

JSON: a list of {name, category, description, features, newest, address, here}; `here` says
whether the recipe is in the operator's folder, `address` where git finds it, or null.")]
pub struct Args {
    /// Words to find
    #[arg(value_name = "WORD", required_unless_present = "feature")]
    words: Vec<String>,

    /// Only recipes that have this feature; may be repeated
    #[arg(long, value_name = "FEATURE", value_parser = feature)]
    feature: Vec<String>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    name: String,
    category: String,
    description: String,
    features: BTreeSet<&'static str>,
    /// The newest version, if there is any.
    newest: Option<String>,
    address: Option<String>,
    /// Whether it is in the operator's folder.
    here: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let store = session.recipes()?;
    let here = store.list()?;
    let path = session.home()?.root().join("catalogue").join("recipes.json");
    let list = match regular::read(&path, LONGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        read => Some(read.map_err(|e| Failure::io(format!("reading {}", path.display()), &e))?),
    };
    let has_catalogue = list.is_some();
    let list: Map<String, Value> = match list {
        None => Map::new(),
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(format!("{} is not a catalogue: {error}", path.display()))
                .hint("`potluck catalogue sync` gets the newest")
        })?,
    };
    let mut all = catalogue::listed(&list);
    for recipe in here.iter().filter(|recipe| !list.contains_key(recipe.as_str())) {
        match of_here(&store, recipe) {
            Ok(listed) => all.push(listed),
            // One that is not read keeps nobody from the others.
            Err(error) => session.ui.warn(format_args!("{recipe}: {error}")),
        }
    }
    let found = catalogue::search(all, &args.words, &args.feature);
    let rows: Vec<Row> = found.into_iter().map(|it| row(it, &here)).collect();
    session.report(&rows, &args.json, |rows| {
        let next = match has_catalogue {
            true => "`potluck catalogue sync` gets the newest catalogue",
            false => "there is no catalogue yet: `potluck catalogue sync URL` gets one",
        };
        if rows.is_empty() {
            session.ui.say("No recipe was found.");
            session.ui.hint(next);
            return Ok(());
        }
        let mut table = Table::new(&["NAME", "NEWEST", "HERE", "FEATURES", "DESCRIPTION"]);
        for row in rows {
            let features: Vec<_> = row.features.iter().copied().collect();
            let description = text::line_of(&row.description, DESCRIPTION);
            table.row([
                row.name.as_str(),
                row.newest.as_deref().unwrap_or("-"),
                if row.here { "yes" } else { "-" },
                &features.join(", "),
                &description,
            ]);
        }
        table.print(&session.ui)?;
        if !has_catalogue {
            session.ui.hint(next);
        }
        let mut elsewhere = rows.iter().filter(|row| !row.here);
        if let Some(address) = elsewhere.find_map(|row| row.address.as_deref()) {
            session.ui.hint(format_args!("`potluck recipe fetch {}` gets it", clean(address)));
        }
        Ok(())
    })
}

fn row(it: Listed, here: &[RecipeName]) -> Row {
    Row {
        here: here.contains(&it.name),
        newest: it.newest().map(str::to_owned),
        name: it.name.to_string(),
        category: it.category,
        description: it.description,
        features: it.features,
        address: Some(it.address).filter(|address| !address.is_empty()),
    }
}

/// A recipe that is here and in no catalogue, as an entry of one would have it.
fn of_here(store: &Store, recipe: &RecipeName) -> Result<Listed, Error> {
    let checkout = store.examine(recipe, &Version::Newest)?;
    let said = about(&checkout)?;
    // Of a version that is refused nothing is believed.
    let facts = checkout.unsigned().is_none().then(|| catalogue::facts(&checkout));
    let mut features = Features::default();
    if let Some(facts) = &facts {
        catalogue::correct(&mut features, facts);
    }
    let versions: Vec<Value> =
        store.versions(recipe)?.iter().rev().map(|it| serde_json::json!({it: {}})).collect();
    let entry = serde_json::json!({
        "category": said.category,
        "description": said.description,
        "features": features,
        "repository": store.address(recipe)?,
        "versions": versions,
        KEY: facts,
    });
    Ok(Listed::read(recipe.clone(), &entry))
}

/// One of the known features, for clap.
fn feature(given: &str) -> Result<String, String> {
    let known = catalogue::features();
    if known.contains(&given) {
        return Ok(given.to_owned());
    }
    Err(match nearest(given, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the features are {}", known.join(", ")),
    })
}
