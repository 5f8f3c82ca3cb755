//! `backup create`: one set of one app.
//!
//! settings → `before-backup` → items → manifest → `after-backup`, which always runs once
//! `before-backup` has run. The settings come first because storing them also proves the
//! repository and its password before the app is told about a backup; every run of restic
//! spends half a second on deriving its key, so no run is made just to check. The manifest
//! is stored last, so that an interruption leaves a set that is never offered for restore;
//! its snapshots are forgotten right away if possible.
//!
//! What services do while the volumes that they write are read is `writers` of the settings
//! (`backup/set/holding.rs`); `ending.rs` has the end, also of a backup that did not get there.

mod ending;
mod planned;
mod steps;

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    alone::alone,
    copies::CopyReport,
    journal::{self, Journal},
    lease::{Lease, leased_anyway},
    recover::{self, take_over},
    unfinished,
};
use crate::{
    app::{self, App, Context, Unfinished},
    backup::{
        Error,
        known::remember,
        options::{Missing, Options, find, unless_cancelled, writers_of},
        restic::{LOCK_LIMIT, Restic},
        set::{
            self, ItemKind, ItemName, SetId, SetSummary,
            census::Census,
            compare::{self, Shrunk},
            facts,
            holding::{Holding, running_writers},
            item_tags,
            manifest::{self, Item, Manifest},
            plan::{self, Planned, What as Saved},
            signing::Signing,
            snapshots::Sets,
            take::Taking,
        },
        stopped,
        warnings::Warnings,
    },
    home::{AppGuard, VolumeWriters},
    hooks::{self, Guarding},
    owner::journal::{Entry, Outcome, What},
    plugin::{Hooks, Role},
    progress::Event,
};
pub(super) use ending::{Complete, Found, end_unfinished, tidy};
use ending::{NotEnded, discard, end_hooks};
pub use planned::{BackupPlan, PlannedItem, plan_backup};
use steps::{AFTER_BACKUP, BEFORE_BACKUP, ITEMS, MANIFEST, SETTINGS, STOP, steps};

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
                let taking = async { Ok(take_over(context, &app.engine, lease, kept).await?) };
                let left = "an earlier backup is unfinished still";
                let journal = unless_cancelled(&options.cancel, left, taking).await?;
                end_unfinished(context, guard, app, options, journal).await?;
            }
            _ => unfinished::refuse_unfinished(&app.engine, app.entry.name.as_str()).await?,
        }
        back_up_alone(context, guard, app, options, lease).await
    })
    .await
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
    let writers = writers_of(context, &app.entry, options)?;
    let stopped = match writers {
        VolumeWriters::Stop => {
            let own = app.stack.volumes.iter().filter(|volume| !volume.external);
            running_writers(app, own).await?
        }
        VolumeWriters::Run | VolumeWriters::Pause => Vec::new(),
    };
    let restic = find(context, &app.entry, options, Missing::Made).await?;
    let set = new_set()?;
    let begins = Entry {
        set: Some(set.to_string()),
        before: app.checkout.version.clone(),
        steps: steps(writers),
        services: recover::services(stopped.iter().map(|(_, service)| service)),
        ..journal::entry_of(lease, &app.entry.name, What::Backup)
    };
    let journal = Journal::begin(&app.engine, lease, begins).await?;
    let done = make(context, guard, app, options, (restic, set), &journal).await;
    if let Err(Error::Cancelled { .. }) = &done {
        recover::tell_running(context, &app.engine, &journal.kept()).await;
    }
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
    let holding = Holding::new(writers_of(context, &app.entry, options)?);

    let mut hooks = Vec::new();
    let mut begun = 0;
    let taking = Taking {
        guard,
        app,
        restic: &restic,
        set: &set,
        progress: &context.progress,
        warnings: &warnings,
        holding: &holding,
        census: &census,
    };
    let taking = take(context, &taking, options, journal, &mut hooks, &mut begun);
    let outcome = unless_cancelled(cancel, LEFT, taking).await;
    restic.settle().await;
    // Both run whatever happened.
    let freed = holding.free(context, app).await;
    let stepped = journal.step(AFTER_BACKUP).await;
    let ended = end_hooks(context, app, &mut hooks, begun, outcome.is_ok()).await;

    let (manifest, snapshot) = match outcome {
        Ok(taken) => taken,
        Err(error) => {
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
            // What is left to do counts for more: the journal stays, or services are down.
            let left = match (freed, ended) {
                (Err(left), ended) => {
                    if let Err(failed) = ended {
                        context.progress.warn(failed.to_string());
                    }
                    Some(left)
                }
                (Ok(()), Err(NotEnded::Lost(lost))) => Some(lost.into()),
                (Ok(()), Err(failed @ NotEnded::Failed { .. })) => {
                    context.progress.warn(failed.to_string());
                    None
                }
                (Ok(()), Ok(())) => None,
            };
            let Some(left) = left else { return Err(stopped::explain(app, error).await) };
            context.progress.warn(format!("no backup was made: {error}"));
            return Err(left);
        }
    };
    remember(context, &app.entry, restic.name())?;
    freed?;
    stepped?;
    match ended {
        Ok(()) => {}
        Err(NotEnded::Lost(lost)) => return Err(lost.into()),
        Err(NotEnded::Failed { plugin, source }) => {
            return Err(Error::AfterBackup { set, plugin, source: Box::new(source) });
        }
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
        // Dumps come from services that run, as does what plugins produce.
        let volumes = |item: &&Planned| item.kind() == ItemKind::Volume;
        let first = planned.iter().position(|item| volumes(&item));
        let last = planned.iter().rposition(|item| volumes(&item));
        for (index, item) in planned.iter().enumerate() {
            if Some(index) == first && taking.holding.stops() {
                stop_writers(context, taking, &planned, journal).await?;
            }
            items.push(taking.take(item, hooks).await?);
            if Some(index) == last {
                taking.holding.free(context, app).await?;
            }
        }
        Ok::<_, Error>(items)
    };
    // Beside the items: it only reads the repository.
    let (mut items, ()) = futures_util::try_join!(items, taking.restic.check_packs())?;
    items.push(settings);
    let Sets { sets, unreadable, .. } = taking.complete(&mut items).await?;
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

