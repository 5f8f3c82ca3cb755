//! Undoing an operation: services get back what they had, what was made for it goes.
//!
//! What is needed for that is in its journal, so that anybody can do it, also without the
//! recipe: only the plugins' `deploy-failed` needs that.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    app::{App, Context, Error},
    engine::{Engine, Scope, api},
    home::{AppGuard, LockFile},
    owner::{
        Confined,
        journal::{Before, Entry, Journal as Kept, MadeKind, Marks, Outcome, Program},
    },
    progress::Sink,
    rollout::{
        live::by_name,
        removal::{Doomed, Wait},
        send::apply::Sent,
        state::since::Since,
        undo,
    },
    text::line,
};

use super::{
    held::free_held,
    journal::{Journal, in_one_line, stays_unfinished},
    lease::Lease,
    releases,
    restart::restart_one,
    unfinished::whats_next,
};

/// How long what ran before has to come up again.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a program of the operation may still run.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(500);

/// How long it may before somebody is asked whether its task is to be restarted.
const PROGRAM_GRACE: Duration = Duration::from_secs(5);

/// Waits until no program runs any more that an operation started in services; restarts the
/// tasks of those that still run, if that is agreed to.
///
/// # Errors
/// [`Error::StillRunning`], and what the engine says.
async fn wait_for_programs(context: &Context, engine: &Confined, kept: &Kept) -> Result<(), Error> {
    let began = Instant::now();
    for program in &kept.reached.programs {
        let (mut told, mut asked) = (false, false);
        while runs(engine, program).await? {
            let service = line(&program.service).into_owned();
            if began.elapsed() >= PROGRAM_PATIENCE {
                return Err(Error::StillRunning { app: kept.entry.app.clone(), service });
            }
            if !told {
                told = true;
                context.progress.step(format!("wait for a program in {service} to end"));
            }
            if !asked && began.elapsed() >= PROGRAM_GRACE {
                asked = true;
                if context.consent.end_program(&service) {
                    context.progress.step(format!("restart {service}"));
                    let prefix = format!("{}_", engine.stack());
                    let key = program.service.strip_prefix(&prefix).unwrap_or(&program.service);
                    restart_one(context, engine, &kept.entry.app, key, PATIENCE).await?;
                }
            }
            sleep(POLL).await;
        }
    }
    Ok(())
}

/// Whether a program may still run in a container.
async fn runs(engine: &Confined, program: &Program) -> Result<bool, Error> {
    match engine.has_programs(&program.container).await {
        Err(error) if error.is_not_found() => Ok(false),
        runs => Ok(runs?),
    }
}

/// Says which programs of an operation that was cancelled still run.
pub(super) async fn tell_running(context: &Context, engine: &Confined, kept: &Kept) {
    let mut told: Vec<&str> = Vec::new();
    for program in &kept.reached.programs {
        // What cannot be asked is not known to run.
        let runs = runs(engine, program).await.unwrap_or(false);
        if runs && !told.contains(&program.service.as_str()) {
            told.push(&program.service);
            context.progress.warn(format!(
                "a program that was started in {} still runs there; `potluck app restart {}` \
                 ends it",
                line(&program.service),
                kept.entry.app
            ));
        }
    }
}

/// The journal of an operation that did not end, once what it held back runs on and what it
/// started in services has ended.
///
/// # Errors
/// [`Error::StillRunning`], and what the engine says.
pub(super) async fn take_over(
    context: &Context,
    engine: &Confined,
    lease: &Lease,
    kept: Kept,
) -> Result<Journal, Error> {
    // First: a program in a paused container never ends.
    free_held(context, engine, &kept).await?;
    wait_for_programs(context, engine, &kept).await?;
    let journal = Journal::go_on(engine, lease, kept);
    journal.forget_held().await?;
    journal.forget_programs().await?;
    Ok(journal)
}

/// The services as they are now.
pub(super) fn services<'a>(live: impl Iterator<Item = &'a api::Service>) -> Vec<Before> {
    live.filter_map(|service| Some(Before { id: service.id.clone()?, spec: service.spec.clone()? }))
        .collect()
}

