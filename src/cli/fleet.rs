//! What the servers say of their apps, several servers at a time; one that does not answer
//! keeps no other from being asked.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use super::{
    app::warn_of,
    failure::Failure,
    session::{SERVERS_AT_A_TIME, Session, engine, wait},
};
use crate::{
    app,
    engine::{STACK_LABEL, Scope, api},
    home::{AppEntry, Home, LockFile, RecipeName, ServerName, StackName},
    operation::{self, Disk, Open},
    owner::history::Line,
    rollout::{self, Condition},
};

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// How the services are.
    State,
    /// That, and what was done to the apps.
    History,
    /// That, and how much room there is on the disk of the node that is asked.
    Everything,
    /// What was done to them, and nothing else.
    HistoryAlone,
}

/// A stack as its server has it.
pub struct Found {
    /// None where it is not deployed, or that was not asked for.
    pub condition: Option<Condition>,
    /// An operation on it that has not ended.
    pub open: Option<Open>,
    /// Services that ask for no tasks.
    pub without: Vec<String>,
    /// Those in its services' rules for a reverse proxy.
    pub domains: Vec<String>,
    /// What was done to it, oldest first; or why that cannot be read.
    pub history: Result<Vec<Line>, String>,
}

impl Default for Found {
    fn default() -> Self {
        let history = Ok(Vec::new());
        let (without, domains) = (Vec::new(), Vec::new());
        Found { condition: None, open: None, without, domains, history }
    }
}

/// A server that answered.
pub struct Server {
    /// Of its Docker engine; asked for along with state and history.
    pub version: Option<String>,
    pub nodes: Vec<api::Node>,
    /// None where it was not asked for, or cannot be seen.
    pub disk: Option<Disk>,
    /// Whether there is a machine behind it.
    pub is_simulated: bool,
    /// What removed apps that are gone, oldest first, asked for along with the history; or why
    /// that cannot be read.
    pub removals: Result<Vec<Line>, String>,
    stacks: BTreeMap<String, Found>,
}

/// What all servers said.
pub struct Seen(pub BTreeMap<ServerName, Result<Server, Failure>>);

pub const NOT_DEPLOYED: &str = "not deployed";

/// Asks the servers of these apps, and these servers.
///
/// # Errors
/// If it was interrupted.
pub fn look<'a>(
    home: &Home,
    apps: impl Iterator<Item = &'a AppEntry>,
    others: impl IntoIterator<Item = ServerName>,
    what: What,
) -> Result<Seen, Failure> {
    let mut servers: BTreeMap<ServerName, BTreeSet<String>> =
        others.into_iter().map(|server| (server, BTreeSet::new())).collect();
    for entry in apps {
        let stacks = servers.entry(entry.server.clone()).or_default();
        // One whose stack cannot be told is unknown.
        stacks.extend(stack(home, entry).map(|stack| stack.to_string()));
    }
    wait("interrupted", async {
        let asked = servers.into_iter().map(|(server, wanted)| async move {
            let said = ask(home, &server, &wanted, what).await;
            (server, said)
        });
        Ok(Seen(stream::iter(asked).buffer_unordered(SERVERS_AT_A_TIME).collect().await))
    })
}

impl Found {
    /// Whether an operation on it did not end, and nobody is at it.
    pub fn is_unfinished(&self) -> bool {
        self.open == Some(Open::Abandoned)
    }
}

impl Seen {
    /// What kept servers from answering.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.0.values().filter_map(|said| said.as_ref().err())
    }

    /// An app's stack; none where its server, or the name of the stack, is unknown. One that its
    /// server does not have is not deployed.
    pub fn app(&self, home: &Home, entry: &AppEntry) -> Option<&Found> {
        static NONE: std::sync::LazyLock<Found> = std::sync::LazyLock::new(Found::default);
        let server = self.0.get(&entry.server)?.as_ref().ok()?;
        Some(server.stacks.get(stack(home, entry)?.as_str()).unwrap_or(&NONE))
    }

    /// The state of an app, and which of its services were scaled to 0.
    pub fn status(&self, home: &Home, entry: &AppEntry) -> (&'static str, Vec<String>) {
        let Some(found) = self.app(home, entry) else { return ("unknown", Vec::new()) };
        let status = match found.condition {
            None => return (NOT_DEPLOYED, Vec::new()),
            Some(Condition::Well) => "deployed",
            Some(Condition::Starting) => "starting",
            Some(Condition::Stopped) => "stopped",
            Some(Condition::Failing) => "failing",
        };
        (status, found.without.clone())
    }
}

