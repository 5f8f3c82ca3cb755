//! What changes an app's secrets on its swarm: under its lease, so that no deploy, backup or
//! removal of a colleague happens meanwhile, and not while an operation is unfinished.

use super::{journal, lease::leased, unfinished::note};
use crate::{
    app::{App, Context, Error},
    engine::{Engine, Scope},
    home::AppGuard,
    owner::journal::{Entry, Outcome, What},
    secrets::{self, Generated, Keeper, Made, SecretPlan},
};

/// Secrets that a change has stored and removed so far, by name: what the history has of it.
#[derive(Debug, Default)]
pub struct Changed {
    pub stored: Vec<String>,
    pub removed: Vec<String>,
}

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
    work: impl AsyncFnOnce(&mut Changed) -> Result<T, E>,
) -> Result<T, E> {
    // The lease of another app's stack is not ours to take.
    app.engine.require().await.map_err(Error::from)?;
    leased(context, &app.engine, guard, doing, async |lease| {
        let begins = journal::entry_of(lease, &app.entry.name, What::Secrets);
        let mut changed = Changed::default();
        let result = work(&mut changed).await;
        let Changed { stored, removed } = changed;
        if !stored.is_empty() || !removed.is_empty() {
            let named = |names: Vec<String>| (!names.is_empty()).then(|| names.join(", "));
            let entry = Entry { before: named(removed), after: named(stored), ..begins };
            let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
            note(context, &app.engine, &entry, outcome, None).await;
        }
        result
    })
    .await
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
    change_secrets(context, guard, app, "the making of secrets", async |changed| {
        let made = generate().await?;
        let full = |new: &Generated| {
            let plan = plans.iter().find(|plan| plan.name == new.name);
            plan.map(|plan| plan.full_name.clone())
        };
        changed.stored.extend(made.made.iter().filter_map(full));
        Ok(made)
    })
    .await
}
