//! What an app's swarm knows of operations: the one that did not end, and those that did.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    app::{Context, Error, Unfinished},
    engine::{self, Engine, Scope, api, if_there},
    home::StackName,
    owner::{
        Confined, KIND_LABEL,
        history::{self, History, Line},
        journal::{self as kept, Entry, Journal as Kept, Outcome, What},
        lease,
    },
};

/// Number of attempts if somebody else keeps changing the history; then it is an error.
const TRIES: usize = 5;

/// Writes the line of the history and removes the journal.
pub(super) async fn close(
    engine: &dyn Engine,
    stack: &StackName,
    kept: &Kept,
    by: &str,
    error: Option<String>,
) -> Result<(), Error> {
    add_line(engine, &history::name(stack), line_of(kept, by, error)).await?;
    if_there(engine.remove_config(&kept.config).await)?;
    Ok(())
}

/// Writes the line of an operation that was done into the history of another server.
///
/// # Errors
/// What the engine says.
pub(super) async fn tell(
    engine: &dyn Engine,
    stack: &StackName,
    kept: &Kept,
    by: &str,
) -> Result<(), Error> {
    add_line(engine, &history::name(stack), line_of(kept, by, None)).await
}

/// Writes the line of an operation that removed the app, which has no history from then on.
///
/// # Errors
/// What the engine says.
pub(super) async fn tell_removal(engine: &dyn Engine, kept: &Kept, by: &str) -> Result<(), Error> {
    let app = Some(kept.entry.app.clone());
    add_line(engine, history::REMOVALS, Line { app, ..line_of(kept, by, None) }).await
}

/// Writes the line of what was done without a journal, because each part of it is done as soon
/// as it is. That it cannot be written is only a warning.
pub(super) async fn note(
    context: &Context,
    confined: &Confined,
    entry: &Entry,
    outcome: Outcome,
    error: Option<String>,
) {
    let line = line(entry, outcome, &context.operator.to_string(), error);
    let name = history::name(confined.stack());
    if let Err(unwritten) = add_line(&*confined.beneath(), &name, line).await {
        context.progress.warn(format!("the log lacks the {}: {unwritten}", entry.what));
    }
}

fn line_of(kept: &Kept, by: &str, error: Option<String>) -> Line {
    let outcome = kept.reached.outcome.unwrap_or(Outcome::Failed);
    Line {
        migrated: kept.has_migrated(),
        step: kept.step().filter(|_| outcome != Outcome::Done).map(|step| step.name.clone()),
        ..line(&kept.entry, outcome, by, error)
    }
}

/// That of an operation of one step.
fn line(entry: &Entry, outcome: Outcome, by: &str, error: Option<String>) -> Line {
    let began_by = format!("{} on {}", entry.user, entry.host);
    Line {
        operation: entry.operation.clone(),
        app: None,
        what: entry.what,
        user: entry.user.clone(),
        host: entry.host.clone(),
        began: entry.began,
        ended: Timestamp::now(),
        before: entry.before.clone(),
        after: entry.after.clone(),
        set: entry.set.clone(),
        settings: entry.settings.clone(),
        migrated: false,
        detached: entry.detach,
        chaos: entry.pin.as_ref().is_some_and(|pin| pin.chaos.is_some()),
        outcome,
        step: None,
        error,
        by: (by != began_by).then(|| by.to_owned()),
    }
}

/// Fails where the app has gone to another server, and this folder does not know it yet.
///
/// # Errors
/// [`Error::MovedAway`], and what the engine says.
pub(super) async fn refuse_moved(confined: &Confined, app: &str) -> Result<(), Error> {
    if confined.record_id().await?.is_some() {
        return Ok(());
    }
    let lines = match lines_of(confined).await {
        Err(Error::BadJournal { .. }) => return Ok(()),
        lines => lines?,
    };
    // What was done to its leftovers since tells nothing of where it is.
    match lines.iter().rfind(|line| line.is_of_services()) {
        Some(line) if line.what == What::Move && line.outcome == Outcome::Done => {
            Err(Error::MovedAway {
                app: app.to_owned(),
                server: line.after.clone().unwrap_or_default(),
                by: format!("{}@{}", line.user, line.host),
                at: line.ended,
            })
        }
        _ => Ok(()),
    }
}

