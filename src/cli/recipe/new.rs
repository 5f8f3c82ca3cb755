//! `potluck recipe new`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::authoring::{PersonArg, of_git};
use crate::{
    cli::{arguments::JsonArg, failure::Outcome, session::Session, shell},
    home::RecipeName,
    recipe::author::begin,
    scaffold::{
        self, Ci, Files,
        upstream::{self, Change, Decision, Log},
    },
};

/// Create a recipe.
///
/// Creates a git repository in the operator's folder, with a web server that deploys as it is,
/// behind Traefik or on a port: change it into what you want to package.
///
/// With `--from` it makes the recipe of something that already runs with Docker Compose:
/// passwords become secrets, ports a network with Traefik labels, files configs, folders
/// volumes with backups. It says each change, and what a person must still decide. Nothing of
/// the project is run, and none of its passwords is kept.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe new wiki
  potluck recipe new wiki -N 'Anna Example' -e anna@example.org
  potluck recipe new wiki --output ~/src/wiki
  potluck recipe new wiki --ci forgejo        # of a recipe that exists: this file only
  potluck recipe new wiki --from ~/src/wiki-upstream
  potluck recipe new wiki --from ~/downloads/docker-compose.yml --json

JSON: {recipe, folder, commit, files, changes, decisions}; files are paths in the folder; commit
is null where only the file of a CI was added, which you commit. With
`--from`, changes are {service, what, why, position} and decisions {service, what, todo, position};
a position is `file:line` of the project.")]
pub struct Args {
    /// What the recipe is called
    #[arg(value_name = "NAME")]
    name: RecipeName,

    #[command(flatten)]
    person: PersonArg,

    /// The folder to create [default: the recipe's in the operator's folder]
    #[arg(long, short = 'O', value_name = "FOLDER")]
    output: Option<PathBuf>,

    /// Make it of a compose file, or of a folder with one, its `.env` and the files it mounts
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,

    /// Add the file with which this CI lints and tests the recipe, also to one that exists
    #[arg(long, value_name = "CI")]
    ci: Option<CiArg>,

    #[command(flatten)]
    json: JsonArg,
}

/// A CI of a forge.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum CiArg {
    /// `.woodpecker.yml`
    Woodpecker,
    /// `.forgejo/workflows/recipe.yml`, which Gitea reads, too
    Forgejo,
}

impl From<CiArg> for Ci {
    fn from(ci: CiArg) -> Ci {
        match ci {
            CiArg::Woodpecker => Ci::Woodpecker,
            CiArg::Forgejo => Ci::Forgejo,
        }
    }
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    folder: String,
    /// None where nothing was committed.
    commit: Option<String>,
    /// Paths in the folder.
    files: Vec<String>,
    changes: Vec<Change>,
    decisions: Vec<Decision>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let store = session.recipes()?;
    let folder = args.output.clone().unwrap_or_else(|| store.place(&args.name));
    if let (Some(ci), None) = (args.ci, &args.from)
        && ["compose.yml", "compose.yaml"].iter().any(|name| folder.join(name).is_file())
    {
        return add_ci(args, session, ci.into(), &folder);
    }
    let (files, log) = match &args.from {
        Some(path) => {
            let adapted = upstream::adapt(args.name.as_str(), &upstream::read(path)?);
            (Files::of(&adapted), adapted.log)
        }
        None => (scaffold::recipe(args.name.as_str()), Log::default()),
    };
    let files = match args.ci {
        Some(ci) => files.with_ci(ci.into()),
        None => files,
    };
    files.write(&folder)?;
    let commit = begin(&folder, &args.person.person()).map_err(|error| {
        // It was made by this command, whole; without its history it is no recipe yet.
        let _ = std::fs::remove_dir_all(&folder);
        of_git(error)
    })?;
    let report = Report {
        recipe: args.name.to_string(),
        folder: folder.display().to_string(),
        commit: Some(commit),
        files: files.0.into_keys().collect(),
        changes: log.changes,
        decisions: log.decisions,
    };
    let named = match &args.output {
        Some(folder) => folder.display().to_string(),
        None => args.name.to_string(),
    };
    let named = shell::word(&named);
    session.report(&report, &args.json, |report| {
        if args.from.is_some() {
            said(session, report);
        }
        session.ui.say(format_args!("Wrote {}. Next:", report.folder));
        for (command, does) in [
            (format!("potluck recipe lint {named}"), "look for mistakes"),
            (format!("potluck recipe test {named}"), "try it on a simulated server"),
            (format!("potluck app new {named}"), "set up an app of it"),
            (format!("potluck recipe release {named} --minor"), "make its first release"),
        ] {
            session.ui.say(format_args!("  {command:<40}   {does}"));
        }
        Ok(())
    })
}

/// Adds the file of a CI to a recipe that exists.
fn add_ci(args: &Args, session: &Session, ci: Ci, folder: &Path) -> Outcome {
    ci.add_to(folder)?;
    let report = Report {
        recipe: args.name.to_string(),
        folder: folder.display().to_string(),
        commit: None,
        files: vec![ci.path().to_owned()],
        changes: vec![],
        decisions: vec![],
    };
    session.report(&report, &args.json, |_| {
        let (place, path) = (shell::path(folder), ci.path());
        session.ui.say(format_args!("Wrote {}. Next:", folder.join(path).display()));
        session.ui.say(format_args!("  git -C {place} add {path}"));
        session
            .ui
            .say(format_args!("  git -C {place} commit --message 'Lint and test the recipe'"));
        Ok(())
    })
}

/// Each change and each decision, on a line of its own.
fn said(session: &Session, report: &Report) {
    let counted = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let line = |position: &Option<String>, service: &str, what: &str, more: &str| {
        let position = position.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
        let service = if service.is_empty() { String::new() } else { format!("{service}: ") };
        session.ui.say(format_args!("  {position}{service}{what} ({more})"));
    };
    session.ui.say(format_args!("{}:", counted(report.changes.len(), "change")));
    for change in &report.changes {
        line(&change.position, &change.service, &change.what, &change.why);
    }
    match report.decisions.len() {
        0 => session.ui.say("Nothing is left to decide."),
        count => session
            .ui
            .say(format_args!("{} for you, also in README.md:", counted(count, "decision"),)),
    }
    for decision in &report.decisions {
        line(&decision.position, &decision.service, &decision.what, &decision.todo);
    }
}
