//! `backup create`: one set of one app.
//!
//! settings → `before-backup` → items → manifest → `after-backup`, which always runs once
//! `before-backup` has run. The settings come first because storing them also proves the
//! repository and its password before the app is told about a backup; every run of restic
//! spends half a second on deriving its key, so no run is made just to check. The manifest
//! is stored last, so that an interruption leaves a set that is never offered for restore;
//! its snapshots are forgotten right away if possible.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    alone::alone,
    copies::CopyReport,
    journal::{self, Journal},
    lease::{Lease, leased_anyway},
    recover::take_over,
    unfinished,
};
use crate::{
    app::{self, App, Context, Unfinished},
    backup::{
        Error,
        known::{known, remember},
        options::{Missing, Options, find, unless_cancelled},
        restic::{LOCK_LIMIT, Restic},
        set::{
            self, ItemKind, ItemName, SetId, SetSummary,
            census::Census,
            compare::{self, Shrunk},
            facts, item_tags,
            manifest::{self, Item, Manifest},
            plan::{self, Planned},
            signing::Signing,
            snapshots::{Sets, sets_of},
            take::Taking,
        },
        stopped,
        warnings::Warnings,
    },
    home::AppGuard,
    hooks::{self, Guarding},
    owner::journal::{Entry, Outcome, Step, Undo, What},
    plugin::{Hooks, Role},
    progress::Event,
};

/// What cancelling a backup leaves.
const LEFT: &str = "no backup was made";

/// What a backup took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetReport {
    pub set: SetId,
    pub app: String,
    /// Without credentials.
    pub repository: String,
    pub items: Vec<ItemReport>,
    /// Bytes of data before compression.
    pub bytes: u64,
    pub seconds: f64,
    /// Id of the manifest's snapshot; restic up to 0.16 tells its first digits.
    pub manifest: String,
    /// Warnings of a successful backup.
    pub warnings: Vec<String>,
    /// What the copies of the server received.
    pub copies: Vec<CopyReport>,
}

/// One item of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ItemReport {
    pub name: ItemName,
    pub kind: ItemKind,
    pub bytes: u64,
    pub seconds: f64,
    /// Id, or its first digits; none for an empty volume.
    pub snapshot: Option<String>,
}

/// Takes a set of the app.
///
/// # Errors
/// What prevented one item from being saved completely; then there is no set.
/// [`Error::AfterBackup`] when there is one, but its last hook failed.
pub async fn back_up(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    options: &Options,
) -> Result<SetReport, Error> {
    leased_anyway(context, &app.engine, guard, "a backup", async |lease: &Lease| {
        match unfinished::look(&app.engine).await? {
            // One that was killed at 3 am must not keep the next night's from being made.
            Some(kept) if kept.entry.what == What::Backup && kept.reached.outcome.is_none() => {
                let told = Unfinished::of(&kept);
                context.progress.warn(format!("{told}; ending it first"));
                let journal = take_over(context, &app.engine, lease, kept).await?;
                end_unfinished(context, guard, app, options, journal).await?;
            }
            _ => unfinished::refuse_unfinished(&app.engine, app.entry.name.as_str()).await?,
        }
        back_up_alone(context, guard, app, options, lease).await
    })
    .await
}

