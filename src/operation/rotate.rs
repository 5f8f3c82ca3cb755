//! `app secret rotate`: new versions of secrets.
//!
//! Each new secret is made, then the settings ask for all of them at once, so that a deploy
//! never finds settings without their secrets. The journal has names and versions only: which
//! setting has a version is told by the recipe of the folder that finishes the operation.

use super::{
    journal::{self, Journal},
    lease::{Lease, leased},
};
use crate::{
    app::{App, Context, Error},
    engine::{Engine, Kind, Scope},
    home::{self, AppGuard},
    owner::{
        Confined, Wanted,
        journal::{Entry, MadeKind, Rotated, Step, Undo, What},
    },
    secrets::{self, Keeper, SecretPlan, escrow::Rotation},
};

/// The settings ask for the new versions.
const SETTINGS: &str = "settings";

fn make_step(name: &str, version: &str) -> String {
    format!("make {name} {version}")
}

/// Makes new versions of secrets, and writes them into the settings.
///
/// # Errors
/// A version that exists already, [`Error::Taken`], [`Error::Unfinished`], and what the
/// engine says; what was made is removed again then.
pub async fn rotate(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    rotations: &[Rotation],
    keeper: &Keeper,
) -> Result<(), Error> {
    app.engine.require().await?;
    leased(context, &app.engine, guard, "a rotation of secrets", async |lease: &Lease| {
        let made = rotations.iter().filter(|rotation| rotation.to.generate);
        let steps = made
            .clone()
            .map(|Rotation { to, .. }| Step::new(make_step(&to.name, &to.version), Undo::Secrets));
        let rotated = rotations.iter().map(|Rotation { from, key, to }| Rotated {
            name: to.name.clone(),
            key: key.clone(),
            from: from.version.clone(),
            to: to.version.clone(),
        });
        let begins = Entry {
            recipe: app.checkout.recipe.to_string(),
            steps: steps.chain([Step::new(SETTINGS, Undo::Settings)]).collect(),
            made: made.map(|it| (MadeKind::Secret, it.to.full_name.clone())).collect(),
            rotated: rotated.collect(),
            ..journal::entry_of(lease, &app.entry.name, What::Rotate)
        };
        // Before anything is begun.
        let found = app.engine.secrets(Scope::All).await?;
        let names = found.iter().filter_map(|secret| secret.spec.as_ref()?.name.as_ref());
        let taken = |to: &&SecretPlan| names.clone().any(|name| *name == to.full_name);
        if let Some(to) = rotations.iter().map(|rotation| &rotation.to).find(taken) {
            let (name, version) = (to.name.clone(), to.version.clone());
            return Err(secrets::Error::Exists { name, version }.into());
        }
        let journal = Journal::begin(&app.engine, lease, begins).await?;
        finish_rotation(context, guard, app, keeper, journal).await
    })
    .await
}

/// Goes the steps of a rotation that are still to be gone; what fails is undone.
///
/// # Errors
/// As [`rotate`]; [`Error::OtherGoal`] where the recipe of this folder has no such secrets.
pub(super) async fn finish_rotation(
    context: &Context,
    guard: &AppGuard,
    app: &App,
    keeper: &Keeper,
    journal: Journal,
) -> Result<(), Error> {
    let entry = journal.entry();
    let rotations = rotations(app, &entry)?;
    let done = forward(context, app, keeper, &journal, &rotations).await;
    let mut undone = true;
    if let Err(error) = &done
        && !error.of_engine().is_some_and(journal::stays_unfinished)
        && let Err(left) = undo_rotation(context, guard, &app.engine, &entry).await
    {
        context.progress.warn(format!("undoing it failed as well: {left}"));
        undone = false;
    }
    journal.conclude(context, done, Error::of_engine, |_| undone).await
}