/// Brings the services back that an operation's journal has, and removes what was made for
/// it. Volumes are kept.
///
/// # Errors
/// [`Error::NotUndone`], and what the engine says.
pub(super) async fn undo_services(
    progress: &dyn Sink,
    engine: &Confined,
    entry: &Entry,
) -> Result<(), Error> {
    let live = by_name(engine.services(Scope::All).await?);
    let named = |spec: &api::ServiceSpec| spec.name.clone().unwrap_or_default();
    let mut sent: Vec<Sent> = Vec::new();
    let mut lost: Vec<String> = Vec::new();
    for Before { id, spec } in &entry.services {
        let name = named(spec);
        let id = match live.get(&name) {
            Some(service) if service.id.as_ref() == Some(id) => id.clone(),
            Some(_) => {
                lost.push(format!("{name} was replaced since"));
                continue;
            }
            None => match engine.create_service(spec.clone(), None).await {
                Ok(id) => {
                    progress.warn(format!("{name} was removed since: it is made again"));
                    id
                }
                Err(error) if stays_unfinished(&error) => return Err(error.into()),
                Err(error) => {
                    lost.push(format!(
                        "{name} was removed since, and cannot be made again: {error}"
                    ));
                    continue;
                }
            },
        };
        sent.push(Sent {
            key: name,
            id,
            spec: spec.clone(),
            before: Some(spec.clone()),
            since: Since::Unchanged,
        });
    }
    progress.step("roll back");
    let undone = undo::undo(engine, &sent, PATIENCE, progress).await;
    remove_made(progress, engine, entry).await?;
    releases::forget(engine, Some(&entry.operation)).await?;
    engine.settle().await?;
    let not_undone = |reason: String| Error::NotUndone { app: entry.app.clone(), reason };
    if !lost.is_empty() {
        return Err(not_undone(lost.join("; ")));
    }
    match undone {
        // What never ran need not run now.
        Err(failed) if failed.refused.is_empty() && !entry.ran => Ok(()),
        Err(failed) => Err(not_undone(failed.to_string())),
        Ok(()) => Ok(()),
    }
}

/// Removes what an operation made and what did not exist before, services first.
pub(super) async fn remove_made(
    progress: &dyn Sink,
    engine: &Confined,
    entry: &Entry,
) -> Result<(), Error> {
    let of = |kind: MadeKind, name: Option<&String>| {
        name.is_some_and(|name| entry.made.iter().any(|(k, n)| *k == kind && n == name))
    };
    let stack = Scope::Stack(engine.stack());
    let (services, networks, configs, secrets) = futures_util::try_join!(
        engine.services(stack),
        engine.networks(stack),
        engine.configs(stack),
        engine.secrets(stack),
    )?;
    let services = services.into_iter().filter(|service| {
        of(MadeKind::Service, service.spec.as_ref().and_then(|spec| spec.name.as_ref()))
    });
    let configs = configs.into_iter().filter(|config| {
        of(MadeKind::Config, config.spec.as_ref().and_then(|spec| spec.name.as_ref()))
    });
    let secrets = secrets.into_iter().filter(|secret| {
        of(MadeKind::Secret, secret.spec.as_ref().and_then(|spec| spec.name.as_ref()))
    });
    let networks =
        networks.into_iter().filter(|network| of(MadeKind::Network, network.name.as_ref()));
    let doomed = Doomed {
        jobs: Vec::new(),
        services: services.filter_map(|it| Some((it.spec?.name?, it.id?))).collect(),
        configs: configs.filter_map(|it| it.id).collect(),
        secrets: secrets.filter_map(|it| it.id).collect(),
        networks: networks.filter_map(|it| Some((it.name?, it.id?))).collect(),
    };
    Ok(doomed.remove(engine, progress, Wait::ForTasks, PATIENCE).await?)
}

/// Whether a folder says what an operation brought: it is the one that it was begun in, or
/// its lock file was pulled from there meanwhile. Any other never said anything else.
fn says_so(entry: &Entry, place: Option<&str>, lock: &LockFile) -> bool {
    let is_own = entry.place.is_some() && entry.place.as_deref() == place;
    let before = entry.marks.as_ref().and_then(Marks::recipe);
    let brought = entry.pin.as_ref();
    let came =
        lock.begun.as_ref() == brought || (lock.recipe.as_ref() == brought && before != brought);
    is_own || (brought.is_some() && came)
}