/// Ends a backup that did not end: plugins receive `after-backup`, and what it stored is
/// forgotten.
///
/// # Errors
/// [`Error::NoRepository`] and its like, and what the engine says.
pub(super) async fn end_unfinished(
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
pub(super) struct Found {
    pub set: Option<SetId>,
    /// Whether `before-backup` may have been called.
    pub begun: bool,
    pub complete: Complete,
}

/// What becomes of a set that is complete, though its backup did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Complete {
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
pub(super) async fn tidy(
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
        if let Err((plugin, error)) = end_hooks(context, app, &mut hooks, all, false).await {
            context
                .progress
                .warn(format!("`after-backup` of the plugin `{plugin}` failed: {error}"));
        }
    }
    if let Some(set) = set {
        match find(context, &app.entry, options, Missing::Refused).await {
            Ok(restic) => {
                let sets = sets_of(&restic, &app.entry.name).await;
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

const SETTINGS: &str = "repository and settings";
const BEFORE_BACKUP: &str = "before-backup";
const ITEMS: &str = "items";
const MANIFEST: &str = "manifest";
const AFTER_BACKUP: &str = "after-backup";

/// The steps of a backup, as its journal has them.
fn steps() -> Vec<Step> {
    [
        (SETTINGS, Undo::Nothing),
        (BEFORE_BACKUP, Undo::Tell),
        (ITEMS, Undo::Tell),
        (MANIFEST, Undo::Tell),
        (AFTER_BACKUP, Undo::Tell),
    ]
    .map(|(name, undo)| Step::new(name, undo))
    .into()
}

pub(super) async fn back_up_alone(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    options: &Options,
    lease: &Lease,
) -> Result<SetReport, Error> {
    app.engine.require().await.map_err(app::Error::from)?;
    if app::is_unknown(&app.engine).await? {
        return Err(Error::NothingYet { app: app.entry.name.to_string() });
    }
    hooks::check_grants(context, app)?;
    let restic = find(context, &app.entry, options, Missing::Made).await?;
    let set = new_set()?;
    let begins = Entry {
        set: Some(set.to_string()),
        before: app.checkout.version.clone(),
        steps: steps(),
        ..journal::entry_of(lease, &app.entry.name, What::Backup)
    };
    let journal = Journal::begin(&app.engine, lease, begins).await?;
    let done = make(context, guard, app, options, (restic, set), &journal).await;
    // A set of which only the last hook failed is one.
    match done {
        Err(error @ Error::AfterBackup { .. }) => {
            let said = error.to_string();
            journal.end(context, Outcome::Done, Some(said)).await?;
            Err(error)
        }
        done => journal.conclude(context, done, Error::of_engine, |_| true).await,
    }
}

/// Goes the steps.
///
/// # Errors
/// As [`back_up`].
pub(super) async fn make(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    options: &Options,
    (restic, set): (Restic, SetId),
    journal: &Journal,
) -> Result<SetReport, Error> {
    let began = Instant::now();
    let cancel = &options.cancel;
    let (warnings, census) = (Warnings::default(), Census::default());

    let mut hooks = Vec::new();
    let mut begun = 0;
    let taking = Taking {
        guard,
        app,
        restic: &restic,
        set: &set,
        progress: &context.progress,
        warnings: &warnings,
        census: &census,
    };
    let taking = take(context, &taking, options, journal, &mut hooks, &mut begun);
    let outcome = unless_cancelled(cancel, LEFT, taking).await;
    restic.settle().await;
    // It runs whatever happened.
    let stepped = journal.step(AFTER_BACKUP).await;
    let ended = end_hooks(context, app, &mut hooks, begun, outcome.is_ok()).await;

    let (manifest, snapshot) = match outcome {
        Ok(taken) => taken,
        Err(error) => {
            if let Err((plugin, error)) = ended {
                let message = format!("`after-backup` of the plugin `{plugin}` failed: {error}");
                context.progress.warn(message);
            }
            let unreadable = matches!(
                error,
                Error::NoRepository { .. }
                    | Error::RepositoryGone { .. }
                    | Error::ReadOnly { .. }
                    | Error::WrongPassword { .. }
            );
            if !unreadable {
                discard(context, app, &restic, &set).await;
            }
            return Err(stopped::explain(app, error).await);
        }
    };
    remember(context, &app.entry, restic.name())?;
    stepped?;
    if let Err((plugin, source)) = ended {
        return Err(Error::AfterBackup { set, plugin, source: Box::new(source) });
    }
    Ok(SetReport {
        app: manifest.app.clone(),
        repository: restic.name().to_owned(),
        bytes: manifest.bytes(),
        items: manifest.items.into_iter().map(report).collect(),
        seconds: began.elapsed().as_secs_f64(),
        manifest: snapshot,
        warnings: warnings.into_all(),
        copies: Vec::new(),
        set,
    })
}

fn report(item: Item) -> ItemReport {
    ItemReport {
        name: item.name,
        kind: item.kind,
        bytes: item.bytes,
        seconds: std::time::Duration::from_millis(item.milliseconds).as_secs_f64(),
        snapshot: item.snapshot,
    }
}

/// A name for a set that begins now.
pub(super) fn new_set() -> Result<SetId, Error> {
    let mut random = [0; 3];
    getrandom::fill(&mut random)
        .map_err(|e| Error::io("reading", "the operating system's randomness")(e.into()))?;
    Ok(SetId::new(Timestamp::now(), random))
}

async fn take(
    context: &Context,
    taking: &Taking<'_>,
    options: &Options,
    journal: &Journal,
    hooks: &mut Vec<(String, Hooks)>,
    begun: &mut usize,
) -> Result<(Manifest, String), Error> {
    let Taking { guard, app, set, .. } = *taking;
    // A set that cannot be signed is not begun.
    let signing = Signing::of_this_machine(context)?;
    journal.step(SETTINGS).await?;
    // Neither of the two touches the app.
    let (settings, planned) = futures_util::try_join!(first(context, taking), async {
        *hooks = hooks::start(context, app, Role::Backup, Guarding::Held(guard)).await?;
        plan::ask(app, hooks).await
    })?;
    if let Some(message) = app::half_restored(&app.entry.name, &app.lock) {
        taking.warnings.add(&*context.progress, message);
    }
    if planned.is_empty() {
        let message = format!("{} has no data to save: only its settings are", app.entry.name);
        taking.warnings.add(&*context.progress, message);
    }
    journal.step(BEFORE_BACKUP).await?;
    for (name, plugin) in hooks.iter_mut() {
        context.progress.step(format!("{name}: before-backup"));
        // Counted before it runs: one that failed has to be ended, too.
        *begun += 1;
        plugin.before_backup().await?;
    }
    journal.step(ITEMS).await?;
    let items = async {
        let mut items = Vec::new();
        for item in &planned {
            items.push(taking.take(item, hooks).await?);
        }
        Ok::<_, Error>(items)
    };
    // Beside the items: it only reads the repository.
    let (mut items, ()) = futures_util::try_join!(items, taking.restic.check_packs())?;
    items.push(settings);
    let Sets { sets, unreadable } = taking.complete(&mut items).await?;
    let last = sets.iter().find(|set| set.complete);
    let mut said = taking.census.missing();
    if let Some(last) = last {
        said.extend(shrunk(context, app, options, (&planned, &items), last)?);
    }
    let lost = unreadable.map(|unreadable| {
        let hint = unreadable.hint();
        format!("{unreadable}: earlier backups are missing or incomplete ({hint})")
    });
    for message in said.into_iter().chain(lost) {
        taking.warnings.add(&*context.progress, message);
    }
    let manifest = Manifest {
        format: Manifest::format(),
        potluck: env!("CARGO_PKG_VERSION").into(),
        set: set.clone(),
        app: app.entry.name.to_string(),
        server: app.entry.server.to_string(),
        stack: app.name.to_string(),
        recipe: app.checkout.recipe.to_string(),
        version: app.checkout.version.clone(),
        commit: app.checkout.commit.clone(),
        created: set.begun(),
        items,
        warnings: taking.warnings.all(),
    };
    // What someone else changed meanwhile would be in it: the set stays incomplete then.
    journal.step(MANIFEST).await?;
    let snapshot = store_manifest(context, taking, &manifest, &signing).await?;
    Ok((manifest, snapshot))
}

/// The warnings about items that are smaller than in the last set.
///
/// # Errors
/// [`Error::Shrunk`] where they are so small that something must be wrong.
fn shrunk(
    context: &Context,
    app: &App,
    options: &Options,
    (planned, items): (&[Planned], &[Item]),
    last: &SetSummary,
) -> Result<Vec<String>, Error> {
    let least = context.home.backup(&app.entry.server)?.smallest_dump();
    let kept = planned.iter().filter(|item| item.keeps_its_size()).map(Planned::label);
    let Shrunk { refused, warned } = compare::shrunk(items, last, &kept.collect(), least);
    match refused.is_empty() || options.allow_shrink {
        true => Ok([refused, warned].concat()),
        false => Err(Error::Shrunk { app: app.entry.name.to_string(), told: refused }),
    }
}

/// Stores the settings, in a new repository where there is none yet.
async fn first(context: &Context, taking: &Taking<'_>) -> Result<Item, Error> {
    match stored(context, taking).await {
        Err(Error::NoRepository { repository, .. }) => {
            let entry = &taking.app.entry;
            if let Some(record) = known(context, entry, &repository)? {
                let (app, record) = (entry.name.to_string(), record.display().to_string());
                return Err(Error::RepositoryGone { repository, app, record });
            }
            // restic spoils one that two make at once.
            let _alone = alone(context, &taking.app.entry).await?;
            match stored(context, taking).await {
                Err(Error::NoRepository { .. }) => {}
                done => return done,
            }
            taking.restic.init().await?;
            context.progress.event(Event::Done {
                name: "repository".into(),
                detail: format!("made at {repository}, because there was none"),
            });
            stored(context, taking).await
        }
        done => done,
    }
}

/// Handles existing locks first: later calls find none, or one that was taken
/// meanwhile.
async fn stored(context: &Context, taking: &Taking<'_>) -> Result<Item, Error> {
    let work = || settings(context, taking);
    taking.restic.past_locks(LOCK_LIMIT, &*context.progress, work).await
}

async fn settings(context: &Context, taking: &Taking<'_>) -> Result<Item, Error> {
    let began = Instant::now();
    let name = ItemName::new(facts::NAME).map_err(|e| Error::BadItem { reason: e.to_string() })?;
    let tar = facts::pack(context, taking.app, taking.set).await?;
    let tags = item_tags(&taking.app.entry.name, taking.set, ItemKind::Settings, &name);
    let summary = taking.bytes(&name, &tags, &tar).await?;
    Ok(Item {
        name,
        kind: ItemKind::Settings,
        bytes: summary.bytes,
        snapshot: Some(summary.snapshot_id),
        tree: None,
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        volume: None,
        service: None,
        plugin: None,
    })
}

async fn store_manifest(
    context: &Context,
    taking: &Taking<'_>,
    manifest: &Manifest,
    signing: &Signing,
) -> Result<String, Error> {
    context.progress.step(set::MANIFEST);
    let name =
        ItemName::new(manifest::FILE).map_err(|e| Error::BadItem { reason: e.to_string() })?;
    Ok(taking.bytes(&name, &manifest.tags(), &signing.seal(manifest)).await?.snapshot_id)
}

/// Calls `after-backup` of every plugin whose `before-backup` was called; the
/// first failure is returned, after all were called.
async fn end_hooks(
    context: &Context,
    app: &App,
    hooks: &mut [(String, Hooks)],
    begun: usize,
    succeeded: bool,
) -> Result<(), (String, app::Error)> {
    let mut first = Ok(());
    for (name, plugin) in hooks.iter_mut().take(begun) {
        context.progress.step(format!("{name}: after-backup"));
        let ended = async {
            hooks::restart_broken(context, app, name, plugin).await?;
            Ok(plugin.after_backup(succeeded).await?)
        };
        if let Err(error) = ended.await
            && first.is_ok()
        {
            first = Err((name.clone(), error));
        }
    }
    first
}

/// Forgets what a failed backup stored. When that fails as well, the snapshots
/// stay: an incomplete set, never offered.
async fn discard(context: &Context, app: &App, restic: &Restic, set: &SetId) {
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
        let message = format!("the incomplete backup {set} is still in the repository: {error}");
        context.progress.warn(message);
    }
}
