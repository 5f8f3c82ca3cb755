//! `potluck app ls`

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::{
    app,
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        session::{SERVERS_AT_A_TIME, Session, engine, wait},
        table::Table,
    },
    engine::{STACK_LABEL, Scope, api},
    home::{
        AppEntry, Home, RecipeName, ServerName, StackName,
        lock_file::{LockFile, RecipePin},
    },
    operation, recipe,
    rollout::{self, Condition},
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
        let lock = lock_file(session, &home, &entry);
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
        let mut servers: BTreeMap<ServerName, BTreeSet<String>> = BTreeMap::new();
        for (entry, _) in &rows {
            let stacks = servers.entry(entry.server.clone()).or_default();
            // One whose stack cannot be told is unknown.
            stacks.extend(stack(&home, entry).map(|stack| stack.to_string()));
        }
        let stacks = deployed(session, &home, servers)?;
        for (entry, row) in &mut rows {
            let (status, mut without) = status(&home, entry, &stacks);
            row.unfinished = unfinished(&home, entry, &stacks);
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

/// The recipe that the app's settings name, and the version they pin.
fn recipe_of(
    home: &Home,
    entry: &AppEntry,
) -> Result<Option<(RecipeName, Option<String>)>, crate::home::Error> {
    Ok(home.env(entry)?.recipe_pin()?)
}

/// Warns about a lock file that can't be read.
fn lock_file(session: &Session, home: &Home, entry: &AppEntry) -> LockFile {
    home.lock_file(entry).unwrap_or_else(|error| {
        super::warn_of(session, &error);
        LockFile::default()
    })
}

/// The newest releases of recipes; each is looked up once.
#[derive(Default)]
struct Newest(BTreeMap<RecipeName, Option<String>>);

impl Newest {
    /// None for a recipe without releases, or that isn't here.
    fn of(&mut self, session: &Session, recipe: &RecipeName) -> Option<String> {
        let look = || match session.recipes().map(|recipes| recipes.versions(recipe)) {
            Ok(Ok(versions)) => versions.into_iter().next(),
            Ok(Err(recipe::Error::Unknown { .. })) => None,
            Ok(Err(error)) => {
                session.ui.warn(error);
                None
            }
            Err(failure) => {
                session.ui.warn(failure.message.unwrap_or_default());
                None
            }
        };
        self.0.entry(recipe.clone()).or_insert_with(look).clone()
    }
}

/// The app's stack, even if the rest of its settings can't be read.
fn stack(home: &Home, entry: &AppEntry) -> Option<StackName> {
    entry.stack(&home.salvage(entry).ok()?.env).ok()
}

const NOT_DEPLOYED: &str = "not deployed";

/// The state of an app, and which of its services were scaled to 0.
fn status(home: &Home, entry: &AppEntry, stacks: &Stacks) -> (&'static str, Vec<String>) {
    match (stacks.get(&entry.server), stack(home, entry)) {
        (Some(Some(stacks)), Some(stack)) => match stacks.get(stack.as_str()) {
            Some(Found { condition: Some(condition), without, .. }) => {
                let status = match condition {
                    Condition::Well => "deployed",
                    Condition::Starting => "starting",
                    Condition::Stopped => "stopped",
                    Condition::Failing => "failing",
                };
                (status, without.clone())
            }
            Some(Found { condition: None, .. }) | None => (NOT_DEPLOYED, Vec::new()),
        },
        _ => ("unknown", Vec::new()),
    }
}

/// Whether an operation on an app did not end; none where that is unknown.
fn unfinished(home: &Home, entry: &AppEntry, stacks: &Stacks) -> Option<bool> {
    let stacks = stacks.get(&entry.server)?.as_ref()?;
    Some(stacks.get(stack(home, entry)?.as_str()).is_some_and(|found| found.unfinished))
}

/// A stack as its server has it.
struct Found {
    /// None where it is not deployed.
    condition: Option<Condition>,
    unfinished: bool,
    /// Services that ask for no tasks.
    without: Vec<String>,
}

/// The state of the apps' stacks, per server; none for a server that doesn't answer.
type Stacks = BTreeMap<ServerName, Option<BTreeMap<String, Found>>>;

/// Asks the servers, several at a time, for the stacks of their apps.
fn deployed(
    session: &Session,
    home: &Home,
    servers: BTreeMap<ServerName, BTreeSet<String>>,
) -> Result<Stacks, Failure> {
    wait("interrupted", async {
        let asked = servers.into_iter().map(|(server, wanted)| async move {
            let stacks = conditions(home, &server, &wanted).await;
            (server, stacks)
        });
        let mut answers = stream::iter(asked).buffered(SERVERS_AT_A_TIME);
        let mut all = Stacks::new();
        while let Some((server, stacks)) = answers.next().await {
            let stacks = match stacks {
                Ok(stacks) => Some(stacks),
                Err(failure) => {
                    session.ui.warn(failure.message.unwrap_or_default());
                    None
                }
            };
            all.insert(server, stacks);
        }
        Ok(all)
    })
}

async fn conditions(
    home: &Home,
    server: &ServerName,
    wanted: &BTreeSet<String>,
) -> Result<BTreeMap<String, Found>, Failure> {
    let engine = engine(home, server)?;
    let names: Vec<StackName> = wanted.iter().filter_map(|it| StackName::new(it).ok()).collect();
    let (services, nodes, unfinished) = futures_util::try_join!(
        async { Ok(engine.services(Scope::All).await?) },
        async { Ok(engine.nodes().await?) },
        operation::all_abandoned(&*engine, names.iter()),
    )
    .map_err(|error: app::Error| Failure::from(error))?;
    let mut stacks: BTreeMap<&str, Vec<&api::Service>> = BTreeMap::new();
    for service in &services {
        let labels = service.spec.as_ref().and_then(|spec| spec.labels.as_ref());
        if let Some(stack) = labels.and_then(|labels| labels.get(STACK_LABEL))
            && wanted.contains(stack)
        {
            stacks.entry(stack).or_default().push(service);
        }
    }
    let found = rollout::conditions(engine.as_ref(), &stacks, &nodes).await?;
    let mut conditions: BTreeMap<String, Found> = found
        .into_iter()
        .map(|(stack, condition)| {
            let without = rollout::taskless(stack, &stacks[stack]);
            let condition = Some(condition);
            (stack.to_owned(), Found { condition, unfinished: false, without })
        })
        .collect();
    for stack in unfinished {
        let gone = Found { condition: None, unfinished: true, without: Vec::new() };
        conditions.entry(stack.to_string()).or_insert(gone).unfinished = true;
    }
    Ok(conditions)
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

/// A stopped app has no separate list of services.
fn in_words(status: &str, without: &[String], unfinished: bool) -> String {
    let mut words = status.to_owned();
    if !without.is_empty() && status != "stopped" {
        words += &format!(", without {}", without.join(", "));
    }
    if unfinished {
        words += ", an operation did not end";
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_says_which_services_it_lacks() {
        let (one, two) = (["worker".to_owned()], ["db".to_owned(), "worker".to_owned()]);
        for (status, without, unfinished, expected) in [
            ("deployed", &[][..], false, "deployed"),
            ("deployed", &one[..], false, "deployed, without worker"),
            ("failing", &two[..], false, "failing, without db, worker"),
            ("stopped", &one[..], false, "stopped"),
            ("stopped", &one[..], true, "stopped, an operation did not end"),
            ("not deployed", &[][..], true, "not deployed, an operation did not end"),
        ] {
            assert_eq!(in_words(status, without, unfinished), expected);
        }
    }
}
