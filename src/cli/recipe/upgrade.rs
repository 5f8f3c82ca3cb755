//! `potluck recipe upgrade`

use std::collections::BTreeMap;

use serde::Serialize;

use super::authoring::BumpArg;
use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        prompt,
        session::{Session, wait},
        table::Table,
        ui::{clean, counted},
    },
    home::RecipeName,
    recipe::author::{Bump, Desk, Registry, images, newer, repository_of, set_image, within},
};

/// Write newer tags of images into a recipe's compose files.
///
/// Asks each image's registry, without credentials. Only tags of the same kind count: as many
/// numbers, and the same words before and behind them (`1.28.0-alpine` becomes
/// `1.28.1-alpine`, never `1.29` or `1.28.1`). At a terminal you choose; else --major, --minor
/// or --patch say how far to go. Only the tags are changed, and nothing is committed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe upgrade wiki
  potluck recipe upgrade wiki --minor
  potluck recipe upgrade wiki --all-tags --dry-run --json

--minor keeps the first number of each tag, --patch the first two. A database with another
first number usually needs a migration: look it up before you raise it. Exit code 3 where some
registries did not answer.

JSON: a list of {file, service, image, tag, newer, chosen, written, error}; `newer` are newer
tags, newest first, at most ten without --all-tags.")]
pub struct Args {
    /// The recipe
    #[arg(value_name = "RECIPE")]
    recipe: RecipeName,

    #[command(flatten)]
    bump: BumpArg,

    /// Show all newer tags
    #[arg(short, long)]
    all_tags: bool,

    /// Show newer tags and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    json: JsonArg,
}

/// At most as many tags as a person reads.
const SHOWN: usize = 10;

#[derive(Serialize)]
struct Row {
    file: String,
    service: String,
    /// Without its tag.
    image: String,
    tag: String,
    newer: Vec<String>,
    chosen: Option<String>,
    written: bool,
    error: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    if session.offline {
        return Err(Failure::usage("`--offline` and asking registries exclude each other"));
    }
    let desk = Desk::open(&session.recipes()?, &args.recipe)?;
    let mut rows = Vec::new();
    let mut texts = BTreeMap::new();
    for file in desk.compose_files()? {
        let text = desk.text(&file)?.unwrap_or_default();
        let found = images(&text).map_err(|error| Failure::new(format!("{file}: {error}")))?;
        for (service, image) in found {
            let Some((_, _, tag)) = repository_of(&image) else { continue };
            rows.push(Row {
                file: file.clone(),
                service,
                image: image[..image.len() - tag.len() - 1].to_owned(),
                tag: tag.to_owned(),
                newer: Vec::new(),
                chosen: None,
                written: false,
                error: None,
            });
        }
        texts.insert(file, text);
    }
    wait("interrupted: nothing was changed", ask(&mut rows))?;
    for row in &mut rows {
        row.chosen = choose(args, session, row)?;
        if !args.all_tags {
            row.newer.truncate(SHOWN);
        }
    }
    if !args.dry_run {
        write(&desk, &mut texts, &mut rows)?;
    }
    for row in &rows {
        if let Some(error) = &row.error {
            session.ui.warn(format_args!("{} {}: {}", row.file, row.service, clean(error)));
        }
    }
    let failed = rows.iter().filter(|row| row.error.is_some()).count();
    session.report(&rows, &args.json, |rows| show(args, session, rows))?;
    Ok(match failed {
        0 => Exit::DONE,
        all if all == rows.len() => Exit::FAILED,
        _ => Exit::PARTLY,
    })
}