async fn add_line(engine: &dyn Engine, name: &str, line: Line) -> Result<(), Error> {
    for _ in 0..TRIES {
        let known = match history_called(engine, name).await {
            // A line that is not written keeps nobody from working; `app history` says why.
            Err(Error::BadJournal { .. }) => return Ok(()),
            known => known?,
        };
        let written = match known {
            None => {
                let spec = history::spec(name, Vec::new(), line.clone());
                engine.create_config(spec).await.map(drop)
            }
            Some(known) => {
                let spec = history::spec(name, known.lines, line.clone());
                engine.update_config(&known.config, known.version, spec).await
            }
        };
        match written {
            Err(engine::Error::OutOfSequence { .. } | engine::Error::Exists { .. }) => {}
            Err(error) if error.is_not_found() => {}
            written => return Ok(written?),
        }
    }
    Err(engine::Error::OutOfSequence { service: name.to_owned() }.into())
}

pub(super) async fn history_of(
    engine: &dyn Engine,
    stack: &StackName,
) -> Result<Option<History>, Error> {
    history_called(engine, &history::name(stack)).await
}

async fn history_called(engine: &dyn Engine, name: &str) -> Result<Option<History>, Error> {
    let Some(config) = if_there(engine.config(name).await)? else { return Ok(None) };
    History::read(&config)
        .map(Some)
        .map_err(|why| Error::BadJournal { name: name.to_owned(), reason: why.to_string() })
}

/// What was done to an app, oldest first.
///
/// # Errors
/// [`Error::BadJournal`], and what the engine says.
pub(super) async fn lines_of(confined: &Confined) -> Result<Vec<Line>, Error> {
    let history = history_of(&*confined.beneath(), confined.stack()).await?;
    Ok(history.map(|history| history.lines).unwrap_or_default())
}

/// What was done to an app, oldest first, and what is unfinished.
///
/// # Errors
/// [`Error::BadJournal`], and what the engine says.
pub async fn history(engine: &Confined) -> Result<(Vec<Line>, Option<Unfinished>), Error> {
    let lines = lines_of(engine).await?;
    let open = look(engine).await?.filter(|kept| kept.reached.outcome.is_none());
    let unfinished = match open {
        Some(kept) => Some(Unfinished { running: is_held(engine).await?, ..Unfinished::of(&kept) }),
        None => None,
    };
    Ok((lines, unfinished))
}

/// What a swarm knows of what was done; of one history that cannot be read,
/// [`Error::BadJournal`].
#[derive(Debug)]
pub struct Histories<'a> {
    /// By stack, oldest first.
    pub of: BTreeMap<&'a StackName, Result<Vec<Line>, Error>>,
    /// What removed apps that are gone; each line names its app.
    pub removals: Result<Vec<Line>, Error>,
}

/// What was done to each of these stacks, and what removed others, in one request.
///
/// # Errors
/// What the engine says.
pub async fn histories<'a>(
    engine: &dyn Engine,
    stacks: impl Iterator<Item = &'a StackName>,
) -> Result<Histories<'a>, Error> {
    let configs = engine.configs(Scope::Labelled(KIND_LABEL, history::HISTORY_KIND)).await?;
    let named: BTreeMap<&str, &api::Config> = configs
        .iter()
        .filter_map(|config| Some((config.spec.as_ref()?.name.as_deref()?, config)))
        .collect();
    let read =
        |name: &str| {
            let lines = History::read(named.get(name)?).map(|history| history.lines);
            Some(lines.map_err(|why| Error::BadJournal {
                name: name.to_owned(),
                reason: why.to_string(),
            }))
        };
    let of = stacks.filter_map(|stack| Some((stack, read(&history::name(stack))?))).collect();
    Ok(Histories { of, removals: read(history::REMOVALS).unwrap_or(Ok(Vec::new())) })
}

