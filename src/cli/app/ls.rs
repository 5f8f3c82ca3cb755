//! `potluck app ls`

use serde::Serialize;

use crate::{
    app,
    cli::{
        arguments::JsonArg,
        failure::Outcome,
        fleet::{self, NOT_DEPLOYED, What, in_words, recipe_of},
        newest::Newest,
        session::Session,
        table::Table,
    },
    home::{RecipeName, ServerName, lock_file::RecipePin},
};

/// List the apps.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app ls
  potluck app ls --server swarm.example.org --status

PINNED is the version in the settings, for the next deploy. DEPLOYED is the version that
was last handed to the server, as the lock file records it; it is empty if --status finds
that the app is not deployed. NEWEST is the newest release in the recipe's local copy. `(chaos)`: the files of the recipe's
folder were deployed as they were, changed from this commit (`+U`: not committed).

JSON: a list of {app, server, recipe, version, deployed, newest}, {chaos} where that is so, and,
with --status,
{status}: `deployed`, `starting`, `failing`, `stopped` (its main service, or every one, has
no replicas), `not deployed` or `unknown` (the server does not answer, or the stack's name
cannot be read from the settings), and {without}: services that were scaled to 0 although
the files deployed last ask for tasks, and {unfinished}: whether an operation on it did not
end (`potluck app show APP`).")]
pub struct Args {
    /// Only apps on this server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    /// Only apps of this recipe
    #[arg(short, long, value_name = "NAME")]
    recipe: Option<String>,

    /// Ask the servers which apps are deployed, and in what state
    ///
    /// An app is failing if one of its services is: see `potluck app ps`.
    #[arg(short = 'S', long)]
    status: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    app: String,
    server: String,
    /// None when the settings name no recipe, or can't be read.
    recipe: Option<String>,
    /// The version the settings pin.
    version: Option<String>,
    /// The version, or commit, that was handed to the server last.
    deployed: Option<String>,
    /// Whether files were deployed that no version stands for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    chaos: bool,
    /// The newest release of the recipe, as it is here.
    newest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Services that should run but have no tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    without: Option<Vec<String>>,
    /// Whether an operation on it did not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<bool>,
    /// Services that need not run.
    #[serde(skip)]
    resting: Vec<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    if let Some(server) = &args.server {
        home.server(server)?;
    }
    let mut entries = home.apps()?;
    entries.retain(|app| args.server.as_ref().is_none_or(|server| app.server == *server));
    let mut newest = Newest::default();
    let mut rows = Vec::new();
    for entry in entries {
        let (recipe, version) = match recipe_of(&home, &entry) {
            Ok(Some((recipe, version))) => (Some(recipe), version),
            Ok(None) => (None, None),
            Err(error) => {
                super::warn_of(session, &error);
                (None, None)
            }
        };
        if args.recipe.is_some()
            && args.recipe.as_deref() != recipe.as_ref().map(RecipeName::as_str)
        {
            continue;
        }
        let lock = fleet::lock_file(session, &home, &entry);
        if let Some(told) = app::half_restored(&entry.name, &lock) {
            session.ui.warn(format_args!("{}: {told}", entry.name));
        }
        let row = Row {
            app: entry.name.to_string(),
            server: entry.server.to_string(),
            recipe: recipe.as_ref().map(ToString::to_string),
            version,
            // One that was begun and that nobody waited for, or that failed and was not
            // undone, is what runs.
            deployed: lock
                .begun
                .as_ref()
                .or(lock.recipe.as_ref())
                .and_then(RecipePin::shown)
                .cloned(),
            chaos: lock
                .begun
                .as_ref()
                .or(lock.recipe.as_ref())
                .is_some_and(|pin| pin.chaos.is_some()),
            newest: recipe.and_then(|recipe| newest.of(session, &recipe)),
            status: None,
            without: None,
            unfinished: None,
            resting: lock.resting,
        };
        rows.push((entry, row));
    }
    if args.status {
        let seen = fleet::look(&home, rows.iter().map(|(entry, _)| entry), [], What::State)?;
        for failure in seen.failures() {
            session.ui.warn(failure.message.as_deref().unwrap_or_default());
        }
        for (entry, row) in &mut rows {
            let (status, mut without) = seen.status(&home, entry);
            row.unfinished = seen.app(&home, entry).map(|found| found.is_unfinished());
            without.retain(|service| !row.resting.contains(service));
            (row.status, row.without) = (Some(status), Some(without));
            if status == NOT_DEPLOYED {
                // The lock file tells what was, for the data that it left.
                (row.deployed, row.chaos) = (None, false);
            }
        }
    }
    show(args, session, rows.into_iter().map(|(_, row)| row).collect())
}

fn show(args: &Args, session: &Session, rows: Vec<Row>) -> Outcome {
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say("There are no apps here yet.");
            session.ui.hint("`potluck app new` sets one up");
            return Ok(());
        }
        let mut titles = vec!["APP", "SERVER", "RECIPE", "PINNED", "DEPLOYED", "NEWEST"];
        if args.status {
            titles.push("STATUS");
        }
        let mut table = Table::new(&titles);
        for row in rows {
            let or_dash = |text: &Option<String>| text.as_deref().unwrap_or("-").to_owned();
            let mut cells = vec![row.app.clone(), row.server.clone()];
            let mut deployed = or_dash(&row.deployed);
            if row.chaos {
                deployed += " (chaos)";
            }
            cells.extend([&row.recipe, &row.version].map(or_dash));
            cells.extend([deployed, or_dash(&row.newest)]);
            let without = row.without.as_deref().unwrap_or_default();
            let unfinished = row.unfinished == Some(true);
            cells.extend(row.status.map(|status| in_words(status, without, unfinished)));
            table.row(cells);
        }
        table.print(&session.ui)
    })
}
