//! `potluck catalogue generate`

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{LIST, place};
use crate::{
    catalogue::{self, KEY, Listed, site},
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        recipe::{PersonArg, of_git},
        session::Session,
        ui::{clean, counted},
    },
    home::{Home, RecipeName},
    recipe::{
        Store, Version,
        author::{Desk, entry},
    },
    regular,
};

/// Bytes of the list: some hundred recipes with all their versions have two million.
const LONGEST: u64 = 64 << 20;
/// Bytes of a list of addresses.
const ADDRESSES: u64 = 1 << 20;

/// Write the catalogue of recipes: a list, and a page to read.
///
/// Writes catalogue/recipes.json in the operator's folder, in abra's format: of each recipe its
/// versions with their images, oldest first, its branch and its address. Health checks, backups,
/// the roles of its plugins, overlays, and what it asks for are computed from its files; the rest
/// is what its README says. Beside it catalogue/index.html shows the same to people: a page for
/// each recipe, without anything from elsewhere, that works without JavaScript. Recipes that are
/// not read keep their entries.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck catalogue generate
  potluck catalogue generate wiki --publish
  potluck catalogue generate --from ./recipes
  potluck catalogue generate --list addresses.txt --no-pages

--publish commits the files and pushes them to where the folder `catalogue` was cloned from
(`potluck catalogue sync URL`).

Exit code 3 says that some recipes cannot be read, 1 that none can.

JSON: {file, recipes, left_out, lacking, pages, written, commit}; `left_out` are versions and
recipes that cannot be read, `lacking` what those who want to deploy a recipe would miss, `pages`
the number of pages, `commit` is null where nothing was published.")]
pub struct Args {
    /// Only these recipes [default: all that are not linked]
    #[arg(value_name = "RECIPE", conflicts_with = "list")]
    recipes: Vec<RecipeName>,

    /// The recipes in this folder: each of its folders is one, a clone or not
    #[arg(long, value_name = "FOLDER", conflicts_with = "list")]
    from: Option<PathBuf>,

    /// The recipes at the addresses in this file, one a line; they are fetched and not kept
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,

    /// Write only the list
    #[arg(long)]
    no_pages: bool,

    /// Commit the catalogue and push it
    #[arg(short, long)]
    publish: bool,

    #[command(flatten)]
    person: PersonArg,

