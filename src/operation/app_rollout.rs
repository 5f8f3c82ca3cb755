//! How an app's stack is rolled out to its swarm.

use std::sync::Arc;

use crate::{
    app::{App, Context, Error},
    compose::Stack,
    home::LockFile,
    owner::{Confined, journal::What},
    rollout::{
        Subject,
        live::Live,
        run::{Before, Images, OnFailure, Rollout, timeout},
        send::auths::SendAuth,
        work::{Jobs, Policy, Prune, ResolveImage, Work, contents::Marks},
    },
};

use super::{DeployOptions, record::Record, releases};

/// The parts of the app that a rollout needs; the rest changes when consent is recorded.
pub(super) struct Wanted {
    engine: Arc<Confined>,
    stack: Arc<Stack>,
    known: Vec<String>,
}

impl Wanted {
    /// # Errors
    /// A record of the last deploy that cannot be read.
    pub fn of(context: &Context, app: &App) -> Result<Self, Error> {
        let record = Record::read(context, &app.entry)?;
        let known = record.map(|record| record.services).unwrap_or_default();
        Ok(Wanted { engine: Arc::clone(&app.engine), stack: Arc::clone(&app.stack), known })
    }
}

/// What kind of change a deploy is.
pub(super) fn what(app: &App, options: &DeployOptions) -> What {
    match (&app.replays, &options.upgrade) {
        (Some(_), _) => What::Rollback,
        (None, Some(_)) => What::Upgrade,
        (None, None) => What::Deploy,
    }
}

/// The options for applying an app's stack. Services that fail to start get their old specs
/// back; credentials are sent if there are any, so that every node can pull from a private
/// registry.
pub(super) fn rollout<'a>(
    context: &'a Context,
    app: &App,
    wanted: &'a Wanted,
    options: &DeployOptions,
) -> Rollout<'a> {
    Rollout {
        engine: &*wanted.engine,
        known: &wanted.known,
        stack: &wanted.stack,
        progress: &*context.progress,
        docker: &context.docker,
        auth: SendAuth::WhereKnown,
        policy: Policy {
            // A release has digests already.
            images: match app.replays {
                Some(_) => ResolveImage::Written,
                None => ResolveImage::Kept,
            },
            prune: Prune::All,
            force: options.force,
            jobs: Jobs::Keep,
            secrets: Marks::Content,
        },
        limit: timeout(&app.stack, options.timeout),
        on_failure: OnFailure::GoBack(before(&app.lock)),
        subject: subject(app),
        doing: what(app, options).word(),
    }
}

/// What the lock file knows about the running version: that it ran successfully, or
/// that a deploy was begun and has not succeeded.
fn before(lock: &LockFile) -> Before {
    match (&lock.begun, &lock.recipe) {
        (Some(_), _) => Before::Attempt,
        (None, Some(_)) => Before::Good,
        (None, None) => Before::Foreign,
    }
}

pub(super) fn subject(app: &App) -> Subject {
    Subject::App(app.entry.name.to_string())
}

/// What has to be done; objects that are no longer needed are removed only if they are the app's.
pub(super) async fn work(
    rollout: &Rollout<'_>,
    app: &App,
    live: &Live,
    images: &Images,
) -> Result<Work, Error> {
    let mut work = rollout.work(live, images);
    let owned = app.engine.owned().await?;
    work.stale.limit_to_owned(&owned);
    if !work.stale.configs.is_empty() || !work.stale.secrets.is_empty() {
        releases::all(&app.engine).await?.keep(&mut work.stale);
    }
    Ok(work)
}
