//! A recipe as people name it: by name, folder or git URL.

use std::path::Path;

use crate::{
    cli::{
        failure::Failure,
        session::{Session, nearest},
        ui::clean,
    },
    home::RecipeName,
    recipe::{Checkout, Error, Store, Version},
    toolchain,
};

/// The recipe that is meant. A folder or URL is taken into the operator's
/// folder first.
///
/// # Errors
/// When there is no such recipe, with the nearest name as a hint; when it
/// can't be fetched.
pub fn find(session: &Session, given: &str) -> Result<RecipeName, Failure> {
    let store = session.recipes()?;
    let known = store.list()?;
    if let Some(name) = known.iter().find(|name| name.as_str() == given) {
        return Ok(name.clone());
    }
    no_plugin(given)?;
    let name = store.add(given).map_err(|error| not_found(error, given, &known))?;
    if !known.contains(&name) {
        let origin = match std::fs::read_link(store.folder.join(name.as_str())) {
            Ok(folder) => format!("linked to {}", folder.display()),
            Err(_) => format!("cloned from {given}"),
        };
        session.ui.say(format_args!("Added recipe {name}, {}.", clean(&origin)));
    }
    Ok(name)
}

/// A copy of the recipe that is meant, to look at: nothing is added to the
/// operator's folder.
///
/// # Errors
/// As [`find`].
pub fn look(session: &Session, given: &str, version: &Version) -> Result<Checkout, Failure> {
    looked_at(session, given, |store| store.look(given, version))
}

/// As [`look`], of a recipe whose `recipe.yml` may be wrong.
///
/// # Errors
/// As [`find`].
pub fn examine(session: &Session, given: &str, version: &Version) -> Result<Checkout, Failure> {
    looked_at(session, given, |store| store.examine_source(given, version))
}

fn looked_at(
    session: &Session,
    given: &str,
    look: impl FnOnce(&Store) -> Result<Checkout, Error>,
) -> Result<Checkout, Failure> {
    let store = session.recipes()?;
    if !store.list().is_ok_and(|known| known.iter().any(|name| name.as_str() == given)) {
        no_plugin(given)?;
    }
    let found = look(&store);
    found.map_err(|error| match store.list() {
        Ok(known) => not_found(error, given, &known),
        Err(_) => error.into(),
    })
}

/// A plugin's folder is no recipe, though it may lie in one.
fn no_plugin(given: &str) -> Result<(), Failure> {
    let folder = Path::new(given);
    if !toolchain::is_plugin(folder) {
        return Ok(());
    }
    let failure = Failure::usage(format!("`{given}` is a plugin's folder, not a recipe's"));
    let next = match toolchain::built(folder) {
        Some(component) => {
            format!("to inspect it: `potluck plugin inspect {}`", component.display())
        }
        None => format!("`potluck plugin build {given}` makes its component"),
    };
    let failure = failure.hint(next);
    Err(match toolchain::is_in_recipe(folder) {
        true => failure.hint(format!("its recipe is `{}`", folder.join("../..").display())),
        false => failure,
    })
}

fn not_found(error: Error, given: &str, known: &[RecipeName]) -> Failure {
    let near = nearest(given, known.iter().map(RecipeName::as_str));
    let unknown = matches!(error, Error::Unknown { .. });
    // As settings name a recipe by its git address: `TYPE=git.example.org/org/wiki`.
    let address = match (&error, given.split_once('/')) {
        (Error::Source { .. }, Some((host, _))) if host.contains('.') && !host.starts_with('.') => {
            Some(format!("did you mean `https://{given}`?"))
        }
        _ => None,
    };
    let mut failure = Failure::from(error);
    if let (true, Some(near)) = (unknown, near) {
        failure.hints = vec![format!("did you mean `{near}`?")];
    }
    failure.hints.extend(address);
    failure
}
