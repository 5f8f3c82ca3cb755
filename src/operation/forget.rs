//! `backup forget` and `backup rm`: removing sets, whole ones and only those that nothing
//! holds. Their data leaves the repository with the next prune.
//!
//! Manifests are forgotten first: what an interruption leaves is an incomplete set, which
//! is never offered, and which the next `forget` removes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{releases, unfinished};
use crate::{
    app::{self, Context, OnServer},
    backup::{
        Error, NotRemoved,
        options::{Missing, Options, find, unless_cancelled},
        restic::{LOCK_LIMIT, Restic},
        results::{self, Subject},
        retention::{Action, Known, Verdict, decide},
        set::{
            SetId, SetSummary,
            judged::{Judged, Judging, judge},
            snapshots::{Sets, named, sets_of},
            whose::Of,
        },
    },
    home::{self, AppEntry},
    owner::release::held,
    text::line,
};

/// Snapshots that one run of restic forgets: arguments have a limit.
const AT_A_TIME: usize = 500;
/// What cancelling leaves.
const LEFT: &str = "what was not removed yet is kept";

/// What the caller of a removal decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removing {
    /// Decide, and remove nothing.
    pub dry_run: bool,
    /// Also where something is implausible, or the newest complete set would go.
    pub force: bool,
}

/// What was, or would be, kept and removed of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForgetReport {
    pub app: String,
    pub server: String,
    /// The name of the copy; none for the server's own repository.
    pub copy: Option<String>,
    /// Without credentials; none where the app was never backed up.
    pub repository: Option<String>,
    /// Whether server.yml has rules.
    pub rules: bool,
    /// Newest first.
    pub sets: Vec<Verdict>,
    pub removed: usize,
}

/// Removes the sets of an app that no rule of its server keeps, and what unfinished backups
/// left.
///
/// # Errors
/// [`Error::Implausible`]; [`Error::AppendOnly`]; [`Error::Refused`] from a store that takes additions only; what
/// the engine says, which knows what upgrades hold; and restic's failures.
pub async fn forget(
    context: &Context,
    app: &AppEntry,
    options: &Options,
    removing: Removing,
) -> Result<ForgetReport, Error> {
    let work = forgetting(context, app, options, removing);
    let done = unless_cancelled(&options.cancel, LEFT, work).await;
    if !removing.dry_run {
        let error = done.as_ref().err().map(|error| line(&error.to_string()).into_owned());
        let copy = options.from.as_ref();
        results::record(&context.home, Subject::Retention(app), copy, Timestamp::now(), error)?;
    }
    done
}

async fn forgetting(
    context: &Context,
    app: &AppEntry,
    options: &Options,
    removing: Removing,
) -> Result<ForgetReport, Error> {
    let backup = context.home.backup(&app.server)?;
    let rules = backup.keep_of(&app.name, options.from.as_ref());
    let mut report = ForgetReport {
        app: app.name.to_string(),
        server: app.server.to_string(),
        copy: options.from.as_ref().map(ToString::to_string),
        repository: None,
        rules: rules.is_some(),
        sets: Vec::new(),
        removed: 0,
    };
    let Some((restic, Sets { sets, unreadable, .. })) = sets_if_any(context, app, options).await?
    else {
        return Ok(report);
    };
    report.repository = Some(restic.name().to_owned());
    let _guard = context.home.guard_holds(app)?;
    let held = holds_of(context, app, removing.force).await?;
    let all: Vec<&SetSummary> = sets.iter().collect();
    let judged = judge(context, &restic, app, &all, Judging::All).await?;
    let Judged { doubts, forged } = judged;
    let known = Known {
        sets: &sets,
        unreadable: unreadable.is_some(),
        doubts: &doubts,
        forged: &forged,
        held: &held,
        now: Timestamp::now(),
        force: removing.force,
    };
    report.sets = decide(&known, rules)
        .map_err(|reason| Error::Implausible { app: app.name.to_string(), reason })?;
    let goes = |set: &&SetSummary| {
        report.sets.iter().any(|it| it.set == set.id && it.action == Action::Remove)
    };
    let going: Vec<&SetSummary> = sets.iter().filter(goes).collect();
    if !removing.dry_run && !going.is_empty() {
        restic.may_remove()?;
        remove(context, &restic, &going).await?;
    }
    report.removed = going.len();
    restic.settle().await;
    Ok(report)
}

