//! How an app's stack is rolled out to its swarm.

use std::sync::Arc;

use crate::{
    app::{App, Context, Error},
    compose::Stack,
    home::LockFile,
    owner::Confined,
    rollout::{
        Subject,
        live::Live,
        run::{Before, Images, OnFailure, Rollout, timeout},
        send::auths::SendAuth,
        work::{Jobs, Policy, Prune, ResolveImage, Work, contents::Marks},
    },
};

use super::DeployOptions;

/// What a rollout is of; the rest of the app changes as consent is written down.
pub(super) struct Wanted {
    engine: Arc<Confined>,
    stack: Arc<Stack>,
}

impl Wanted {
    pub fn of(app: &App) -> Self {
        Wanted { engine: Arc::clone(&app.engine), stack: Arc::clone(&app.stack) }
    }
}

/// What applying an app's stack means. Services that do not come up get their
/// old specs back; credentials go along where there are any, so that every node
/// can pull from a private registry.
pub(super) fn rollout<'a>(
    context: &'a Context,
    app: &App,
    wanted: &'a Wanted,
    options: &DeployOptions,
) -> Rollout<'a> {
    Rollout {
        engine: &*wanted.engine,
        stack: &wanted.stack,
        progress: &*context.progress,
        docker: &context.docker,
        auth: SendAuth::WhereKnown,
        policy: Policy {
            images: ResolveImage::Kept,
            prune: Prune::All,
            force: options.force,
            jobs: Jobs::Keep,
            secrets: Marks::Content,
        },
        limit: timeout(&app.stack, options.timeout),
        on_failure: OnFailure::GoBack(before(&app.lock)),
        subject: subject(app),
    }
}

/// What the lock file knows of what runs: that it came up, or that a deploy was begun
/// that has not ended well.
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

/// What has to be done; what is wanted no more goes only where it is the app's.
pub(super) async fn work(
    rollout: &Rollout<'_>,
    app: &App,
    live: &Live,
    images: &Images,
) -> Result<Work, Error> {
    let mut work = rollout.work(live, images);
    let owned = app.engine.owned().await?;
    work.stale.limit_to_owned(&owned);
    Ok(work)
}