/// Stops the services that write the volumes of the plan.
async fn stop_writers(
    context: &Context,
    taking: &Taking<'_>,
    planned: &[Planned],
    journal: &Journal,
) -> Result<(), Error> {
    let Taking { app, holding, .. } = *taking;
    let volumes = planned.iter().filter_map(|item| match &item.what {
        Saved::Volume { volume, .. } => Some(volume),
        Saved::Dump { .. } | Saved::Custom => None,
    });
    let mut writers = running_writers(app, volumes).await?;
    // After a crash, only those of the journal are known.
    let known = journal.entry().services;
    writers.retain(|(_, live)| known.iter().any(|before| Some(&before.id) == live.id.as_ref()));
    let (keys, live): (Vec<String>, Vec<_>) = writers.into_iter().unzip();
    if keys.is_empty() {
        return Ok(());
    }
    journal.step(STOP).await?;
    let names = live.into_iter().filter_map(|service| service.spec?.name);
    journal.stopping(&names.collect::<Vec<_>>()).await?;
    context.progress.step(format!("stop {}", keys.join(", ")));
    holding.stop(context, app, &keys).await
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
            // restic spoils one that two make at once.
            let _alone = alone(context, &taking.app.entry).await?;
            match stored(context, taking).await {
                Err(Error::NoRepository { .. }) => {}
                done => return done,
            }
            taking.restic.init().await?;
            tell_made(context, taking, &repository)?;
            context.progress.event(Event::Done {
                name: "repository".into(),
                detail: format!("made at {repository}, because there was none"),
            });
            stored(context, taking).await
        }
        done => done,
    }
}

/// That a repository is new says nothing on a team's first machine; on another one, the
/// backups of the others may have been in it.
fn tell_made(context: &Context, taking: &Taking<'_>, repository: &str) -> Result<(), Error> {
    if !context.home.backup(&taking.app.entry.server)?.names_repository() {
        return Ok(());
    }
    let own = Signing::of_this_machine(context)?.fingerprint();
    if context.home.signers()?.iter().any(|(other, _)| *other != own) {
        let said = format!(
            "there was no repository at {repository}, and this machine never made a backup there: a \
             new one was made. If other machines of the team have backups there, they are gone, or \
             its disk is not mounted"
        );
        taking.warnings.add(&*context.progress, said);
    }
    Ok(())
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