/// Removes one set of an app.
///
/// # Errors
/// [`Error::NotRemoved`] for the newest complete one, unless forced, and for one that is
/// held; and as [`forget`].
pub async fn remove_set(
    context: &Context,
    app: &AppEntry,
    wanted: &str,
    options: &Options,
    removing: Removing,
) -> Result<SetId, Error> {
    let work = async {
        let restic = find(context, app, options, Missing::Refused).await?;
        restic.may_remove()?;
        let sets = sets_of(&restic, app, &options.sets_of).await?;
        let set = named(&app.name, &sets, wanted)?;
        let refused = |why: NotRemoved| {
            Err(Error::NotRemoved { app: app.name.to_string(), set: set.id.clone(), why })
        };
        if !removing.force {
            let newest = sets.sets.iter().find(|set| set.complete);
            if newest.is_some_and(|newest| newest.id == set.id) {
                return refused(NotRemoved::Newest);
            }
            if !set.complete && sets.unreadable.is_some() {
                return refused(NotRemoved::MayBeWhole);
            }
        }
        let _guard = context.home.guard_holds(app)?;
        let held = match &options.sets_of {
            Of::Own | Of::Any => holds_of(context, app, removing.force).await?,
            // A server of which the folder has no such app: there is no engine to ask.
            Of::Server(server) => {
                let app = AppEntry { name: app.name.clone(), server: server.clone() };
                if context.home.env_path(&app).exists() {
                    return refused(NotRemoved::OfOther { server: server.to_string() });
                }
                holds_of_team(context, &app)?
            }
        };
        if let Some(reasons) = held.get(&set.id) {
            return refused(NotRemoved::Held { reasons: reasons.clone() });
        }
        if !removing.dry_run {
            remove(context, &restic, &[set]).await?;
        }
        restic.settle().await;
        Ok(set.id.clone())
    };
    unless_cancelled(&options.cancel, LEFT, work).await
}

/// The app's sets; none where it was never backed up from here, and no repository exists.
async fn sets_if_any(
    context: &Context,
    app: &AppEntry,
    options: &Options,
) -> Result<Option<(Restic, Sets)>, Error> {
    let found = async {
        let restic = find(context, app, options, Missing::Refused).await?;
        let sets = sets_of(&restic, app, &Of::Own).await?;
        Ok((restic, sets))
    };
    match found.await {
        Err(Error::NoRepository { own: true, .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// Why sets of an app must not be removed, as people, upgrades and unfinished operations
/// have it.
async fn holds_of(
    context: &Context,
    app: &AppEntry,
    force: bool,
) -> Result<BTreeMap<SetId, Vec<String>>, Error> {
    let now = Timestamp::now();
    let mut all = holds_of_team(context, app)?;
    let mut hold = |set: &str, reason: String| {
        // Other text names no set that could be removed.
        if let Ok(set) = set.parse::<SetId>() {
            all.entry(set).or_default().push(reason);
        }
    };
    let on_server = OnServer::new(&context.home, app)?;
    on_server.engine.require().await.map_err(app::Error::from)?;
    let releases = releases::all(&on_server.engine).await?;
    if let Some(error) = releases.unreadable.into_iter().next()
        && !force
    {
        return Err(error.into());
    }
    for set in held(&releases.known, now) {
        hold(set, "held for the way back of an upgrade".into());
    }
    if let Some(kept) = unfinished::look(&on_server.engine).await?
        && let Some(set) = &kept.entry.set
    {
        hold(set, format!("in use by a {} that did not end", kept.entry.what.word()));
    }
    if let Some(set) = context.home.lock_file(app)?.restoring {
        hold(&set, "a restore of it did not finish".into());
    }
    Ok(all)
}

/// Those that people have.
fn holds_of_team(context: &Context, app: &AppEntry) -> Result<BTreeMap<SetId, Vec<String>>, Error> {
    let mut all: BTreeMap<SetId, Vec<String>> = BTreeMap::new();
    for found in context.home.holds(app)?.holds {
        let Ok(set) = found.set.parse::<SetId>() else {
            let message = format!("`{}` is not the name of a backup", line(&found.set));
            let path = context.home.holds_path(app);
            return Err(home::Error::Invalid { path, message }.into());
        };
        if found.is_on(Timestamp::now()) {
            all.entry(set).or_default().push(told(&found));
        }
    }
    Ok(all)
}

/// `held until 2026-12-31 by anna@laptop: audit`.
fn told(hold: &home::Hold) -> String {
    let until = match hold.until {
        Some(until) => format!(" until {}", until.strftime("%Y-%m-%d %H:%M UTC")),
        None => String::new(),
    };
    let reason = hold.reason.as_ref().map(|reason| format!(": {}", line(reason)));
    format!("held{until} by {}{}", line(&hold.by), reason.unwrap_or_default())
}

async fn remove(context: &Context, restic: &Restic, sets: &[&SetSummary]) -> Result<(), Error> {
    if sets.is_empty() {
        return Ok(());
    }
    context.progress.step(format!("forget {} backups", sets.len()));
    let (manifests, items): (Vec<&String>, Vec<&String>) = sets
        .iter()
        .flat_map(|set| set.snapshots.iter().map(move |id| (set, id)))
        .fold((Vec::new(), Vec::new()), |(mut manifests, mut items), (set, id)| {
            match set.manifest.as_ref() == Some(id) {
                true => manifests.push(id),
                false => items.push(id),
            }
            (manifests, items)
        });
    for ids in manifests.chunks(AT_A_TIME).chain(items.chunks(AT_A_TIME)) {
        let ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        let forget = || restic.forget(&ids);
        restic.past_locks(LOCK_LIMIT, &*context.progress, forget).await?;
    }
    Ok(())
}
