//! Whether what a removal deletes for good is in a backup: asked before an operator is asked
//! for consent, and told before an undeploy, after which databases can no longer be dumped.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    covered::{Covered, own_volumes},
    unfinished::history_of,
};
use crate::{
    app::{App, Context, Error as AppError, Leaving},
    backup::{
        Error,
        options::{Missing, Options, find, unless_cancelled},
        recent::{Changed, NotSaved, saved},
        set::{
            SetId,
            judged::{Judging, relied_on},
            plan::{self, Planned},
            snapshots::sets_of,
            whose::Of,
        },
    },
    hooks::{self, consent},
    plugin::Role,
};

const UNCHANGED: &str = "nothing was changed";

/// How closely a set is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Whether there is a good one.
    Brief,
    /// Whether the files of its repository are there, too.
    Whole,
}

/// What is known of the data of an app that may be removed.
#[derive(Debug, Default)]
pub struct Saved {
    /// The newest set; none where the app has no volumes, or its recipe saves nothing of them.
    pub set: Option<SetId>,
    /// Volumes on its server that no backup has: the recipe leaves them out, or has parts of
    /// them. Empty where the recipe cannot be asked.
    pub without: Vec<String>,
}

/// The newest backup set of an app, which has to be complete, recent and newer than the last
/// deploy, and what no backup has.
///
/// # Errors
/// [`Error::NotSaved`], and those of [`crate::backup::snapshots`].
pub async fn require_saved(
    context: &Context,
    leaving: &Leaving,
    max_age: Duration,
    look: Look,
    options: &Options,
) -> Result<Saved, Error> {
    let checking = check(context, leaving, max_age, look, options);
    unless_cancelled(&options.cancel, UNCHANGED, checking).await
}

async fn check(
    context: &Context,
    leaving: &Leaving,
    max_age: Duration,
    look: Look,
    options: &Options,
) -> Result<Saved, Error> {
    let entry = &leaving.on_server.entry;
    let (engine, stack) = (leaving.engine(), &leaving.on_server.stack);
    let own = own_volumes(engine).await?;
    if own.is_empty() {
        return Ok(Saved::default());
    }
    let planned = match &leaving.app {
        Some(app) => match planned(context, app).await {
            Ok(planned) => Some(planned),
            Err(error) => {
                context.progress.warn(format!("what a backup would save is unknown: {error}"));
                None
            }
        },
        None => None,
    };
    let without = match (&leaving.app, &planned) {
        (Some(app), Some(planned)) => {
            let covered = Covered::by_plan(planned);
            own.into_iter().filter(|volume| !covered.has(volume, &app.stack)).collect()
        }
        _ => Vec::new(),
    };
    let planned = planned.map(|planned| {
        planned.iter().map(|item| format!("{}/{}", item.kind(), item.name)).collect::<Vec<_>>()
    });
    if planned.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Saved { set: None, without });
    }
    let not_saved = |repository: String, lack| {
        let (app, planned) = (entry.name.to_string(), planned.clone());
        Err(Error::NotSaved(Box::new(NotSaved { app, repository, planned, lack })))
    };
    let listing = async {
        let restic = find(context, entry, options, Missing::Refused).await?;
        let mut sets = sets_of(&restic, entry, &Of::Own).await?;
        if look == Look::Whole && !sets.sets.is_empty() {
            restic.check_packs().await?;
        }
        // What somebody else put there saves nothing.
        let judging = (Judging::Newest, "does not count");
        relied_on(context, &restic, entry, &mut sets.sets, judging).await?;
        Ok((restic, sets))
    };
    let (restic, sets) = match listing.await {
        Err(Error::NoRepository { repository, .. } | Error::RepositoryGone { repository, .. }) => {
            return not_saved(repository, None);
        }
        found => found?,
    };
    // A history that cannot be read says nothing.
    let history = match history_of(&*engine.beneath(), stack).await {
        Err(AppError::BadJournal { .. }) => None,
        found => found?,
    };
    let changed = Changed::of(history.as_ref().map_or(&[][..], |history| &history.lines));
    let judged = saved(&sets.sets, planned.as_deref(), &changed, Timestamp::now(), max_age);
    let checked = match judged {
        Ok(newest) => Ok(Saved { set: Some(newest.id.clone()), without }),
        Err(lack) => match sets.unreadable {
            // A better one may be among what cannot be read.
            Some(unreadable) => Err(Error::SnapshotsUnreadable {
                unreadable,
                app: entry.name.to_string(),
                wanted: None,
            }),
            None => not_saved(restic.name().to_owned(), Some(lack)),
        },
    };
    restic.settle().await;
    checked
}

/// Why it is unknown what a backup would save.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("the grants of the plugin `{0}` are not agreed to")]
    NotAgreed(String),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Backup(#[from] Error),
    #[error(transparent)]
    Plugin(#[from] crate::plugin::Error),
}

/// The items that a backup would save now; asks for no consent.
async fn planned(context: &Context, app: &App) -> Result<Vec<Planned>, Unknown> {
    let components = app.components()?;
    let wishes = consent::wishes(app, &components, &[]);
    for component in components.iter() {
        let is_open = wishes.iter().any(|wish| wish.plugin == component.entry.name);
        if is_open && component.roles()?.contains(&Role::Backup) {
            return Err(Unknown::NotAgreed(component.entry.name.clone()));
        }
    }
    let agreed = components
        .iter()
        .filter(|component| wishes.iter().all(|wish| wish.plugin != component.entry.name));
    let mut hooks = hooks::start_components(context, app, agreed, &[Role::Backup]).await?;
    Ok(plan::ask(app, &mut hooks).await?)
}