/// The journal of an operation that did not end.
pub(super) async fn look(confined: &Confined) -> Result<Option<Kept>, Error> {
    let name = kept::name(confined.stack());
    let found = if_there(confined.beneath().config(&name).await)?;
    let Some(config) = found else { return Ok(None) };
    let kept = Kept::read(&config).map_err(|why| bad(confined.stack(), why.to_string()))?;
    Ok(Some(kept))
}

/// Fails where an operation on the app did not end; one that did, and only did not say so,
/// gets its line of the history.
///
/// # Errors
/// [`Error::Unfinished`], [`Error::BadJournal`], and what the engine says.
pub(super) async fn refuse_unfinished(confined: &Confined, app: &str) -> Result<(), Error> {
    match look(confined).await? {
        None => Ok(()),
        Some(kept) if kept.entry.app != app => {
            Err(bad(confined.stack(), "it is of another app".into()))
        }
        Some(kept) if kept.reached.outcome.is_some() => {
            let by = format!("{} on {}", kept.entry.user, kept.entry.host);
            close(&*confined.beneath(), confined.stack(), &kept, &by, None).await
        }
        Some(kept) => Err(Error::Unfinished(Box::new(Unfinished {
            app: app.to_owned(),
            ..Unfinished::of(&kept)
        }))),
    }
}

/// The operation on an app that did not end; none while somebody has its lease, because
/// then one is at work.
///
/// # Errors
/// [`Error::BadJournal`], and what the engine says.
pub async fn abandoned(confined: &Confined) -> Result<Option<Unfinished>, Error> {
    match look(confined).await?.filter(|kept| kept.reached.outcome.is_none()) {
        Some(kept) if !is_held(confined).await? => Ok(Some(Unfinished::of(&kept))),
        Some(_) | None => Ok(None),
    }
}

/// Whether somebody is at an operation that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Somebody is, or was killed a moment ago.
    Held,
    /// Nobody is.
    Abandoned,
}

/// Stacks with an operation that has not ended, of those that are named.
///
/// # Errors
/// What the engine says.
pub async fn all_open<'a>(
    engine: &dyn Engine,
    stacks: impl Iterator<Item = &'a StackName>,
) -> Result<BTreeMap<&'a StackName, Open>, Error> {
    let (journals, leases) = futures_util::try_join!(
        engine.configs(Scope::Labelled(KIND_LABEL, kept::JOURNAL_KIND)),
        engine.configs(Scope::Labelled(KIND_LABEL, lease::LEASE_KIND)),
    )?;
    let names = |configs: Vec<api::Config>| -> BTreeSet<String> {
        configs.into_iter().filter_map(|config| config.spec?.name).collect()
    };
    // One whose holder has probably died keeps nobody from being told.
    let is_fresh = |config: &api::Config| {
        lease::Lease::read(config).map_or(true, |it| !it.is_old(Timestamp::now()))
    };
    let (journals, leases) =
        (names(journals), names(leases.into_iter().filter(is_fresh).collect()));
    let is_held = |stack: &StackName| leases.contains(&lease::name(stack));
    Ok(stacks
        .filter(|stack| journals.contains(&kept::name(stack)))
        .map(|stack| (stack, if is_held(stack) { Open::Held } else { Open::Abandoned }))
        .collect())
}

/// Whether somebody has the app's lease.
pub(super) async fn is_held(confined: &Confined) -> Result<bool, Error> {
    let found = confined.beneath().config(&lease::name(confined.stack())).await;
    Ok(if_there(found)?.is_some())
}

pub(super) fn bad(stack: &StackName, reason: String) -> Error {
    Error::BadJournal { name: kept::name(stack), reason }
}

/// What to type when this ended an operation before its end.
pub(super) fn whats_next(app: &str, because: Option<&engine::Error>) -> String {
    match because {
        Some(engine::Error::LeaseLost { .. }) => format!(
            "somebody else has {app} now; `potluck app history {app}` shows what became of this \
             operation, and whether it is unfinished"
        ),
        _ => format!(
            "the operation is unfinished: `potluck app resume {app}` finishes it, `potluck app \
             abort {app}` undoes it"
        ),
    }
}
