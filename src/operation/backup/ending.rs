//! The end of a backup, also of one that did not get there: `after-backup` of every plugin
//! whose `before-backup` was called, and nothing left in the repository that is no backup.
//!
//! `after-backup` runs after a failure, a signal and a lost connection. Where it cannot,
//! because the engine does not answer, the operation stays unfinished, so that anyone who
//! resumes or aborts it, or takes the next backup, calls it.

use std::time::Duration;

use super::{
    super::journal::{Journal, stays_unfinished},
    steps::BEFORE_BACKUP,
};
use crate::{
    app::{self, App, Context},
    backup::{
        Error,
        options::{Missing, Options, find},
        restic::Restic,
        set::{self, SetId, SetSummary, snapshots::sets_of, whose::Of},
    },
    engine::{self, Engine},
    home::AppGuard,
    hooks::{self, Guarding},
    owner::journal::Outcome,
    plugin::{Hooks, Role},
};

/// Between two tries of a hook that may only have lost the engine.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// Ends a backup that did not end: plugins receive `after-backup`, and what it stored is
/// forgotten.
///
/// # Errors
/// [`Error::NoRepository`] and its like, and what the engine says.
pub(in crate::operation) async fn end_unfinished(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    options: &Options,
    journal: Journal,
) -> Result<(), Error> {
    journal.abort().await?;
    let set = journal.entry().set.and_then(|set| set.parse::<SetId>().ok());
    let begun = journal.has_begun(BEFORE_BACKUP);
    let found = Found { set, begun, complete: Complete::Kept };
    let outcome = tidy(context, guard, app, options, found).await?;
    Ok(journal.end(context, outcome, None).await?)
}

/// What a backup left that did not end.
pub(in crate::operation) struct Found {
    pub set: Option<SetId>,
    /// Whether `before-backup` may have been called.
    pub begun: bool,
    pub complete: Complete,
}

/// What becomes of a set that is complete, though its backup did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::operation) enum Complete {
    /// It is a good backup.
    Kept,
    /// It is taken anew by the same name, with what was written since.
    Replaced,
}

/// Clears up after a set that was not taken to its end: plugins receive `after-backup` where
/// `before-backup` may have been called, and what was stored is forgotten.
///
/// # Errors
/// As [`end_unfinished`].
pub(in crate::operation) async fn tidy(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    options: &Options,
    Found { set, begun, complete }: Found,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::Aborted;
    let left = |error: Error| {
        context.progress.warn(format!("what it stored is still in the repository: {error}"));
    };
    if begun {
        let mut hooks = hooks::start(context, app, Role::Backup, Guarding::Held(guard)).await?;
        let all = hooks.len();
        for (name, _) in &hooks {
            let said =
                format!("`after-backup` of the plugin `{name}` is called for that backup now");
            context.progress.warn(said);
        }
        match end_hooks(context, app, &mut hooks, all, false).await {
            Ok(()) => {}
            Err(NotEnded::Lost(lost)) => return Err(lost.into()),
            Err(failed @ NotEnded::Failed { .. }) => context.progress.warn(failed.to_string()),
        }
    }
    if let Some(set) = set {
        match find(context, &app.entry, options, Missing::Refused).await {
            Ok(restic) => {
                let sets = sets_of(&restic, &app.entry, &Of::Own).await;
                let is_kept = |known: &SetSummary| {
                    known.id == set && known.complete && complete == Complete::Kept
                };
                match sets {
                    Ok(sets) if sets.sets.iter().any(is_kept) => outcome = Outcome::Done,
                    Ok(_) => discard(context, app, &restic, &set).await,
                    Err(Error::NoRepository { .. }) => {}
                    Err(error) => left(error),
                }
                restic.settle().await;
            }
            Err(Error::NoRepository { .. }) => {}
            Err(error) => left(error),
        }
    }
    Ok(outcome)
}

/// Why `after-backup` did not do its part.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotEnded {
    /// It ran, and failed; the first that did.
    #[error("`after-backup` of the plugin `{plugin}` failed: {source}")]
    Failed { plugin: String, source: app::Error },
    /// It is unknown whether it ran: the engine does not answer.
    #[error(transparent)]
    Lost(engine::Error),
}

/// Calls `after-backup` of every plugin whose `before-backup` was called, all of them
/// whatever one says.
///
/// # Errors
/// [`NotEnded`].
pub(super) async fn end_hooks(
    context: &Context,
    app: &App,
    hooks: &mut [(String, Hooks)],
    begun: usize,
    succeeded: bool,
) -> Result<(), NotEnded> {
    let mut first = Ok(());
    for (name, plugin) in hooks.iter_mut().take(begun) {
        context.progress.step(format!("{name}: after-backup"));
        match end_hook(context, app, name, plugin, succeeded).await {
            Ok(()) => {}
            // The others would wait in vain.
            Err(lost @ NotEnded::Lost(_)) => return Err(lost),
            Err(failed) if first.is_ok() => first = Err(failed),
            Err(failed) => context.progress.warn(failed.to_string()),
        }
    }
    first
}

async fn end_hook(
    context: &Context,
    app: &App,
    name: &str,
    plugin: &mut Hooks,
    succeeded: bool,
) -> Result<(), NotEnded> {
    let mut pauses = PAUSES.into_iter();
    let mut was_lost = false;
    loop {
        let ended = async {
            hooks::restart_broken(context, app, name, plugin).await?;
            Ok::<_, app::Error>(plugin.after_backup(succeeded).await?)
        };
        let Err(source) = ended.await else { return Ok(()) };
        // What a plugin makes of an engine that does not answer is its own matter.
        let lost = app.engine.manager().await.err().filter(stays_unfinished);
        was_lost |= lost.is_some();
        let may_pass = was_lost || matches!(&source, app::Error::Plugin(it) if it.retryable());
        match (pauses.next().filter(|_| may_pass), lost) {
            (Some(pause), _) => tokio::time::sleep(pause).await,
            (None, Some(lost)) => return Err(NotEnded::Lost(lost)),
            (None, None) => return Err(NotEnded::Failed { plugin: name.to_owned(), source }),
        }
    }
}

/// Forgets what a failed backup stored. When that fails as well, the snapshots
/// stay: an incomplete set, never offered.
pub(super) async fn discard(context: &Context, app: &App, restic: &Restic, set: &SetId) {
    let forgetting = async {
        let found = restic.snapshots(&set::filter(&app.entry.name, Some(set))).await?;
        let ids: Vec<String> = found.into_iter().map(|s| s.id).collect();
        // A backup that was killed left a lock that only this runs into.
        let forget = || restic.forget(&ids);
        restic.past_locks(Duration::ZERO, &*context.progress, forget).await
    };
    // Without a repository nothing was stored.
    if let Err(error) = forgetting.await
        && !matches!(error, Error::NoRepository { .. })
    {
        let message =
            format!("what was stored of the backup {set} may still be in the repository: {error}");
        context.progress.warn(message);
    }
}
