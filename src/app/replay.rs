//! An app as one of its releases has it, without its recipe: nothing of it is read from git.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    home::{AppEntry, Home, RecipeName},
    owner::{Confined, release::Release},
    recipe::Checkout,
    secrets,
};

use super::{App, Error, load, plugins::Plugins};

/// The app that brings a release back. It has no plugins, and no files.
///
/// # Errors
/// Settings that cannot be read, a release that names no recipe.
pub(crate) fn replay(
    home: &Home,
    entry: &AppEntry,
    engine: Arc<Confined>,
    release: Release,
) -> Result<App, Error> {
    let env = home.env(entry)?;
    let lock = home.lock_file(entry)?;
    let recipe = RecipeName::new(&release.recipe)
        .map_err(|error| Error::BadJournal { name: release.name(), reason: error.to_string() })?;
    let pin = &release.pin;
    let checkout = Checkout::without_files(recipe, pin.version.clone(), pin.commit.clone())?;
    let name = load::stack_name(entry, &env)?;
    let mut variables: BTreeMap<String, String> = env.values().into_iter().collect();
    variables.insert("STACK_NAME".into(), name.to_string());
    Ok(App {
        kept: secrets::escrow::kept_names(home, entry, &name),
        entry: entry.clone(),
        env,
        lock,
        checkout: Arc::new(checkout),
        stack: Arc::new(release.stack(&name)),
        name,
        sources: Vec::new(),
        variables,
        warnings: Vec::new(),
        findings: Vec::new(),
        plugins: Plugins::default(),
        engine,
        left_out: Vec::new(),
        replays: Some(Box::new(release)),
    })
}
