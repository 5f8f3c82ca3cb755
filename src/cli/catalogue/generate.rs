//! `potluck catalogue generate`

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{LIST, place};
use crate::{
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        recipe::{PersonArg, of_git},
        session::Session,
        ui::{clean, counted},
    },
    home::RecipeName,
    recipe::author::{Desk, entry},
};

/// Write the catalogue of the recipes that are here.
///
/// Writes catalogue/recipes.json in the operator's folder, in abra's format: of each recipe that
/// is a clone its versions with their images, oldest first, its branch, its address, and what
/// the block of metadata in its README says. Recipes that are not here keep their entries.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck catalogue generate
  potluck catalogue generate wiki --publish

--publish commits the file and pushes it to where the folder `catalogue` was cloned from
(`potluck catalogue sync URL`).

JSON: {file, recipes, left_out, written, commit}; `left_out` are versions and recipes that cannot
be read, `commit` is null where nothing was published.")]
pub struct Args {
    /// Only these recipes [default: all clones]
    #[arg(value_name = "RECIPE")]
    recipes: Vec<RecipeName>,

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
    written: bool,
    commit: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    if args.publish && session.offline {
        return Err(Failure::usage("`--offline` and publishing exclude each other"));
    }
    let home = session.home()?;
    let store = session.recipes()?;
    let path = home.root().join("catalogue").join(LIST);
    // It came with a clone, and leads wherever its author likes.
    if path.is_symlink() {
        return Err(Failure::new(format!("{} is a symbolic link", path.display()))
            .hint("remove it: the list is a file of its own"));
    }
    let mut list = known(&path)?;
    let (mut recipes, mut left_out) = (Vec::new(), Vec::new());
    let wanted = match args.recipes.is_empty() {
        true => store.list()?,
        false => args.recipes.clone(),
    };
    for recipe in wanted {
        // A linked folder has no address that others could fetch it from.
        if args.recipes.is_empty() && store.place(&recipe).is_symlink() {
            continue;
        }
        match entry(&store, &recipe) {
            Ok((entry, without)) => {
                left_out.extend(without);
                list.insert(recipe.to_string(), serde_json::json!(entry));
                recipes.push(recipe.to_string());
            }
            Err(error) if args.recipes.is_empty() => left_out.push(format!("{recipe}: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
    for reason in &left_out {
        session.ui.warn(format_args!("left out: {}", clean(reason)));
    }
    let text = serde_json::to_string_pretty(&list).unwrap_or_default() + "\n";
    let written = !args.dry_run;
    if written {
        home.write_catalogue(&text)?;
    }
    let commit = if args.publish { publish(args, &home)? } else { None };
    let file = path.display().to_string();
    let report = Report { file, recipes, left_out, written, commit };
    session.report_of_texts(&report, &args.json, |report| {
        let made = counted(report.recipes.len(), "recipe");
        session.ui.say(match (report.written, &report.commit) {
            (false, _) => format!("Read {made}. Nothing was changed: this was a dry run."),
            (true, None) => format!("Wrote {made} into {}.", report.file),
            (true, Some(_)) => format!("Wrote {made} into {}, and published it.", report.file),
        });
        Ok(())
    })
}

/// The entries that are there.
fn known(path: &std::path::Path) -> Result<BTreeMap<String, Value>, Failure> {
    /// Bytes: some hundred recipes with all their versions have two million.
    const LONGEST: u64 = 64 << 20;
    let bytes = match crate::regular::read(path, LONGEST) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        read => read.map_err(|e| Failure::io(format!("reading {}", path.display()), &e))?,
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(format!("{} is not a catalogue: {error}", path.display()))
            .hint("remove it, and its entries are made anew from the recipes that are here")
    })
}

/// The commit that was pushed; none if there was nothing new.
fn publish(args: &Args, home: &crate::home::Home) -> Result<Option<String>, Failure> {
    let (store, name) = place(home)?;
    let desk = Desk::open(&store, &name).map_err(|error| {
        Failure::from(error).hint("`potluck catalogue sync URL` clones the catalogue first")
    })?;
    desk.address()?;
    if !desk.differences()?.iter().any(|difference| difference.path == LIST) {
        // Of a run whose push failed.
        let Some(branch) = desk.ahead() else { return Ok(None) };
        desk.publish(branch, None)?;
        return Ok(Some(desk.head().to_owned()));
    }
    let message = "chore: publish new catalogue release changes";
    let made =
        desk.release(&[LIST.to_owned()], message, None, &args.person.person()).map_err(of_git)?;
    desk.publish(&made.branch, None)?;
    Ok(Some(made.id))
}