    /// Read everything and write nothing
    #[arg(long, conflicts_with = "publish")]
    dry_run: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    file: String,
    /// Those whose entries were made.
    recipes: Vec<String>,
    left_out: Vec<String>,
    /// What others would miss: a release, an address.
    lacking: Vec<String>,
    /// How many pages there are to read.
    pages: usize,
    written: bool,
    commit: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    if args.publish && session.offline {
        return Err(Failure::usage("`--offline` and publishing exclude each other"));
    }
    if args.list.is_some() && session.offline {
        return Err(Failure::usage("`--offline` and `--list`, which fetches, exclude each other"));
    }
    let home = session.home()?;
    let path = home.root().join("catalogue").join(LIST);
    // They came with a clone, and lead wherever its author likes.
    for (path, what) in [
        (path.clone(), "the list is a file"),
        (path.with_file_name(site::FOLDER), "it is a folder"),
    ] {
        if path.is_symlink() {
            return Err(Failure::new(format!("{} is a symbolic link", path.display()))
                .hint(format!("remove it: {what} of its own")));
        }
    }
    let mut list = known(&path)?;
    let sources = Sources::of(args, &session.recipes()?)?;
    let mut unread = sources.left_out.len();
    let (mut recipes, mut left_out) = (Vec::new(), sources.left_out);
    let mut lacking = Vec::new();
    for recipe in sources.recipes {
        match made(&sources.store, &recipe) {
            Ok((None, without)) => {
                unread += 1;
                left_out.extend(without);
            }
            Ok((Some(entry), without)) => {
                left_out.extend(without);
                lacking.extend(lacks(&recipe, &entry));
                list.insert(recipe.to_string(), entry);
                recipes.push(recipe.to_string());
            }
            Err(error) if args.recipes.is_empty() => {
                unread += 1;
                left_out.push(format!("{recipe}: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    for reason in &left_out {
        session.ui.warn(format_args!("left out: {}", clean(reason)));
    }
    for lack in &lacking {
        session.ui.warn(clean(lack));
    }
    let list: Map<String, Value> = list.into_iter().collect();
    let pages = match args.no_pages {
        true => Vec::new(),
        false => site::pages(&catalogue::listed(&list)),
    };
    let text = serde_json::to_string_pretty(&list).unwrap_or_default() + "\n";
    let written = !args.dry_run;
    if written {
        for (name, text) in &pages {
            home.write_catalogue_page(name, text)?;
        }
        home.write_catalogue(&text)?;
    }
    let commit = if args.publish { publish(args, &home)? } else { None };
    let file = path.display().to_string();
    let pages = pages.iter().filter(|(name, _)| name.ends_with(".html")).count();
    let exit = match (unread, recipes.is_empty()) {
        (0, _) => Exit::DONE,
        (_, true) => Exit::FAILED,
        (_, false) => Exit::PARTLY,
    };
    let report = Report { file, recipes, left_out, lacking, pages, written, commit };
    session.report_of_texts(&report, &args.json, |report| {
        let made = counted(report.recipes.len(), "recipe");
        let with = match report.pages {
            0 => String::new(),
            pages => format!(", with {}", counted(pages, "page")),
        };
        session.ui.say(match (report.written, &report.commit) {
            (false, _) => format!("Read {made}. Nothing was changed: this was a dry run."),
            (true, None) if args.publish => {
                format!("Wrote {made} into {}{with}; what is published is the same.", report.file)
            }
            (true, None) => format!("Wrote {made} into {}{with}.", report.file),
            (true, Some(_)) => {
                format!("Wrote {made} into {}{with}, and published it.", report.file)
            }
        });
        Ok(())
    })?;
    Ok(exit)
}

/// What somebody who wants to deploy a recipe of the list would miss.
fn lacks(recipe: &RecipeName, entry: &Value) -> Vec<String> {
    let listed = Listed::read(recipe.clone(), entry);
    let mut lacks = Vec::new();
    if listed.newest().is_none() {
        lacks.push(format!("{recipe} has no release: apps of it cannot be pinned to a version"));
    }
    if listed.address.is_empty() {
        lacks.push(format!("{recipe} has no address: nobody can fetch it by this catalogue"));
    }
    lacks
}

/// Where the recipes are read.
struct Sources {
    store: Store,
    recipes: Vec<RecipeName>,
    left_out: Vec<String>,
    /// Of what was fetched for this; removed at the end.
    _fetched: Option<tempfile::TempDir>,
}

impl Sources {
    fn of(args: &Args, here: &Store) -> Result<Self, Failure> {
        if let Some(file) = &args.list {
            return Self::fetched(file, here);
        }
        let store = match &args.from {
            Some(folder) if !folder.is_dir() => {
                return Err(Failure::usage(format!("{} is not a folder", folder.display())));
            }
            Some(folder) => here.elsewhere(folder),
            None => here.clone(),
        };
        let mut recipes = args.recipes.clone();
        if recipes.is_empty() {
            recipes = store.list()?;
            // A linked folder has no address that others could fetch it from.
            recipes.retain(|recipe| !store.place(recipe).is_symlink());
        }
        Ok(Sources { store, recipes, left_out: Vec::new(), _fetched: None })
    }

    fn fetched(file: &Path, here: &Store) -> Result<Self, Failure> {
        let reading = |error| Failure::io(format!("reading {}", file.display()), &error);
        let bytes = regular::read(file, ADDRESSES).map_err(reading)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{} is not text", file.display())))?;
        let folder = tempfile::Builder::new()
            .prefix("potluck-catalogue-")
            .tempdir()
            .map_err(|error| Failure::io("making a temporary folder", &error))?;
        let store = here.elsewhere(folder.path());
        let (mut recipes, mut left_out) = (Vec::new(), Vec::new());
        for address in text.lines().map(str::trim) {
            if address.is_empty() || address.starts_with('#') {
                continue;
            }
            match store.add(address) {
                Ok(recipe) if recipes.contains(&recipe) => {
                    left_out.push(format!("{address}: another one is called {recipe}"));
                }
                Ok(recipe) => recipes.push(recipe),
                Err(error) => {
                    let said = error.to_string();
                    left_out.push(match said.contains(address) {
                        true => said,
                        false => format!("{address}: {said}"),
                    });
                }
            }
        }
        recipes.sort();
        Ok(Sources { store, recipes, left_out, _fetched: Some(folder) })
    }
}

/// The entry of a recipe, with what its files show, and what was left out. There is none where its
/// files cannot be read: nothing is claimed of it, and an earlier entry is better.
fn made(
    store: &Store,
    recipe: &RecipeName,
) -> Result<(Option<Value>, Vec<String>), crate::recipe::Error> {
    let (mut entry, mut left_out) = entry(store, recipe)?;
    let newest = store.examine(recipe, &Version::Newest)?;
    let facts = match newest.unsigned() {
        Some(unsigned) => {
            left_out.push(format!("{recipe}: {unsigned}"));
            None
        }
        None => Some(catalogue::facts(&newest)),
    };
    if facts.as_ref().is_some_and(|facts| facts.services == 0) {
        if left_out.is_empty() {
            left_out.push(format!(
                "{recipe}: its compose files cannot be read; `potluck recipe lint` says why"
            ));
        }
        return Ok((None, left_out));
    }
    if let Some(facts) = &facts {
        catalogue::correct(&mut entry.features, facts);
    }
    let mut entry = serde_json::json!(entry);
    if let (Some(entry), Some(facts)) = (entry.as_object_mut(), facts) {
        entry.insert(KEY.to_owned(), serde_json::json!(facts));
    }
    Ok((Some(entry), left_out))
}

/// The entries that are there.
fn known(path: &Path) -> Result<BTreeMap<String, Value>, Failure> {
    let bytes = match regular::read(path, LONGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        read => read.map_err(|e| Failure::io(format!("reading {}", path.display()), &e))?,
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(format!("{} is not a catalogue: {error}", path.display()))
            .hint("remove it, and its entries are made anew from the recipes that are here")
    })
}

/// The commit that was pushed; none if there was nothing new.
fn publish(args: &Args, home: &Home) -> Result<Option<String>, Failure> {
    let (store, name) = place(home)?;
    let desk = Desk::open(&store, &name).map_err(|error| {
        Failure::from(error).hint("`potluck catalogue sync URL` clones the catalogue first")
    })?;
    desk.address()?;
    let refused = |error| {
        let folder = store.place(&name);
        Failure::from(error).hint(format!(
            "if somebody else published meanwhile, `git -C {} pull --rebase` takes that over; \
             then this command again",
            folder.display()
        ))
    };
    let is_ours = |path: &String| path == LIST || site::is_page(path);
    let changed = desk.differences()?.into_iter().map(|difference| difference.path);
    let changed: Vec<String> = changed.filter(is_ours).collect();
    if changed.is_empty() {
        // Of a run whose push failed.
        let Some(branch) = desk.ahead() else { return Ok(None) };
        desk.publish(branch, None).map_err(refused)?;
        return Ok(Some(desk.head().to_owned()));
    }
    let message = "chore: publish new catalogue release changes";
    let made = desk.release(&changed, message, None, &args.person.person()).map_err(of_git)?;
    desk.publish(&made.branch, None).map_err(refused)?;
    Ok(Some(made.id))
}