async fn forward(
    context: &Context,
    app: &App,
    keeper: &Keeper,
    journal: &Journal,
    rotations: &[(SecretPlan, String)],
) -> Result<(), Error> {
    let made = rotations.iter().filter(|(to, _)| to.generate);
    let wanted = made.clone().map(|(to, _)| Wanted {
        kind: Kind::Secret,
        name: to.full_name.clone(),
        made_outside: true,
    });
    // Recorded as the app's before it exists: a crash leaves nothing without an owner.
    let review = app.engine.review(&wanted.collect::<Vec<_>>()).await?;
    app.engine.claim(&review.missing).await?;
    for (to, _) in made {
        let step = make_step(&to.name, &to.version);
        if journal.was_done(&step) {
            continue;
        }
        journal.step(&step).await?;
        context.progress.step(step);
        // The process that began it may have made it.
        if journal.is_resumed() && is_made(app, to).await? {
            secrets::mend(&*app.engine, keeper).await?;
            continue;
        }
        secrets::generate_one(&*app.engine, &app.entry.name, to, keeper).await?;
    }
    app.engine.settle().await?;
    journal.step(SETTINGS).await?;
    let mut env = context.home.env(&app.entry)?;
    for (to, key) in rotations {
        env.set(key, &to.version).map_err(home::Error::from)?;
    }
    Ok(context.home.write_env(&app.entry, &env)?)
}

/// Whether the swarm has it, made for the app.
async fn is_made(app: &App, secret: &SecretPlan) -> Result<bool, Error> {
    let made = secrets::stored_or(&*app.engine, &app.entry.name, |_| false).await?;
    Ok(made.iter().any(|made| made.full_name == secret.full_name))
}

/// The secrets that a journal names, as this folder's recipe knows them, and the settings
/// that have their versions.
fn rotations(app: &App, entry: &Entry) -> Result<Vec<(SecretPlan, String)>, Error> {
    let survey = || secrets::survey(&app.stack, &app.env, &app.sources);
    let other = |reason: String| Error::OtherGoal {
        app: app.entry.name.to_string(),
        told: entry.told(),
        reason,
    };
    let mut found = Vec::new();
    for Rotated { name, to, .. } in &entry.rotated {
        let unknown = || {
            other(format!(
                "the recipe in this folder has no secret `{name}` whose \
                                        version is a setting"
            ))
        };
        let plan = survey().any_version(name).map_err(|_| unknown())?;
        let key = plan.key.clone().ok_or_else(unknown)?;
        if !is_version(to) {
            return Err(other("it names an invalid version of a secret".into()));
        }
        found.push((plan.in_version(to)?.ok_or_else(unknown)?, key));
    }
    Ok(found)
}

/// Removes the secrets that a rotation made, and their copies here; the settings ask for the
/// versions of before, where this folder is the one that it was begun in.
///
/// # Errors
/// [`secrets::Error::InUse`], and what the engine says; files that cannot be written.
pub(super) async fn undo_rotation(
    context: &Context,
    guard: &AppGuard,
    engine: &Confined,
    entry: &Entry,
) -> Result<(), Error> {
    let app = guard.app();
    let keeper = Keeper::of(&context.home, app, engine.stack()).map_err(secrets::Error::from)?;
    for secret in secrets::stored_or(engine, &app.name, |_| false).await? {
        if entry.made.contains(&(MadeKind::Secret, secret.full_name.clone())) {
            secrets::remove_stored(engine, &secret).await?;
        }
    }
    for (_, full_name) in entry.made.iter().filter(|(kind, _)| *kind == MadeKind::Secret) {
        keeper.forget(full_name).map_err(secrets::Error::from)?;
    }
    engine.settle().await?;
    if entry.place.is_none() || entry.place.as_deref() != guard.place() {
        return Ok(());
    }
    let mut env = context.home.env(app)?;
    let mut changed = false;
    for Rotated { key, from, to, .. } in &entry.rotated {
        // Nothing else is believed of it.
        let is_ours = key.starts_with("SECRET_") && is_version(from);
        if is_ours && env.get(key) == Some(to) {
            env.set(key, from).map_err(home::Error::from)?;
            changed = true;
        }
    }
    if changed {
        context.home.write_env(app, &env)?;
    }
    Ok(())
}

/// Whether it can be a version of a secret.
fn is_version(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.chars().all(is_plain)
}
