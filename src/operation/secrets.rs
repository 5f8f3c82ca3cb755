//! What changes an app's secrets on its swarm: under its lease, so that no deploy, backup or
//! removal of a colleague happens meanwhile, and not while an operation is unfinished.

use super::lease::leased;
use crate::{
    app::{App, Context, Error},
    engine::{Engine, Scope},
    home::AppGuard,
    secrets::{self, Keeper, Made, SecretPlan},
};

/// Does what changes an app's secrets in one step, under its lease.
///
/// # Errors
/// A stack that is not the app's, [`Error::Taken`], [`Error::Unfinished`], and what the work
/// ends with.
pub async fn change_secrets<T, E: From<Error>>(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    doing: &str,
    work: impl AsyncFnOnce() -> Result<T, E>,
) -> Result<T, E> {
    // The lease of another app's stack is not ours to take.
    app.engine.require().await.map_err(Error::from)?;
    leased(context, &app.engine, guard, doing, async |_| work().await).await
}

/// Makes the secrets that are missing, as [`secrets::generate`]; without the lease where
/// there is none to make.
///
/// # Errors
/// As [`change_secrets`] and [`secrets::generate`].
pub async fn generate_secrets(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    plans: &[SecretPlan],
    keeper: &Keeper,
) -> Result<Made, Error> {
    let generate = || secrets::generate(&*app.engine, &app.entry.name, plans, keeper);
    let stored = app.engine.secrets(Scope::All).await?;
    let is_stored = |plan: &SecretPlan| {
        let names = stored.iter().filter_map(|secret| secret.spec.as_ref()?.name.as_ref());
        names.into_iter().any(|name| *name == plan.full_name)
    };
    let mut missing = plans.iter().filter(|plan| plan.generate && !is_stored(plan));
    if missing.next().is_none() {
        return Ok(generate().await?);
    }
    change_secrets(context, guard, app, "the making of secrets", async || Ok(generate().await?))
        .await
}