async fn ask(
    home: &Home,
    server: &ServerName,
    wanted: &BTreeSet<String>,
    what: What,
) -> Result<Server, Failure> {
    let engine = engine(home, server)?;
    let names: Vec<StackName> = wanted.iter().filter_map(|it| StackName::new(it).ok()).collect();
    let mut said = Server {
        version: None,
        nodes: Vec::new(),
        disk: None,
        is_simulated: engine.simulated().is_some(),
        removals: Ok(Vec::new()),
        stacks: BTreeMap::new(),
    };
    let (state, histories, disk) = futures_util::try_join!(
        async {
            if what == What::HistoryAlone {
                return Ok(None);
            }
            let (version, services, nodes, open) = futures_util::try_join!(
                async {
                    Ok(match what {
                        What::History | What::Everything => Some(engine.manager().await?.version),
                        What::State | What::HistoryAlone => None,
                    })
                },
                async { Ok(engine.services(Scope::All).await?) },
                async { Ok(engine.nodes().await?) },
                operation::all_open(&*engine, names.iter()),
            )?;
            Ok::<_, app::Error>(Some((version, services, nodes, open)))
        },
        async {
            match what {
                What::State => Ok(None),
                What::History | What::Everything | What::HistoryAlone => {
                    operation::histories(&*engine, names.iter()).await.map(Some)
                }
            }
        },
        async {
            if what != What::Everything {
                return Ok(None);
            }
            let backup = home.backup(server).unwrap_or_default();
            Ok(operation::disk_of(&*engine, backup.helper_image()).await?)
        }
    )?;
    said.disk = disk;
    if let Some((version, services, nodes, open)) = state {
        let mut stacks: BTreeMap<&str, Vec<&api::Service>> = BTreeMap::new();
        for service in &services {
            let labels = service.spec.as_ref().and_then(|spec| spec.labels.as_ref());
            if let Some(stack) = labels.and_then(|labels| labels.get(STACK_LABEL))
                && wanted.contains(stack)
            {
                stacks.entry(stack).or_default().push(service);
            }
        }
        for (stack, condition) in rollout::conditions(engine.as_ref(), &stacks, &nodes).await? {
            let without = rollout::taskless(stack, &stacks[stack]);
            let specs = stacks[stack].iter().filter_map(|service| service.spec.as_ref());
            let domains = app::routed(specs).into_iter().collect();
            let found = Found { condition: Some(condition), without, domains, ..Found::default() };
            said.stacks.insert(stack.to_owned(), found);
        }
        for (stack, state) in open {
            said.stacks.entry(stack.to_string()).or_default().open = Some(state);
        }
        (said.version, said.nodes) = (version, nodes);
    }
    let Some(histories) = histories else { return Ok(said) };
    said.removals = histories.removals.map_err(|error| error.to_string());
    for (stack, lines) in histories.of {
        said.stacks.entry(stack.to_string()).or_default().history =
            lines.map_err(|error| error.to_string());
    }
    Ok(said)
}

/// The recipe that the app's settings name, and the version they pin.
pub fn recipe_of(
    home: &Home,
    entry: &AppEntry,
) -> Result<Option<(RecipeName, Option<String>)>, crate::home::Error> {
    Ok(home.env(entry)?.recipe_pin()?)
}

/// Warns about a lock file that can't be read.
pub fn lock_file(session: &Session, home: &Home, entry: &AppEntry) -> LockFile {
    home.lock_file(entry).unwrap_or_else(|error| {
        warn_of(session, &error);
        LockFile::default()
    })
}

/// The app's stack, even if the rest of its settings can't be read.
fn stack(home: &Home, entry: &AppEntry) -> Option<StackName> {
    entry.stack(&home.salvage(entry).ok()?.env).ok()
}

/// A stopped app has no separate list of services.
pub fn in_words(status: &str, without: &[String], unfinished: bool) -> String {
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