/// Asks for each image once.
async fn ask(rows: &mut [Row]) -> Result<(), Failure> {
    let registry = Registry::new().map_err(|error| Failure::of(&error))?;
    let mut known: BTreeMap<String, Result<Vec<String>, String>> = BTreeMap::new();
    for row in rows {
        let whole = format!("{}:{}", row.image, row.tag);
        let Some((host, path, tag)) = repository_of(&whole) else { continue };
        if !known.contains_key(&row.image) {
            let tags = registry.tags(&host, &path).await.map_err(|error| error.to_string());
            known.insert(row.image.clone(), tags);
        }
        match &known[&row.image] {
            Ok(tags) => {
                let tags = tags.iter().map(String::as_str);
                row.newer = newer(tag, tags).into_iter().map(str::to_owned).collect();
            }
            Err(error) => row.error = Some(error.clone()),
        }
    }
    Ok(())
}

/// The tag that is taken, of those that are newer.
fn choose(args: &Args, session: &Session, row: &Row) -> Result<Option<String>, Failure> {
    let tags: Vec<&str> = row.newer.iter().map(String::as_str).collect();
    if tags.is_empty() {
        return Ok(None);
    }
    match args.bump.bump() {
        Some(bump) => Ok(within(&row.tag, &tags, bump).map(str::to_owned)),
        None if session.ui.is_interactive() && !args.dry_run => {
            let keep = format!("{} (as it is)", row.tag);
            let most = if args.all_tags { tags.len() } else { SHOWN };
            let options = std::iter::once(keep.clone());
            let options = options.chain(row.newer.iter().take(most).cloned()).collect();
            let question = format!("{} of {} in {}:", row.image, row.service, row.file);
            let chosen = prompt::select(&session.ui, &question, options)?;
            Ok((chosen != keep).then_some(chosen))
        }
        None => {
            Ok(within(&row.tag, &tags, Bump::Major).filter(|_| args.dry_run).map(str::to_owned))
        }
    }
}

/// Writes the tags that were chosen; of one image, each file has one.
fn write(
    desk: &Desk,
    texts: &mut BTreeMap<String, String>,
    rows: &mut [Row],
) -> Result<(), Failure> {
    for (file, text) in texts {
        let mut edited = text.clone();
        for row in rows.iter_mut().filter(|row| row.file == *file) {
            let Some(chosen) = &row.chosen else { continue };
            let before = format!("{}:{}", row.image, row.tag);
            let after = format!("{}:{chosen}", row.image);
            let has = images(&edited).is_ok_and(|all| {
                all.iter().any(|(service, image)| *service == row.service && *image == after)
            });
            match set_image(&edited, &before, &after) {
                Ok(text) => (edited, row.written) = (text, true),
                // Another service of the file has the same image.
                Err(_) if has => row.written = true,
                Err(error) => row.error = Some(format!("{before} was not changed: {error}")),
            }
        }
        if edited != *text {
            desk.write(file, &edited)?;
        }
    }
    Ok(())
}

fn show(args: &Args, session: &Session, rows: &[Row]) -> Result<(), Failure> {
    let mut table = Table::new(&["FILE", "SERVICE", "IMAGE", "TAG", "NEWER"]);
    for row in rows {
        let newer = match (&row.error, &row.chosen) {
            (Some(_), _) => "?".to_owned(),
            (None, Some(chosen)) if row.written => format!("{chosen} (written)"),
            (None, _) if row.newer.is_empty() => "-".to_owned(),
            (None, _) => row.newer.join(", "),
        };
        table.row([row.file.as_str(), &row.service, &row.image, &row.tag, &newer]);
    }
    table.print(&session.ui)?;
    let written = rows.iter().filter(|row| row.written).count();
    let open = rows.iter().any(|row| !row.newer.is_empty()) && written == 0;
    if args.dry_run {
        session.ui.say("Nothing was changed: this was a dry run.");
    } else if written > 0 {
        session.ui.say(format_args!(
            "Wrote {}; `potluck recipe diff {}` shows it.",
            counted(written, "tag"),
            args.recipe
        ));
    } else if open && !session.ui.is_interactive() {
        session.ui.hint("--major, --minor or --patch say how far to go");
    }
    Ok(())
}