/// Puts back what the lock file and the settings said before the operation, where this
/// folder says otherwise because of it.
///
/// # Errors
/// Files that cannot be read or written.
pub(super) fn restore_files(
    context: &Context,
    guard: &AppGuard,
    entry: &Entry,
) -> Result<(), Error> {
    let app = guard.app();
    let mut lock = context.home.lock_file(app)?;
    if !says_so(entry, guard.place(), &lock) {
        return Ok(());
    }
    if let Some(marks) = entry.marks.clone()
        && marks.put(&mut lock)
    {
        context.home.write_lock_file(guard, &lock)?;
    }
    let mut env = context.home.env(app)?;
    let pinned = env.recipe_pin().map_err(crate::home::Error::from)?.and_then(|(_, pin)| pin);
    let brought = entry.pin.as_ref().and_then(|pin| pin.released());
    if let Some(before) = &entry.pinned
        && pinned.as_ref() == brought
        && pinned.as_ref() != Some(before)
    {
        env.pin(before).map_err(crate::home::Error::from)?;
        context.home.write_env(app, &env)?;
    }
    Ok(())
}

/// An operation failed: its journal ends, unless it is unknown what is left of it. One that
/// was resumed is undone first, where that is possible.
pub(super) async fn failed(
    context: &Context,
    guard: &AppGuard,
    app: &mut App,
    journal: Journal,
    error: Error,
    as_before: bool,
) -> Error {
    let warn = |message: String| context.progress.warn(message);
    let name = &app.entry.name;
    if error.of_engine().is_some_and(stays_unfinished) {
        warn(whats_next(name.as_str(), error.of_engine()));
        return error;
    }
    let entry = journal.entry();
    let mut outcome = if as_before { Outcome::FailedAndUndone } else { Outcome::Failed };
    if journal.is_resumed() && entry.ran && !journal.is_past_return() {
        let undone = async {
            journal.abort().await?;
            undo_services(&*context.progress, &app.engine, &entry).await?;
            restore_files(context, guard, &entry)?;
            Ok::<(), Error>(())
        };
        match undone.await {
            Ok(()) => {
                warn("what ran before runs again".into());
                outcome = Outcome::FailedAndUndone;
            }
            Err(undo) => {
                warn(format!("undoing it failed as well: {undo}"));
                if undo.of_engine().is_some_and(stays_unfinished) {
                    return error;
                }
                outcome = Outcome::Failed;
            }
        }
    }
    let said = Some(in_one_line(&error));
    if let Err(unwritten) = journal.end(context, outcome, said).await {
        warn(format!("{}: {unwritten}", whats_next(name.as_str(), unwritten.of_engine())));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::lock_file::RecipePin;

    #[test]
    fn a_folder_that_pulled_what_an_operation_wrote_is_put_right_too() {
        let pin = |version: &str| {
            Some(RecipePin { version: Some(version.into()), ..RecipePin::default() })
        };
        let lock = |recipe: &str, begun: Option<&str>| LockFile {
            recipe: pin(recipe),
            begun: begun.and_then(pin),
            ..LockFile::default()
        };
        let value = serde_json::json!({
            "operation": "a", "what": "upgrade", "app": "a", "recipe": "a", "user": "anna",
            "host": "laptop", "began": "2026-11-26T03:00:00Z", "place": "here",
            "pin": {"version": "2"}, "steps": [], "marks": Marks::of(&lock("1", None)),
        });
        let entry: Entry = serde_json::from_value(value).unwrap();
        let again = Entry { marks: Some(Marks::of(&lock("2", None))), ..entry.clone() };
        for (entry, place, lock, says) in [
            (&entry, Some("here"), lock("1", None), true),
            (&entry, Some("there"), lock("1", None), false),
            (&entry, None, lock("1", None), false),
            (&entry, Some("there"), lock("1", Some("2")), true),
            (&entry, Some("there"), lock("1", Some("3")), false),
            // Killed when the version was recorded.
            (&entry, Some("there"), lock("2", None), true),
            // It was at that version before.
            (&again, Some("there"), lock("2", None), false),
        ] {
            assert_eq!(says_so(entry, place, &lock), says, "{place:?} {lock:?}");
        }
    }
}
